// Photos with what was found in them.

import { drawnSize, NOT_SEEN } from "./dense.js";

// Of a pixel's color that is the mask's, as CVNets draws it.
const MASK_SHARE = 0.5;
const BRIGHT = 3 * 128;

// A bitmap scaled down to the size of its mask, in the colors of the mask's classes: { width, height,
// pixels }; without a mask the photo alone.
export function drawnPhoto(bitmap, mask, colors) {
  const [height, width] = drawnSize(bitmap);
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0, width, height);
  const pixels = context.getImageData(0, 0, width, height).data;
  mask?.labels.forEach((label, pixel) => {
    if (label === NOT_SEEN) return;
    for (let channel = 0; channel < 3; channel++) {
      const at = pixel * 4 + channel;
      pixels[at] += MASK_SHARE * (colors[label][channel] - pixels[at]);
    }
    pixels[pixel * 4 + 3] = 255;
  });
  return { width, height, pixels };
}

// Boxes with their names on a canvas that shows a photo; `photo` is { width, height } of what the boxes
// are in.
export function drawBoxes(canvas, boxes, photo) {
  const context = canvas.getContext("2d");
  const scale = canvas.width / photo.width;
  const size = Math.max(12, Math.round(Math.min(canvas.width, canvas.height) / 24));
  context.font = `${size}px sans-serif`;
  context.textBaseline = "top";
  const line = Math.max(2, size / 6);
  // The surest last, on top of the others.
  for (const { label, probability, color, box } of [...boxes].reverse()) {
    const [left, top, right, bottom] = box.map((value) => value * scale);
    // With a bright rim, to be seen on dark photos too.
    for (const [style, width] of [["rgb(255 255 255 / 0.7)", 1.8 * line], [cssColor(color), line]]) {
      context.strokeStyle = style;
      context.lineWidth = width;
      context.strokeRect(left, top, right - left, bottom - top);
    }
    context.fillStyle = cssColor(color);
    const name = `${Math.round(100 * probability)} % ${label}`;
    const above = Math.max(top - size * 1.3, 0);
    context.fillRect(left, above, context.measureText(name).width + size / 2, size * 1.3);
    context.fillStyle = color[0] + color[1] + color[2] > BRIGHT ? "black" : "white";
    context.fillText(name, left + size / 4, above + size / 6);
  }
}

export const cssColor = (color) => `rgb(${color.join(" ")})`;
