// A service worker: while the server answers, everything comes from it; while it does not, from what
// was kept. HASHES, before this, has the SHA-256 of every file of the site by its name.

const INDEX = "index.html";
// What the page needs to start; the runtime and models are kept when they are first used.
const FIRST = /^(index\.html|site\.json|page\/.*|bundles\/.*\/(manifest\.json|labels\.txt))$/;
// How long a server may say nothing where there is something kept.
const PATIENCE_MS = 4000;

const scope = self.registration.scope;
const store = () => caches.open(`mobilevit ${scope}`);
// By name and content: files that an update leaves alone need not come again.
const keyOf = (name) => new URL(`${name}?${HASHES[name]}`, scope).href;

self.oninstall = (event) => event.waitUntil(install());
self.onactivate = (event) => event.waitUntil(activate());
self.onfetch = (event) => {
  const name = nameOf(event.request);
  if (name) event.respondWith(answer(event, name));
};

async function install() {
  const kept = await store();
  const first = Object.keys(HASHES).filter((name) => FIRST.test(name));
  await Promise.all(
    first.map(async (name) => {
      if (await kept.match(keyOf(name))) return;
      const response = await fetch(new URL(name, scope), { cache: "no-cache" });
      if (!(await keep(name, response))) throw new Error(`${name} is not the file that this site had`);
    }),
  );
  await self.skipWaiting();
}

// What earlier versions kept goes, but for files that are the same.
async function activate() {
  const kept = await store();
  const wanted = new Set(Object.keys(HASHES).map(keyOf));
  for (const { url } of await kept.keys()) if (!wanted.has(url)) await kept.delete(url);
  await self.clients.claim();
}

// The site's name of what is asked for; null for what is none of its files.
function nameOf(request) {
  if (request.method !== "GET" || !request.url.startsWith(scope)) return null;
  const name = new URL(request.url).href.slice(scope.length).replace(/#.*/, "") || INDEX;
  return Object.hasOwn(HASHES, name) ? name : null;
}

async function answer(event, name) {
  const kept = await (await store()).match(keyOf(name));
  const fresh = fetch(event.request).then((response) => {
    // A copy is kept on the side, so that nobody waits for its hash.
    if (response.ok) event.waitUntil(keep(name, response.clone()).catch(() => false));
    return response;
  });
  if (!kept) return fresh;
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS, kept));
  // A server that is there but has lost the site answers for itself.
  return Promise.race([fresh, late]).catch(() => kept);
}

// Whether a response has the content of this site's file, which is then kept.
async function keep(name, response) {
  if (!response.ok) return false;
  const content = await response.clone().arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  const hash = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (hash !== HASHES[name]) return false;
  const { status, statusText } = response;
  const headers = new Headers(response.headers);
  // It is stored expanded.
  headers.delete("Content-Encoding");
  await (await store()).put(keyOf(name), new Response(content, { status, statusText, headers }));
  return true;
}
