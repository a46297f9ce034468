// Resizing with antialiasing, to the byte as preprocess.py does it with Pillow: weights in fixed point
// of 22 bits; columns, then rows, each pass rounded to bytes; a long strip rows first.

// A side this many times longer than it need be makes an image that is not scaled as a whole.
export const LONG_STRIP = 64;

const BITS = 22;
const HALF = 1 << (BITS - 1);
const STRIP_BYTES = 16 * 2 ** 20;

const SUPPORT = { bilinear: 1, bicubic: 2 };

const FILTERS = {
  bilinear: (x) => (x < 1 ? 1 - x : 0),
  // Keys' cubic with a = -1/2.
  bicubic: (x) => {
    const a = -0.5;
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
  },
};

// An image is { width, height, channels, data }, bytes row by row. A source is { width, height, rows }:
// rows(first, count) gives count rows from first on as RGBA bytes, so that no large photo lies whole in
// memory.
export function sourceOf(image) {
  const { width, height, data } = image;
  return { width, height, rows: (first, count) => data.subarray(first * width * 4, (first + count) * width * 4) };
}

// The part of a source from (left, top) to (right, bottom), in pixels, as an image of another size with
// the first `channels` channels.
export function resize(source, width, height, interpolation, channels, box = null) {
  const [left, top, right, bottom] = (box ?? [0, 0, source.width, source.height]).map(Math.fround);
  const columns = windows(source.width, left, right, width, interpolation);
  const rows = windows(source.height, top, bottom, height, interpolation);
  if (source.height > LONG_STRIP * source.width) {
    const whole = { ...source, channels: 4, data: source.rows(0, source.height) };
    const short = sourceOf(vertical(whole, rows));
    return horizontal(short, columns, channels);
  }
  return vertical(horizontal(source, columns, channels), rows);
}

function horizontal(source, columns, channels) {
  const { width, height } = source;
  const outWidth = columns.length;
  const data = new Uint8Array(outWidth * height * channels);
  const strip = Math.max(1, Math.floor(STRIP_BYTES / (width * 4)));
  let at = 0;
  for (let first = 0; first < height; first += strip) {
    const count = Math.min(strip, height - first);
    const rows = source.rows(first, count);
    for (let y = 0; y < count; y++) {
      for (const window of columns) {
        const { weights } = window;
        let red = HALF, green = HALF, blue = HALF, alpha = HALF;
        let index = (y * width + window.first) * 4;
        for (let k = 0; k < weights.length; k++, index += 4) {
          const weight = weights[k];
          red += rows[index] * weight;
          green += rows[index + 1] * weight;
          blue += rows[index + 2] * weight;
          if (channels === 4) alpha += rows[index + 3] * weight;
        }
        data[at++] = byte(red);
        data[at++] = byte(green);
        data[at++] = byte(blue);
        if (channels === 4) data[at++] = byte(alpha);
      }
    }
  }
  return { width: outWidth, height, channels, data };
}

function vertical(image, rows) {
  const stride = image.width * image.channels;
  const data = new Uint8Array(stride * rows.length);
  const sums = new Int32Array(stride);
  rows.forEach(({ first, weights }, y) => {
    sums.fill(HALF);
    for (let k = 0; k < weights.length; k++) {
      const weight = weights[k];
      const from = (first + k) * stride;
      for (let i = 0; i < stride; i++) sums[i] += image.data[from + i] * weight;
    }
    for (let i = 0; i < stride; i++) data[y * stride + i] = byte(sums[i]);
  });
  return { width: image.width, height: rows.length, channels: image.channels, data };
}

const byte = (sum) => Math.min(255, Math.max(0, sum >> BITS));

// Which source pixels make each target pixel, and by what weights.
function windows(inSize, start, end, outSize, interpolation) {
  if (start === 0 && end === outSize && inSize === outSize) {
    const whole = Int32Array.of(1 << BITS);
    return Array.from({ length: outSize }, (_, first) => ({ first, weights: whole }));
  }
  const filter = FILTERS[interpolation];
  // In single precision, as Pillow holds a box.
  const scale = Math.fround(end - start) / outSize;
  const filterScale = Math.max(scale, 1);
  const support = SUPPORT[interpolation] * filterScale;
  // Multiplied by, not divided by: as Pillow, or the last bit of a weight differs.
  const shrink = 1 / filterScale;
  return Array.from({ length: outSize }, (_, index) => {
    const center = start + (index + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5));
    const last = Math.min(inSize, Math.trunc(center + support + 0.5));
    const weights = Float64Array.from({ length: last - first }, (_, k) =>
      filter(Math.abs((k + first - center + 0.5) * shrink)),
    );
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { first, weights: Int32Array.from(weights, (weight) => fixed(total ? weight / total : weight)) };
  });
}

function fixed(weight) {
  const scaled = weight * (1 << BITS);
  return Math.trunc(weight < 0 ? scaled - 0.5 : scaled + 0.5);
}
