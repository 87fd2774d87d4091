// A worklist: a form, what was found, pictures of what is selected, and the code that does it.

import { element } from "./controls.js";
import { Panel, action, count, fresh, shown } from "./panel.js";
import { Grid } from "./grid.js";
import { toClipboard, toNewCell } from "./handing.js";
import { ThumbnailStrip } from "./thumbnails.js";
import { KeywordInput, worklistField } from "./worklist.js";

const TYPED_MS = 250;
const SHOWN_CODE = 20_000;
const ROW_LIMITS = [100, 1000, 10_000, 100_000];
const SEARCH_LEVELS = { study: "Studies", series: "Series", instance: "Instances" };

class SearchPanel extends Panel {
  build() {
    this.view = fresh("view");
    this.controls = new Map();
    this.trail = element("ol", { class: "dicomnb-trail" });
    this.form = this.buildForm();
    this.grid = null;
    this.strip = new ThumbnailStrip();
    this.head = element("div", { class: "dicomnb-row dicomnb-found" });
    this.notes = element("ul", { class: "dicomnb-notes", "aria-label": "Notes on the results" });
    this.empty = element("div", { class: "dicomnb-empty" });
    this.table = element("div", {});
    this.body.append(
      element("nav", { "aria-label": "Where the search is" }, this.trail), this.form,
      this.work, this.saying,
      element("section", { "aria-label": "Results", class: "dicomnb-body" }, this.head, this.notes, this.empty, this.table),
      this.strip.element, this.buildCode(),
    );
    this.ask("pictures");
    this.ask("code");
  }

  buildForm() {
    this.levels = element("fieldset", { class: "dicomnb-levels" }, element("legend", { class: "dicomnb-spoken" }, "Search for"));
    this.fields = element("div", { class: "dicomnb-fields" });
    this.adding = new KeywordInput("field", "Add another field", "Add", {
      ask: (kind, content) => this.ask(kind, content), onadd: (name) => { this.flush(); this.ask("add", { name, by: this.view }); },
    });
    this.column = new KeywordInput("column", "Add a column", "Add", {
      ask: (kind, content) => this.ask(kind, content), onadd: (name) => { this.flush(); this.ask("column", { name, by: this.view }); },
    });
    this.columns = element("ul", { class: "dicomnb-chips", "aria-label": "Added columns" });
    this.column.element.append(this.columns);
    this.fuzzy = element("input", { type: "checkbox", id: fresh("field"), onchange: () => { this.flush(); this.ask("fuzzy", { on: this.fuzzy.checked }); } });
    this.fuzzyHint = element("div", { class: "dicomnb-hint" });
    this.limit = element("select", { id: fresh("field"), onchange: () => this.ask("limit", { limit: Number(this.limit.value) || null }) });
    const more = element("details", { class: "dicomnb-more" }, element("summary", {}, "More fields and columns"),
      element("div", { class: "dicomnb-fields" }, this.adding.element, this.column.element,
        element("div", { class: "dicomnb-field" }, element("label", { for: this.limit.id }, "Rows at most"), this.limit),
        element("div", { class: "dicomnb-field" },
          element("label", { class: "dicomnb-check" }, this.fuzzy, "Match names by the beginning of any word"), this.fuzzyHint)));
    this.searching = element("button", { type: "submit", class: "dicomnb-action dicomnb-main" }, "Search");
    const form = element("form", { role: "search", "aria-label": "Search", novalidate: true, class: "dicomnb-body" }, this.levels, this.fields, more,
      element("div", { class: "dicomnb-row" }, this.searching, action("Clear", () => { clearTimeout(this.timer); this.ask("clear"); })));
    form.addEventListener("submit", (event) => { event.preventDefault(); this.search(); });
    return form;
  }

  buildCode() {
    this.shownCode = element("code", {});
    this.handed = element("span", { class: "dicomnb-hint", role: "status" });
    this.selectable = element("textarea", { class: "dicomnb-selectable", readonly: true, rows: 6, hidden: true, "aria-label": "Python code, to be copied by hand" });
    return element("details", { class: "dicomnb-code" }, element("summary", {}, "Python code"),
      element("pre", { tabindex: 0, "aria-label": "Python code" }, this.shownCode),
      element("div", { class: "dicomnb-row" }, action("Copy code", () => this.copy("")), action("New cell", () => this.newCell()), this.handed), this.selectable);
  }

  // -- what a person does --------------------------------------------------------------------

  typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), TYPED_MS);
    this.unsent = true;
  }

  content() {
    const form = Object.fromEntries([...this.controls.values()].map((one) => [one.name, one.text]));
    return { form, step: this.state.step, level: this.state.level, by: this.view };
  }

  // Tells what was typed before anything else is asked.
  flush() {
    clearTimeout(this.timer);
    if (this.unsent) this.ask("typed", this.content());
    this.unsent = false;
  }

  search() {
    clearTimeout(this.timer);
    this.unsent = false;
    if (this.state) this.ask("search", this.content());
  }

  async copy(before) {
    const done = await toClipboard(this.given.code);
    this.handed.textContent = before + (done ? "Copied to the clipboard." : "The page may not use the clipboard: copy the text below.");
    this.selectable.hidden = done;
    if (!done) {
      this.selectable.value = this.given.code;
      this.selectable.focus();
      this.selectable.select();
    }
  }

  async newCell() {
    const { code, name } = this.given;
    if (await toNewCell(`${code}\n${name}`, this.root)) {
      this.handed.textContent = "Put into a new cell below.";
      this.selectable.hidden = true;
    } else await this.copy("This notebook lets no widget add a cell. ");
  }

  // -- what the kernel tells -----------------------------------------------------------------

  "grid-facts"(message, buffers) {
    this.grid?.facts(message, buffers);
    this.chosen = message.selected;
    this.showHead();
  }

  "grid-rows"(message) { this.grid?.rows(message); }

  // What the code is; of a long one only the beginning is shown, and all of it handed over.
  code(message) {
    this.given = message;
    const { code } = message;
    this.shownCode.textContent = code.length > SHOWN_CODE ? `${code.slice(0, SHOWN_CODE)}\n… and ${count(code.length - SHOWN_CODE, "character")} more` : code;
  }

  pictures(message) { this.strip.places(message); }
  picture(message, buffers) { this.strip.picture(message, buffers); }
  completions(message) { (message.for === "field" ? this.adding : this.column).completions(message); }

  // Answers to what this view asked: another one has its own focus.
  unknown(message) { if (message.by === this.view) (message.for === "field" ? this.adding : this.column).unknown(message); }
  focus({ name, by }) { if (by === this.view) this.controls.get(name)?.focus(); }

  tell(level, words, again, label) {
    if (level === "error" && !again && this.state?.connected) super.tell(level, words, () => this.search(), "Search again");
    else super.tell(level, words, again, label);
  }

  // No kernel answers: what was kept with the notebook, if anything was.
  silence() {
    super.silence();
    const { columns, rows, all } = this.model.get("kept") || {};
    if (!columns?.length || this.state) return;
    const cells = (tag, texts) => element("tr", {}, ...texts.map((text) => element(tag, {}, text)));
    this.empty.replaceChildren(element("div", { class: "dicomnb-scrolled" }, element("table", { class: "dicomnb-table" },
      element("thead", {}, cells("th", columns)), element("tbody", {}, ...rows.map((row) => cells("td", row))))),
      element("div", {}, `Kept with the notebook: ${rows.length} of ${count(all, "row")}. Run the cell to search.`));
  }

  progress(told) {
    this.doing.textContent = `${this.label} · ${count(told.done, "row")} so far`;
  }

  show(state) {
    if (!this.table.hidden) this.wasInTable = this.table.contains(document.activeElement);
    this.showTrail(state.trail);
    this.showLevels(state);
    this.showForm(state);
    this.showOptions(state);
    this.showGrid(state);
    this.showHead();
    this.notes.replaceChildren(...state.notes.map((one) => element("li", {}, one)));
    this.notes.hidden = state.notes.length === 0;
    this.showEmpty(state);
    this.searching.disabled = !state.connected;
  }

  showTrail(trail) {
    this.trail.hidden = trail.length < 2;
    this.trail.replaceChildren(...trail.map(({ label, count: rows }, index) => {
      const words = rows === null ? label : `${label} (${rows.toLocaleString("en")})`;
      const steps = trail.length - 1 - index;
      if (!steps) return element("li", { "aria-current": "page" }, words);
      return element("li", {}, element("button", { type: "button", class: "dicomnb-crumb", onclick: () => { this.flush(); this.ask("back", { steps }); } }, words));
    }));
  }

  showLevels({ levels, level }) {
    const made = levels.map((one) => element("label", {},
      element("input", { type: "radio", name: `${this.view}-level`, value: one, checked: one === level, onchange: () => { this.flush(); this.ask("level", { level: one }); } }),
      element("span", {}, SEARCH_LEVELS[one])));
    const focused = this.levels.contains(document.activeElement);
    this.levels.replaceChildren(this.levels.firstChild, ...made);
    this.levels.hidden = levels.length < 2;
    if (focused) this.levels.querySelector("input:checked")?.focus();
  }

  showForm(state) {
    const shape = JSON.stringify([state.step, state.level, state.fields.map(({ name, added }) => [name, added])]);
    if (shape !== this.shape) {
      this.shape = shape;
      const handlers = { oninput: () => this.typed(), onremove: (name) => { this.flush(); this.ask("remove", { name }); } };
      this.controls = new Map(state.fields.map((told) => [told.name, worklistField(told, handlers, state.modalities)]));
      this.fields.replaceChildren(...[...this.controls.values()].map((one) => one.element));
      this.revision = null;
      this.adding.taken();
    }
    // What this view typed itself stands there already, and perhaps more of it by now.
    const isOther = this.revision === null || (state.revision !== this.revision && state.by !== this.view);
    this.revision = state.revision;
    for (const { name, text, hint, fault } of state.fields) {
      const control = this.controls.get(name);
      if (isOther) control.text = text;
      control.tell(hint, fault);
    }
  }

  showOptions({ columns, fuzzy, fuzzy_here: fuzzyHere, limit }) {
    const shape = JSON.stringify(columns);
    if (shape !== this.columnShape) {
      this.columnShape = shape;
      this.column.taken();
      this.columns.replaceChildren(...columns.map((name) => element("li", { class: "dicomnb-chip" }, element("span", {}, name),
        element("button", { type: "button", class: "dicomnb-remove", "aria-label": `Remove the column ${name}`, onclick: () => this.ask("uncolumn", { name }) }, "×"))));
    }
    this.fuzzy.checked = fuzzy;
    this.fuzzyHint.textContent = fuzzyHere ? "" : "This archive cannot: all that the other fields find is brought here and looked through.";
    const limits = [...new Set([...ROW_LIMITS, ...(limit ? [limit] : [])])].sort((one, other) => one - other);
    this.limit.replaceChildren(...limits.map((one) => element("option", { value: one, selected: one === limit }, one.toLocaleString("en"))),
      element("option", { value: "", selected: limit === null }, "all"));
  }

  // A grid for each level: what its rows are called, and whether they hold anything.
  showGrid({ found, looks }) {
    if (!found || this.gridLevel === found.one) return;
    this.gridLevel = found.one;
    this.grid?.end();
    this.grid = new Grid({
      ask: (kind, content) => this.ask(kind, content), label: SEARCH_LEVELS[found.one], noun: found.one, nouns: found.many,
      open: looks ? "Look at it" : found.below ? `Show its ${found.below}` : null,
    });
    this.table.replaceChildren(this.grid.element);
    const elsewhere = document.activeElement?.matches(":read-write, input, select, button");
    if (this.wasInTable && !elsewhere) this.grid.focus();
  }

  showHead() {
    const found = this.state?.found;
    this.head.hidden = !found || found.count === 0;
    this.table.hidden = this.head.hidden;
    if (this.head.hidden) return;
    const made = [];
    const chosen = found.count === 1 ? 1 : this.chosen || 0;
    if (this.state.looks) {
      const words = chosen === 1 ? `Look at the ${found.one}` : `Select one ${found.one} to look at`;
      made.push(action(words, () => this.ask("look"), { disabled: chosen !== 1 }));
    }
    if (found.below) {
      const words = chosen === 1 ? `Show ${found.below} of the ${found.one}` : `Show ${found.below} of the ${chosen.toLocaleString("en")} selected`;
      made.push(action(chosen ? words : `Select to show ${found.below}`, () => this.ask("descend"), { disabled: !chosen }));
    }
    if (found.cut) {
      const next = found.limit * 10;
      made.push(element("span", { class: "dicomnb-hint" }, `The first ${count(found.count, found.one, found.many)}; there may be more.`),
        action(`Up to ${next.toLocaleString("en")}`, () => this.ask("more", { limit: next })), action("All", () => this.ask("more", { limit: null }), { "aria-label": `All ${found.many}` }));
    }
    const focused = [...this.head.querySelectorAll("button")].indexOf(document.activeElement);
    this.head.replaceChildren(...made);
    if (focused >= 0) this.head.querySelectorAll("button")[focused]?.focus();
  }

  showEmpty({ found, connected }) {
    this.empty.hidden = Boolean(found && found.count);
    if (this.empty.hidden) return;
    if (!connected) this.empty.replaceChildren("No archive is connected yet.");
    else if (!found) this.empty.replaceChildren("Fill in what you know and press Enter. An empty form lists whatever there is.");
    else if (!found.asked.length) this.empty.replaceChildren(`There are no ${found.many} here.`);
    else {
      const ways = found.asked.map(({ name, label, text }) => action(`without ${label.toLowerCase()}: ${text}`, () => { this.flush(); this.ask("without", { name }); }));
      this.empty.replaceChildren(element("div", {}, `No ${found.one} matches. Loosen the search:`), element("div", { class: "dicomnb-row" }, ...ways));
    }
  }

  end() {
    super.end();
    clearTimeout(this.timer);
    this.strip.end();
    this.grid?.end();
  }
}

export default shown(SearchPanel, "Search");
