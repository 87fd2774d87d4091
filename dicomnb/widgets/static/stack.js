// The frames of what is shown: those that have come, and the one in view as a picture.

import { KINDS, cover, paint, table } from "./grey.js";
import { Frames } from "./frames.js";

const CACHE_BYTES = 512 << 20;

export class Stack {
  // `facts` as the kernel tells them; the first of `buffers` is the preview, where there is one.
  constructor(facts, buffers) {
    const [times, slices, rows, columns] = facts.shape;
    this.facts = facts;
    this.rows = rows;
    this.columns = columns;
    this.pixels = rows * columns;
    this.type = KINDS[facts.type];
    this.frameBytes = this.pixels * facts.samples * this.type.BYTES_PER_ELEMENT;
    this.frames = new Frames(times * slices, this.frameBytes + this.pixels * facts.overlays.length, CACHE_BYTES);
    this.palettes = facts.overlays.map(({ colours }) => Uint32Array.from(colours));
    this.preview = facts.preview && { ...facts.preview, values: this.typed(buffers[0], 0, buffers[0].byteLength) };
    this.picture = document.createElement("canvas");
    this.picture.width = columns;
    this.picture.height = rows;
    this.image = this.picture.getContext("2d").createImageData(columns, rows);
    this.out = new Uint32Array(this.image.data.buffer);
    this.colours = null;
  }

  typed(view, offset, bytes) {
    const start = view.byteOffset + offset;
    return new this.type(view.buffer.slice(start, start + bytes));
  }

  // Keep frames that have come in one buffer, each with its overlays behind it.
  take(indices, buffer, current) {
    const { overlays } = this.facts;
    const each = this.frameBytes + this.pixels * overlays.length;
    indices.forEach((index, at) => {
      const start = at * each;
      const covers = overlays.map((_, number) => {
        const from = buffer.byteOffset + start + this.frameBytes + number * this.pixels;
        return new Uint8Array(buffer.buffer.slice(from, from + this.pixels));
      });
      this.frames.put(index, { values: this.typed(buffer, start, this.frameBytes), overlays: covers }, current);
    });
  }

  // Another window: colours are worked out anew.
  recolour() { this.colours = null; }

  // Put a frame, or its preview, into the picture; says whether it was the frame. Null where there
  // is neither.
  compose(index, { window, inverted, opacity }) {
    const frame = this.frames.get(index);
    const values = frame ? frame.values : this.enlarged(index);
    if (!values) return null;
    const { samples, type } = this.facts;
    const isDark = inverted !== this.facts.inverted;
    if (!this.colours) this.colours = samples === 1 ? table(type, window, isDark) : null;
    paint(values, samples, window, isDark, this.colours, this.out);
    if (frame) frame.overlays.forEach((indices, number) => cover(indices, this.palettes[number], opacity, this.out));
    this.picture.getContext("2d").putImageData(this.image, 0, 0);
    return Boolean(frame);
  }

  // A frame of the preview in full size.
  enlarged(index) {
    if (!this.preview) return null;
    const { step, rows, columns, values } = this.preview;
    const { samples } = this.facts;
    const start = index * rows * columns * samples;
    if (start >= values.length) return null;
    const large = new this.type(this.pixels * samples);
    for (let row = 0, at = 0; row < this.rows; row++) {
      const line = start + Math.min(rows - 1, Math.floor(row / step)) * columns * samples;
      for (let column = 0; column < this.columns; column++) {
        const from = line + Math.min(columns - 1, Math.floor(column / step)) * samples;
        for (let sample = 0; sample < samples; sample++) large[at++] = values[from + sample];
      }
    }
    return large;
  }
}
