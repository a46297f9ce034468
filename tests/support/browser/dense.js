// Masks and boxes that Python computes, computed by the page's modules.

import { base64 } from "./driver.js";
import { boxesOf, maskOf } from "./page/dense.js";

const KINDS = { f: Float32Array, i: Int32Array };
// Python's corners are rounded to hundredths of a pixel.
const CORNER = 0.00501;
const SCORE = 1e-6;

function described({ photo: [height, width], image_size, resize, head, shape, dtype, outputs }) {
  const manifest = { model: { image_size }, input: { resize }, output: { shape: [1, ...shape] }, head };
  return [manifest, new KINDS[dtype](base64(outputs).buffer), { width, height }];
}

// How many pixels have another class than in Python; -1 of another size.
export function mask(given) {
  const made = maskOf(...described(given));
  const expected = new Int32Array(base64(given.labels).buffer);
  if (made.height !== given.size[0] || made.width !== given.size[1] || made.labels.length !== expected.length) return -1;
  return made.labels.filter((label, pixel) => label !== expected[pixel]).length;
}

// Whether the objects are those of Python.
export function boxes(given) {
  const made = boxesOf(...described(given));
  return made.length === given.found.length && made.every(({ index, probability, box }, at) => {
    const [label, score, ...corners] = given.found[at];
    const exact = given.head.answer === "decoded" ? 0 : SCORE;
    return index === label && Math.abs(probability - score) <= exact && corners.every((value, axis) => Math.abs(value - box[axis]) <= CORNER);
  });
}
