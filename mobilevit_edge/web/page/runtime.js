// ONNX Runtime Web and the models in it; for the worker.

import { goldenImage, judge } from "./golden.js";
import { moduleAddress, readBytes, readGzip, readJson, readText } from "./files.js";
import { tensorOf } from "./preprocess.js";
import { sha256 } from "./sha256.js";

// In pages of 64 KiB. The runtime asks for up to 4 GiB, which phones do not have when it is shared.
const MOST_PAGES = 2 ** 13;

// The builds of the runtime by what computes. WebGPU's waits for the graphics processor by suspending
// WebAssembly (JSPI); the build for browsers without that is half as large again.
const BUILDS = {
  cpu: { api: "runtime/ort.wasm.min.mjs", glue: "runtime/ort-wasm-simd-threaded", provider: "wasm" },
  gpu: { api: "runtime/ort.jspi.min.mjs", glue: "runtime/ort-wasm-simd-threaded.jspi", provider: "webgpu" },
};

// What computes here, the processor first: "cpu", and "gpu" where WebGPU has an adapter and a page that
// is a single file has not left its build out.
export async function unitsHere(place) {
  const able = "Suspending" in WebAssembly && (place.base || place.blobs.has(BUILDS.gpu.api));
  const adapter = able ? await navigator.gpu?.requestAdapter().catch(() => null) : null;
  return adapter ? ["cpu", "gpu"] : ["cpu"];
}

// How many threads inference has here: shared memory needs an isolated page.
export const threadsInEffect = (asked) => (globalThis.crossOriginIsolated ? asked : 1);

// { ort, unit, provider }: the library, and what computes with it.
export async function startRuntime(place, unit, threads) {
  limitMemory();
  const { api, glue, provider } = BUILDS[unit];
  const ort = await import(moduleAddress(place, api));
  const { wasm } = ort.env;
  wasm.wasmPaths = { mjs: moduleAddress(place, `${glue}.mjs`) };
  wasm.wasmBinary = await readGzip(place, `${glue}.wasm.gz`);
  wasm.numThreads = threadsInEffect(threads);
  wasm.proxy = false;
  ort.env.logLevel = "fatal";
  // The runtime compiles itself with its first model, of which nothing is expected here: so that the
  // first real one is timed by itself.
  await ort.InferenceSession.create(new Uint8Array(1)).catch(() => {});
  ort.env.logLevel = "error";
  return { ort, unit, provider };
}

function limitMemory() {
  const { Memory } = WebAssembly;
  WebAssembly.Memory = function (descriptor) {
    return new Memory({ ...descriptor, maximum: Math.min(descriptor.maximum ?? MOST_PAGES, MOST_PAGES) });
  };
  WebAssembly.Memory.prototype = Memory.prototype;
}

// A bundle's manifest, labels and model file, which must have the hash in its manifest.
export async function readBundle(place, folder) {
  const manifest = await readJson(place, `${folder}manifest.json`);
  const labels = (await readText(place, `${folder}labels.txt`)).trim().split("\n");
  const file = manifest.files.find(({ path }) => path.startsWith("model."));
  const bytes = await readBytes(place, folder + file.path);
  if (sha256(bytes) !== file.sha256) {
    throw new Error(`${file.path} is not the file that its manifest describes: if the bundle was exported again, start the command that serves it again; then reload this page`);
  }
  return { manifest, labels, bytes };
}

// A bundle's model, ready to answer.
export class Model {
  static async open({ ort, unit, provider }, bundle) {
    const session = await ort.InferenceSession.create(bundle.bytes, { executionProviders: [provider] });
    return new Model({ ort, unit, session }, bundle);
  }

  constructor({ ort, unit, session }, { manifest, labels }) {
    Object.assign(this, { ort, unit, session, manifest, labels });
  }

  // What run takes, for an image of the model's size.
  feeds(image) {
    const { type, data, dims } = tensorOf(image, this.manifest.input);
    return { [this.manifest.input.name]: new this.ort.Tensor(type, data, dims) };
  }

  async run(feeds) {
    const results = await this.session.run(feeds);
    return results[this.manifest.output.name].data;
  }

  async selfTest() {
    return judge(this.manifest, await this.run(this.feeds(goldenImage(this.manifest))), this.unit);
  }

  close() {
    return this.session.release();
  }
}
