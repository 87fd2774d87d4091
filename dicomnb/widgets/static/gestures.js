// What a person does with wheel, pointer and keys.

import { FRESH } from "./drawing.js";
import { words } from "./measures.js";

const MEASURING = ["distance", "rectangle", "ellipse"];

export class Gestures {
  constructor(view) {
    this.view = view;
    this.drag = null;
    const { canvas, root } = view;
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.release(event));
    canvas.addEventListener("pointercancel", () => { this.drag = view.draft = null; view.draw(); });
    canvas.addEventListener("pointerleave", () => { view.cursor = null; view.read(); });
    canvas.addEventListener("dblclick", () => { view.view = { ...FRESH }; view.draw(); });
    root.addEventListener("keydown", (event) => this.key(event));
  }

  wheel(event) {
    const { view } = this;
    const zooms = event.ctrlKey || event.metaKey;
    // Over a single picture the wheel scrolls the page.
    if (!view.facts || (!zooms && view.sliceCount * view.timeCount < 2)) return;
    event.preventDefault();
    if (zooms) {
      view.zoom(Math.exp(-event.deltaY / 300), event.offsetX, event.offsetY);
      return;
    }
    const pixels = event.deltaMode === 0 ? event.deltaY : event.deltaY * 40;
    this.rolled = (this.rolled || 0) + pixels;
    const steps = Math.trunc(this.rolled / 40);
    if (!steps) return;
    this.rolled -= steps * 40;
    if (view.sliceCount > 1) view.go(view.model.get("slice") + steps);
    else view.goTime(view.model.get("time") + steps);
  }

  press(event) {
    const { view } = this;
    if (!view.facts || event.button > 2) return;
    view.canvas.focus({ preventScroll: true });
    view.canvas.setPointerCapture(event.pointerId);
    const tool = event.button === 1 ? "pan" : view.tool;
    const { center, width } = view.window;
    this.drag = { tool, x: event.offsetX, y: event.offsetY, from: view.view, center, width };
    if (MEASURING.includes(tool)) this.sketch(event);
    event.preventDefault();
  }

  move(event) {
    const { view } = this;
    view.cursor = [event.offsetX, event.offsetY];
    if (!this.drag) { view.read(); return; }
    const { tool, x, y, from, center, width } = this.drag;
    const [dx, dy] = [event.offsetX - x, event.offsetY - y];
    if (tool === "pan") view.view = { ...from, x: from.x + dx, y: from.y + dy };
    else if (tool === "zoom") { view.view = from; view.zoom(Math.exp(-dy / 150), x, y); }
    else if (tool === "window") {
      const gain = Math.max(width, Math.abs(center) / 4) / 300;
      const least = view.window.fn === "LINEAR" ? 1 : width / 1000;
      view.set("window", [center + dy * gain, Math.max(least, width + dx * gain)]);
    } else this.sketch(event);
    view.draw();
  }

  sketch(event) {
    const { view } = this;
    const point = view.placing.toFrame(event.offsetX, event.offsetY);
    const start = view.placing.toFrame(this.drag.x, this.drag.y);
    const [slice, time] = [view.model.get("slice"), view.model.get("time")];
    view.draft = view.measured({ kind: this.drag.tool, slice, time, points: [start, point] });
  }

  release(event) {
    const { view } = this;
    const { drag } = this;
    const { draft } = this.view;
    this.drag = view.draft = null;
    if (draft && Math.hypot(event.offsetX - drag.x, event.offsetY - drag.y) > 3) {
      view.set("measurements", [...view.model.get("measurements"), draft]);
      view.spoken.textContent = words(draft, view.facts.units, view.facts.spacing);
    }
    view.draw();
  }

  key(event) {
    const { view } = this;
    if (!view.facts || event.altKey || event.ctrlKey || event.metaKey || event.target.matches("select, input")) return;
    const slice = view.model.get("slice");
    const time = view.model.get("time");
    const letters = { w: "window", p: "pan", z: "zoom", d: "distance", b: "rectangle", e: "ellipse" };
    const actions = {
      ArrowUp: () => view.go(slice - 1), ArrowDown: () => view.go(slice + 1),
      PageUp: () => view.go(slice - 10), PageDown: () => view.go(slice + 10),
      Home: () => view.go(0), End: () => view.go(view.sliceCount - 1),
      ArrowLeft: () => view.goTime(time - 1), ArrowRight: () => view.goTime(time + 1),
      i: () => view.set("inverted", !view.model.get("inverted")), r: () => view.reset(),
      Backspace: () => view.erase(), Delete: () => view.erase(),
      "+": () => view.zoom(1.25, view.width / 2, view.high / 2), "-": () => view.zoom(0.8, view.width / 2, view.high / 2),
    };
    if (event.key === " " && event.target.tagName !== "BUTTON") actions[" "] = () => view.play();
    if (/^[1-9]$/.test(event.key)) actions[event.key] = () => view.preset(Number(event.key) - 1);
    const action = letters[event.key] ? () => view.choose(letters[event.key]) : actions[event.key];
    if (!action || (letters[event.key] === "window" && view.facts.samples === 3)) return;
    event.preventDefault();
    event.stopPropagation();  // JupyterLab has shortcuts of its own on the same keys
    action();
  }
}
