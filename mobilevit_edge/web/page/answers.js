// What a model's outputs mean.

import { boxesOf, maskOf, sharesOf } from "./dense.js";

const SHOWN_CLASSES = 5;
// Of a mask or of boxes: as many as a legend has room for.
const SHOWN_OBJECTS = 20;
// The least probability of a box that is shown: hundreds of unlikely ones would hide the photo.
const SURE = 0.3;

// { classes, boxes, mask } of a photo of { width, height }: classes are { label, probability, color },
// of a mask the share of the pixels; boxes have { box } besides, in the photo's pixels, surest first,
// or are null; color is null where nothing is drawn.
export function meaningOf(manifest, labels, outputs, photo) {
  const { head } = manifest;
  const named = ({ index, ...rest }) => ({ label: labels[index], color: head ? head.colors[index] : null, ...rest });
  if (manifest.task === "segmentation") {
    const mask = maskOf(manifest, outputs, photo);
    const shares = sharesOf(mask, labels.length).slice(0, SHOWN_OBJECTS);
    return { classes: shares.map(({ index, share }) => named({ index, probability: share })), boxes: null, mask };
  }
  if (manifest.task === "detection") {
    const sure = boxesOf(manifest, outputs, photo).filter(({ probability }) => probability >= SURE);
    const boxes = sure.slice(0, SHOWN_OBJECTS).map(named);
    return { classes: boxes, boxes, mask: null };
  }
  const classes = topClasses(manifest, labels, outputs, SHOWN_CLASSES);
  return { classes: classes.map(named), boxes: null, mask: null };
}

export function softmax(logits) {
  const largest = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
  const exponentials = Float64Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => value / sum);
}

// The probability of a logit by itself; no exponential overflows.
export function sigmoid(logit) {
  const small = Math.exp(-Math.abs(logit));
  return (logit >= 0 ? 1 : small) / (1 + small);
}

// Probabilities of a manifest's outputs.
export function probabilities(manifest, outputs) {
  if (manifest.output.activation !== "none") return Float64Array.from(outputs);
  return manifest.task === "multilabel" ? Float64Array.from(outputs, sigmoid) : softmax(outputs);
}

// The best classes, best first; equal ones in the order of their indices.
export function topClasses(manifest, labels, outputs, count) {
  const shares = probabilities(manifest, outputs);
  return Array.from(outputs.keys())
    .sort((a, b) => outputs[b] - outputs[a] || a - b)
    .slice(0, count)
    .map((index) => ({ index, label: labels[index], probability: shares[index] }));
}
