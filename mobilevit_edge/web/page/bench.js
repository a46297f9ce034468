// A measurement: every bundle, round by round, and the report's run of it.

import { Client, Stopped } from "./client.js";
import { deviceState } from "./device.js";
import { rowOf, runOf } from "./report.js";
import { utc } from "./timing.js";

// Below it a phone may save energy, whatever it says.
const LOW_BATTERY = 20;

// Measures the bundles ({ name, folder }). `on` hears what happens: step(text), share(of all), row(row).
// What was measured when `stopping` aborts stays.
export async function measure({ place, version, device, bundles, plan, on, stopping }) {
  const created = utc();
  const client = new Client(place, plan);
  stopping.addEventListener("abort", () => client.stop());
  const wake = await keepAwake();
  const rows = [];
  try {
    on.step("loading the runtime");
    const { version: runtime, threads, stepMs, exactCanvas } = await client.started;
    const flags = [];
    if (threads !== plan.threads) {
      flags.push({ kind: "threads_not_in_effect", reason: `${threads} thread instead of ${plan.threads}: more need https, or the address localhost` });
    }
    const context = { client, plan, runtime, unit: plan.unit, threads: { asked: plan.threads, inEffect: threads }, on, total: bundles.length };
    for (const [number, bundle] of bundles.entries()) {
      if (stopping.aborted) break;
      const row = await measureBundle(context, bundle, number, stopping);
      if (row) {
        rows.push(row);
        on.row(row);
      }
    }
    if (stopping.aborted) flags.push({ kind: "interrupted", reason: "stopped by the user" });
    const run = { id: randomId(), version, created, device, runtime, stepMs, plan, flags, rows };
    return { run: runOf(run), exactCanvas };
  } finally {
    wake?.release();
    client.stop();
  }
}

async function measureBundle({ client, plan, runtime, unit, threads, on, total }, bundle, number, stopping) {
  const about = { number, bundle: bundle.name, manifest: bundle.manifest, runtime, unit, threads };
  const rounds = [];
  try {
    for (let round = 0; round < plan.rounds; round++) {
      if (number + round > 0) {
        on.step(`${bundle.name}: waiting ${plan.cool_down} s before round ${round + 1}`);
        await pause(plan.cool_down * 1000, stopping);
      }
      on.step(`${bundle.name}: round ${round + 1} of ${plan.rounds}`);
      const onProgress = (share) => on.share((number + (round + share) / plan.rounds) / total);
      rounds.push(await watched(() => client.call("measure", { folder: bundle.folder, plan }, { onProgress })));
      onProgress(1);
      if (round > 0) continue;
      // Afterwards, so that the first load is a first load; a model that answers wrongly has no latency.
      const { test } = await client.call("open", { folder: bundle.folder });
      if (!test.passed) return rowOf({ ...about, notRun: test.reason, rounds: [] });
    }
    return rowOf({ ...about, notRun: null, rounds });
  } catch (error) {
    if (!(error instanceof Stopped)) return rowOf({ ...about, notRun: error.message, rounds: [] });
    return rounds.length ? rowOf({ ...about, notRun: null, rounds }) : null;
  }
}

// A round with the device's state before and after, and why to doubt it.
async function watched(run) {
  const before = await deviceState(navigator);
  let hidden = document.hidden;
  const look = () => (hidden ||= document.hidden);
  document.addEventListener("visibilitychange", look);
  try {
    const round = await run();
    const after = await deviceState(navigator);
    const flags = [];
    if (hidden) flags.push({ kind: "interrupted", reason: "the page was in the background" });
    if (after.charging === false && after.battery_percent < LOW_BATTERY) {
      flags.push({ kind: "low_power", reason: `the battery is at ${after.battery_percent} %` });
    }
    return { ...round, before, after, flags };
  } finally {
    document.removeEventListener("visibilitychange", look);
  }
}

function pause(milliseconds, stopping) {
  return new Promise((resolve, reject) => {
    const stop = () => reject(new Stopped("stopped"));
    if (stopping.aborted) return stop();
    const timer = setTimeout(() => {
      stopping.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    stopping.addEventListener("abort", () => (clearTimeout(timer), stop()), { once: true });
    return undefined;
  });
}

// The screen stays on where a browser lets it.
async function keepAwake() {
  return navigator.wakeLock?.request("screen").catch(() => null) ?? null;
}

// A UUID of version 4: crypto.randomUUID exists in secure contexts alone.
function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const text = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return text.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
