// The rows of a grid that are in the page: those in sight and a few more, used again and again.

import { element } from "./controls.js";

export class GridRows {
  // `facts` tells of a row what is drawn: texts (undefined until they come), selected, active.
  constructor(body, { id, select, open }) {
    this.body = body;
    this.id = id;
    this.select = select;
    this.open = open;
    this.columns = [];
    this.drawn = new Map();
    this.made = 0;
  }

  build(columns) {
    this.columns = columns;
    this.drawn.clear();
    this.body.replaceChildren();
  }

  // Draws these rows, in order, and no others. `top` says where each one stands.
  draw(wanted, top, facts) {
    const needed = new Set(wanted);
    const free = [...this.drawn].filter(([index]) => !needed.has(index));
    for (const [index] of free) this.drawn.delete(index);
    let next = this.body.firstChild;
    for (const index of wanted) {
      let row = this.drawn.get(index);
      if (!row) {
        row = free.pop()?.[1] ?? this.make();
        row.index = index;
        row.element.setAttribute("aria-rowindex", index + 2);
        row.element.classList.toggle("dicomnb-grid-odd", index % 2 === 1);
        this.drawn.set(index, row);
      }
      this.fill(row, facts(index));
      const place = `translateY(${top(index)}px)`;
      if (row.place !== place) { row.place = place; row.element.style.transform = place; }
      if (row.element === next) next = next.nextSibling;
      else this.body.insertBefore(row.element, next);
    }
    for (const [, row] of free) row.element.remove();
  }

  make() {
    this.made += 1;
    const row = { check: null, texts: null, active: null, selected: null };
    row.cells = this.columns.map(({ align }, place) => element("div", {
      role: "gridcell", class: `dicomnb-grid-cell dicomnb-grid-${align}`, id: `${this.id}-${this.made}-${place}`,
    }));
    row.element = element("div", { role: "row", class: "dicomnb-grid-row" });
    if (this.select) {
      row.check = element("input", { type: "checkbox", class: "dicomnb-grid-check", tabindex: -1 });
      row.element.append(element("div", { role: "gridcell", class: "dicomnb-grid-fixed" }, row.check));
    }
    if (this.open) {
      row.opens = element("button", { type: "button", class: "dicomnb-grid-open", tabindex: -1, title: this.open }, "›");
      row.element.append(element("div", { role: "gridcell", class: "dicomnb-grid-fixed dicomnb-grid-opens" }, row.opens));
    }
    row.element.append(...row.cells);
    row.element.dicomnbRow = row;
    return row;
  }

  fill(row, { texts, selected, active }) {
    if (row.texts !== texts || row.named !== row.index) {
      row.texts = texts;
      row.named = row.index;
      row.element.classList.toggle("dicomnb-grid-coming", !texts);
      row.cells.forEach((cell, place) => {
        const text = texts ? texts[place] : "";
        if (cell.textContent !== text) cell.textContent = text;
        cell.removeAttribute("title");
      });
      const name = texts ? `row ${row.index + 1}, ${texts.find(Boolean) ?? ""}` : `row ${row.index + 1}`;
      row.check?.setAttribute("aria-label", `Select ${name}`);
      row.opens?.setAttribute("aria-label", `${this.open}: ${name}`);
    }
    if (row.check && row.check.checked !== selected) row.check.checked = selected;
    if (row.check && row.selected !== selected) {
      row.selected = selected;
      row.element.setAttribute("aria-selected", String(selected));
    }
    if (row.active === active) return;
    row.active = active;
    row.element.classList.toggle("dicomnb-grid-active", active !== null);
    row.cells.forEach((cell, place) => cell.classList.toggle("dicomnb-grid-at", place === active));
  }
}
