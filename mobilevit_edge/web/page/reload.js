// The page without its server: offline.js, beside the page, keeps what passes through it.

// How long a visit may wait for it: what is fetched before is not kept.
const PATIENCE_MS = 5000;

// Resolves once files are kept, or where they cannot be: that takes a secure context, and a
// certificate that the browser knows.
export async function keepForLater(place, { collects }) {
  const workers = navigator.serviceWorker;
  if (!place.base || !workers) return;
  const registered = await workers.register(new URL("offline.js", place.base), { updateViaCache: "none" }).catch(() => null);
  if (!registered) return;
  // Every run of the command has another address, and nothing else is at its port: earlier ones are over.
  if (collects) await forgetOthers(registered.scope);
  const patience = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
  await Promise.race([served(registered), patience]);
}

// Resolves when the worker of the site as it is now serves the page: one that came with an earlier
// site knows nothing of files that are new.
async function served(registration) {
  // Without a server there is no newer one.
  await registration.update().catch(() => null);
  const newest = registration.installing ?? registration.waiting ?? registration.active;
  const failed = new Promise((resolve) => newest.addEventListener("statechange", () => newest.state === "redundant" && resolve()));
  const workers = navigator.serviceWorker;
  const serves = async () => {
    while (workers.controller !== newest) {
      await new Promise((resolve) => workers.addEventListener("controllerchange", resolve, { once: true }));
    }
  };
  await Promise.race([serves(), failed]);
}

async function forgetOthers(scope) {
  for (const registration of await navigator.serviceWorker.getRegistrations()) {
    if (registration.scope !== scope) await registration.unregister();
  }
  for (const name of await caches.keys()) {
    if (name !== `mobilevit ${scope}`) await caches.delete(name);
  }
}
