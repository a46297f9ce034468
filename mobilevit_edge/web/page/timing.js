// One round of a measurement, in the worker: a fresh model, warm-up, samples.

import { goldenImage } from "./golden.js";
import { Model } from "./runtime.js";

// A sample that is this many steps of the clock long is read to a hundredth.
const STEPS_PER_SAMPLE = 100;
const STEP_SEARCH_MS = 30;
const PROGRESS_MS = 200;

const NS_PER_MS = 1e6;

// No report may hold a zero.
const nanoseconds = (milliseconds) => Math.max(1, Math.round(milliseconds * NS_PER_MS));

// The smallest step of this browser's clock in milliseconds: pages that are not isolated get a coarse one.
export function clockStep() {
  const end = performance.now() + STEP_SEARCH_MS;
  let least = Infinity;
  for (let last = performance.now(); last < end; ) {
    const now = performance.now();
    if (now > last) least = Math.min(least, now - last);
    last = now;
  }
  return least;
}

// How many inferences make one sample.
export function inferencesPerSample(inferenceMs, stepMs) {
  return Math.max(1, Math.ceil((STEPS_PER_SAMPLE * stepMs) / Math.max(inferenceMs, stepMs)));
}

// { loadNs, warmUpNs, samplesNs, inferencesPerSample, started }; progress hears the share that is done.
export async function round(runtime, bundle, plan, stepMs, progress) {
  const started = utc();
  const loading = performance.now();
  const model = await Model.open(runtime, bundle);
  const loadNs = nanoseconds(performance.now() - loading);
  try {
    const feeds = model.feeds(goldenImage(model.manifest));
    const sample = async (count) => {
      const start = performance.now();
      for (let i = 0; i < count; i++) await model.run(feeds);
      return (performance.now() - start) / count;
    };
    const total = plan.warm_up + plan.runs;
    let told = 0;
    const collect = async (count, each, done) => {
      const taken = [];
      while (taken.length < count) {
        taken.push(await sample(each));
        if (performance.now() - told > PROGRESS_MS) {
          told = performance.now();
          progress((done + taken.length) / total);
        }
      }
      return taken;
    };
    const warmUp = await collect(plan.warm_up, 1, 0);
    const each = inferencesPerSample(Math.min(...warmUp), stepMs);
    const samples = await collect(plan.runs, each, plan.warm_up);
    return {
      started,
      loadNs,
      warmUpNs: warmUp.map(nanoseconds),
      samplesNs: samples.map(nanoseconds),
      inferencesPerSample: each,
    };
  } finally {
    await model.close();
  }
}

// Such as 2026-01-31T12:00:00Z.
export const utc = () => `${new Date().toISOString().slice(0, 19)}Z`;
