// Image files decoded and resized by the page: the hash of the pixels, or why there are none; for
// those that are `near`, how far they are from Python's at most.

import { base64, readJson, tell } from "./driver.js";
import { bitmapSource, decodeFile } from "./page/decode.js";
import { resizeFor } from "./page/preprocess.js";
import { sha256 } from "./page/sha256.js";

tell(async () => {
  const { names, near, size, input } = await readJson("photos.json");
  const found = {};
  let strip = 0;
  const watched = (source) => ({
    ...source,
    rows: (first, count) => {
      strip = Math.max(strip, count * source.width * 4);
      return source.rows(first, count);
    },
  });
  for (const name of names) {
    try {
      const file = new File([await (await fetch(name)).arrayBuffer()], name);
      const bitmap = await decodeFile(file);
      const { data } = resizeFor(watched(bitmapSource(bitmap)), size, input);
      bitmap.close();
      const expected = near[name] && base64(near[name]);
      found[name] = expected ? data.reduce((most, value, at) => Math.max(most, Math.abs(value - expected[at])), 0) : sha256(data);
    } catch (error) {
      found[name] = error.message;
    }
  }
  return { found, strip };
});
