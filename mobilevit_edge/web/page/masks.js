// From a segmentation head's answer to the class of each pixel of a photo: the same as masks.py.

// A source value's two places in a line of `target` values, and the shares of both, in single
// precision. `aligned` puts the first and the last value of both lines on each other; otherwise all
// values are the centers of equal parts.
function taps(source, target, aligned) {
  const left = new Int32Array(target);
  const right = new Int32Array(target);
  const near = new Float32Array(target);
  const far = new Float32Array(target);
  const step = target > 1 ? (source - 1) / (target - 1) : 0;
  for (let i = 0; i < target; i++) {
    const place = aligned ? i * step : Math.max(((i + 0.5) * source) / target - 0.5, 0);
    left[i] = Math.min(Math.floor(place), source - 1);
    right[i] = Math.min(left[i] + 1, source - 1);
    const share = place - left[i];
    // At the end of the line both are the same value.
    near[i] = left[i] === right[i] ? 1 : 1 - share;
    far[i] = left[i] === right[i] ? 0 : share;
  }
  return { left, right, near, far };
}

// The best class of each pixel, of logits [classes, height, width] resized to [rows, columns]; equal
// ones go to the first class.
function best(logits, [classes, height, width], rows, columns, aligned) {
  const across = taps(width, columns, aligned);
  const down = taps(height, rows, aligned);
  const labels = new Int32Array(rows * columns);
  // Rows of the head's map are few: each is made wide once. [classes, columns] each
  const wide = [];
  const widened = (row) => (wide[row] ??= widen(logits, classes, height * width, row * width, columns, across));
  const most = new Float32Array(columns);
  for (let y = 0; y < rows; y++) {
    const above = widened(down.left[y]);
    const below = widened(down.right[y]);
    // Those further up are not needed again.
    if (down.left[y] > 0) wide[down.left[y] - 1] = undefined;
    const near = down.near[y];
    const far = down.far[y];
    most.fill(-Infinity);
    for (let c = 0, at = 0; c < classes; c++) {
      for (let x = 0; x < columns; x++, at++) {
        const value = Math.fround(above[at] * near + below[at] * far);
        if (value > most[x]) {
          most[x] = value;
          labels[y * columns + x] = c;
        }
      }
    }
  }
  return labels;
}

function widen(logits, classes, plane, row, columns, { left, right, near, far }) {
  const made = new Float32Array(classes * columns);
  for (let c = 0, at = 0; c < classes; c++) {
    const from = c * plane + row;
    for (let x = 0; x < columns; x++, at++) made[at] = logits[from + left[x]] * near[x] + logits[from + right[x]] * far[x];
  }
  return made;
}

// Labels [height, width] -> [rows, columns]: each place takes the value at its corner, rounded down.
export function resizeNearest(labels, height, width, rows, columns) {
  const made = new Int32Array(rows * columns);
  for (let y = 0, at = 0; y < rows; y++) {
    const row = Math.floor((y * height) / rows) * width;
    for (let x = 0; x < columns; x++, at++) made[at] = labels[row + Math.floor((x * width) / columns)];
  }
  return made;
}

// The class of each pixel at [rows, columns], as the head's own code makes it where the answer allows
// it. `shape` is one image's: [classes, h, w], or [h, w] of labels.
export function labelsOf(head, answer, shape, rows, columns) {
  if (head.answer === "labels") return resizeNearest(answer, ...shape, rows, columns);
  if (head.answer === "full-logits") {
    const [, height, width] = shape;
    return resizeNearest(best(answer, shape, height, width, true), height, width, rows, columns);
  }
  if (head.mask_resize !== "half-pixel-nearest") return best(answer, shape, rows, columns, head.mask_resize === "aligned");
  const [height, width] = shape.slice(1).map((side) => side * head.output_stride);
  return resizeNearest(best(answer, shape, height, width, false), height, width, rows, columns);
}
