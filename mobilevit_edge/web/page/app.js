// The page: reads what there is, fills the screens, and shows one of them.

import { Classifier } from "./classifier.js";
import { describeDevice } from "./device.js";
import { byId, showProblem } from "./dom.js";
import { placeOfPage, readJson } from "./files.js";
import { keepForLater } from "./reload.js";
import { unitsHere } from "./runtime.js";
import { showClassify } from "./screen_classify.js";
import { post, showMeasure } from "./screen_measure.js";
import { showFacts, showModels } from "./screen_models.js";
import { measureUnattended } from "./unattended.js";

const SCREENS = ["models", "classify", "measure"];
const UNATTENDED = "#unattended";

async function start() {
  const place = placeOfPage();
  const unattended = location.hash === UNATTENDED;
  try {
    const site = await readJson(place, "site.json");
    const bundles = await Promise.all(
      site.bundles.map(async (name) => {
        const folder = `bundles/${name}/`;
        return { name, folder, manifest: await readJson(place, `${folder}manifest.json`) };
      }),
    );
    const device = { ...(await describeDevice(navigator)), ...site.device };
    const parts = { place, site, bundles, device };
    if (unattended) return await measureUnattended(parts);
    const keeping = keepForLater(place, site);
    const classifier = new Classifier(place, keeping, showFacts);
    showModels({ bundles, classifier });
    showUnits(place);
    const { pause } = showClassify({ bundles, classifier });
    showMeasure({ ...parts, classifier });
    showScreen(pause);
    addEventListener("hashchange", () => showScreen(pause));
    document.addEventListener("visibilitychange", () => document.hidden && pause());
  } catch (error) {
    showProblem(error.message);
    if (unattended) await post(place, "failure", { reason: error.message });
  }
  return undefined;
}

// The choice of what computes, where there is one.
async function showUnits(place) {
  if ((await unitsHere(place)).length < 2) return;
  for (const choice of document.querySelectorAll(".unit")) choice.hidden = false;
}

function showScreen(pause) {
  const wanted = location.hash.slice(1);
  const shown = SCREENS.includes(wanted) ? wanted : SCREENS[0];
  if (shown !== "classify") pause();
  for (const screen of SCREENS) byId(screen).hidden = screen !== shown;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${shown}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

start();
