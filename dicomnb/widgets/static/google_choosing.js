// Google's part of the form: signing in, then project, location, dataset and store, each listed
// by the server when the one before is chosen.

import { element } from "./controls.js";
import { Completing } from "./completing.js";
import { action, count, field, fresh } from "./panel.js";

const EMPTY = {
  location: "No location in this project",
  dataset: "No dataset in this location",
  store: "No DICOM store in this dataset",
};
const BEFORE = { location: "Choose a project first", dataset: "Choose a location first", store: "Choose a dataset first" };
const NAMES = { location: "Location", dataset: "Dataset", store: "DICOM store" };
const ARTICLES = { location: "a location", dataset: "a dataset", store: "a store" };

// A list to choose from.
export function chooser(choices, onchange = () => {}) {
  return element("select", { onchange },
    ...choices.map(([value, words]) => element("option", { value }, words)));
}

export class GoogleChoosing {
  // `ask` sends to the kernel.
  constructor(ask) {
    this.ask = ask;
    this.projects = [];
    this.signIn = chooser([
      ["default", "Google's default credentials"],
      ["path", "Key file on the kernel's machine"],
      ["file", "Key file from this browser"],
      ["token", "Access token"],
    ]);
    this.keyPath = element("input", { type: "text", spellcheck: "false", autocomplete: "off", placeholder: "~/keys/service-account.json" });
    this.keyFile = element("input", { type: "file", accept: ".json,application/json" });
    this.token = element("input", { type: "password", autocomplete: "off", spellcheck: "false" });
    this.ways = {
      default: element("div", { class: "dicomnb-hint" }, "What gcloud auth application-default login keeps, what GOOGLE_APPLICATION_CREDENTIALS names, or the account of a machine at Google."),
      path: field("Key file", this.keyPath, "The path of a service account's JSON file, where the kernel runs."),
      file: field("Key file", this.keyFile, "Read once into the kernel's memory, for this connection only; never saved."),
      token: field("Access token", this.token, "From gcloud auth print-access-token; good for an hour. Handed over once and forgotten."),
    };
    this.project = element("input", { type: "text", placeholder: "my-project" });
    this.projectNote = element("div", { class: "dicomnb-hint" });
    this.selects = Object.fromEntries(Object.keys(EMPTY).map((level) => {
      const select = chooser([]);
      select.addEventListener("change", () => this.choose(level, select.value));
      return [level, select];
    }));
    this.who = element("span", {});
    this.signed = element("div", { class: "dicomnb-row dicomnb-signed" }, this.who,
      action("Sign in differently", () => this.ask("sign out")), action("List again", () => this.ask("again")));
    const projectField = field("Project", this.project);
    this.projectNote.id = fresh("project-note");
    this.project.setAttribute("aria-describedby", this.projectNote.id);
    projectField.append(this.projectNote);
    this.completing = new Completing(this.project, (text) => this.suggest(text), (item) => this.choose("project", item));
    this.signing = element("div", { class: "dicomnb-fields dicomnb-wide" }, field("Sign in with", this.signIn), ...Object.values(this.ways));
    this.body = element("div", { class: "dicomnb-body" }, this.signing, this.signed,
      element("div", { class: "dicomnb-fields dicomnb-wide" }, projectField,
        ...Object.entries(this.selects).map(([level, select]) => field(NAMES[level], select))));
  }

  suggest(text) {
    const typed = text.toLowerCase();
    const found = this.projects.filter((one) => one.toLowerCase().includes(typed) && one !== text);
    this.completing.offer(text, found.slice(0, 50), "");
  }

  choose(level, value) { this.ask("choose", { level, value }); }

  arrange() {
    for (const [way, box] of Object.entries(this.ways)) box.hidden = way !== this.signIn.value;
  }

  // Draws what the kernel told; `working` while something is being listed.
  show({ google, form }, working) {
    this.projects = google.projects;
    this.isSigned = google.signed_in;
    this.signing.hidden = google.signed_in;
    this.signed.hidden = !google.signed_in;
    this.who.textContent = google.account ? `Signed in: ${google.account}` : "Signed in";
    this.projectNote.textContent = google.note ? `Projects cannot be listed here, so type it. ${google.note.split("\n")[0]}` : "";
    this.projectNote.title = google.note;
    this.lists = google.levels;
    this.counts = google.counts;
    this.chosen = form;
    this.draw(working);
  }

  draw(working) {
    let before = this.isSigned && this.chosen.project;
    for (const [level, select] of Object.entries(this.selects)) {
      const known = this.lists[level];
      const loading = working && before && !known;
      const words = loading ? "Loading…" : known ? (known.length ? `Choose ${ARTICLES[level]}` : EMPTY[level]) : this.missing(level, before);
      // A store that was named and whose neighbours may not be listed is there all the same.
      const named = !known && !loading && this.isSigned && this.chosen[level] ? [this.chosen[level]] : [];
      this.fill(select, [["", words], ...this.choices(level, known || named)]);
      select.value = this.chosen[level] || "";
      select.disabled = !known || !known.length;
      select.setAttribute("aria-busy", String(Boolean(loading)));
      before = known && this.chosen[level];
    }
  }

  // Why there is no list.
  missing(level, before) {
    if (!this.isSigned) return "Sign in first";
    return before ? "Could not be listed" : BEFORE[level];
  }

  // What can be chosen, with words; locations that have datasets first.
  choices(level, known) {
    const counts = level === "location" ? this.counts : {};
    const words = (one) => counts[one] === undefined ? one : `${one} (${counts[one] ? count(counts[one], "dataset") : "no dataset"})`;
    return [...known].sort((one, other) => Boolean(counts[other]) - Boolean(counts[one])).map((one) => [one, words(one)]);
  }

  // A list that is in use keeps its order: only its words change.
  fill(select, choices) {
    const words = new Map(choices);
    const options = [...select.options];
    const inUse = select === select.getRootNode().activeElement;
    if (inUse && options.length === choices.length && options.every((one) => words.has(one.value))) {
      for (const option of options) option.textContent = words.get(option.value);
    } else select.replaceChildren(...choices.map(([value, text]) => element("option", { value }, text)));
  }

  // What is to be filled in next.
  next() {
    if (!this.isSigned) return { path: this.keyPath, file: this.keyFile, token: this.token }[this.signIn.value] || this.signIn;
    if (!this.chosen.project) return this.project;
    return Object.entries(this.selects).find(([level, select]) => !select.disabled && !this.chosen[level])?.[1] || null;
  }
}
