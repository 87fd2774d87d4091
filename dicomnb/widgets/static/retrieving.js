// The front end of `RetrievePanel`: what is selected, how large it is, where it goes, what came.

import { element } from "./controls.js";
import { copyShown } from "./handing.js";
import { Panel, action, bytes, duration, field, fresh, shown } from "./panel.js";

const TARGET_NAMES = [
  ["volume", "Volume in memory"],
  ["datasets", "Data sets in memory"],
  ["folder", "Files in a folder"],
];

// A check box, with words behind it.
function checkbox(label, onchange) {
  const box = element("input", { type: "checkbox", onchange });
  return { box, line: element("label", { class: "dicomnb-check" }, box, element("span", {}, label)) };
}

class RetrieveView extends Panel {
  build() {
    // What is being done and what was said stand right below the buttons.
    this.body.append(
      this.selection(), this.targets(), this.options(), this.actions(), this.work, this.saying, this.results(), this.python());
  }

  selection() {
    this.chosen = element("div", { class: "dicomnb-chosen" });
    this.whose = element("ul", { class: "dicomnb-whose" });
    this.size = element("div", { class: "dicomnb-size", role: "status", "aria-live": "polite" });
    return element("section", { class: "dicomnb-selection", "aria-label": "What is selected" }, this.chosen, this.whose, this.size);
  }

  targets() {
    const name = fresh("target");
    this.radios = new Map();
    const group = element("fieldset", { class: "dicomnb-targets" }, element("legend", {}, "Fetch as"));
    for (const [target, label] of TARGET_NAMES) {
      const radio = element("input", { type: "radio", name, value: target, onchange: () => this.ask("choose", { target }) });
      const room = element("span", { class: "dicomnb-hint", id: fresh("room") });
      radio.setAttribute("aria-describedby", room.id);
      const line = element("label", { class: "dicomnb-target" }, radio, element("span", { class: "dicomnb-name" }, label), room);
      this.radios.set(target, { radio, room, line });
      group.append(line);
    }
    return group;
  }

  options() {
    const choose = (name, input, value) => input.addEventListener("change", () => this.ask("choose", { [name]: value(input) }));
    this.folder = element("input", { type: "text", spellcheck: "false", autocomplete: "off" });
    this.layouts = element("datalist", { id: fresh("layouts") });
    this.layout = element("input", { type: "text", spellcheck: "false", autocomplete: "off", list: this.layouts.id });
    choose("folder", this.folder, (input) => input.value);
    choose("file_layout", this.layout, (input) => input.value);
    this.verify = checkbox("Read files again that are there already", () => this.ask("choose", { verify: this.verify.box.checked }));
    this.gaps = checkbox("Allow gaps and stray slices", () => this.ask("choose", { strict: !this.gaps.box.checked }));
    this.lazy = checkbox("Fetch slices only as they are looked at", () => this.ask("choose", { lazy: this.lazy.box.checked }));
    this.where = field("Folder on the machine of the kernel", this.folder, " ");
    this.forFolder = element("div", { class: "dicomnb-more" },
      field("Layout of files in it", this.layout, "Keywords in braces, slashes between folders."), this.layouts, this.verify.line);
    this.forVolume = element("div", { class: "dicomnb-more" }, this.gaps.line, this.lazy.line);
    this.more = element("details", {}, element("summary", {}, "More"), this.forFolder, this.forVolume);
    return element("div", { class: "dicomnb-options" }, this.where, this.more);
  }

  actions() {
    this.warning = element("div", { class: "dicomnb-saying dicomnb-warning", role: "status", hidden: true });
    this.go = action("Fetch", () => this.ask("fetch", this.chosenOptions()), { class: "dicomnb-action dicomnb-main" });
    this.resume = action("Resume", () => this.ask("resume"));
    this.retry = action("Retry failed", () => this.ask("retry"));
    this.relax = action("Accept as it is (strict=False)", () => this.ask("relax"));
    this.instead = action("Fetch as data sets", () => this.ask("datasets_instead"));
    const row = element("div", { class: "dicomnb-row" }, this.go, this.resume, this.retry, this.relax, this.instead);
    return element("div", { class: "dicomnb-options" }, this.warning, row);
  }

  results() {
    this.kept = element("div", { class: "dicomnb-of" });
    this.notes = element("ul", { class: "dicomnb-notes" });
    this.failedRows = element("ul", { class: "dicomnb-failed" });
    this.failedWords = element("summary", {});
    this.failed = element("details", { hidden: true }, this.failedWords,
      element("div", { class: "dicomnb-scrolled", tabindex: "0", role: "region", "aria-label": "What failed" }, this.failedRows));
    this.last = element("section", { class: "dicomnb-last", "aria-label": "The last fetch", hidden: true }, this.kept, this.notes, this.failed);
    return this.last;
  }

  python() {
    this.code = element("pre", { class: "dicomnb-code", tabindex: "0", "aria-label": "Python that does the same" });
    this.copy = action("Copy", () => this.copied());
    this.codeBox = element("details", { hidden: true }, element("summary", {}, "Python that does the same"), this.code, this.copy);
    return this.codeBox;
  }

