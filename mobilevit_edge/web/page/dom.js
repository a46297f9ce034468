// Building the page's elements.

export const byId = (id) => document.getElementById(id);

// An element with properties, attributes where the name has a hyphen, and children.
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-")) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

export const milliseconds = (value) => (value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0));

export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

// What went wrong, at the top of the page and to whoever hears it; nothing for null.
export function showProblem(text) {
  byId("problem").textContent = text ?? "";
  byId("problem").hidden = !text;
}
