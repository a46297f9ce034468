// latency_report.v1.json of one run.

const LONGEST = 200;
const LONGEST_TEXT = 500;
const RUNTIMES = { cpu: "ONNX Runtime Web", gpu: "ONNX Runtime Web (WebGPU)" };

export function reportOf(run) {
  return { schema_version: 1, runs: [run] };
}

// `device` is describeDevice's; `rows` are rowOf's.
export function runOf({ id, version, created, device, runtime, stepMs, plan, flags, rows }) {
  return {
    id,
    tool: { name: "mobilevit-edge browser", version: short(version) },
    created,
    device: {
      kind: device.kind,
      name: short(device.name),
      processor: short(device.processor),
      cores: device.cores,
      memory_bytes: null,
    },
    system: { name: short(device.system.name), version: short(device.system.version) },
    versions: {
      "onnxruntime-web": short(runtime),
      [short(device.browser.name)]: short(device.browser.version),
      "user agent": clean(device.userAgent, LONGEST_TEXT),
    },
    affinity: { asked: null, in_effect: null },
    // Rounds with a fresh model stand for processes.
    protocol: { processes: plan.rounds, seconds: null, warm_up: plan.warm_up, seed: null, max_noise: null, digest: null },
    calm: null,
    clock_step_ns: Math.max(1, Math.round(stepMs * 1e6)),
    flags: flags.map(flag),
    rows,
  };
}

// A row of the bundle in place `number`; `notRun` says why there are no rounds.
export function rowOf({ number, bundle, manifest, runtime, unit, threads, notRun, rounds }) {
  const model = manifest.files.find(({ path }) => path.startsWith("model."));
  return {
    id: short(`${number} ${bundle}`),
    experiment: "bundles",
    measure: "latency",
    subject: {
      model: short(manifest.model.name),
      part: null,
      target: manifest.target,
      precision: short(manifest.precision),
      image_size: manifest.model.image_size,
      batch: 1,
      attributes: {},
      parameters: manifest.model.parameters,
      macs: manifest.model.macs,
      artifact: { name: short(model.path), bytes: model.bytes, sha256: model.sha256 },
      top1: null,
    },
    runtime: { name: RUNTIMES[unit], version: short(runtime) },
    compute_unit: unit,
    threads: threads.asked,
    limit_row: null,
    not_run: notRun && short(notRun),
    cold_starts: notRun ? [] : rounds.slice(0, 1).map(coldStart),
    series: notRun ? [] : rounds.map((round, process) => series(round, process, threads)),
    profile: null,
  };
}

function coldStart({ loadNs, warmUpNs }) {
  return { process: 0, load_ns: loadNs, first_inference_ns: warmUpNs[0], memory_before_bytes: null, peak_memory_bytes: null };
}

function series(round, process, threads) {
  return {
    process,
    group: null,
    position: 0,
    started: round.started,
    warm_up_ns: round.warmUpNs,
    samples_ns: round.samplesNs,
    inferences_per_sample: round.inferencesPerSample,
    threads: threads.inEffect,
    affinity: null,
    involuntary_switches: null,
    before: round.before,
    after: round.after,
    flags: round.flags.map(flag),
  };
}

const flag = ({ kind, reason }) => ({ kind, reason: short(reason) });

const short = (text) => clean(text, LONGEST) || "unknown";

// A text that any reader may print: no control characters, of the length that the schema allows.
function clean(text, longest) {
  // By characters, not by halves of them.
  return Array.from(String(text).replace(/[\u0000-\u001f\u007f-\u009f]/g, " ").trim()).slice(0, longest).join("");
}
