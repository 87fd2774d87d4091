// The fields of a search. Each control has `element`, `name`, `text` (what it holds, in the
// words that the kernel reads) and `tell(hint, fault)`; it calls `oninput` when a person types.

import { element } from "./controls.js";
import { action, fresh } from "./panel.js";

const WORKLIST_DAY_MS = 86_400_000;
const WORKLIST_DAY = /^\d{4}-\d{2}-\d{2}$/;

// What stands below a control: what will be searched for, or what is wrong.
class WorklistBelow {
  constructor(inputs) {
    this.inputs = inputs;
    this.element = element("div", { class: "dicomnb-hint", id: fresh("hint") });
  }

  tell(hint, fault, prefix = "Searches for ") {
    this.element.textContent = fault || (hint ? prefix + hint : "");
    this.element.classList.toggle("dicomnb-fault", Boolean(fault));
    for (const input of this.inputs) {
      input.setAttribute("aria-invalid", String(Boolean(fault)));
      if (this.element.textContent) input.setAttribute("aria-describedby", this.element.id);
      else input.removeAttribute("aria-describedby");
    }
  }
}

class WorklistText {
  constructor({ name, label, added }, { oninput, onremove }) {
    this.name = name;
    this.input = element("input", { type: "text", id: fresh("field"), spellcheck: "false", autocomplete: "off", oninput });
    this.below = new WorklistBelow([this.input]);
    const head = element("div", { class: "dicomnb-labelled" }, element("label", { for: this.input.id }, label));
    if (added) {
      head.append(element("button", {
        type: "button", class: "dicomnb-remove", "aria-label": `Remove the field ${label}`, title: "Remove this field",
        onclick: () => onremove(name),
      }, "×"));
    }
    this.element = element("div", { class: "dicomnb-field" }, head, this.input, this.below.element);
  }

  get text() { return this.input.value; }
  set text(text) { if (this.input.value !== text) this.input.value = text; }
  focus() { this.input.focus(); }
  tell(hint, fault) { this.below.tell(hint, fault); }
}

// A day as the pickers write it, in the time zone of who looks at it.
function dayText(date) {
  const part = (number, size = 2) => String(number).padStart(size, "0");
  return `${part(date.getFullYear(), 4)}-${part(date.getMonth() + 1)}-${part(date.getDate())}`;
}

const WORKLIST_PERIODS = [
  ["Today", (now) => [now, now]],
  ["7 days", (now) => [new Date(now - 6 * WORKLIST_DAY_MS), now], "The last 7 days"],
  ["30 days", (now) => [new Date(now - 29 * WORKLIST_DAY_MS), now], "The last 30 days"],
  ["This year", (now) => [new Date(now.getFullYear(), 0, 1), now]],
];

class WorklistDates {
  constructor({ name, label }, { oninput }) {
    this.name = name;
    this.oninput = oninput;
    const picker = (words) => element("input", { type: "date", "aria-label": `${label}, ${words}`, title: words, max: "9999-12-31", oninput });
    this.first = picker("from");
    this.last = picker("to");
    this.several = element("input", { type: "text", "aria-label": label, hidden: true, oninput });
    this.pickers = element("div", { class: "dicomnb-dates" }, this.first, element("span", { "aria-hidden": "true" }, "–"), this.last);
    this.below = new WorklistBelow([this.first, this.last, this.several]);
    const periods = WORKLIST_PERIODS.map(([words, ends, title = words]) =>
      element("button", { type: "button", class: "dicomnb-period", title, "aria-label": title, onclick: () => this.choose(...ends(new Date()).map(dayText)) }, words));
    periods.push(element("button", { type: "button", class: "dicomnb-period", title: "Any date", "aria-label": "Any date", onclick: () => this.choose("", "") }, "Any"));
    this.element = element("fieldset", { class: "dicomnb-field dicomnb-wide" }, element("legend", {}, label),
      this.pickers, this.several, element("div", { class: "dicomnb-periods" }, ...periods), this.below.element);
  }

  choose(first, last) {
    this.show([first, last]);
    this.oninput();
  }

  show([first, last], several = "") {
    this.pickers.hidden = Boolean(several);
    this.several.hidden = !several;
    this.several.value = several;
    this.first.value = first;
    this.last.value = last;
  }

