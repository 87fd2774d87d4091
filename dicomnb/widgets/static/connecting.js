// Connecting: a server, a folder, a Google store or the demo. What signs in goes to the kernel in
// one message when the form is submitted, and its field is emptied before that.

import { element } from "./controls.js";
import { Completing } from "./completing.js";
import { GoogleChoosing, chooser } from "./google_choosing.js";
import { copyShown } from "./handing.js";
import { Panel, action, field, fresh, shown } from "./panel.js";

const KINDS = [["server", "Server"], ["folder", "Folder"], ["google", "Google Cloud"], ["demo", "Demo"]];
const MOST_KEY_BYTES = 1 << 20;

const typed = (attributes) => element("input", { type: "text", spellcheck: "false", autocapitalize: "off", autocomplete: "off", ...attributes });
const ticked = (words, input) => element("label", { class: "dicomnb-ticked" }, input, element("span", {}, words));

// What a field holds, as the kernel would tell it.
function held(input, like = "") {
  if (input.type === "checkbox") return input.checked;
  return typeof like === "number" ? Number(input.value) : input.value.trim();
}

class Connecting extends Panel {
  build() {
    this.mine = ""; // what this view waits for: "asked", then "begun"
    this.changing = false;
    this.ahead = new Set(); // fields in which the page has what the kernel does not have yet
    this.google = new GoogleChoosing((kind, content) => this.waitFor(kind, content));
    this.form = element("form", { class: "dicomnb-body", autocomplete: "off", onsubmit: (event) => this.submit(event) },
      this.kinds(), this.server(), this.folder(), this.googlePart(), this.demo(), this.buttons());
    this.card = element("div", { class: "dicomnb-body", hidden: true });
    this.body.append(this.form, this.card);
    this.inputs = {
      url: this.url, sign_in: this.signIn, user: this.user, verify: this.verify, authority: this.authority,
      timeout: this.timeout, folder: this.path, writable: this.writable, flavour: this.flavour,
      google_sign_in: this.google.signIn, key_path: this.google.keyPath, project: this.google.project,
    };
    for (const [name, input] of Object.entries(this.inputs)) {
      input.addEventListener("input", () => this.ahead.add(name));
      input.addEventListener("change", () => this.filled(name, input));
    }
    this.arrange();
  }

  kinds() {
    const name = fresh("kind");
    this.radios = KINDS.map(([value, words]) => {
      const radio = element("input", { type: "radio", name, value });
      radio.addEventListener("change", () => {
        this.ahead.add("kind");
        this.arrange();
        this.ask("form", { form: { kind: value } });
      });
      return [radio, element("label", {}, radio, element("span", {}, words))];
    });
    this.radios[0][0].checked = true;
    return element("fieldset", { class: "dicomnb-kinds" }, element("legend", {}, "Where the images are"), ...this.radios.map(([, label]) => label));
  }

  server() {
    this.url = typed({ inputmode: "url", placeholder: "https://pacs.example/dicom-web" });
    this.signIn = chooser([["none", "Nothing (open to all)"], ["password", "User and password"], ["token", "Token"], ["google", "Google's default credentials"]]);
    this.user = typed({});
    this.password = element("input", { type: "password", autocomplete: "new-password" });
    this.token = element("input", { type: "password", autocomplete: "off", spellcheck: "false" });
    this.userField = field("User", this.user);
    this.passwordField = field("Password", this.password, "Handed over once and forgotten.");
    this.tokenField = field("Token", this.token, "Sent as Authorization: Bearer …; handed over once and forgotten.");
    this.verify = element("input", { type: "checkbox", checked: true });
    this.authority = typed({ placeholder: "/etc/ssl/hospital.pem" });
    this.timeout = element("input", { type: "number", min: "1", step: "any", value: "60" });
    this.warning = element("div", { class: "dicomnb-caution", role: "note" }, "Without this check, whoever stands between can read and change everything, the password too.");
    this.more = element("details", { class: "dicomnb-more" }, element("summary", {}, "More"),
      element("div", { class: "dicomnb-fields" },
        element("div", { class: "dicomnb-field" }, ticked("Check the server's certificate", this.verify), this.warning),
        field("Authority's certificates", this.authority, "A PEM file on the kernel's machine, for a private authority."),
        field("Wait for an answer (seconds)", this.timeout, "Between two pieces of it; the whole may take as long as it needs.")));
    return this.part("server", field("Address", this.url, "The DICOMweb root: what stands before /studies. Or a Google store, projects/…/dicomStores/…"),
      element("div", { class: "dicomnb-fields" }, field("Sign in with", this.signIn), this.userField, this.passwordField, this.tokenField), this.more);
  }

