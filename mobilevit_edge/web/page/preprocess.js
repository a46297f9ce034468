// From an upright image to a model's input, as the manifest says: the same as preprocess.py, bit for bit.

import { LONG_STRIP, resize } from "./resample.js";

const CHANNELS = { RGB: 3, BGR: 3, GRAY: 1, RGBA: 4 };

// A source of any size as an image of the model's own: the manifest's resize rule, then the center.
export function resizeFor(source, imageSize, input) {
  const [height, width] = imageSize;
  const { rule, interpolation, cover } = input.resize;
  const channels = CHANNELS[input.channel_order] === 4 ? 4 : 3;
  if (rule === "stretch") return resize(source, width, height, interpolation, channels);
  const [scaledWidth, scaledHeight] = covering(source, cover, width, height);
  if (Math.max(scaledWidth, scaledHeight) > LONG_STRIP * Math.max(width, height)) {
    // Scale only the part that survives the crop.
    return resize(source, width, height, interpolation, channels, seen(source, imageSize, input));
  }
  const left = Math.floor((scaledWidth - width) / 2);
  const top = Math.floor((scaledHeight - height) / 2);
  const scaled = resize(source, scaledWidth, scaledHeight, interpolation, channels);
  return crop(scaled, left, top, width, height);
}

// [left, top, right, bottom] of what a photo of { width, height } shows the model, in its own pixels.
export function seen(photo, [height, width], { resize: { rule, cover } }) {
  if (rule === "stretch") return [0, 0, photo.width, photo.height];
  const [scaledWidth, scaledHeight] = covering(photo, cover, width, height);
  const left = Math.floor((scaledWidth - width) / 2);
  const top = Math.floor((scaledHeight - height) / 2);
  const kx = photo.width / scaledWidth;
  const ky = photo.height / scaledHeight;
  return [left * kx, top * ky, (left + width) * kx, (top + height) * ky];
}

// What the image is scaled to: its proportions kept, covering the manifest's size.
function covering(source, [coverHeight, coverWidth], width, height) {
  if (source.height * coverWidth >= source.width * coverHeight) {
    return [coverWidth, Math.max(Math.floor((coverWidth * source.height) / source.width), height)];
  }
  return [Math.max(Math.floor((coverHeight * source.width) / source.height), width), coverHeight];
}

function crop(image, left, top, width, height) {
  const { channels } = image;
  const data = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * image.width + left) * channels;
    data.set(image.data.subarray(from, from + width * channels), y * width * channels);
  }
  return { width, height, channels, data };
}

// An image of the model's size as its input: uint8 [1, H, W, C], or float32 [1, C, H, W] scaled and
// normalized; channels are arranged.
export function tensorOf(image, input) {
  const pixels = image.width * image.height;
  const channels = CHANNELS[input.channel_order];
  const planes = Array.from({ length: channels }, (_, plane) => plane);
  if (input.dtype === "uint8") {
    const data = new Uint8Array(pixels * channels);
    for (const plane of planes) {
      const read = reader(image, input.channel_order, plane);
      for (let pixel = 0; pixel < pixels; pixel++) data[pixel * channels + plane] = read(pixel);
    }
    return { type: "uint8", data, dims: [1, image.height, image.width, channels] };
  }
  const data = new Float32Array(pixels * channels);
  for (const plane of planes) {
    const read = reader(image, input.channel_order, plane);
    const values = normalized(input, plane);
    for (let pixel = 0; pixel < pixels; pixel++) data[plane * pixels + pixel] = values[read(pixel)];
  }
  return { type: "float32", data, dims: [1, channels, image.height, image.width] };
}

// What each of the 256 bytes becomes. A division, as in Python: times the reciprocal is off by one in
// the last place.
function normalized(input, plane) {
  const divisor = Math.fround(1 / input.scale);
  const mean = Math.fround(input.mean[plane]);
  const std = Math.fround(input.std[plane]);
  return Float32Array.from({ length: 256 }, (_, byte) =>
    Math.fround(Math.fround(Math.fround(byte / divisor) - mean) / std),
  );
}

// A channel of a pixel, 0 to 255; gray by ITU-R BT.601, rounded as Pillow rounds it.
function reader({ data, channels }, order, plane) {
  switch (order) {
    case "BGR":
      return (pixel) => data[pixel * channels + 2 - plane];
    case "GRAY":
      return (pixel) => {
        const at = pixel * channels;
        return (data[at] * 19595 + data[at + 1] * 38470 + data[at + 2] * 7471 + 0x8000) >> 16;
      };
    case "RGBA":
      return plane === 3 && channels === 3 ? () => 255 : (pixel) => data[pixel * channels + plane];
    default:
      return (pixel) => data[pixel * channels + plane];
  }
}
