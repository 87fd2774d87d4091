// A table of as many rows as there are, of which only those in sight are in the page: the rows
// come in pages from the kernel, which sorts, filters and selects (feeding.py, gridding.py).
//
//   import { Grid } from "./grid.js";
//
//   build() {                                        // in a panel's front end
//     this.grid = new Grid({
//       ask: (kind, content) => this.ask(kind, content),
//       label: "Studies",                            // what it is, for screen readers
//       open: "Show its series",                     // what Enter, double click and the button
//     });                                            // of a row do; left out: rows do not open
//     this.body.append(this.grid.element);
//   }
//   "grid-facts"(message, buffers) { this.grid.facts(message, buffers); }
//   "grid-rows"(message) { this.grid.rows(message); }
//   end() { super.end(); this.grid.end(); }
//
// Methods: `focus()`, for one that takes another's place; `go(row)`; `end()`.
// Also: `name` (of the messages, "grid"; for a second grid in a panel), `noun` and `nouns` (what a
// row is called), `select` (false: rows are only read, for tables of outcomes), `filter` (false:
// nothing above the table but the count), `rows` (how many are in sight at most, 12), `empty`
// (words where there is no row at all). In Python the panel holds a `Gridding`, and has `_css =
// style("panel", "grid", …)`.
//
// To the kernel: grid-facts {} (once, when it is made) · grid-rows {start, stop, turn} · grid-sort
// {column, descending, then}, `column` null for the table's own order · grid-filter {words,
// columns: {number: text}} · grid-select {how, at, to, turn, serial}, `how` one of only, add,
// remove, toggle, all, none, none-shown · grid-open {at, turn}.
// From it: grid-facts {turn, table, serial, columns, shown, all, selected, selected_shown, sort,
// filter} with one buffer, a bit a row: is it selected · grid-rows {turn, start, rows}. `turn`
// numbers the orders of rows: an answer that belongs to an older one is dropped, here as there.
// `serial` names the choice that is answered: a view shows its own before the answer comes.

import { element } from "./controls.js";
import { GridHead, debounced } from "./gridhead.js";
import { GridRows } from "./gridrows.js";
import { Pages } from "./pages.js";
import { action, fresh } from "./panel.js";

const ROW = 28;
const HEAD = 31;  // its line below it included
const FILTERS = 32;
const FIXED = 30;
const FRAME = 18;  // lines around the table, and a bar to scroll sideways: no second one for its sake
const OVER = 4;
const TALLEST = 8_000_000;  // browsers hold no element much taller; beyond, a pixel is more than one

const whole = (number) => number.toLocaleString("en");

export class Grid {
  constructor({ ask, label, open = null, name = "grid", select = true, filter = true, rows = 12, empty = "Nothing to show.", noun = "row", nouns = `${noun}s` }) {
    this.id = fresh("grid");
    this.options = { open, select, filter, rows, empty, noun, nouns };
    this.ask = (kind, content = {}) => ask(`${name}-${kind}`, content);
    this.pages = new Pages((content) => this.ask("rows", content));
    this.told = null;
    this.marks = new Uint8Array(0);
    this.active = { row: 0, column: 0 };
    this.anchor = null;
    this.serial = 0;
    this.build(label);
    this.listen();
    this.ask("facts");
  }

  build(label) {
    const { filter, select, open } = this.options;
    this.words = element("input", {
      type: "search", class: "dicomnb-grid-words", "aria-label": `Filter ${this.options.nouns}`, placeholder: "Filter all columns", spellcheck: "false", autocomplete: "off",
    });
    this.toggle = action("Filter columns", () => this.showFilters(!this.filtersShown), { "aria-expanded": "false" });
    this.clear = action("Clear filters", () => this.clearFilters(), { hidden: true });
    this.counts = element("div", { class: "dicomnb-grid-counts", role: "status", "aria-live": "polite" });
    this.problems = element("div", { class: "dicomnb-grid-problems", role: "status", id: `${this.id}-problems` });
    this.bar = element("div", { class: "dicomnb-grid-bar" }, ...(filter ? [this.words, this.toggle, this.clear] : []), this.counts);
    this.head = new GridHead(this.actions(), { id: this.id, select, nouns: this.options.nouns });
    this.body = element("div", { role: "rowgroup", class: "dicomnb-grid-rows" });
    this.table = element("div", {
      role: "grid", class: "dicomnb-grid-table", tabindex: 0, "aria-label": label, "aria-multiselectable": select ? "true" : null, "aria-busy": "true",
    }, element("div", { role: "rowgroup", class: "dicomnb-grid-top" }, this.head.element), this.body);
    this.nothing = element("div", { class: "dicomnb-grid-nothing", hidden: true });
    this.element = element("div", { class: "dicomnb-grid" }, this.bar, this.problems, this.table, this.nothing);
    this.lines = new GridRows(this.body, { id: this.id, select, open });
  }

