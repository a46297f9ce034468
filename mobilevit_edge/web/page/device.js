// What a browser tells of its device.

const MOBILE = /Mobi|Android|iPhone|iPad/;
const SYSTEMS = [
  ["Android", /Android ([\d.]+)/],
  ["iOS", /(?:iPhone )?OS ([\d_]+) like Mac/],
  ["Windows", /Windows NT ([\d.]+)/],
  ["macOS", /Mac OS X ([\d_.]+)/],
  ["ChromeOS", /CrOS \S+ ([\d.]+)/],
  ["Linux", /Linux ?([^;)]*)/],
];
const BROWSERS = [
  ["Edge", /Edg(?:A|iOS)?\/([\d.]+)/],
  ["Samsung Internet", /SamsungBrowser\/([\d.]+)/],
  ["Firefox", /(?:Firefox|FxiOS)\/([\d.]+)/],
  ["Chrome", /(?:Chrome|CriOS)\/([\d.]+)/],
  ["Safari", /Version\/([\d.]+).*Safari/],
];

// { kind, name, processor, cores, system, browser, userAgent }: by the user agent and, where there are
// any, its hints.
export async function describeDevice(navigator) {
  const agent = navigator.userAgent;
  // An iPad says that it is a Mac, but Macs have no touch screen.
  const tablet = /Macintosh/.test(agent) && navigator.maxTouchPoints > 1;
  const wanted = ["model", "platformVersion", "architecture", "bitness"];
  const hints = (await navigator.userAgentData?.getHighEntropyValues?.(wanted).catch(() => null)) ?? {};
  const system = tablet ? { name: "iPadOS", version: "unknown" } : found(SYSTEMS, agent);
  // The user agent's version of the system is frozen.
  if (hints.platformVersion) system.version = hints.platformVersion;
  const browser = found(BROWSERS, agent);
  const processor = [hints.architecture, hints.bitness && `${hints.bitness}-bit`].filter(Boolean).join(" ");
  return {
    kind: tablet || MOBILE.test(agent) ? "phone" : "computer",
    name: hints.model || `${system.name} device`,
    processor: processor ? `${processor} processor` : "unknown processor",
    cores: Math.max(1, navigator.hardwareConcurrency ?? 1),
    system,
    browser,
    userAgent: agent,
  };
}

function found(patterns, agent) {
  for (const [name, pattern] of patterns) {
    const match = pattern.exec(agent);
    if (match) return { name, version: match[1].replaceAll("_", ".") || "unknown" };
  }
  return { name: "unknown", version: "unknown" };
}

// The report's state of the device: what browsers do not tell is null.
export async function deviceState(navigator) {
  const battery = (await navigator.getBattery?.().catch(() => null)) ?? null;
  return {
    clock_mhz: null,
    thermal: null,
    battery_percent: battery && Math.round(battery.level * 100),
    charging: battery && battery.charging,
    low_power: null,
  };
}
