// The page's files: beside it on a server, or inside it where the page is a single file.

// A place can be sent to a worker. On a server it is { base }, the page's address; in a single file it is
// what boot.js has found: { blobs, texts, code }.
export function placeOfPage() {
  if (!globalThis.filesInside) return { base: new URL(".", document.baseURI).href };
  const { blobs, texts, code } = globalThis.filesInside;
  return { blobs, texts, code };
}

export function moduleAddress(place, name) {
  return place.base ? new URL(name, place.base).href : globalThis.filesInside.modules.get(name);
}

async function response(place, name) {
  if (!place.base) return new Response(place.blobs.get(name));
  const found = await fetch(new URL(name, place.base), { cache: "no-cache" }).catch(() => null);
  if (!found) throw new Error(`${name} cannot be fetched: is the computer that serves this page still there? What was used before works without it`);
  if (!found.ok) throw new Error(`${name} cannot be fetched: the server answers ${found.status}, ${(await found.text()).slice(0, 200).trim()}`);
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

// A file that is stored compressed: every browser that runs the WebAssembly in it can expand it. Hosts
// that say how it is encoded have let the browser do so already.
export async function readGzip(place, name) {
  const bytes = await readBytes(place, name);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const expanded = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(expanded).arrayBuffer());
}
