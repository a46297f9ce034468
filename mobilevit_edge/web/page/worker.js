// The worker: decoding, resizing and inference, away from the page.

import { meaningOf } from "./answers.js";
import { bitmapSource, canvasIsExact, decodeFile } from "./decode.js";
import { drawnPhoto } from "./overlay.js";
import { resizeFor } from "./preprocess.js";
import { Model, readBundle, startRuntime, threadsInEffect } from "./runtime.js";
import { clockStep, round } from "./timing.js";

let place = null;
let runtime = null;
let stepMs = null;
// The bundle in use, and the model that answers: one of each, which bounds the memory.
let current = { folder: null, bundle: null, model: null };

const calls = {
  async start({ place: given, unit, threads }) {
    place = given;
    runtime = await startRuntime(place, unit, threads);
    stepMs = clockStep();
    return { version: runtime.ort.env.versions.web, threads: threadsInEffect(threads), stepMs, exactCanvas: canvasIsExact() };
  },

  // Load a bundle and run its self-test.
  async open({ folder }) {
    const model = await opened(folder);
    return { manifest: model.manifest, test: await model.selfTest() };
  },

  // What a file or a bitmap shows: answers.js says in which form; and a picture of it: what the model
  // saw, or the photo with the mask, or for the boxes.
  async classify({ folder, picture }) {
    const model = await opened(folder);
    const { manifest } = model;
    const bitmap = picture instanceof ImageBitmap ? picture : await decodeFile(picture);
    try {
      const image = resizeFor(bitmapSource(bitmap), manifest.model.image_size, manifest.input);
      const feeds = model.feeds(image);
      const start = performance.now();
      const outputs = await model.run(feeds);
      const milliseconds = performance.now() - start;
      const photo = { width: bitmap.width, height: bitmap.height };
      const { mask, ...meaning } = meaningOf(manifest, model.labels, outputs, photo);
      const drawn = manifest.head ? drawnPhoto(bitmap, mask, manifest.head.colors) : shown(image);
      return { ...meaning, milliseconds, photo, drawn };
    } finally {
      bitmap.close();
    }
  },

  async measure({ folder, plan }, progress) {
    const bundle = await read(folder);
    await current.model?.close();
    current.model = null;
    return round(runtime, bundle, plan, stepMs, progress);
  },
};

async function read(folder) {
  if (current.folder !== folder) {
    await current.model?.close();
    current = { folder, bundle: await readBundle(place, folder), model: null };
  }
  return current.bundle;
}

async function opened(folder) {
  const bundle = await read(folder);
  current.model ??= await Model.open(runtime, bundle);
  return current.model;
}

// An image for a canvas.
function shown({ width, height, channels, data }) {
  const pixels = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let channel = 0; channel < channels; channel++) {
      pixels[pixel * 4 + channel] = data[pixel * channels + channel];
    }
  }
  return { width, height, pixels };
}

globalThis.onmessage = async ({ data: { id, name, argument } }) => {
  try {
    const result = await calls[name](argument, (progress) => postMessage({ id, progress }));
    postMessage({ id, result });
  } catch (error) {
    postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
};
