// The page's files: beside it on a server, or inside it where the page is a single file.

// A place can be sent to a worker: { base, blobs, modules }. On a server base is the page's address; in a
// single file blobs has the content of every file, and modules the address of every module, by name.
export function placeOfPage() {
  const inside = globalThis.filesInside;
  return inside ? { base: null, ...inside } : { base: new URL(".", document.baseURI).href, blobs: null, modules: null };
}

export function moduleAddress(place, name) {
  return place.modules ? place.modules.get(name) : new URL(name, place.base).href;
}

async function response(place, name) {
  if (place.blobs) return new Response(place.blobs.get(name));
  const found = await fetch(new URL(name, place.base), { cache: "no-cache" }).catch(() => null);
  if (!found) throw new Error(`${name} cannot be fetched: is the computer that serves this page still there?`);
  if (!found.ok) throw new Error(`${name} cannot be fetched: the server answers ${found.status}`);
  return found;
}

export async function readBytes(place, name) {
  return new Uint8Array(await (await response(place, name)).arrayBuffer());
}

export async function readText(place, name) {
  return (await response(place, name)).text();
}

export async function readJson(place, name) {
  return JSON.parse(await readText(place, name));
}

// A file that is stored compressed: every browser that runs the WebAssembly in it can expand it.
export async function readGzip(place, name) {
  const { body } = await response(place, name);
  return new Uint8Array(await new Response(body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
}
