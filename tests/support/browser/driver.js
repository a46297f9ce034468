// Runs a test's function in the page, and posts what it returns, or its error.

export async function tell(find) {
  let found;
  try {
    found = await find();
  } catch (error) {
    found = { error: `${error}\n${error?.stack}\nproblem: ${document.getElementById("problem")?.textContent}` };
  }
  const headers = { "Content-Type": "application/json" };
  await fetch("result", { method: "POST", headers, body: JSON.stringify(found) });
}

// Waits until a function's answer is true.
export async function until(ready, seconds = 25) {
  const end = performance.now() + seconds * 1000;
  while (!ready()) {
    if (performance.now() > end) throw new Error(`never: ${ready}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

export const readJson = async (name) => (await fetch(name)).json();

export const base64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
