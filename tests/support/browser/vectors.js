// What Python computes, computed by the page's modules.

import { boxes, mask } from "./dense.js";
import { base64, readJson, tell } from "./driver.js";
import { topClasses } from "./page/answers.js";
import { judge, goldenImage } from "./page/golden.js";
import { resizeFor, tensorOf } from "./page/preprocess.js";
import { sourceOf } from "./page/resample.js";
import { sha256 } from "./page/sha256.js";
import { inferencesPerSample } from "./page/timing.js";

const same = (left, right) => left.length === right.length && left.every((value, index) => value === right[index]);

function preprocessed({ width, height, rgb, size, cover, rule, interpolation, order, mean, std, tensor }) {
  const bytes = base64(rgb);
  const data = new Uint8Array(width * height * 4).fill(255);
  for (let i = 0; i < width * height; i++) data.set(bytes.subarray(i * 3, i * 3 + 3), i * 4);
  const input = { dtype: "float32", channel_order: order, scale: 1 / 255, mean, std, resize: { rule, interpolation, cover } };
  const made = tensorOf(resizeFor(sourceOf({ width, height, data }), size, input), input);
  return same(new Uint8Array(made.data.buffer), base64(tensor));
}

function answered({ task, logits, probabilities, order }) {
  const top = topClasses({ task, output: { activation: "none" } }, logits.map(String), Float32Array.from(logits), logits.length);
  return same(top.map(({ index }) => index), order) && top.every(({ index, probability }) => Math.abs(probability - probabilities[index]) < 1e-12);
}

function judged({ manifest, outputs }) {
  // JSON has no NaN.
  const values = Float32Array.from(outputs, (value) => (value === null ? NaN : value));
  return judge(manifest, values).passed;
}

tell(async () => {
  const { preprocessing, answers, hashes, golden, judgements, clocks, dense } = await readJson("vectors.json");
  return {
    preprocessing: preprocessing.map(preprocessed),
    answers: answers.map(answered),
    hashes: hashes.map(({ length, hash }) => sha256(new Uint8Array(length).map((_, i) => i * 7 + 3)) === hash),
    golden: same(goldenImage(golden.manifest).data, base64(golden.pixels)),
    judgements: judgements.map(judged),
    masks: dense.masks.map(mask),
    boxes: dense.boxes.map(boxes),
    clocks: clocks.map(([inference, step]) => inferencesPerSample(inference, step)),
  };
});
