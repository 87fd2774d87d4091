// What every panel's front end is: it asks the kernel, draws what it is told, and shows what is
// being done and what was said. Text from DICOM is only ever put in as text.

import { element } from "./controls.js";

const PATIENCE_MS = 4000;
const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

// So many bytes in words, as quantities.py writes them: decimal units, to three figures.
export function bytes(size) {
  let unit = 0;
  let value = size;
  while (value >= 999.5 && unit < UNITS.length - 1) { value /= 1000; unit += 1; }
  if (!unit) return count(Math.round(value), "byte");
  return `${value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)} ${UNITS[unit]}`;
}

// So many seconds in words.
export function duration(seconds) {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  return whole < 3600 ? `${Math.floor(whole / 60)} min ${whole % 60} s` : `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

let numbers = 0;
// A name for an element that another one refers to, its own on the page.
export const fresh = (name) => `dicomnb-${name}-${Date.now().toString(36)}-${(numbers += 1)}`;

// A labelled control, with words below it that say more.
export function field(label, input, hint) {
  input.id ||= fresh("field");
  const made = element("div", { class: "dicomnb-field" }, element("label", { for: input.id }, label), input);
  if (hint) {
    const more = element("div", { class: "dicomnb-hint", id: `${input.id}-hint` }, hint);
    input.setAttribute("aria-describedby", more.id);
    made.append(more);
  }
  return made;
}

export function action(label, onclick, attributes = {}) {
  return element("button", { type: "button", class: "dicomnb-action", onclick, ...attributes }, label);
}

// Enter in a field sends its form, also in JupyterLab, which keeps it from any field in a cell.
function submitted(event) {
  const { target } = event;
  const isPlain = event.key === "Enter" && !event.isComposing && !event.defaultPrevented && !(event.ctrlKey || event.altKey || event.metaKey || event.shiftKey);
  if (!isPlain || target.tagName !== "INPUT" || ["button", "submit", "reset", "file"].includes(target.type) || !target.form) return;
  event.preventDefault();
  if (!target.form.querySelector(":disabled[type=submit]")) target.form.requestSubmit();
}

// A subclass has `build()`, which fills `this.body`, and `show(state)`; other messages of the
// kernel go to the method of their kind.
export class Panel {
  constructor(model, root, label) {
    this.model = model;
    this.root = root;
    this.state = null;
    this.body = element("div", { class: "dicomnb-body" });
    this.words = element("span", { class: "dicomnb-words" });
    this.saying = element("div", { class: "dicomnb-saying", role: "status", "aria-live": "polite", hidden: true }, this.words);
    this.stop = action("Cancel", () => this.ask("cancel"));
    this.bar = element("progress", { class: "dicomnb-progress", "aria-label": "Progress" });
    this.doing = element("span", { class: "dicomnb-doing" });
    this.work = element("div", { class: "dicomnb-work", hidden: true }, this.bar, this.doing, this.stop);
    root.classList.add("dicomnb-panel");
    // The keys of a notebook (a: a cell above, d d: delete) are not those of a panel in it.
    // JupyterLab looks at what has the focus before it looks at what that lies in.
    root.setAttribute("data-lm-suppress-shortcuts", "true");
    root.addEventListener("focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true"));
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", label);
    root.append(this.body, this.work, this.saying);
    root.addEventListener("keydown", submitted);
    this.build();
    this.handler = (message, buffers) => this.receive(message, buffers || []);
    model.on("msg:custom", this.handler);
    this.hello();
  }

  hello() {
    this.ask("hello");
    this.waiting = setTimeout(() => this.silence(), PATIENCE_MS);
  }

  // Nothing came: the kernel is busy or gone.
  silence() {
    this.tell("warning", "No answer from the kernel yet. It is busy, or the cell has to be run again.", () => {
      this.tell("info", "");
      this.hello();
    });
  }

  ask(kind, content = {}, buffers = []) {
    this.model.send({ kind, ...content }, undefined, buffers);
  }

  receive(message, buffers) {
    if (message.kind === "state") {
      clearTimeout(this.waiting);
      if (this.state === null) this.tell("info", "");
      this.state = message;
      this.show(message);
    } else if (message.kind === "saying") {
      clearTimeout(this.waiting);
      this.occupied(message.busy);
      this.tell(message.level, message.words);
    } else if (message.kind === "progress") this.progress(message);
    else if (typeof this[message.kind] === "function") this[message.kind](message, buffers);
  }

  // Shows what is being done; empty when nothing is.
  occupied(label) {
    this.root.setAttribute("aria-busy", String(Boolean(label)));
    if (label !== this.label) this.bar.removeAttribute("value");
    this.label = label;
    this.work.hidden = !label;
    this.doing.textContent = label;
    this.stop.disabled = false;
  }

  progress(told) {
    if (told.total) { this.bar.max = told.total; this.bar.value = told.done; }
    this.doing.textContent = [
      this.label,
      told.total ? `${told.done.toLocaleString("en")} of ${told.total.toLocaleString("en")}` : told.done.toLocaleString("en"),
      told.bytes ? bytes(told.bytes) + (told.bytes_total ? ` of about ${bytes(told.bytes_total)}` : "") : "",
      told.bytes && told.speed ? `${bytes(told.speed)}/s` : "",
      told.seconds_left ? `${duration(told.seconds_left)} left` : "",
      told.failed ? `${told.failed.toLocaleString("en")} failed` : "",
    ].filter(Boolean).join(" · ");
  }

  // A message, with a way to go on where there is one.
  tell(level, words, again, label = "Try again") {
    this.saying.className = `dicomnb-saying dicomnb-${level}`;
    this.saying.setAttribute("role", level === "error" ? "alert" : "status");
    this.words.textContent = words;
    this.saying.replaceChildren(this.words, ...(again ? [action(label, again)] : []));
    this.saying.hidden = !words;
  }

  end() {
    clearTimeout(this.waiting);
    this.model.off("msg:custom", this.handler);
  }
}

// The module of a panel; its name is put in where modules are joined (javascript.py).
export function shown(Kind, label, name) {
  return {
    render({ model, el }) {
      el.classList.add(`dicomnb-${name}`);
      const view = new Kind(model, el, label);
      el.dicomnbView = view;
      return () => view.end();
    },
  };
}
