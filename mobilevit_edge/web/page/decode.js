// Photos and camera frames as upright sources of pixels, with the bytes that Pillow decodes.

import { dimensions } from "./dimensions.js";
import { withoutProfile } from "./profiles.js";

const MAX_PIXELS = 128e6;
const MAX_BYTES = 256 * 2 ** 20;

// The bitmap of an image file. Raises an error with a sentence for the user.
export async function decodeFile(file) {
  if (file.size > MAX_BYTES) throw new Error(`${file.name || "the picture"} has more than ${MAX_BYTES / 2 ** 20} MB`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  checkSize(...(dimensions(bytes) ?? [1, 1]));
  const plain = withoutProfile(bytes, file.type);
  try {
    return await createImageBitmap(plain, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    throw new Error(`this browser cannot read ${file.name || "the picture"}: choose a JPEG, PNG or WebP`);
  }
}

function checkSize(width, height) {
  if (width * height > MAX_PIXELS) {
    throw new Error(`the picture has ${width}x${height} pixels; at most ${MAX_PIXELS / 1e6} megapixels are read`);
  }
}

// A bitmap as a source for resample.js, read strip by strip through a small canvas.
export function bitmapSource(bitmap) {
  const { width, height } = bitmap;
  checkSize(width, height);
  let canvas = null;
  let context = null;
  const rows = (first, count) => {
    if (canvas?.height !== count) {
      canvas = new OffscreenCanvas(width, count);
      context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
    }
    context.clearRect(0, 0, width, count);
    context.drawImage(bitmap, 0, -first);
    return context.getImageData(0, 0, width, count).data;
  };
  return { width, height, rows };
}

// Whether pixels come back from a canvas as they were put there: privacy modes add noise.
export function canvasIsExact() {
  const context = new OffscreenCanvas(16, 16).getContext("2d", { willReadFrequently: true });
  const put = new ImageData(16, 16);
  put.data.forEach((_, index) => (put.data[index] = index % 4 === 3 ? 255 : (index * 37) % 256));
  context.putImageData(put, 0, 0);
  return context.getImageData(0, 0, 16, 16).data.every((value, index) => value === put.data[index]);
}
