// A text field with suggestions below it: arrows go through them, Enter or a click takes one,
// Escape puts them away (ARIA's pattern of a combobox with a list).

import { element } from "./controls.js";
import { fresh } from "./panel.js";

export class Completing {
  // `input` is in its place already. `ask` is told what was typed and answers by `offer`, at once or later; `taken` is told of a
  // suggestion that was taken.
  constructor(input, ask, taken) {
    this.input = input;
    this.ask = ask;
    this.taken = taken;
    this.active = -1;
    this.list = element("ul", { class: "dicomnb-suggestions", role: "listbox", id: fresh("suggestions"), hidden: true, "aria-label": "Suggestions" });
    for (const [name, value] of Object.entries({
      role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": this.list.id,
      autocomplete: "off", spellcheck: "false", autocapitalize: "off",
    })) input.setAttribute(name, value);
    const box = element("div", { class: "dicomnb-completing" });
    input.replaceWith(box);
    box.append(input, this.list);
    input.addEventListener("input", () => this.ask(input.value));
    input.addEventListener("focus", () => { if (!this.isQuiet) this.ask(input.value); });
    input.addEventListener("blur", () => this.close());
    input.addEventListener("keydown", (event) => this.key(event));
  }

  // Gives the focus back to the field; suggestions come when a person types or asks for them.
  focus() {
    this.isQuiet = true;
    this.input.focus();
    this.isQuiet = false;
  }

  // `note` stands below the suggestions, or in their place.
  offer(text, items, note) {
    const active = this.input.getRootNode().activeElement;
    if (text !== this.input.value || active !== this.input) return;
    this.active = -1;
    this.list.replaceChildren(...items.map((item) => element("li", {
      role: "option", id: fresh("suggestion"), "aria-selected": "false",
      onmousedown: (event) => { event.preventDefault(); this.take(item); },
    }, item)));
    if (note) this.list.append(element("li", { class: "dicomnb-hint", role: "presentation" }, note));
    this.open(items.length > 0 || Boolean(note));
  }

  open(is) {
    this.list.hidden = !is;
    this.input.setAttribute("aria-expanded", String(is));
    if (!is) this.mark(-1);
  }

  close() { this.open(false); }

  options() { return [...this.list.querySelectorAll('[role="option"]')]; }

  mark(index) {
    this.active = index;
    this.options().forEach((option, at) => option.setAttribute("aria-selected", String(at === index)));
    const option = this.options()[index];
    if (option) {
      this.input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else this.input.removeAttribute("aria-activedescendant");
  }

  take(item) {
    this.input.value = item;
    this.close();
    this.taken(item);
  }

  key(event) {
    const options = this.options();
    const isOpen = !this.list.hidden;
    if (event.key === "Escape" && isOpen) {
      event.stopPropagation();
      this.close();
    } else if (event.key === "Enter" && isOpen && this.active >= 0) {
      event.preventDefault();
      this.take(options[this.active].textContent);
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!isOpen) { this.ask(this.input.value); return; }
      const step = event.key === "ArrowDown" ? 1 : -1;
      if (options.length) this.mark((this.active + step + (this.active < 0 && step < 0 ? 1 : 0) + options.length) % options.length);
    }
  }
}
