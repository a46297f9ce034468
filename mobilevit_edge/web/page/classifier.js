// The worker that answers, started when it is first needed.

import { Client } from "./client.js";

export class Classifier {
  #client = null;
  #unit = "cpu";

  // Nothing is fetched before `keeping` resolves; `onStart` hears what the runtime tells of itself.
  constructor(place, keeping, onStart) {
    Object.assign(this, { place, keeping, onStart });
  }

  async #started() {
    await this.keeping;
    if (!this.#client) {
      const client = new Client(this.place, { unit: this.#unit, threads: 1 });
      this.#client = client;
      client.started.then(this.onStart, () => (this.#client = null));
    }
    await this.#client.started;
    return this.#client;
  }

  // A bundle's { manifest, test }.
  async open(folder) {
    return (await this.#started()).call("open", { folder });
  }

  // The answer for a file or a bitmap, by a model that has passed its self-test.
  async classify(folder, picture) {
    const { test } = await this.open(folder);
    if (!test.passed) throw new Error(`${test.reason}; no predictions are shown`);
    const transfer = picture instanceof ImageBitmap ? [picture] : [];
    return (await this.#started()).call("classify", { folder, picture }, { transfer });
  }

  // What computes from now on.
  set unit(unit) {
    this.close();
    this.#unit = unit;
  }

  // Free the memory while something else measures.
  close() {
    this.#client?.stop();
    this.#client = null;
  }
}
