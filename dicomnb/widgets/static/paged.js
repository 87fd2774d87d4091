// A table whose rows the kernel gives a page at a time, with buttons to turn the page.

import { element } from "./controls.js";
import { toClipboard } from "./handing.js";
import { action } from "./panel.js";

export class PagedTable {
  // `columns` are [title, class] each; `row` makes a <tr> of what is told of one; `ask` is given
  // the index of the first row that is wanted.
  constructor(label, columns, row, ask) {
    this.row = row;
    this.ask = ask;
    this.first = 0;
    this.step = 0; // rows of a page, which the kernel tells with the first one
    this.before = action("Previous", () => this.turn(-1));
    this.after = action("Next", () => this.turn(1));
    this.place = element("span", { class: "dicomnb-hint" });
    this.pages = element("div", { class: "dicomnb-row", hidden: true }, this.before, this.after, this.place);
    this.rows = element("tbody");
    const head = element("tr", {}, ...columns.map(([title, kind]) => element("th", { scope: "col", class: kind }, title)));
    this.table = element("table", { class: "dicomnb-table dicomnb-listed" }, element("caption", { class: "dicomnb-unseen" }, label), element("thead", {}, head), this.rows);
    this.scrolled = element("div", { class: "dicomnb-scrolled", tabindex: 0, role: "region", "aria-label": label }, this.table);
  }

  // Asks for the rows in view anew, or for the first ones.
  refresh(fromStart) {
    if (fromStart) this.first = 0;
    this.ask(this.first);
  }

  turn(step) {
    this.first = Math.max(this.first + step * this.step, 0);
    this.ask(this.first);
  }

  show({ first, step, total, rows }) {
    this.first = first;
    this.step = step;
    this.rows.replaceChildren(...rows.map(this.row));
    const last = first + rows.length;
    const [from, to, all] = [first + 1, last, total].map((one) => one.toLocaleString("en"));
    this.pages.hidden = total <= rows.length;
    this.place.textContent = `${from}–${to} of ${all}`;
    this.before.disabled = first === 0;
    this.after.disabled = last >= total;
  }
}

const GOOD = new Set(["stored", "already there", "deleted"]);
const BAD = new Set(["failed", "conflict"]);
const ODD = new Set(["left out", "warned", "picture", "deleting"]);

// A cell that tells what became of something, in a word and more words.
export function stateCell(state, word, words) {
  const tone = GOOD.has(state) ? "good" : BAD.has(state) ? "bad" : ODD.has(state) ? "odd" : "plain";
  const cell = element("td", { class: `dicomnb-state dicomnb-${tone}` }, element("span", { class: "dicomnb-word" }, word));
  if (words) cell.append(element("span", { class: "dicomnb-hint" }, words));
  return cell;
}

export function patientCell(name, id) {
  const cell = element("td", { class: "dicomnb-patient" }, name);
  if (id) cell.append(element("div", { class: "dicomnb-hint" }, id));
  return cell;
}

// Puts a panel's code on the clipboard; where that is not allowed it is shown, to be copied by hand.
export async function copyCode(panel) {
  const { code } = panel.state;
  const done = await toClipboard(code);
  panel.tell(done ? "done" : "info", done ? "The code is on the clipboard." : code);
}
