// The page used as a person does, by its controls.

import { tell, until } from "./driver.js";

const byId = (id) => document.getElementById(id);
const text = (id) => byId(id).textContent;
const visible = (id) => byId(id).checkVisibility();

tell(async () => {
  const found = { secure: isSecureContext, isolated: crossOriginIsolated, foreign: [] };
  await until(() => byId("bundles").children.length);
  document.querySelector("#bundles button").click();
  await until(() => /Passed|Failed/.test(text("bundles")));
  found.models = text("bundles");
  found.facts = text("facts");

  location.hash = "#classify";
  await until(() => visible("classify"));
  const photo = new File([await (await fetch("photo.png")).arrayBuffer()], "photo.png", { type: "image/png" });
  const chosen = new DataTransfer();
  chosen.items.add(photo);
  byId("photo").files = chosen.files;
  byId("photo").dispatchEvent(new Event("change"));
  await until(() => byId("classes").children.length);
  found.classes = [...byId("classes").children].map((item) => item.textContent);
  found.status = text("classify-status");

  const damaged = new DataTransfer();
  damaged.items.add(new File(["no picture"], "notes.txt", { type: "image/png" }));
  byId("photo").files = damaged.files;
  byId("photo").dispatchEvent(new Event("change"));
  await until(() => text("classify-status").includes("cannot read"));
  found.refusal = text("classify-status");

  found.camera = visible("camera");
  if (found.camera) {
    byId("classes").replaceChildren();
    byId("camera").click();
    await until(() => byId("classes").children.length);
    found.cameraStatus = text("classify-status");
    byId("camera").click();
  } else {
    found.cameraNote = text("camera-note");
  }

  location.hash = "#measure";
  await until(() => visible("measure"));
  const form = byId("plan");
  Object.assign(form.elements.runs, { value: 5 });
  form.elements.rounds.value = 2;
  form.elements.cool_down.value = 0;
  form.elements.threads.value = 2;
  byId("start").click();
  await until(() => /Done/.test(text("step")));
  found.rows = [...byId("rows").querySelectorAll("tr")].map((row) => [...row.children].map((cell) => cell.textContent));
  found.warnings = text("warnings");
  byId("send").click();
  await until(() => text("send-status"));
  found.sent = text("send-status");
  found.foreign = performance.getEntriesByType("resource").map(({ name }) => new URL(name).origin).filter((origin) => origin !== location.origin);
  return found;
});
