// The viewer: slices come in blocks over custom messages, and are windowed, scrolled and
// measured here, in the browser. Nothing of a patient is in the model's state.

import { Stack } from "./stack.js";
import { position } from "./space.js";
import { distance, region } from "./measures.js";
import { FRESH, Placing, drawEdges, drawImage, drawMeasurement, drawScale } from "./drawing.js";
import { Gestures } from "./gestures.js";
import { element, fillPresets, slider, toolbar } from "./controls.js";
import { Panel, action, shown } from "./panel.js";


class View extends Panel {
  // -- what stands on the page ---------------------------------------------------------------

  build() {
    this.facts = null;
    this.stack = null;
    this.view = { ...FRESH };
    this.tool = "window";
    this.direction = 1;
    this.draft = null;
    this.cursor = null;
    this.playing = null;
    this.controls = toolbar({
      tool: (name) => this.choose(name),
      preset: (index) => this.preset(index),
      invert: () => this.set("inverted", !this.model.get("inverted")),
      play: () => this.play(),
      erase: () => this.erase(),
      reset: () => this.reset(),
      opacity: (value) => this.set("opacity", value),
    });
    this.canvas = element("canvas", {
      class: "dicomnb-canvas", tabindex: 0, role: "application", "aria-roledescription": "image viewer",
      "aria-label": "Image. Up and down scroll, left and right change time, w p z d b e choose a tool.",
    });
    this.title = element("div", { class: "dicomnb-corner dicomnb-title" });
    this.corner = element("div", { class: "dicomnb-corner dicomnb-state" });
    this.readout = element("div", { class: "dicomnb-corner dicomnb-readout" });
    this.notice = element("div", { class: "dicomnb-notice", role: "alert", hidden: true });
    this.stage = element("div", { class: "dicomnb-stage" }, this.canvas, this.title, this.corner, this.readout, this.notice, this.work);
    this.slices = slider("Slice", 0, (value) => this.go(value));
    this.times = slider("Time", 0, (value) => this.set("time", value));
    this.place = element("output", { class: "dicomnb-place", "aria-live": "polite" });
    this.when = element("output", { class: "dicomnb-place", "aria-live": "polite" });
    this.timeRow = element("div", { class: "dicomnb-slider", hidden: true }, this.times, this.when);
    this.sliceRow = element("div", { class: "dicomnb-slider" }, this.slices, this.place);
    this.spoken = element("div", { class: "dicomnb-spoken", "aria-live": "polite" });
    this.body.append(this.controls.bar, this.stage, this.sliceRow, this.timeRow, this.spoken);
    this.choose("window");
    this.say("Loading…");
    this.listen();
    this.gestures = new Gestures(this);
  }

  listen() {
    const on = (names, handler) => names.split(" ").forEach((name) => this.model.on(name, handler));
    this.handlers = [];
    const keep = (names, handler) => { on(names, handler); this.handlers.push([names, handler]); };
    keep("change:slice change:time", () => { this.moved(); this.draw(); });
    keep("change:window change:window_function change:inverted", () => { this.stack?.recolour(); this.draw(); });
    keep("change:measurements change:opacity", () => this.draw());
    keep("change:height", () => this.resize());
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(this.stage);
  }

  end() {
    super.end();
    this.halt();
    this.sizes.disconnect();
    cancelAnimationFrame(this.drawing);
    for (const [names, handler] of this.handlers) names.split(" ").forEach((name) => this.model.off(name, handler));
  }

  say(text, again) {
    this.notice.replaceChildren(element("span", {}, text));
    if (again) this.notice.append(action("Try again", again, { class: "dicomnb-again" }));
    this.notice.hidden = !text;
  }

  silence() {
    if (this.facts) return;
    const kept = this.model.get("kept");
    if (kept) {
      const picture = element("img", { class: "dicomnb-kept", src: kept, alt: "The slice that was kept with the notebook" });
      this.notice.replaceChildren(picture, element("span", {}, "Kept with the notebook. Run the cell to scroll."));
    } else {
      this.say("No answer from the kernel yet. It is busy, or the cell has to be run again.", () => {
        this.say("Loading…");
        this.hello();
      });
    }
  }

  // -- what the kernel sends -----------------------------------------------------------------

  receive(message, buffers) {
    const isCurrent = this.facts && message.ticket === this.facts.ticket;
    if (message.kind === "facts") this.open(message, buffers);
    else if (message.kind === "frames") { if (isCurrent) this.take(message, buffers); }
    else if (message.kind === "failed") { if (isCurrent) this.fail(message); }
    else if (message.kind === "broken" || message.kind === "nothing") this.nothing(message);
    else super.receive(message, buffers);
  }

  fail(message) {
    this.stack.frames.fail(message.frame, message.words);
    this.complain();
    this.fetch();
  }

