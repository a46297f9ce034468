// What a head's answer says about a photo: a mask, or boxes in its pixels; the same as
// converters/dense_answers.py. What the network has not seen has no class.

import { detect } from "./boxes.js";
import { labelsOf } from "./masks.js";
import { seen } from "./preprocess.js";

// The longest side of a mask, and of a photo that is drawn: larger ones are made smaller.
const MAX_SIDE = 1024;
export const NOT_SEEN = -1;

// [height, width] of what is drawn of a photo of { height, width }.
export function drawnSize({ height, width }) {
  const scale = Math.min(1, MAX_SIDE / Math.max(height, width));
  return [height, width].map((side) => Math.max(1, roundHalfEven(side * scale)));
}

// { height, width, labels }: the class of each pixel, NOT_SEEN where the network has not looked.
export function maskOf(manifest, answer, photo) {
  const [height, width] = drawnSize(photo);
  const [left, top, right, bottom] = seen({ height, width }, manifest.model.image_size, manifest.input);
  const [x, y] = [left, top].map(roundHalfEven);
  const columns = Math.min(Math.max(roundHalfEven(right), x + 1), width) - x;
  const rows = Math.min(Math.max(roundHalfEven(bottom), y + 1), height) - y;
  const inside = labelsOf(manifest.head, answer, manifest.output.shape.slice(1), rows, columns);
  const labels = new Int32Array(height * width).fill(NOT_SEEN);
  for (let row = 0; row < rows; row++) {
    labels.set(inside.subarray(row * columns, (row + 1) * columns), (y + row) * width + x);
  }
  return { height, width, labels };
}

// The classes of a mask, those of the most pixels first: { index, share } of what was looked at.
export function sharesOf({ labels }, classes) {
  const counts = new Float64Array(classes);
  let total = 0;
  for (const label of labels) {
    if (label === NOT_SEEN) continue;
    counts[label] += 1;
    total += 1;
  }
  return Array.from(counts.keys())
    .filter((index) => counts[index])
    .sort((a, b) => counts[b] - counts[a] || a - b)
    .map((index) => ({ index, share: counts[index] / total }));
}

// The objects in a photo, the surest first: { index, probability, box } in pixels, clipped to it.
export function boxesOf(manifest, answer, photo) {
  const [left, top, right, bottom] = seen(photo, manifest.model.image_size, manifest.input);
  const sides = [right - left, bottom - top];
  const corner = [left, top];
  const limits = [photo.width, photo.height];
  return detect(manifest.head, answer, manifest.output.shape.slice(1)).map(({ label, score, box }) => ({
    index: label,
    probability: score,
    box: Array.from(box, (value, axis) => Math.min(Math.max(value * sides[axis % 2] + corner[axis % 2], 0), limits[axis % 2])),
  }));
}

// As Python rounds.
function roundHalfEven(value) {
  const down = Math.floor(value);
  const rest = value - down;
  return rest === 0.5 ? down + (down % 2) : down + (rest > 0.5 ? 1 : 0);
}
