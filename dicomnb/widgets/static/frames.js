// Frames that have come, within a bound; and which to ask for next.

export class Frames {
  constructor(count, bytesEach, bound) {
    this.count = count;
    this.capacity = Math.max(3, Math.floor(bound / Math.max(1, bytesEach)));
    this.block = Math.max(1, Math.min(32, Math.floor((4 << 20) / Math.max(1, bytesEach))));
    this.held = new Map();
    this.asked = new Set();
    this.failed = new Map();  // index → why
  }

  get(index) {
    return this.held.get(index);
  }

  // Keep a frame; what lies farthest from the one in view goes when there is no room.
  put(index, frame, current) {
    this.asked.delete(index);
    this.failed.delete(index);
    this.held.set(index, frame);
    while (this.held.size > this.capacity) {
      let farthest = null;
      for (const one of this.held.keys())
        if (farthest === null || Math.abs(one - current) > Math.abs(farthest - current)) farthest = one;
      this.held.delete(farthest);
    }
  }

  fail(index, words) {
    this.asked.delete(index);
    this.failed.set(index, words);
  }

  again() {
    this.failed.clear();
  }

  // The frames to ask for: the one in view alone and at once, then a block of those nearest.
  next(current, direction) {
    if (this._lacks(current)) return this._ask([current]);
    if (this.asked.size > this.block) return [];
    const wanted = [];
    const ahead = direction < 0 ? -1 : 1;
    // Two less than fit: with a tie at the edge, what is put in may never push a wanted one out.
    let left = Math.min(this.count, this.capacity - 1) - 1;
    for (let step = 1; left > 0 && step < this.count; step++) {
      for (const index of [current + ahead * step, current - ahead * step]) {
        if (index < 0 || index >= this.count || left-- <= 0) continue;
        if (this._lacks(index)) wanted.push(index);
        if (wanted.length === this.block) return this._ask(wanted);
      }
    }
    return this._ask(wanted);
  }

  _lacks(index) {
    return !this.held.has(index) && !this.asked.has(index) && !this.failed.has(index);
  }

  _ask(indices) {
    for (const one of indices) this.asked.add(one);
    return indices;
  }
}
