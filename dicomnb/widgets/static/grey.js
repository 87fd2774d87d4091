// Values to what is drawn, as dicomnb.images.windows does it (PS3.3 C.11.2).

export const KINDS = {
  int8: Int8Array, uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array,
  int32: Int32Array, uint32: Uint32Array, float32: Float32Array, float64: Float64Array,
};

// The share of white, 0 to 1, of one value.
export function share(value, { center, width, fn }) {
  if (fn === "SIGMOID") return 1 / (1 + Math.exp(-4 * (value - center) / width));
  const middle = fn === "LINEAR_EXACT" ? center : center - 0.5;
  const span = fn === "LINEAR_EXACT" ? width : width - 1;
  if (span === 0) return value > middle ? 1 : 0;
  return Math.min(1, Math.max(0, (value - middle) / span + 0.5));
}

// 0xAABBGGRR of a grey: the bytes of a canvas on every machine that runs a browser.
function packed(part, inverted) {
  const bright = Math.floor(part * 255 + 0.5);
  const grey = inverted ? 255 - bright : bright;
  return (0xff000000 | (grey << 16) | (grey << 8) | grey) >>> 0;
}

// A table of all values of 8 or 16 bits, or null where there are too many of them.
export function table(kind, window, inverted) {
  const bits = { int8: 8, uint8: 8, int16: 16, uint16: 16 }[kind];
  if (!bits) return null;
  const size = 1 << bits;
  const colours = new Uint32Array(size);
  const signed = kind.startsWith("int");
  for (let index = 0; index < size; index++) {
    const value = signed && index >= size / 2 ? index - size : index;
    colours[index] = packed(share(value, window), inverted);
  }
  return colours;
}

// Fill the pixels of a canvas (one Uint32 each) with a frame.
export function paint(frame, samples, window, inverted, colours, out) {
  if (samples === 3) {
    for (let index = 0, at = 0; index < out.length; index++, at += 3) {
      const pixel = 0xff000000 | (frame[at + 2] << 16) | (frame[at + 1] << 8) | frame[at];
      out[index] = (inverted ? pixel ^ 0x00ffffff : pixel) >>> 0;
    }
  } else if (colours) {
    const mask = colours.length - 1;
    for (let index = 0; index < out.length; index++) out[index] = colours[frame[index] & mask];
  } else {
    for (let index = 0; index < out.length; index++) {
      const part = share(frame[index], window);
      out[index] = packed(Number.isNaN(part) ? 0 : part, inverted);
    }
  }
}

// Lay an overlay of indices (0 is nothing) over the pixels.
export function cover(indices, palette, opacity, out) {
  for (let at = 0; at < out.length; at++) {
    const colour = palette[indices[at]];
    if (!indices[at] || colour === undefined) continue;
    const below = out[at];
    let mixed = 0xff000000;
    for (let shift = 0; shift < 24; shift += 8) {
      const under = (below >>> shift) & 255;
      const over = (colour >>> shift) & 255;
      mixed |= Math.round(under + (over - under) * opacity) << shift;
    }
    out[at] = mixed >>> 0;
  }
}
