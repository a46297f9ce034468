// Measure: choosing, running, and handing on the report.

import { measure } from "./bench.js";
import { byId, element, milliseconds } from "./dom.js";
import { reportOf } from "./report.js";

const NUMBERS = ["warm_up", "runs", "rounds", "cool_down", "threads"];
const SPARK = { width: 90, height: 24, points: 90 };

// `site` is site.json; `device` is describeDevice's.
export function showMeasure({ place, site, bundles, device, classifier }) {
  const form = byId("plan");
  byId("measure-bundles").replaceChildren(
    ...bundles.map(({ name }, index) =>
      element("label", {}, element("input", { type: "checkbox", name: "bundle", value: index, checked: true }), name),
    ),
  );
  for (const [name, value] of Object.entries(site.plan ?? {})) form.elements[name].value = value;
  form.elements.device.value = device.name;
  byId("send").hidden = !site.collects;
  let run = null;
  let stopping = null;

  form.onsubmit = async (event) => {
    event.preventDefault();
    const chosen = [...form.querySelectorAll("[name=bundle]:checked")].map(({ value }) => bundles[value]);
    if (!chosen.length) return say("Choose at least one bundle.");
    const numbers = Object.fromEntries(NUMBERS.map((name) => [name, Number(form.elements[name].value)]));
    const plan = { ...numbers, unit: form.elements.unit.value };
    classifier.close();
    stopping = new AbortController();
    run = await measured(chosen, plan, { ...device, name: form.elements.device.value });
    return undefined;
  };
  byId("stop").onclick = () => stopping?.abort();
  byId("send").onclick = async () => {
    byId("send").disabled = true;
    byId("send-status").textContent = await post(place, "report", reportOf(run)).then(
      () => "Sent: the computer has the report.",
      (error) => error.message,
    );
    byId("send").disabled = false;
  };
  byId("save").onclick = () => save(run);

  function say(text) {
    byId("running").hidden = false;
    byId("step").textContent = text;
  }

  async function measured(chosen, plan, described) {
    running(true);
    byId("rows").replaceChildren();
    byId("warnings").replaceChildren();
    byId("send-status").textContent = "";
    const on = {
      step: say,
      share: (share) => (byId("progress").value = share),
      row: (row) => {
        byId("results").hidden = false;
        byId("rows").append(rowElement(row));
      },
    };
    try {
      const { run: done } = await measure({ place, version: site.version, device: described, bundles: chosen, plan, on, stopping: stopping.signal });
      showWarnings(done);
      say(done.rows.length ? "Done." : "Stopped before the first round ended.");
      byId("results").hidden = !done.rows.length;
      return done;
    } catch (error) {
      say(error.message);
      return null;
    } finally {
      running(false);
    }
  }

  function running(yes) {
    byId("running").hidden = false;
    byId("progress").hidden = byId("stop").hidden = !yes;
    byId("start").disabled = byId("send").disabled = byId("save").disabled = yes;
  }
}

// Post JSON to the server that the page came from.
export async function post(place, name, content) {
  const answer = await fetch(new URL(name, place.base), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(content),
  }).catch(() => null);
  if (!answer) throw new Error("The computer does not answer: is the command still running?");
  if (!answer.ok) throw new Error(`The computer refused the report: ${(await answer.text()).trim() || answer.status}`);
}

function save(run) {
  const file = new Blob([JSON.stringify(reportOf(run))], { type: "application/json" });
  const link = element("a", { href: URL.createObjectURL(file), download: `latency-${run.id.slice(0, 8)}.json` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function rowElement(row) {
  const header = element("th", { scope: "row" }, row.id.replace(/^\d+ /, ""));
  if (row.not_run) return element("tr", {}, header, element("td", { colSpan: 4, className: "bad" }, `not run: ${row.not_run}`));
  const samples = row.series.flatMap(({ samples_ns: taken }) => taken.map((value) => value / 1e6));
  const sorted = [...samples].sort((a, b) => a - b);
  const quantile = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  header.append(sparkline(samples));
  const [start] = row.cold_starts;
  const figures = [quantile(0.5), quantile(0.9), start.load_ns / 1e6, start.first_inference_ns / 1e6];
  return element(
    "tr",
    {},
    header,
    ...figures.map((value) => element("td", {}, milliseconds(value))),
  );
}

// All samples in order, from zero to the largest: each point is the largest of its share.
function sparkline(samples) {
  const { width, height, points } = SPARK;
  const count = Math.min(points, samples.length);
  const tops = Array.from({ length: count }, (_, index) => {
    const part = samples.slice(Math.floor((index * samples.length) / count), Math.floor(((index + 1) * samples.length) / count));
    return Math.max(...part);
  });
  const largest = Math.max(...tops);
  const path = tops.map((top, index) => `${index ? "L" : "M"}${(width * index) / Math.max(1, count - 1)} ${height - (height - 2) * (top / largest)}`);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("width", width);
  svg.setAttribute("height", height);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${samples.length} samples`);
  line.setAttribute("d", path.join(""));
  svg.append(line);
  return svg;
}

function showWarnings(run) {
  const flags = [...run.flags, ...run.rows.flatMap(({ series }) => series.flatMap((one) => one.flags))];
  const reasons = [...new Set(flags.map(({ reason }) => reason))];
  byId("warnings").replaceChildren(...reasons.map((reason) => element("li", {}, reason)));
}
