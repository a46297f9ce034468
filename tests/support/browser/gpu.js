// The same bundle computed by the graphics processor, where the browser has one.

import { tell, until } from "./driver.js";

const byId = (id) => document.getElementById(id);
const text = (id) => byId(id).textContent;
// An emulated graphics processor is slow.
const PATIENCE_S = 70;

tell(async () => {
  await until(() => byId("bundles").children.length);
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) return { offered: !byId("unit").closest("label").hidden, adapter: null };
  await until(() => !byId("unit").closest("label").hidden);
  byId("unit").value = "gpu";
  byId("unit").dispatchEvent(new Event("change"));
  document.querySelector("#bundles button").click();
  await until(() => /Passed|Failed|annot|rror/.test(text("bundles")), PATIENCE_S);
  const found = { offered: true, adapter: adapter.info.architecture, models: text("bundles") };
  location.hash = "#measure";
  const { elements } = byId("plan");
  for (const [name, value] of Object.entries({ runs: 2, warm_up: 1, rounds: 1, cool_down: 0, unit: "gpu" })) elements[name].value = value;
  byId("start").click();
  await until(() => /Done/.test(text("step")), PATIENCE_S);
  byId("send").click();
  await until(() => text("send-status"));
  return { ...found, sent: text("send-status"), rows: text("rows") };
});
