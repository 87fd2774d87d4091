// The front end of UploadPanel: choosing files, the list of them with what was found out, sending.

import { element } from "./controls.js";
import { Panel, action, bytes, count, field, fresh, shown } from "./panel.js";
import { PagedTable, copyCode, patientCell, stateCell } from "./paged.js";
import { FileSender, droppedFiles } from "./sending.js";

const FILTERS = [
  ["all", "All"], ["to send", "To be sent"], ["left out", "Left out"],
  ["not stored", "Not stored"], ["stored", "Stored"],
];
const STATES = { arriving: "arriving…", checking: "looking…" };
const COLUMNS = [["File"], ["Size", "dicomnb-number"], ["Patient"], ["Modality"], ["State"]];

class Uploading extends Panel {
  build() {
    this.name = fresh("page");
    this.sender = new FileSender((kind, content, buffers) => this.ask(kind, content, buffers), this.name);
    this.which = "all";
    this.offers = 0;
    this.target = element("div", { class: "dicomnb-hint" });
    this.refusal = element("div", { class: "dicomnb-refusal", role: "note", hidden: true });
    this.body.append(this.target, this.refusal, this.choosing(), this.listing(), this.sending());
    this.leaving = () => this.sender.end();
    window.addEventListener("pagehide", this.leaving);
  }

  // -- choosing ---------------------------------------------------------------------------------

  choosing() {
    this.files = element("input", { type: "file", multiple: true, class: "dicomnb-chooser", "aria-label": "Files to upload", tabindex: -1 });
    this.folder = element("input", { type: "file", multiple: true, webkitdirectory: true, class: "dicomnb-chooser", "aria-label": "Folder to upload", tabindex: -1 });
    for (const input of [this.files, this.folder]) {
      input.addEventListener("change", () => {
        const found = [...input.files].map((file) => [file, file.webkitRelativePath || file.name]);
        input.value = "";
        this.offer(found);
      });
    }
    this.chooseFiles = action("Choose files…", () => this.files.click());
    this.chooseFolder = action("Choose a folder…", () => this.folder.click());
    this.limit = element("div", { class: "dicomnb-hint", id: fresh("limit") });
    for (const one of [this.chooseFiles, this.chooseFolder]) one.setAttribute("aria-describedby", this.limit.id);
    const row = element("div", { class: "dicomnb-row" }, this.chooseFiles, this.chooseFolder, element("span", { class: "dicomnb-hint" }, "or drop them here"), this.files, this.folder);
    this.zone = element("div", { class: "dicomnb-zone" }, row, this.limit);
    this.dropping();
    return element("div", { class: "dicomnb-sources" }, this.zone, this.pathForm());
  }

  dropping() {
    let depth = 0;
    const mark = () => this.zone.classList.toggle("dicomnb-over", depth > 0 && this.open);
    const on = (name, then) => this.zone.addEventListener(name, (event) => {
      event.preventDefault();
      event.stopPropagation();
      then(event);
      mark();
    });
    on("dragenter", () => { depth += 1; });
    on("dragleave", () => { depth -= 1; });
    on("dragover", (event) => { event.dataTransfer.dropEffect = this.open ? "copy" : "none"; });
    on("drop", (event) => {
      depth = 0;
      if (!this.open) return;
      droppedFiles(event.dataTransfer).then((found) => this.offer(found));
    });
  }