  // There is nothing to look at: not yet, not any more, or it cannot be had. What was held is let
  // go of, so that no picture of something else stands behind the words.
  nothing({ kind, words, again }) {
    clearTimeout(this.waiting);
    this.renew();
    this.facts = this.stack = null;
    for (const one of [this.title, this.corner, this.readout]) one.textContent = "";
    for (const row of [this.sliceRow, this.timeRow, this.controls.presets]) row.hidden = true;
    const context = this.canvas.getContext("2d", { alpha: false });
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.empty = kind === "nothing" ? words : "";
    this.say(this.empty && this.busy ? "" : words, again && (() => this.ask("again")));
  }

  // What is being fetched is said over the picture, which stays until the next is there.
  occupied(label) {
    super.occupied(label);
    this.busy = label;
    if (this.empty) this.say(label ? "" : this.empty);
  }

  open(facts, buffers) {
    clearTimeout(this.waiting);
    this.empty = "";
    if (!this.facts || this.facts.ticket !== facts.ticket) this.renew();
    this.facts = facts;
    [this.timeCount, this.sliceCount, this.rows, this.columns] = facts.shape;
    this.stack = new Stack(facts, buffers);
    this.title.textContent = facts.title;
    this.slices.max = this.sliceCount - 1;
    this.times.max = this.timeCount - 1;
    this.sliceRow.hidden = this.sliceCount < 2;
    this.timeRow.hidden = this.timeCount < 2;
    this.controls.play.hidden = this.sliceCount * this.timeCount < 2;
    this.controls.opacity.hidden = facts.overlays.length === 0;
    this.controls.tools.get("window").hidden = facts.samples === 3;
    if (facts.samples === 3 && this.tool === "window") this.choose("pan");
    fillPresets(this.controls.presets, facts.samples === 3 ? [] : facts.windows);
    this.say("");
    this.resize();
    this.moved();
  }

  // Another thing is shown than before.
  renew() {
    this.halt();
    this.view = { ...FRESH };
    this.draft = this.gestures.drag = null;
    this.direction = 1;
  }

  take({ frames }, [buffer]) {
    this.stack.take(frames, buffer, this.current);
    if (frames.includes(this.current)) this.draw();
    this.fetch();
  }

  // Say why the frame in view cannot be shown; one elsewhere is said when it is come to.
  complain() {
    const words = this.stack.frames.failed.get(this.current) || "";
    this.say(words, words && (() => { this.stack.frames.again(); this.complain(); this.fetch(); }));
  }

  fetch() {
    if (!this.stack) return;
    const wanted = this.stack.frames.next(this.current, this.direction);
    if (wanted.length) this.ask("want", { frames: wanted, ticket: this.facts.ticket });
  }

  // -- what is shown -------------------------------------------------------------------------

  get current() {
    return this.model.get("time") * this.sliceCount + this.model.get("slice");
  }

  // Where the frame in view lies, or null.
  get affine() {
    return this.facts.affines.length ? this.facts.affines[this.current] : this.facts.affine;
  }

  get window() {
    const [center, width] = this.model.get("window");
    return { center, width, fn: this.model.get("window_function") };
  }

  set(name, value) {
    this.model.set(name, value);
    clearTimeout(this.saving);
    // The browser does not wait for the kernel, nor does it flood it while something is dragged.
    this.saving = setTimeout(() => this.model.save_changes(), 60);
  }

  go(slice) {
    const to = Math.max(0, Math.min(this.sliceCount - 1, slice));
    const from = this.model.get("slice");
    if (to === from) return;
    this.direction = Math.sign(to - from);
    this.set("slice", to);
  }

  goTime(time) {
    this.set("time", Math.max(0, Math.min(this.timeCount - 1, time)));
  }

  moved() {
    if (!this.facts) return;
    const [slice, time] = [this.model.get("slice"), this.model.get("time")];
    this.slices.value = slice;
    this.times.value = time;
    this.place.textContent = `${slice + 1} / ${this.sliceCount}`;
    this.slices.setAttribute("aria-valuetext", `slice ${slice + 1} of ${this.sliceCount}`);
    this.when.textContent = this.facts.times[time] || `${time + 1} / ${this.timeCount}`;
    this.complain();
    this.fetch();
    this.read();
  }

  resize() {
    const scale = window.devicePixelRatio || 1;
    this.stage.style.height = `${this.model.get("height")}px`;
    this.width = this.stage.clientWidth;
    this.high = this.stage.clientHeight;
    this.canvas.width = Math.round(this.width * scale);
    this.canvas.height = Math.round(this.high * scale);
    this.render();
  }

  draw() {
    cancelAnimationFrame(this.drawing);
    this.drawing = requestAnimationFrame(() => this.render());
  }

