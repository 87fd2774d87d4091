// The head of a grid: a column's name sorts, its edge is dragged, its box filters.

import { element } from "./controls.js";

const CHARACTER = 7.4;
const PADDING = 22;
const NARROWEST = 44;
const STEP = 16;
const PAUSE_MS = 150;
const HINTS = {
  text: "Words, or =CT, or !=CT",
  list: "Words, or =CT, or !=CT",
  number: "Digits, or >5, or 10..20, or =7",
  date: "2023-06, or >=2023-06, or 2022..2023",
  time: "Digits, or >12:30, or 8..12",
};

// Calls a function when nothing has come for a while; `now` at once.
export function debounced(act) {
  let waiting = null;
  const now = () => { clearTimeout(waiting); waiting = null; act(); };
  return { now, later: () => { clearTimeout(waiting); waiting = setTimeout(now, PAUSE_MS); }, waits: () => waiting !== null };
}

export class GridHead {
  // `act` holds what is done: sort(column, event), filter(), width(), fit(column), down(column), all().
  constructor(act, { id, select, nouns }) {
    this.act = act;
    this.id = id;
    this.columns = [];
    this.widths = new Map();
    this.all = select ? element("input", {
      type: "checkbox", class: "dicomnb-grid-check", "aria-label": `Select all ${nouns} that are shown`,
      onclick: () => act.all(),
    }) : null;
    this.element = element("div", { role: "row", "aria-rowindex": 1, class: "dicomnb-grid-row dicomnb-grid-head" });
    this.typing = debounced(() => act.filter());
  }

  // Other columns than before: made anew. `before` are cells that stand in front of them.
  build(columns, extra) {
    this.columns = columns;
    this.cells = columns.map((column, place) => this.cell(column, place));
    this.element.replaceChildren(
      ...(this.all ? [element("div", { role: "columnheader", class: "dicomnb-grid-fixed" }, this.all)] : []),
      ...(extra ? [element("div", { role: "columnheader", class: "dicomnb-grid-fixed dicomnb-grid-opens" },
        element("span", { class: "dicomnb-grid-hidden" }, extra))] : []),
      ...this.cells.map((cell) => cell.element),
    );
    this.rove(0);
  }

  cell(column, place) {
    const name = element("span", { class: "dicomnb-grid-name", id: `${this.id}-${place}` }, column.label);
    const arrow = element("span", { class: "dicomnb-grid-arrow", "aria-hidden": "true" });
    const button = element("button", {
      type: "button", class: "dicomnb-grid-sort", tabindex: -1,
      title: column.label === column.name ? column.label : `${column.label} (${column.name})`,
      onclick: (event) => { this.rove(place); this.act.sort(place, event); },
      onkeydown: (event) => this.key(event, place),
    }, name, arrow);
    const edge = element("span", { class: "dicomnb-grid-edge", "aria-hidden": "true", onpointerdown: (event) => this.drag(event, place) });
    edge.addEventListener("dblclick", () => this.act.fit(place));
    const input = element("input", {
      type: "text", class: "dicomnb-grid-filter", "aria-label": `Filter ${column.label}`, title: HINTS[column.kind],
      placeholder: "Filter", spellcheck: "false", autocomplete: "off",
      oninput: () => this.typing.later(), onkeydown: (event) => this.typed(event),
    });
    const made = element("div", {
      role: "columnheader", class: `dicomnb-grid-cell dicomnb-grid-${column.align}`, "aria-labelledby": name.id, "aria-sort": "none",
    }, button, input, edge);
    return { element: made, button, arrow, input };
  }

  // One column's name is a stop of the Tab key; arrows go to the others.
  rove(place) {
    this.cells.forEach(({ button }, at) => { button.tabIndex = at === place ? 0 : -1; });
  }

  focus(place) {
    const cell = this.cells[Math.max(0, Math.min(this.cells.length - 1, place))];
    if (!cell) return;
    this.rove(this.cells.indexOf(cell));
    cell.button.focus();
    cell.element.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  key(event, place) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step && event.shiftKey) this.widen(place, this.widthOf(place) + step * STEP);
    else if (step) this.focus(place + step);
    else if (event.key === "Home") this.focus(0);
    else if (event.key === "End") this.focus(this.cells.length - 1);
    else if (event.key === "ArrowDown") this.act.down(place);
    else return;
    event.preventDefault();
  }

  typed(event) {
    if (event.key === "Enter") this.typing.now();
    else if (event.key === "Escape" && event.target.value) { event.target.value = ""; this.typing.now(); }
    else if (event.key === "ArrowDown") this.act.down();
    else return;
    event.preventDefault();
  }

  widthOf(place) {
    const column = this.columns[place];
    return this.widths.get(column.name) ?? Math.max(NARROWEST, Math.round(column.width * CHARACTER + PADDING));
  }

  widen(place, width) {
    this.widths.set(this.columns[place].name, Math.max(NARROWEST, Math.round(width)));
    this.act.width();
  }

  drag(event, place) {
    const [from, width] = [event.clientX, this.widthOf(place)];
    const edge = event.target;
    edge.setPointerCapture(event.pointerId);
    event.preventDefault();
    const move = ({ clientX }) => this.widen(place, width + clientX - from);
    edge.addEventListener("pointermove", move);
    edge.addEventListener("lostpointercapture", () => edge.removeEventListener("pointermove", move), { once: true });
  }

  // What is written above the columns: number of the column → text.
  wanted() {
    const written = this.cells.map(({ input }, place) => [place, input.value]).filter(([, text]) => text.trim());
    return Object.fromEntries(written);
  }

  show({ sort, filter, shown, selected_shown: selected }) {
    this.cells.forEach(({ element: cell, arrow, input }, place) => {
      const rank = sort.findIndex(({ column }) => column === place);
      const down = rank >= 0 && sort[rank].descending;
      cell.setAttribute("aria-sort", rank < 0 ? "none" : down ? "descending" : "ascending");
      arrow.textContent = rank < 0 ? "" : (down ? "▼" : "▲") + (sort.length > 1 ? rank + 1 : "");
      if (!this.typing.waits()) {
        const text = filter.columns[place] ?? "";
        if (input.value.trim() !== text.trim()) input.value = text;
      }
      const problem = filter.problems[place];
      input.setAttribute("aria-invalid", String(Boolean(problem)));
      if (problem) input.setAttribute("aria-describedby", `${this.id}-problems`);
      else input.removeAttribute("aria-describedby");
    });
    if (!this.all) return;
    this.all.checked = shown > 0 && selected === shown;
    this.all.indeterminate = selected > 0 && selected < shown;
    this.all.disabled = shown === 0;
  }
}
