// Image files without their color profile. Pillow leaves profiles aside, and WebKit applies them whatever
// createImageBitmap is asked for, which moves the colors of a phone's photos by up to 39 levels.

const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const PNG_COLOR = new Set(["iCCP", "cICP", "gAMA", "cHRM", "sRGB"]);
const WEBP_PROFILE_FLAG = 0x20;

// The same picture as a Blob, of the type that its bytes show: names lie, and Firefox goes by the type.
export function withoutProfile(bytes, type) {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return joined(jpeg(bytes), "image/jpeg");
  if (PNG.every((value, index) => bytes[index] === value)) return joined(png(bytes), "image/png");
  if (text(bytes, 0) === "RIFF" && text(bytes, 8) === "WEBP") return joined(webp(bytes), "image/webp");
  return joined([bytes], type);
}

// In one piece: Firefox decodes no JPEG from a Blob of several.
function joined(parts, type) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return new Blob([whole], { type });
}

function jpeg(bytes) {
  const parts = [bytes.subarray(0, 2)];
  let at = 2;
  // Segments until the first scan (0xda) or what is no segment.
  while (at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda) {
    if (bytes[at + 1] === 0xff) {
      at += 1;  // a fill byte
      continue;
    }
    const end = at + 2 + ((bytes[at + 2] << 8) | bytes[at + 3]);
    const profile = bytes[at + 1] === 0xe2 && text(bytes, at + 4, 11) === "ICC_PROFILE";
    if (!profile) parts.push(bytes.subarray(at, end));
    at = end;
  }
  parts.push(bytes.subarray(at));
  return parts;
}

function png(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts = [bytes.subarray(0, PNG.length)];
  let at = PNG.length;
  while (at + 8 <= bytes.length) {
    const end = at + 12 + view.getUint32(at);
    const kind = text(bytes, at + 4);
    if (kind === "IDAT") break;
    if (!PNG_COLOR.has(kind)) parts.push(bytes.subarray(at, end));
    at = end;
  }
  parts.push(bytes.subarray(at));
  return parts;
}

function webp(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks = [];
  for (let at = 12; at + 8 <= bytes.length; ) {
    const size = view.getUint32(at + 4, true);
    const end = at + 8 + size + (size & 1);
    const kind = text(bytes, at);
    if (kind !== "ICCP") {
      const chunk = bytes.slice(at, end);
      if (kind === "VP8X") chunk[8] &= ~WEBP_PROFILE_FLAG;
      chunks.push(chunk);
    }
    at = end;
  }
  const head = bytes.slice(0, 12);
  const total = 4 + chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  new DataView(head.buffer).setUint32(4, total, true);
  return [head, ...chunks];
}

const text = (bytes, at, length = 4) => String.fromCharCode(...bytes.subarray(at, at + length));