  render() {
    if (!this.facts || !this.width) return;
    const context = this.canvas.getContext("2d", { alpha: false });
    const scale = window.devicePixelRatio || 1;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.width, this.high);
    const { spacing, units } = this.facts;
    this.placing = new Placing([this.rows, this.columns], spacing, this.width, this.high, this.view);
    const look = { window: this.window, inverted: this.model.get("inverted"), opacity: this.model.get("opacity") };
    const isWhole = this.stack.compose(this.current, look);
    if (isWhole !== null) drawImage(context, this.stack.picture, this.placing, [this.rows, this.columns]);
    drawEdges(context, this.affine, this.width, this.high);
    drawScale(context, this.placing, spacing, this.width, this.high);
    for (const one of this.shown()) drawMeasurement(context, one, this.placing, units, spacing);
    this.told(isWhole);
    this.read();
  }

  shown() {
    const here = this.model.get("measurements").filter((one) => this.isHere(one));
    return this.draft ? [...here, this.draft] : here;
  }

  // Whether a measurement is one of the frame in view.
  isHere({ slice, time, points }) {
    return slice === this.model.get("slice") && (time || 0) === this.model.get("time") && points.length === 2;
  }

  told(isWhole) {
    const { center, width } = this.window;
    const text = this.facts.samples === 3 ? "" : `C ${+center.toPrecision(5)}  W ${+width.toPrecision(5)}`.replace("-", "−");
    this.corner.textContent = [text, isWhole ? "" : "loading…"].filter(Boolean).join(" · ");
    this.controls.invert.setAttribute("aria-pressed", this.model.get("inverted"));
    this.controls.opacity.value = Math.round(this.model.get("opacity") * 100);
  }

  // The value under the cursor, and where in the patient it is.
  read() {
    const frame = this.stack?.frames.get(this.current);
    if (!this.cursor || !frame || !this.placing) { this.readout.textContent = ""; return; }
    const [row, column] = this.placing.toFrame(...this.cursor).map(Math.round);
    if (row < 0 || column < 0 || row >= this.rows || column >= this.columns) { this.readout.textContent = ""; return; }
    const at = (row * this.columns + column) * this.facts.samples;
    const value = [...frame.values.subarray(at, at + this.facts.samples)].map((one) => (Number.isInteger(one) ? one : +one.toPrecision(7))).join(" ");
    const lines = [`${value} ${this.facts.units}`.trim(), `row ${row}, column ${column}`];
    if (this.affine) {
      // The place of a frame of its own counts from that frame.
      const slice = this.facts.affines.length ? 0 : this.model.get("slice");
      const [x, y, z] = position(this.affine, slice, row, column);
      lines.push(`L ${x.toFixed(1)}  P ${y.toFixed(1)}  S ${z.toFixed(1)} mm`);
    }
    this.readout.textContent = lines.join("\n").replaceAll("-", "−");
  }

  // -- what a person does --------------------------------------------------------------------

  choose(name) {
    this.tool = name;
    for (const [one, made] of this.controls.tools) made.setAttribute("aria-pressed", one === name);
    this.canvas.dataset.tool = name;
  }

  preset(index) {
    const found = this.facts && this.facts.windows[index];
    if (!found) return;
    this.model.set("window_function", found.function);
    this.set("window", [found.center, found.width]);
    this.controls.presets.value = -1;
  }

  reset() {
    this.view = { ...FRESH };
    if (this.facts) {
      this.model.set("window_function", this.facts.window.function);
      this.model.set("inverted", false);
      this.set("window", [this.facts.window.center, this.facts.window.width]);
    }
    this.draw();
  }

  // Only what is in view is removed.
  erase() {
    const all = this.model.get("measurements");
    const last = all.filter((one) => this.isHere(one)).at(-1);
    if (last) this.set("measurements", all.filter((one) => one !== last));
  }

  halt() {
    cancelAnimationFrame(this.playing);
    this.playing = null;
    this.controls.play.setAttribute("aria-pressed", false);
  }

  // Cine: through the times where there are several, else through the slices. What is not
  // there yet is waited for: no frame is left out.
  play() {
    if (this.playing !== null) { this.halt(); return; }
    this.controls.play.setAttribute("aria-pressed", true);
    const [name, count] = this.timeCount > 1 ? ["time", this.timeCount] : ["slice", this.sliceCount];
    this.direction = 1;
    let due = performance.now();
    const step = (now) => {
      this.playing = requestAnimationFrame(step);
      if (now < due || !this.stack?.frames.get(this.current)) return;
      due = Math.max(due + 1000 / this.model.get("frame_rate"), now - 100);
      this.set(name, (this.model.get(name) + 1) % count);
    };
    this.playing = requestAnimationFrame(step);
  }

  zoom(factor, x, y) {
    const zoom = Math.max(0.2, Math.min(40, this.view.zoom * factor));
    const by = zoom / this.view.zoom;
    const [dx, dy] = [x - this.width / 2, y - this.high / 2];
    this.view = { zoom, x: dx - (dx - this.view.x) * by, y: dy - (dy - this.view.y) * by };
    this.draw();
  }

  measured(measurement) {
    const { spacing } = this.facts;
    if (measurement.kind === "distance") return { ...measurement, length: distance(measurement.points, spacing) };
    if (this.facts.samples === 3) return { ...measurement, count: 0 };
    const frame = this.stack.frames.get(this.current);
    if (!frame) return measurement;  // the kernel works it out
    return { ...measurement, ...region(measurement.kind, measurement.points, frame.values, [this.rows, this.columns], spacing) };
  }
}

export default shown(View, "Image viewer");
