// Measuring without a hand on the page: `mobilevit-bench device browser --headless` opens it so.

import { measure } from "./bench.js";
import { reportOf } from "./report.js";
import { post } from "./screen_measure.js";

export async function measureUnattended({ place, site, bundles, device }) {
  const on = { step: (text) => (document.title = text), share: () => {}, row: () => {} };
  const stopping = new AbortController().signal;
  const { run } = await measure({ place, version: site.version, device, bundles, plan: { ...site.plan, unit: "cpu" }, on, stopping });
  await post(place, "report", reportOf(run));
}
