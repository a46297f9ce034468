// Models: what the bundles are, and whether they answer here as they did when they were made.

import { byId, element, megabytes } from "./dom.js";

const GIVES = { embedding: "features", segmentation: "classes, as a mask", detection: "classes, as boxes" };

export function showModels({ bundles, classifier }) {
  const fill = () => byId("bundles").replaceChildren(...bundles.map((bundle) => card(bundle, classifier)));
  byId("unit").onchange = ({ target }) => {
    classifier.unit = target.value;
    // Earlier results were another unit's.
    fill();
  };
  fill();
}

function card({ name, folder, manifest }, classifier) {
  const [height, width] = manifest.model.image_size;
  const file = manifest.files.find(({ path }) => path.startsWith("model."));
  const result = element("p", { role: "status" }, "");
  const test = element("button", { type: "button", "aria-label": `Test ${name}` }, "Run the self-test");
  test.onclick = async () => {
    test.disabled = true;
    result.className = "";
    result.textContent = "Loading…";
    try {
      show(result, (await classifier.open(folder)).test);
    } catch (error) {
      result.className = "bad";
      result.textContent = error.message;
    }
    test.disabled = false;
  };
  return element(
    "li",
    {},
    element("h3", {}, name),
    element("p", {}, `${manifest.model.name}, ${manifest.precision}, ${width}×${height}, ${megabytes(file.bytes)}`),
    element("p", {}, `${manifest.model.outputs} ${GIVES[manifest.task] ?? "classes"}`),
    result,
    element("div", { className: "bar" }, test),
  );
}

function show(result, { passed, reason, difference, tolerance }) {
  result.className = passed ? "good" : "bad";
  result.textContent = passed
    ? `Passed: differs by ${difference.toExponential(1)}, allowed is ${tolerance.toExponential(1)}`
    : `Failed: ${reason}. It shows no answers here.`;
}

// What this browser can do, in words.
export function showFacts(started) {
  const facts = [
    ["Runtime", `ONNX Runtime Web ${started.version}`],
    ["Threads", crossOriginIsolated ? `up to ${navigator.hardwareConcurrency}` : "one: more need https, or the address localhost"],
    ["Clock", `steps of ${Math.round(started.stepMs * 1000)} µs`],
  ];
  if (navigator.serviceWorker?.controller) {
    facts.push(["Offline", "this page, and the models used on it, open again without the computer"]);
  }
  if (!started.exactCanvas) {
    facts.push(["Pictures", "this browser changes pixels to protect your privacy: answers may differ a little"]);
  }
  byId("facts").replaceChildren(
    ...facts.flatMap(([term, text]) => [element("dt", {}, term), element("dd", {}, text)]),
  );
}