  folder() {
    this.path = typed({ placeholder: "/data/scans" });
    this.writable = element("input", { type: "checkbox" });
    const made = field("Folder", this.path, "A path on the kernel's machine. Its files are read where they are and indexed in your cache folder.");
    this.completing = new Completing(this.path, (text) => this.ask("folders", { text }), (item) => this.ask("folders", { text: item }));
    return this.part("folder", made, ticked("May be written to: store new images, and delete (into a trash folder beside it)", this.writable));
  }

  googlePart() { return this.part("google", this.google.body); }

  demo() {
    this.flavour = chooser([["", "Plain DICOMweb, read-only"], ["google", "As Google's Cloud Healthcare API: a copy that can be written to"]]);
    return this.part("demo", element("div", {}, "Some 24 synthesised patients on a server of this machine: CT, MR, PET, ultrasound, plans, reports. No account, no network."),
      element("div", { class: "dicomnb-fields dicomnb-wide" }, field("Server", this.flavour)));
  }

  part(kind, ...children) {
    this.parts = { ...this.parts, [kind]: element("div", { class: "dicomnb-body" }, ...children) };
    return this.parts[kind];
  }

  buttons() {
    this.connect = element("button", { type: "submit", class: "dicomnb-action dicomnb-main" }, "Connect");
    this.keep = action("Keep the present connection", () => { this.changing = false; this.show(this.state); this.title?.focus(); });
    return element("div", { class: "dicomnb-row" }, this.connect, this.keep);
  }

  kind() { return this.radios.find(([radio]) => radio.checked)[0].value; }

  arrange() {
    const kind = this.kind();
    for (const [name, part] of Object.entries(this.parts)) part.hidden = name !== kind;
    this.userField.hidden = this.passwordField.hidden = this.signIn.value !== "password";
    this.tokenField.hidden = this.signIn.value !== "token";
    this.warning.hidden = this.verify.checked;
    this.authority.disabled = !this.verify.checked;
    this.google.arrange();
    const signing = kind === "google" && !this.state?.google.signed_in;
    this.connect.textContent = signing ? "Sign in" : "Connect";
    this.connect.disabled = kind === "google" && !signing && !this.state.form.store;
    this.keep.hidden = !(this.changing && this.state?.about);
  }

  filled(name, input) {
    const value = held(input);
    this.ahead.add(name);
    this.arrange();
    if (name === "project" && this.state?.google.signed_in) this.waitFor("choose", { level: "project", value });
    else this.ask("form", { form: { [name]: value } });
  }

  // Asks for something that takes a while and that this view is to go on from.
  waitFor(kind, content, buffers) {
    this.mine = "asked";
    this.ask(kind, content, buffers);
  }

  async submit(event) {
    event.preventDefault();
    if (this.label || this.connect.disabled) return;
    const kind = this.kind();
    const form = { kind };
    for (const [name, input] of Object.entries(this.inputs)) form[name] = held(input);
    this.ahead.clear();
    const secrets = { server: { password: this.password, token: this.token }[form.sign_in], google: { token: this.google.token }[form.google_sign_in] };
    const secret = secrets[kind]?.value || "";
    const file = kind === "google" && form.google_sign_in === "file" ? this.google.keyFile.files[0] : null;
    for (const one of [this.password, this.token, this.google.token, this.google.keyFile]) one.value = "";
    const buffers = [];
    if (file) {
      if (file.size > MOST_KEY_BYTES) { this.tell("error", `${file.name} is too large for a service account's key.`); return; }
      try {
        buffers.push(await file.arrayBuffer());
      } catch (error) {
        this.tell("error", `${file.name} cannot be read: ${error.message}`);
        return;
      }
      form.key_name = file.name;
    }
    this.waitFor("connect", { form, secret }, buffers);
  }

  folders({ text, folders, more, why }) {
    this.completing.offer(text, folders, why || (more ? "… and more: go on typing" : ""));
  }

  show(state) {
    const isNew = this.connection !== undefined && state.connection !== this.connection;
    this.connection = state.connection;
    if (isNew) this.changing = false;
    this.fill(state.form);
    this.google.show(state, Boolean(this.label));
    this.arrange();
    const isCard = Boolean(state.about) && !this.changing;
    this.form.hidden = isCard;
    this.card.hidden = !isCard;
    if (isCard) this.drawCard(state);
    if (!this.label && this.mine === "begun") this.settle();
  }