  // What is in the fields, also of one that is being typed in.
  chosenOptions() {
    return {
      folder: this.folder.value, file_layout: this.layout.value, verify: this.verify.box.checked,
      strict: !this.gaps.box.checked, lazy: this.lazy.box.checked,
    };
  }

  async copied() {
    this.copy.textContent = await copyShown(this.code) ? "Copied" : "Press Ctrl+C";
    clearTimeout(this.naming);
    this.naming = setTimeout(() => { this.copy.textContent = "Copy"; }, 2000);
  }

  show({ selection, options, targets, place, layouts, code, called, last }) {
    this.showSelection(selection);
    this.showOptions(options, targets, place, layouts);
    this.showLast(last, called);
    this.code.textContent = code;
    this.codeBox.hidden = !code;
    this.isReady = selection.words !== "" && selection.has_archive;
    this.enable();
  }

  showSelection({ words, lines, more, unclear, has_archive, size, is_asking }) {
    const nothing = has_archive
      ? "Nothing is selected. Select studies, series or instances in a search."
      : "There is no archive to fetch from yet.";
    this.chosen.textContent = unclear || words || nothing;
    this.chosen.classList.toggle("dicomnb-empty", !words);
    this.whose.hidden = lines.length === 0;
    this.whose.replaceChildren(...lines.map((line) => element("li", {}, line)));
    if (more) this.whose.append(element("li", {}, `and ${more.toLocaleString("en")} more`));
    this.size.textContent = is_asking ? "Finding out how large it is…" : size;
    this.size.hidden = !this.size.textContent;
  }

  showOptions({ target, folder, file_layout, verify, strict, lazy }, targets, place, layouts) {
    for (const [name, { radio, room, line }] of this.radios) {
      radio.checked = name === target;
      radio.disabled = targets[name].why_not !== "";
      line.classList.toggle("dicomnb-off", radio.disabled);
      room.textContent = targets[name].why_not || targets[name].room;
    }
    // What a person is typing is not written over.
    const active = this.root.getRootNode().activeElement;
    if (active !== this.folder) this.folder.value = folder;
    if (active !== this.layout) this.layout.value = file_layout;
    this.where.lastChild.textContent = place;
    this.layouts.replaceChildren(...layouts.map((one) => element("option", { value: one })));
    this.verify.box.checked = verify;
    this.gaps.box.checked = !strict;
    this.lazy.box.checked = lazy;
    this.where.hidden = this.forFolder.hidden = target !== "folder";
    this.forVolume.hidden = target !== "volume";
    this.more.hidden = target === "datasets";
    this.warning.textContent = targets[target].warning;
    this.warning.hidden = !targets[target].warning;
    this.go.textContent = targets[target].warning ? "Fetch anyway" : "Fetch";
  }

  showLast(last, called) {
    this.last.hidden = !last || !(last.kept || last.notes.length || last.failed_count);
    this.resume.hidden = !last?.can_resume;
    this.retry.hidden = !last?.can_retry;
    this.relax.hidden = !last?.can_relax;
    this.instead.hidden = !last?.can_be_datasets;
    if (!last) return;
    const which = last.of ? ` (${last.of}, fetched before)` : "";
    const code = element("code", {}, `${called}.${last.kept}`);
    this.kept.replaceChildren(...(last.kept ? ["In Python it is ", code, `${called ? "" : " of this panel"}${which}.`] : [which]));
    this.kept.hidden = !last.kept && !which;
    this.resume.textContent = last.of ? `Resume ${last.of}` : "Resume";
    this.notes.hidden = last.notes.length === 0;
    this.notes.replaceChildren(...last.notes.map((note) => element("li", {}, note)));
    this.failed.hidden = last.failed_count === 0;
    const beyond = last.failed_count - last.failed.length;
    this.failedWords.textContent = `${last.failed_count.toLocaleString("en")} failed${beyond ? `, the first ${last.failed.length} of them` : ""}`;
    this.failedRows.replaceChildren(...last.failed.map(({ name, reason }) =>
      element("li", {}, element("span", { class: "dicomnb-uid" }, name), element("span", {}, reason))));
    this.failed.open = this.failed.open || last.failed_count <= 5;
  }

  // Of a single long instance, how much of it has come.
  progress(told) {
    super.progress(told);
    const { bytes: came, bytes_expected: most, speed } = told;
    if (told.total !== 1 || told.done || !most || !came) return;
    this.bar.max = Math.max(most, came);
    this.bar.value = came;
    const left = came < most && speed ? ` · ${duration((most - came) / speed)} left` : "";
    this.doing.textContent = `${this.label} · ${bytes(came)} of up to ${bytes(Math.max(most, came))} · ${bytes(speed)}/s${left}`;
  }

  occupied(label) {
    super.occupied(label);
    this.enable();
  }

  enable() {
    const busy = Boolean(this.label);
    this.go.disabled = busy || !this.isReady;
    for (const one of [this.resume, this.retry, this.relax, this.instead]) one.disabled = busy;
  }

  end() {
    clearTimeout(this.naming);
    super.end();
  }
}

export default shown(RetrieveView, "Fetch images");
