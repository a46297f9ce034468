// Self-tests of bundles with masks and boxes, and what a photo shows.

import { tell, until } from "./driver.js";

const byId = (id) => document.getElementById(id);
const text = (id) => byId(id).textContent;

async function seen(number) {
  const choice = byId("classify-bundle");
  choice.selectedIndex = number;
  const photo = new File([await (await fetch("photo.png")).arrayBuffer()], "photo.png", { type: "image/png" });
  const chosen = new DataTransfer();
  chosen.items.add(photo);
  byId("classify-status").textContent = "";
  byId("photo").files = chosen.files;
  byId("photo").dispatchEvent(new Event("change"));
  await until(() => /ms for|fails|Error|cannot/.test(text("classify-status")));
  const canvas = byId("seen");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return {
    classes: [...byId("classes").children].map((item) => item.textContent),
    colors: [...byId("classes").children].map((item) => getComputedStyle(item, "::before").backgroundColor),
    status: text("classify-status"),
    caption: text("seen-caption"),
    size: [canvas.height, canvas.width],
    pixels: Array.from(pixels),
  };
}

tell(async () => {
  await until(() => byId("bundles").children.length);
  const found = { tests: [], answers: {} };
  for (const button of document.querySelectorAll("#bundles button")) {
    button.click();
    const card = button.closest("li");
    await until(() => /Passed|Failed/.test(card.textContent));
    found.tests.push(card.textContent);
  }
  location.hash = "#classify";
  const names = [...byId("classify-bundle").options].map((option) => option.textContent);
  for (const [number, name] of names.entries()) found.answers[name] = await seen(number);
  return found;
});
