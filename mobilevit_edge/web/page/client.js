// The page's side of the worker: calls that are answered one after another.

import { moduleAddress } from "./files.js";

export class Stopped extends Error {}

export class Client {
  #worker;
  #waiting = new Map();
  #last = Promise.resolve();
  #next = 0;

  // Start a worker with a runtime of this unit and as many threads; `started` tells what is in effect.
  constructor(place, { unit, threads }) {
    this.#worker = startWorker(place);
    this.#worker.onmessage = ({ data }) => this.#hear(data);
    this.#worker.onerror = (event) => this.#fail(new Error(event.message || "the worker cannot be started"));
    this.started = this.call("start", { place, unit, threads });
    // Whoever calls hears of it.
    this.started.catch(() => {});
  }

  call(name, argument, { transfer = [], onProgress = () => {} } = {}) {
    const answer = this.#last.then(
      () =>
        new Promise((resolve, reject) => {
          const id = this.#next++;
          this.#waiting.set(id, { resolve, reject, onProgress });
          this.#worker.postMessage({ id, name, argument }, transfer);
        }),
    );
    this.#last = answer.catch(() => {});
    return answer;
  }

  // End at once what runs; the client is of no further use.
  stop() {
    this.#worker.terminate();
    this.#fail(new Stopped("stopped"));
  }

  #hear({ id, progress, result, error }) {
    const { resolve, reject, onProgress } = this.#waiting.get(id);
    if (progress !== undefined) return onProgress(progress);
    this.#waiting.delete(id);
    return error === undefined ? resolve(result) : reject(new Error(error));
  }

  #fail(error) {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

function startWorker(place) {
  if (place.base) return new Worker(moduleAddress(place, "page/worker.js"), { type: "module" });
  // A page from a disk may start no module as a worker, but a script that imports it: the first message
  // brings the files.
  const text = `${place.code}
onmessage = (first) => {
  const early = [first];
  onmessage = (event) => early.push(event);
  begin(first.data.argument.place, "page/worker.js").then(() => early.forEach((event) => onmessage(event)));
};`;
  return new Worker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
}
