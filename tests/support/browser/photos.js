// Image files decoded and resized by the page.

import { readJson, tell } from "./driver.js";
import { bitmapSource, decodeFile } from "./page/decode.js";
import { resizeFor } from "./page/preprocess.js";
import { sha256 } from "./page/sha256.js";

tell(async () => {
  const { names, size, input } = await readJson("photos.json");
  const found = {};
  for (const name of names) {
    try {
      const file = new File([await (await fetch(name)).arrayBuffer()], name);
      found[name] = sha256(resizeFor(bitmapSource(await decodeFile(file)), size, input).data);
    } catch (error) {
      found[name] = error.message;
    }
  }
  return found;
});