  actions() {
    return {
      sort: (column, event) => this.sort(column, event.shiftKey),
      filter: () => this.filter(),
      width: () => this.size(),
      fit: (column) => this.fit(column),
      all: () => this.choose(this.told.selected_shown === this.told.shown ? "none-shown" : "all"),
      down: (column = this.active.column) => { this.table.focus(); this.go(this.active.row, column); },
    };
  }

  listen() {
    this.typing = debounced(() => this.filter());
    this.words.addEventListener("input", () => this.typing.later());
    this.words.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.typing.now();
      else if (event.key === "ArrowDown") { event.preventDefault(); this.table.focus(); }
    });
    this.table.addEventListener("scroll", () => this.draw());
    this.table.addEventListener("keydown", (event) => { if (event.target === this.table) this.key(event); });
    this.table.addEventListener("focus", () => this.draw());
    this.table.addEventListener("copy", (event) => this.copy(event));
    this.body.addEventListener("mousedown", (event) => { event.preventDefault(); this.table.focus({ preventScroll: true }); });
    this.body.addEventListener("click", (event) => this.click(event));
    this.body.addEventListener("dblclick", (event) => { if (!event.target.closest("input, button")) this.openRow(this.rowOf(event)); });
    this.body.addEventListener("mouseover", ({ target }) => {
      if (target.scrollWidth > target.clientWidth && target.matches(".dicomnb-grid-cell")) target.title = target.textContent;
    });
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(this.table);
  }

  // -- from the kernel ---------------------------------------------------------------------------

  facts(message, buffers) {
    const before = this.told;
    const changed = (name) => JSON.stringify(before?.[name]) !== JSON.stringify(message[name]);
    const anew = message.turn !== before?.turn;
    if (anew || message.serial === this.waiting) this.waiting = null;
    if (this.waiting && !anew) return;  // a later choice of this view is under way
    this.told = message;
    const bits = buffers[0];
    this.marks = new Uint8Array(bits.buffer ?? bits, bits.byteOffset ?? 0, bits.byteLength).slice();
    if (anew) {
      const same = !(changed("table") || changed("sort") || changed("filter") || changed("columns"));
      this.pages.begin(message.turn, same);
      if (changed("columns") || changed("table")) this.columns(message.columns);
      if (!same) { this.table.scrollTop = 0; this.active.row = 0; this.anchor = null; }
    }
    this.active.row = Math.max(0, Math.min(this.active.row, message.shown - 1));
    this.show();
  }

  rows(message) {
    if (this.pages.take(message)) this.draw();
  }

  // -- drawing -----------------------------------------------------------------------------------

  columns(columns) {
    this.head.build(columns, this.options.open);
    this.lines.build(columns);
    this.table.setAttribute("aria-colcount", columns.length + this.fixed());
    this.active.column = Math.min(this.active.column, Math.max(0, columns.length - 1));
  }

  fixed() { return (this.options.select ? 1 : 0) + (this.options.open ? 1 : 0); }

  show() {
    const { shown, all, selected, selected_shown: inSight, filter, columns } = this.told;
    const { noun, nouns, empty, select } = this.options;
    this.head.show(this.told);
    const filtered = Boolean(filter.words.trim() || Object.keys(filter.columns).length);
    if (!this.typing.waits() && this.words.value.trim() !== filter.words.trim()) this.words.value = filter.words;
    this.clear.hidden = !filtered;
    const hidden = selected - inSight;
    const words = [
      filtered ? `${whole(shown)} of ${whole(all)} ${all === 1 ? noun : nouns} shown` : `${whole(all)} ${all === 1 ? noun : nouns}`,
      select && selected ? `${whole(selected)} selected${hidden ? ` (${whole(hidden)} not shown)` : ""}` : "",
    ].filter(Boolean).join(" · ");
    if (this.counts.textContent !== words) this.counts.textContent = words;
    const wrong = Object.entries(filter.problems).map(([place, why]) => `${columns[place].label}: ${why}`).join(" ");
    if (this.problems.textContent !== wrong) this.problems.textContent = wrong;
    this.bar.hidden = all === 0;
    this.table.hidden = columns.length === 0 || all === 0;
    this.nothing.hidden = shown > 0;
    this.nothing.textContent = all === 0 ? empty : `None of ${whole(all)} ${nouns} passes the filter.`;
    this.table.setAttribute("aria-rowcount", shown + 1);
    this.size();
    if (this.focusing && !this.table.hidden) this.focus();
  }

  // Takes the focus, now or as soon as there are rows: for a grid in another one's place.
  focus() {
    this.focusing = this.table.hidden || !this.told;
    if (!this.focusing) this.table.focus({ preventScroll: true });
  }

  size() {
    const { shown, columns } = this.told;
    const fixed = this.fixed() * FIXED;
    const widths = columns.map((_, place) => this.head.widthOf(place));
    const last = widths.length - 1;
    const tracks = [...Array(this.fixed()).fill(`${FIXED}px`), ...widths.map((width, place) => (place === last ? `minmax(${width}px, 1fr)` : `${width}px`))];
    this.table.style.setProperty("--dicomnb-columns", tracks.join(" "));
    this.table.style.setProperty("--dicomnb-all", `${widths.reduce((sum, one) => sum + one, fixed)}px`);
    const height = Math.min(Math.max(shown, 1), this.options.rows) * ROW + this.headHeight() + FRAME;
    this.table.style.maxHeight = `${height}px`;
    this.body.style.height = `${Math.min(shown * ROW, TALLEST)}px`;
    this.draw();
  }

  headHeight() { return HEAD + (this.filtersShown ? FILTERS : 0); }
  viewHeight() { return Math.max(this.table.clientHeight - this.headHeight(), 0); }

  // How many pixels of rows a pixel of scrolling is: one, but for tables that are too tall.
  scale() {
    const [all, view] = [this.told.shown * ROW, this.viewHeight()];
    return all > TALLEST ? (all - view) / (TALLEST - view) : 1;
  }

  draw() {
    if (!this.told || !this.table.clientHeight) return;
    const { shown } = this.told;
    const at = this.table.scrollTop;
    const above = at * this.scale();
    const first = Math.max(0, Math.floor(above / ROW));
    const last = Math.min(shown - 1, Math.ceil((above + this.viewHeight()) / ROW));
    const wanted = [];
    for (let index = Math.max(0, first - OVER); index <= Math.min(shown - 1, last + OVER); index += 1) wanted.push(index);
    const { row: active, column } = this.active;
    if (shown && active < wanted[0]) wanted.unshift(active);
    else if (shown && active > wanted.at(-1)) wanted.push(active);
    this.lines.draw(wanted, (index) => at + index * ROW - above, (index) => ({
      texts: this.pages.row(index), selected: this.isMarked(index), active: index === active ? column : null,
    }));
    this.pages.want(first, last, shown);
    this.table.setAttribute("aria-busy", String(Boolean(shown) && !this.pages.row(first)));
    const cell = this.lines.drawn.get(active)?.cells[column];
    if (cell) this.table.setAttribute("aria-activedescendant", cell.id);
    else this.table.removeAttribute("aria-activedescendant");
  }

  // -- selecting and opening ---------------------------------------------------------------------

  isMarked(index) { return (this.marks[index >> 3] & (128 >> (index & 7))) !== 0; }

  // Asks for a selection, and shows it at once: the answer says what it is.
  choose(how, at, to) {
    if (!this.options.select || !this.told?.shown) return;
    const [low, high] = at === undefined ? [0, this.told.shown - 1] : [Math.min(at, to ?? at), Math.max(at, to ?? at)];
    if (how === "only" || how === "none") this.marks.fill(0);
    if (how !== "none") {
      for (let index = low; index <= high; index += 1) {
        const on = how === "toggle" ? !this.isMarked(index) : how !== "remove" && how !== "none-shown";
        if (on) this.marks[index >> 3] |= 128 >> (index & 7);
        else this.marks[index >> 3] &= ~(128 >> (index & 7));
      }
    }
    this.serial += 1;
    this.waiting = `${this.id}-${this.serial}`;
    this.ask("select", { how, at, to, turn: this.told.turn, serial: this.waiting });
    this.draw();
  }

  rowOf(event) { return event.target.closest(".dicomnb-grid-row")?.dicomnbRow.index; }

  click(event) {
    const index = this.rowOf(event);
    if (index === undefined) return;
    const place = event.target.closest(".dicomnb-grid-row").dicomnbRow.cells.indexOf(event.target);
    this.active = { row: index, column: place < 0 ? this.active.column : place };
    const ticks = event.target.matches("input");
    const many = event.ctrlKey || event.metaKey || ticks;
    if (event.target.closest("button")) this.openRow(index);
    else if (event.shiftKey && this.anchor !== null) this.choose(many ? "add" : "only", this.anchor, index);
    else { this.anchor = index; this.choose(many ? "toggle" : "only", index); }
    this.draw();
  }

  openRow(index) {
    if (this.options.open && index !== undefined && this.told?.shown) this.ask("open", { at: index, turn: this.told.turn });
  }

  copy(event) {
    const text = this.pages.row(this.active.row)?.[this.active.column];
    if (event.target !== this.table || text === undefined) return;
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
  }

  // -- keys --------------------------------------------------------------------------------------

  go(row, column = this.active.column) {
    this.active = { row: Math.max(0, Math.min(this.told.shown - 1, row)), column: Math.max(0, Math.min(this.told.columns.length - 1, column)) };
    const [scale, view] = [this.scale(), this.viewHeight()];
    const top = this.active.row * ROW;
    if (top < this.table.scrollTop * scale) this.table.scrollTop = Math.floor(top / scale);
    else if (top + ROW > this.table.scrollTop * scale + view) this.table.scrollTop = Math.ceil((top + ROW - view) / scale);
    const cell = this.head.cells[this.active.column]?.element;
    if (cell) {
      const [left, right] = [cell.offsetLeft - this.fixed() * FIXED, cell.offsetLeft + cell.offsetWidth];
      if (left < this.table.scrollLeft) this.table.scrollLeft = left;
      else if (right > this.table.scrollLeft + this.table.clientWidth) this.table.scrollLeft = Math.min(left, right - this.table.clientWidth);
    }
    this.draw();
  }

  key(event) {
    if (!this.told?.shown || event.altKey) return;
    const { row, column } = this.active;
    const page = Math.max(1, Math.floor(this.viewHeight() / ROW) - 1);
    const to = { ArrowDown: row + 1, ArrowUp: row - 1, PageDown: row + page, PageUp: row - page, Home: 0, End: this.told.shown - 1 }[event.key];
    const many = event.ctrlKey || event.metaKey;
    if (event.key === "ArrowUp" && row === 0 && !event.shiftKey) this.head.focus(column);
    else if (to !== undefined) {
      if (event.shiftKey) this.anchor ??= row;
      this.go(to);
      if (event.shiftKey) this.choose("only", this.anchor, this.active.row);
    } else if (event.key === "ArrowLeft") this.go(row, column - 1);
    else if (event.key === "ArrowRight") this.go(row, column + 1);
    else if (event.key === " ") {
      if (event.shiftKey && this.anchor !== null) this.choose("only", this.anchor, row);
      else { this.anchor = row; this.choose("toggle", row); }
    } else if (many && event.key.toLowerCase() === "a") this.choose("all");
    else if (event.key === "Enter" && this.options.open) this.openRow(row);
    else if (event.key === "Escape" && this.told.selected) this.choose("none");
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // -- order, filter, widths ---------------------------------------------------------------------

  // Up, down, and back to the table's own order; with `then`, within the order there is.
  sort(column, then) {
    const now = this.told.sort.find((one) => one.column === column);
    if (now?.descending && !then) this.ask("sort", { column: null });
    else this.ask("sort", { column, descending: Boolean(now) && !now.descending, then });
  }

  filter() {
    this.ask("filter", { words: this.words.value, columns: this.head.wanted() });
  }

  showFilters(shown) {
    this.filtersShown = shown;
    this.element.classList.toggle("dicomnb-grid-filters", shown);
    this.toggle.setAttribute("aria-expanded", String(shown));
    if (this.told) this.size();
    if (shown) this.head.cells?.[this.active.column]?.input.focus();
  }

  clearFilters() {
    this.words.value = "";
    for (const { input } of this.head.cells) input.value = "";
    this.filter();
    this.words.focus();
  }

  // As wide as what is in sight of the column.
  fit(column) {
    const cells = [...this.lines.drawn.values()].map((row) => row.cells[column]);
    const range = document.createRange();
    const widths = [this.head.cells[column].button.firstChild, ...cells].map((cell) => {
      range.selectNodeContents(cell);
      return range.getBoundingClientRect().width;
    });
    this.head.widen(column, Math.max(...widths) + 28);
  }

  end() { this.sizes.disconnect(); }
}
