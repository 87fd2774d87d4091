// The rows of a grid that have come from the kernel: pages of a hundred, asked for when they are
// in sight, one question at a time, so that a fast scroll does not leave a queue behind it.

const PAGE = 100;
const PAGES_KEPT = 80;
const PAGES_AT_ONCE = 5;
const GIVEN_UP_MS = 10000;

export class Pages {
  constructor(ask) {
    this.ask = ask;
    this.turn = null;
    this.held = new Map();
    this.old = new Set();
    this.asked = -Infinity;
  }

  // Another order of rows. `keep`: those held are still about right, and shown until the new come.
  begin(turn, keep) {
    this.turn = turn;
    this.asked = -Infinity;
    if (keep) this.old = new Set(this.held.keys());
    else { this.held.clear(); this.old.clear(); }
  }

  row(index) {
    return this.held.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  // Asks for what is not there of the rows in sight, then for a page on either side of them.
  want(first, last, count) {
    if (this.turn === null || count === 0 || performance.now() - this.asked < GIVEN_UP_MS) return;
    const [from, to] = [Math.floor(first / PAGE), Math.floor(last / PAGE)];
    const end = Math.floor((count - 1) / PAGE);
    const missing = (page) => page >= 0 && page <= end && (!this.held.has(page) || this.old.has(page));
    let start = from;
    while (start <= to && !missing(start)) start += 1;
    if (start > to) {
      start = [to + 1, from - 1].find(missing);
      if (start === undefined) return;
    }
    let stop = start + 1;
    while (stop <= to && stop - start < PAGES_AT_ONCE && missing(stop)) stop += 1;
    this.asked = performance.now();
    this.middle = (from + to) / 2;
    this.ask({ start: start * PAGE, stop: Math.min(stop * PAGE, count), turn: this.turn });
  }

  // Whether this was a page of the present order.
  take({ turn, start, rows }) {
    if (turn !== this.turn) return false;
    this.asked = -Infinity;
    for (let at = 0; at < rows.length; at += PAGE) {
      const page = (start + at) / PAGE;
      this.held.set(page, rows.slice(at, at + PAGE));
      this.old.delete(page);
    }
    while (this.held.size > PAGES_KEPT) {
      const far = (page) => Math.abs(page - this.middle);
      this.held.delete([...this.held.keys()].reduce((one, other) => (far(other) > far(one) ? other : one)));
    }
    return true;
  }
}
