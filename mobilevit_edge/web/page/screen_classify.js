// Classify: photos and the camera.

import { byId, element, milliseconds } from "./dom.js";
import { cssColor, drawBoxes } from "./overlay.js";

const CAPTIONS = {
  segmentation: "The photo in the colors of its classes",
  detection: "The photo with what was found in it",
  other: "What the model sees, after resizing and cropping",
};

const CAMERA = { video: { facingMode: "environment", width: { ideal: 1280 } }, audio: false };

export function showClassify({ bundles, classifier }) {
  const choice = byId("classify-bundle");
  const usable = bundles.filter(({ manifest }) => manifest.task !== "embedding");
  choice.replaceChildren(...usable.map(({ name, folder }) => element("option", { value: folder }, name)));
  if (!usable.length) {
    byId("classify-status").textContent = "These bundles give features, no classes: they can only be measured.";
    byId("photo").disabled = byId("camera").disabled = true;
    return { pause: () => {} };
  }
  let last = null;

  const answer = async (picture) => {
    const status = byId("classify-status");
    try {
      const folder = choice.value;
      const { task } = usable.find((bundle) => bundle.folder === folder).manifest;
      const result = await classifier.classify(folder, picture);
      show(result, task);
      const nothing = task === "detection" && !result.boxes.length ? "nothing found; " : "";
      status.textContent = `${nothing}${milliseconds(result.milliseconds)} ms for the model`;
    } catch (error) {
      byId("classes").replaceChildren();
      status.textContent = error.message;
      throw error;
    }
  };
  const photo = async (file) => {
    camera.stop();
    last = file;
    byId("classify-status").textContent = "Reading the photo…";
    await answer(file).catch(() => {});
  };
  const camera = cameraFeed(answer);

  byId("photo").onchange = ({ target }) => {
    const [file] = target.files;
    // So that the same photo can be chosen again.
    target.value = "";
    if (file) photo(file);
  };
  choice.onchange = () => {
    if (last && !camera.running) photo(last);
  };
  acceptDrops(byId("classify"), photo);
  return { pause: camera.stop };
}

function show({ classes, boxes, photo, drawn }, task) {
  const canvas = byId("seen");
  Object.assign(canvas, { width: drawn.width, height: drawn.height });
  canvas.getContext("2d").putImageData(new ImageData(drawn.pixels, drawn.width, drawn.height), 0, 0);
  if (boxes) drawBoxes(canvas, boxes, photo);
  byId("seen-caption").textContent = CAPTIONS[task] ?? CAPTIONS.other;
  byId("classes").replaceChildren(
    ...classes.map(({ label, probability, color }) => {
      const item = element("li", {}, element("span", {}, label), element("span", {}, `${(100 * probability).toFixed(1)} %`));
      item.style.setProperty("--share", `${100 * probability}%`);
      if (color) {
        item.className = "colored";
        item.style.setProperty("--color", cssColor(color));
      }
      return item;
    }),
  );
}

// Frames of the camera, one after the other as fast as they are answered.
function cameraFeed(answer) {
  const button = byId("camera");
  const video = byId("video");
  const feed = { running: false, stop };
  if (!navigator.mediaDevices?.getUserMedia) {
    button.hidden = true;
    const note = byId("camera-note");
    note.textContent = "The camera needs https, or the address localhost; photos work everywhere.";
    note.hidden = false;
    return feed;
  }

  function stop() {
    feed.running = false;
    button.setAttribute("aria-pressed", "false");
    video.srcObject?.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
  }

  button.onclick = async () => {
    if (feed.running) return stop();
    feed.running = true;
    button.setAttribute("aria-pressed", "true");
    try {
      const stream = await navigator.mediaDevices.getUserMedia(CAMERA);
      if (!feed.running) return stream.getTracks().forEach((track) => track.stop());
      video.srcObject = stream;
      await video.play();
      while (feed.running) await answer(await createImageBitmap(video));
    } catch (error) {
      if (feed.running) byId("classify-status").textContent = cameraProblem(error);
    }
    return stop();
  };
  return feed;
}

function cameraProblem(error) {
  if (error.name === "NotAllowedError") return "The camera is not allowed: allow it in the browser's settings for this page, or choose a photo.";
  if (error.name === "NotFoundError") return "This device has no camera that the browser can use: choose a photo.";
  return error.message;
}

function acceptDrops(zone, photo) {
  zone.ondragover = (event) => {
    event.preventDefault();
    zone.classList.add("dropping");
  };
  zone.ondragleave = () => zone.classList.remove("dropping");
  zone.ondrop = (event) => {
    event.preventDefault();
    zone.classList.remove("dropping");
    const [file] = event.dataTransfer.files;
    if (file) photo(file);
  };
}
