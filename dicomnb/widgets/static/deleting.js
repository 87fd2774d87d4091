// The front end of DeletePanel: what would go, the words that have to be typed, what became of it.

import { element } from "./controls.js";
import { Panel, action, count, field, fresh, shown } from "./panel.js";
import { PagedTable, copyCode, patientCell, stateCell } from "./paged.js";

const COLUMNS = [
  ["Patient"], ["Date"], ["Description"], ["Series", "dicomnb-number dicomnb-of-studies"],
  ["Instances", "dicomnb-number"], ["Outcome", "dicomnb-done-only"],
];

class Deleting extends Panel {
  build() {
    this.name = fresh("page");
    this.target = element("div", { class: "dicomnb-hint" });
    this.refusal = element("div", { class: "dicomnb-refusal", role: "note", hidden: true });
    this.nothing = element("div", { class: "dicomnb-hint", hidden: true }, "Nothing is chosen to be deleted. Select studies, series or instances in a search; a script sets panel.what.");
    this.plan = element("div", { class: "dicomnb-plan", "aria-live": "polite" });
    this.missing = element("div", { class: "dicomnb-hint" });
    this.goes = element("div", { class: "dicomnb-hint" });
    this.paged = new PagedTable("What would be deleted", COLUMNS, (one) => this.row(one), (first) => this.ask("rows", { view: this.name, first }));
    this.again = action("Look again", () => this.ask("look"));
    this.copy = action("Copy code", () => copyCode(this));
    const below = element("div", { class: "dicomnb-row" }, this.again, this.copy);
    this.shownPlan = element("div", { class: "dicomnb-body", hidden: true }, this.plan, this.missing, this.paged.pages, this.paged.scrolled, this.goes, this.confirming());
    this.body.append(this.target, this.refusal, this.nothing, this.shownPlan, below);
  }

  confirming() {
    this.typed = element("input", { type: "text", spellcheck: "false", autocomplete: "off", autocapitalize: "off" });
    this.typed.addEventListener("input", () => this.enable());
    this.go = action("Delete", null);
    this.go.type = "submit";
    this.go.classList.add("dicomnb-danger");
    const labelled = field("", this.typed);
    this.asking = labelled.querySelector("label");
    this.form = element("form", { class: "dicomnb-confirm" }, labelled, this.go);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!this.go.disabled) this.ask("delete", { words: this.typed.value, ticket: this.state.ticket });
    });
    return this.form;
  }

  rows(told) {
    if (told.view === this.name) this.paged.show(told);
  }

  row(one) {
    const studies = this.state.level === "study";
    const cells = [
      patientCell(one.patient, one.id),
      element("td", { class: "dicomnb-short" }, one.date),
      element("td", { class: "dicomnb-name" }, one.description),
    ];
    if (studies) cells.push(this.number(one.series, "series", "series"));
    cells.push(this.number(one.instances, "instance"));
    if (this.state.done) cells.push(stateCell(one.state, one.state, one.words));
    return element("tr", {}, ...cells);
  }

  // A number; in a narrow place, without heads of columns, it says of what.
  number(value, one, many) {
    const unit = count(value, one, many).replace(/^\S+/, "");
    return element("td", { class: "dicomnb-number" }, value.toLocaleString("en"), element("span", { class: "dicomnb-unit" }, unit));
  }

  show(state) {
    const another = !this.before || this.before.ticket !== state.ticket || this.before.words !== state.words;
    this.before = state;
    if (another) this.typed.value = "";
    this.target.textContent = state.archive ? `From ${state.archive}` : "";
    this.target.hidden = !state.archive;
    this.refusal.textContent = state.cannot;
    this.refusal.hidden = !state.cannot;
    this.shownPlan.hidden = !state.counted;
    this.nothing.hidden = Boolean(state.counted || state.cannot || state.chosen);
    this.plan.textContent = state.done ? `What was to be deleted: ${state.summary}.` : `This deletes ${state.summary}.`;
    this.missing.textContent = state.missing ? `${count(state.missing, "more thing")} that ${state.missing === 1 ? "was" : "were"} chosen ${state.missing === 1 ? "is" : "are"} not there.` : "";
    this.missing.hidden = !state.missing;
    this.goes.textContent = state.goes;
    this.asking.replaceChildren("Type ", element("b", {}, state.words), " to confirm");
    this.go.textContent = state.counted ? `Delete ${state.counted.replace(/ with .*/, "")}` : "Delete";
    this.form.hidden = !state.words && !state.deleting;
    for (const head of this.paged.table.querySelectorAll(".dicomnb-of-studies")) head.hidden = state.level !== "study";
    for (const head of this.paged.table.querySelectorAll(".dicomnb-done-only")) head.hidden = !state.done;
    this.again.hidden = state.deleting || !(state.chosen || state.counted);
    this.copy.hidden = !state.counted;
    this.enable();
    if (state.counted) this.paged.refresh(another && !state.done);
  }

  occupied(label) {
    super.occupied(label);
    this.enable();
  }

  // The button opens for the very words alone; the kernel looks at them as well.
  enable() {
    if (!this.state) return;
    const said = this.typed.value.trim().replace(/\s+/g, " ").toLowerCase();
    const idle = !this.label && !this.state.deleting;
    this.typed.disabled = !idle;
    this.go.disabled = !idle || !this.state.words || said !== this.state.words;
    this.again.disabled = !idle;
  }
}

export default shown(Deleting, "Delete");
