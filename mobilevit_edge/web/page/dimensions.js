// How large a picture is, by its file's header: a small file may expand to gigabytes.

// [width, height] of a JPEG, PNG or WebP, before it is turned upright; null of anything else.
export function dimensions(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    if (view.getUint16(0) === 0xffd8) return jpeg(view);
    if (view.getUint32(0) === 0x89504e47) return [view.getUint32(16), view.getUint32(20)];
    if (view.getUint32(0) === 0x52494646 && view.getUint32(8) === 0x57454250) return webp(view);
  } catch (error) {
    // Cut off: whoever decodes it says so.
    if (!(error instanceof RangeError)) throw error;
  }
  return null;
}

function jpeg(view) {
  for (let at = 2; view.getUint8(at) === 0xff; ) {
    const marker = view.getUint8(at + 1);
    // Start of a frame; 0xc4, 0xc8 and 0xcc are tables.
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return [view.getUint16(at + 7), view.getUint16(at + 5)];
    }
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
  return null;
}

function webp(view) {
  switch (view.getUint32(12)) {
    case 0x56503858: // VP8X
      return [24, 27].map((at) => 1 + view.getUint16(at, true) + view.getUint8(at + 2) * 2 ** 16);
    case 0x5650384c: { // VP8L
      const bits = view.getUint32(21, true);
      return [1 + (bits & 0x3fff), 1 + ((bits >>> 14) & 0x3fff)];
    }
    default: // VP8
      return [26, 28].map((at) => view.getUint16(at, true) & 0x3fff);
  }
}