  get text() {
    if (!this.several.hidden) return this.several.value;
    // A date that is typed halfway has no value: it must not pass for an open end.
    const [first, last] = [this.first, this.last].map((one) => (one.validity.badInput ? "an unfinished date" : one.value));
    return first || last ? `${first}/${last}` : "";
  }

  set text(text) {
    if (text === this.text) return;
    const ends = WORKLIST_DAY.test(text) ? [text, text] : text.split("/");
    if (text === "") this.show(["", ""]);
    else if (ends.length === 2 && ends.every((one) => one === "" || WORKLIST_DAY.test(one))) this.show(ends);
    else this.show(["", ""], text);
  }

  focus() { (this.several.hidden ? this.first : this.several).focus(); }
  tell(hint, fault) { this.below.tell("", fault); }
}

class WorklistModalities {
  constructor({ name, label }, { oninput }, modalities) {
    this.name = name;
    this.boxes = modalities.map((one) => element("input", { type: "checkbox", value: one, "aria-label": one, onchange: oninput }));
    this.others = element("input", { type: "text", placeholder: "other", "aria-label": `${label}, others`, title: "Others, with commas between", spellcheck: "false", autocomplete: "off", oninput });
    this.below = new WorklistBelow([this.others]);
    const chips = this.boxes.map((box) => element("label", { class: "dicomnb-chip" }, box, element("span", {}, box.value)));
    this.element = element("fieldset", { class: "dicomnb-field dicomnb-whole" }, element("legend", {}, label),
      element("div", { class: "dicomnb-chips" }, ...chips, this.others), this.below.element);
  }

  get text() {
    const chosen = this.boxes.filter((box) => box.checked).map((box) => box.value);
    return [...chosen, this.others.value.trim()].filter(Boolean).join(", ");
  }

  set text(text) {
    if (text === this.text) return;
    const words = text.split(/[,;]/).map((one) => one.trim()).filter(Boolean);
    for (const box of this.boxes) box.checked = words.includes(box.value);
    this.others.value = words.filter((one) => !this.boxes.some((box) => box.value === one)).join(", ");
  }

  focus() { this.boxes[0].focus(); }
  tell(hint, fault) { this.below.tell("", fault); }
}

// The control of a field that the kernel told of.
export function worklistField(told, handlers, modalities) {
  if (told.kind === "dates") return new WorklistDates(told, handlers);
  if (told.kind === "modalities") return new WorklistModalities(told, handlers, modalities);
  return new WorklistText(told, handlers);
}

// A keyword with completion by the kernel, which knows the dictionary. `what` is "field" or
// "column".
export class KeywordInput {
  constructor(what, label, button, { ask, onadd }) {
    this.what = what;
    this.ask = ask;
    this.onadd = onadd;
    this.list = element("datalist", { id: fresh("keywords") });
    this.input = element("input", {
      type: "text", id: fresh("field"), list: this.list.id, spellcheck: "false", autocomplete: "off", placeholder: "DICOM keyword or tag",
      oninput: () => this.typed(),
      onkeydown: (event) => { if (event.key === "Enter") { event.preventDefault(); event.stopPropagation(); this.add(this.input.value); } },
    });
    this.words = element("div", { class: "dicomnb-hint", role: "status" });
    this.element = element("div", { class: "dicomnb-field" }, element("label", { for: this.input.id }, label),
      element("div", { class: "dicomnb-joined" }, this.input, action(button, () => this.add(this.input.value), { "aria-label": label })), this.list, this.words);
  }

  typed() {
    this.words.replaceChildren();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask("complete", { for: this.what, text: this.input.value }), 120);
  }

  add(name) {
    if (!name.trim()) return;
    this.pending = true;
    this.onadd(name.trim());
  }

  // The keyword was taken.
  taken() {
    if (!this.pending) return;
    this.pending = false;
    this.input.value = "";
    this.words.replaceChildren();
  }

  completions({ text, names }) {
    if (text !== this.input.value) return;
    this.list.replaceChildren(...names.map(({ name, title }) => element("option", { value: name, label: title })));
  }

  unknown({ words, near }) {
    this.pending = false;
    const buttons = near.map((name) => element("button", { type: "button", class: "dicomnb-period", onclick: () => { this.input.value = name; this.add(name); } }, name));
    this.words.replaceChildren(element("span", { class: "dicomnb-fault" }, words), ...buttons);
    this.input.focus();
  }
}