  // Fills the fields in from the kernel, but for those that are being changed here.
  fill(form) {
    const isHere = (name, value) => {
      if (value === form[name]) this.ahead.delete(name);
      return this.ahead.has(name);
    };
    if (!isHere("kind", this.kind())) for (const [radio] of this.radios) radio.checked = radio.value === form.kind;
    for (const [name, input] of Object.entries(this.inputs)) {
      if (isHere(name, held(input, form[name]))) continue;
      if (input.type === "checkbox") input.checked = form[name];
      else input.value = form[name];
    }
  }

  drawCard({ about, notes, code, brief }) {
    this.title = element("h3", { class: "dicomnb-connected", tabindex: "-1" }, `Connected to ${about.family}`);
    const copied = element("span", { class: "dicomnb-hint", role: "status" });
    const text = element("pre", { tabindex: "0", "aria-label": "Python that makes this connection" }, code);
    const copy = action("Copy code", async () => { copied.textContent = await copyShown(text) ? "Copied" : "Selected: press Ctrl+C"; });
    const facts = [
      element("dl", { class: "dicomnb-facts" }, ...about.rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])),
      element("ul", { class: "dicomnb-abilities", "aria-label": "What can be done" }, ...about.abilities.map(ability)),
      element("details", { class: "dicomnb-more" }, element("summary", {}, "The same in Python"), text,
        element("div", { class: "dicomnb-row" }, copy, copied),
        code.includes("getpass(") ? element("div", { class: "dicomnb-hint" }, "What signs in is not in it: getpass asks for it.") : ""),
      element("div", { class: "dicomnb-row" }, action("Change", () => this.change()), action("Disconnect", () => this.waitFor("disconnect"))),
    ];
    const cautions = notes.map((words) => element("div", { class: "dicomnb-caution", role: "note" }, words));
    this.card.replaceChildren(...(brief ? [this.folded(about, facts), ...cautions] : [this.title, ...cautions, ...facts]));
  }

  // The card as one line, which unfolds.
  folded(about, facts) {
    const address = element("span", { class: "dicomnb-hint" }, about.rows[0][1]);
    const made = element("details", { class: "dicomnb-brief", open: this.isUnfolded }, element("summary", {}, this.title, " ", address), ...facts);
    made.addEventListener("toggle", () => { this.isUnfolded = made.open; });
    return made;
  }

  change() {
    this.changing = true;
    this.show(this.state);
    this.radios.find(([radio]) => radio.checked)[0].focus();
  }

  // While something goes on the form can be read but not used; the focus is where it can be ended.
  occupied(label) {
    const began = Boolean(label) && !this.label;
    super.occupied(label);
    this.form.inert = Boolean(label);
    if (this.state) this.google.draw(Boolean(label));
    clearInterval(this.ticking);
    if (label) {
      const since = Date.now();
      this.ticking = setInterval(() => { this.doing.textContent = `${label} No answer yet, ${Math.round((Date.now() - since) / 1000)} s`; }, 1000);
    }
    if (began && this.mine) {
      this.mine = "begun";
      this.stop.focus();
    }
  }

  tell(level, words, ...more) {
    // Of the brief card all that is in view says as much.
    const isSaid = level === "done" && this.state?.brief;
    super.tell(level, isSaid ? "" : words, ...more);
    if (words && !this.label && this.mine && level !== "done") this.settle();
  }

  // Told before an error: whether it was what signs in that was not taken.
  mend({ credentials }) { this.refused = credentials; }

  // What was waited for is over: the focus goes to what comes next.
  settle() {
    this.mine = "";
    if (this.state) this.next().focus();
  }

  next() {
    const kind = this.kind();
    if (this.form.hidden) return this.title;
    if (kind === "google") return this.google.next() || this.connect;
    if (kind === "folder") return this.completing;
    if (kind === "demo") return this.connect;
    const secret = { password: this.password, token: this.token }[this.signIn.value] || this.signIn;
    return this.refused ? secret : this.url;
  }

  end() {
    clearInterval(this.ticking);
    super.end();
  }
}

function ability({ name, can, levels }) {
  const words = can ? `can ${name}${levels ? ` (${levels})` : ""}` : `cannot ${name}`;
  return element("li", { class: can ? "dicomnb-can" : "dicomnb-cannot" }, element("span", { "aria-hidden": "true" }, can ? "✓ " : "– "), words);
}

export default shown(Connecting, "Connect to DICOM");
