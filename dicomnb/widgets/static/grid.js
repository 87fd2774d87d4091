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
//
// Also: `name` (of the messages, "grid"; for a second grid in a panel), `select` (false: rows are
// only read, for tables of outcomes), `filter` (false: no row of filters), `rows` (how many are in
// sight at most, 12), `empty` (words where there is no row at all). `_css = style("panel", "grid",
// …)`; in Python the panel holds a `Gridding`.
//
// To the kernel: grid-facts {} (once, when it is made) · grid-rows {start, stop, turn} · grid-sort
// {column, descending, then} · grid-filter {words, columns: {number: text}} · grid-select {how, at,
// to, turn}, `how` one of only, add, remove, toggle, all, none, none-shown · grid-open {at, turn}.
// From it: grid-facts {turn, columns, shown, all, selected, selected_shown, sort, filter} with one
// buffer, a bit a row: is it selected · grid-rows {turn, start, rows}. `turn` numbers the orders of
// rows; an answer that belongs to an older one is dropped, here as there.
