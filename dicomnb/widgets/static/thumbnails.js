// Pictures of what is selected: a place for each at once, the picture when it comes.

import { element } from "./controls.js";
import { count } from "./panel.js";

export class ThumbnailStrip {
  constructor() {
    this.turn = 0;
    this.addresses = [];
    this.list = element("ul", { class: "dicomnb-thumbnails" });
    this.more = element("div", { class: "dicomnb-hint" });
    this.element = element("section", { "aria-label": "Pictures of what is selected", hidden: true }, this.list, this.more);
  }

  // Places for other pictures; those before are given free.
  places({ turn, items, all }) {
    this.end();
    this.turn = turn;
    this.frames = items.map(() => element("div", { class: "dicomnb-thumbnail dicomnb-waiting" }));
    this.list.replaceChildren(...items.map(({ caption }, index) =>
      element("li", { title: caption }, this.frames[index], element("div", { class: "dicomnb-caption" }, caption))));
    this.captions = items.map(({ caption }) => caption);
    this.more.textContent = all > items.length ? `The first ${items.length} of ${count(all, "selected row")}.` : "";
    this.element.hidden = items.length === 0;
  }

  picture({ turn, index, reason }, [png]) {
    if (turn !== this.turn) return;
    const frame = this.frames[index];
    frame.classList.remove("dicomnb-waiting");
    if (!png) {
      frame.classList.add("dicomnb-none");
      frame.title = reason;
      frame.replaceChildren(element("span", { class: "dicomnb-reason" }, `No picture. ${reason}`));
      return;
    }
    const address = URL.createObjectURL(new Blob([png], { type: "image/png" }));
    this.addresses.push(address);
    frame.replaceChildren(element("img", { src: address, alt: this.captions[index] }));
  }

  end() {
    for (const address of this.addresses) URL.revokeObjectURL(address);
    this.addresses = [];
  }
}
