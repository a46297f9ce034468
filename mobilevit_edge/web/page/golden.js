// Whether a model in this browser answers as it did when it was made.

// How far a graphics processor's answers may lie apart, as a share of the largest: fifty times what
// processors have in fp32. WGSL lets exponentials and divisions err by several units in the last place
// (section "Floating Point Accuracy"), and sums may be made in any order.
const GPU_SHARE = 1e-3;

// The golden image, enlarged to the model's size by repeating pixels.
export function goldenImage(manifest) {
  const { rows, columns, pixels_base64: text } = manifest.golden;
  const small = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const [height, width] = manifest.model.image_size;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const row = Math.floor((y * rows) / height);
    for (let x = 0; x < width; x++) {
      const from = (row * columns + Math.floor((x * columns) / width)) * 3;
      data.set(small.subarray(from, from + 3), (y * width + x) * 3);
    }
  }
  return { width, height, channels: 3, data };
}

// { passed, difference, reason }: the largest difference of an expected output, and why it failed.
export function judge(manifest, outputs, unit = "cpu") {
  const { expected } = manifest.golden;
  const largest = Math.max(...expected.map(({ value }) => Math.abs(value)));
  const tolerance = Math.max(manifest.golden.tolerance, unit === "gpu" ? GPU_SHARE * largest : 0);
  const failed = (reason, difference = null) => ({ passed: false, difference, tolerance, reason });
  const numbers = manifest.output.shape.slice(1).reduce((product, side) => product * side, 1);
  if (outputs.length !== numbers) {
    return failed(`the model gives ${outputs.length} numbers, its manifest says ${numbers}`);
  }
  const difference = Math.max(...expected.map(({ index, value }) => Math.abs(outputs[index] - value)));
  // NaN compares false: it must not pass.
  if (!(difference <= tolerance)) {
    return failed(`the self-test differs by ${difference.toExponential(1)} here, allowed is ${tolerance.toExponential(1)}`, difference);
  }
  // Of masks and boxes some numbers are expected, wherever they are; of classes the best.
  if (manifest.head) return { passed: true, difference, tolerance, reason: "" };
  // No other class may stand above the last of them.
  const chosen = new Set(expected.map(({ index }) => index));
  const last = Math.min(...expected.map(({ value }) => value));
  const above = outputs.findIndex((output, index) => !chosen.has(index) && !(output <= last + tolerance));
  if (above >= 0) return failed(`the self-test finds class ${above} here, which is not among the best`, difference);
  return { passed: true, difference, tolerance, reason: "" };
}
