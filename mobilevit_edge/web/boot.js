// Starts the page from the files inside it: those of a page that is a single file lie in elements of it.
// Addresses of blobs take the places of the modules' names, since a page from a disk may load nothing.

(() => {
  // Makes addresses of the modules and imports one; in a worker too, which may load only its own blobs.
  function begin({ blobs, texts, code }, entry) {
    const modules = new Map();
    const address = (name) => {
      if (!modules.has(name)) {
        const text = texts.get(name).replace(/ from "\.\/([^"]+)"/g, (_, other) => ` from "${address(`page/${other}`)}"`);
        modules.set(name, URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
      }
      return modules.get(name);
    };
    for (const name of texts.keys()) address(name);
    globalThis.filesInside = { blobs, texts, code, modules };
    return import(address(entry));
  }

  const files = { blobs: new Map(), texts: new Map(), code: begin.toString() };
  for (const holder of document.querySelectorAll("script[data-file]")) {
    const name = holder.dataset.file;
    const bytes = Uint8Array.from(atob(holder.textContent), (character) => character.charCodeAt(0));
    files.blobs.set(name, new Blob([bytes]));
    if (/\.m?js$/.test(name)) files.texts.set(name, new TextDecoder().decode(bytes));
    holder.remove();
  }
  begin(files, "page/app.js");
})();