  pathForm() {
    this.path = element("input", { type: "text", spellcheck: "false", autocomplete: "off", placeholder: "scans/  or  scans/**/*.dcm" });
    this.addPath = action("Add", null, {});
    this.addPath.type = "submit";
    const form = element("form", { class: "dicomnb-path" }, field("Path on the kernel's machine", this.path, "A file, a folder with all below it, or a glob. Sent from where it is, whatever its size."), this.addPath);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask("add", { path: this.path.value });
    });
    return form;
  }

  async offer(found) {
    if (!found.length) return;
    const words = `Looking at ${count(found.length, "file")}…`;
    this.tell("info", words);
    // A browser gives a folder's files in no order.
    found.sort(([, one], [, other]) => one.localeCompare(other, "en", { numeric: true }));
    await this.sender.offer(found);
    if (this.words.textContent === words) this.tell("info", ""); // else the kernel said something
    this.offers += 1;
  }

  // -- the list ---------------------------------------------------------------------------------

  listing() {
    this.filter = element("select", { class: "dicomnb-filter", "aria-label": "Which files to show" });
    this.filter.addEventListener("change", () => { this.which = this.filter.value; this.paged.refresh(true); });
    this.paged = new PagedTable("Listed files", COLUMNS, (one) => this.row(one), (first) => this.ask("rows", { view: this.name, which: this.which, first }));
    this.study = element("select");
    this.study.addEventListener("change", () => this.ask("like", { study: this.study.value }));
    this.pictures = field("Pictures become instances of", this.study, "A picture is no DICOM by itself. It is stored as an instance of the patient and study chosen here; a script may set panel.like.");
    const above = element("div", { class: "dicomnb-row" }, this.filter, this.paged.pages);
    this.list = element("div", { class: "dicomnb-body", hidden: true }, above, this.paged.scrolled, this.pictures);
    return this.list;
  }

  rows(told) {
    if (told.view === this.name && told.which === this.which) this.paged.show(told);
  }

  row(one) {
    return element("tr", {},
      element("td", { class: "dicomnb-name" }, one.name),
      element("td", { class: "dicomnb-number" }, bytes(one.size)),
      patientCell(one.patient, one.id),
      element("td", { class: "dicomnb-short" }, one.modality),
      stateCell(one.state, STATES[one.state] || one.state, one.words));
  }

  // -- sending ----------------------------------------------------------------------------------

  sending() {
    this.sendAll = action("Send", () => this.ask("store"));
    this.sendAll.classList.add("dicomnb-main");
    this.again = action("Retry failed", () => this.ask("retry"));
    this.clearList = action("Clear list", () => this.ask("clear"));
    this.copy = action("Copy code", () => copyCode(this));
    this.actions = element("div", { class: "dicomnb-row" }, this.sendAll, this.again, this.clearList, this.copy);
    return this.actions;
  }

  // -- what the kernel says ---------------------------------------------------------------------

  show(state) {
    this.target.textContent = state.archive ? `To ${state.archive}` : "";
    this.target.hidden = !state.archive;
    this.refusal.replaceChildren(state.cannot, ...(state.unasked ? [" ", action("Ask again", () => this.ask("look"))] : []));
    this.refusal.hidden = !state.cannot;
    const room = state.room < state.limit ? `; ${bytes(state.room)} are left now` : "";
    this.limit.textContent = `Up to ${bytes(state.limit)} at a time may come from a browser${room}. They are kept in a private folder of the kernel's machine (${bytes(state.free)} free) until they are stored.`;
    const some = state.counts.all > 0;
    this.list.hidden = !some;
    this.filter.replaceChildren(...FILTERS.filter(([which]) => which === "all" || which === this.which || state.counts[which]).map(([which, label]) => element("option", { value: which, selected: which === this.which }, `${label} (${state.counts[which].toLocaleString("en")})`)));
    this.showPictures(state);
    this.sendAll.textContent = state.sendable ? `Send ${count(state.sendable, "file")} (${bytes(state.bytes)})` : "Send";
    const failed = state.counts["not stored"];
    this.again.textContent = `Retry ${failed.toLocaleString("en")} failed`;
    this.again.hidden = !failed;
    this.clearList.hidden = this.copy.hidden = !some;
    this.enable();
    if (some) this.paged.refresh();
  }

  showPictures(state) {
    this.pictures.hidden = !state.pictures;
    if (!state.pictures) return;
    const options = [["", `No study: leave ${count(state.pictures, "picture")} out`]];
    if (state.like === "given") options.push(["given", "The study that panel.like names"]);
    options.push(...state.studies.map(({ study, label }) => [study, label]));
    this.study.replaceChildren(...options.map(([value, label]) => element("option", { value, selected: value === state.like }, label)));
  }

  occupied(label) {
    super.occupied(label);
    this.enable();
  }

  // Nothing can be asked for that would be refused.
  enable() {
    const state = this.state;
    if (!state) return;
    this.open = !state.cannot && !state.sending;
    for (const one of [this.chooseFiles, this.chooseFolder, this.files, this.folder, this.path, this.addPath, this.study]) one.disabled = !this.open;
    this.zone.classList.toggle("dicomnb-shut", !this.open);
    const idle = this.open && !this.label;
    this.sendAll.disabled = !idle || !state.sendable;
    this.again.disabled = !idle;
    this.clearList.disabled = !idle;
  }

  want(told) { this.sender.want(told.files, told.again); }

  drop(told) { this.sender.drop(told.keys); }

  got(told) { if (told.sender === this.name) this.sender.got(told.load, told.whole); }

  roll() { this.sender.roll(); }

  // Bytes tell more than files here: one may be as large as all others.
  progress(told) {
    super.progress(told);
    if (told.bytes_total) { this.bar.max = told.bytes_total; this.bar.value = told.bytes; }
  }

  end() {
    window.removeEventListener("pagehide", this.leaving);
    this.sender.end();
    super.end();
  }
}

export default shown(Uploading, "Upload");
