// The strip of tabs of an explorer (ARIA's pattern "tabs"): which of its pages is shown.

import { element } from "./controls.js";
import { Panel, fresh, shown } from "./panel.js";

const MOST_FRAMES = 600;

class Tabs extends Panel {
  build() {
    this.list = element("div", { class: "dicomnb-tablist", role: "tablist", "aria-label": "What to do with the images" });
    this.list.addEventListener("keydown", (event) => this.key(event));
    this.tabs = new Map();
    this.body.append(this.list);
  }

  show({ tabs, tab, connected }) {
    this.connected = connected;
    for (const { name, label, note } of tabs) {
      if (!this.tabs.has(name)) this.add(name);
      const made = this.tabs.get(name);
      made.replaceChildren(label, note ? element("span", { class: "dicomnb-note" }, note) : "");
    }
    this.choose(tab);
  }

  add(name) {
    const made = element("button", {
      type: "button", role: "tab", class: "dicomnb-tab", id: fresh("tab"), "data-name": name,
      onclick: () => this.asked(name),
    });
    this.tabs.set(name, made);
    this.list.append(made);
  }

  // The page is shown at once; the kernel hears of it.
  asked(name) {
    if (name === this.chosen) return;
    this.choose(name);
    this.ask("tab", { name });
  }

  choose(name) {
    this.chosen = name;
    for (const [one, made] of this.tabs) {
      made.setAttribute("aria-selected", String(one === name));
      made.tabIndex = one === name ? 0 : -1;
    }
    this.arrange();
  }

  // The pages are widgets beside this one, which may come to the page after it.
  arrange(waited = 0) {
    cancelAnimationFrame(this.arranging);
    const explorer = this.root.closest(".dicomnb-explorer");
    const pages = explorer ? explorer.querySelectorAll(".dicomnb-page") : [];
    if (pages.length < this.tabs.size && waited < MOST_FRAMES)
      this.arranging = requestAnimationFrame(() => this.arrange(waited + 1));
    if (!explorer) return;
    explorer.dataset.tab = this.chosen;
    explorer.dataset.connected = String(this.connected);
    for (const page of pages) {
      const [name] = [...this.tabs.keys()].filter((one) => page.classList.contains(`dicomnb-page-${one}`));
      const tab = this.tabs.get(name);
      page.id ||= fresh("page");
      page.setAttribute("role", "tabpanel");
      page.setAttribute("aria-labelledby", tab.id);
      tab.setAttribute("aria-controls", page.id);
    }
  }

  key(event) {
    const names = [...this.tabs.keys()];
    const at = names.indexOf(this.chosen);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: names.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();  // the notebook has shortcuts of its own on the same keys
    const name = names[(to + names.length) % names.length];
    this.asked(name);
    this.tabs.get(name).focus();
  }

  end() {
    super.end();
    cancelAnimationFrame(this.arranging);
  }
}

export default shown(Tabs, "Pages of the explorer");
