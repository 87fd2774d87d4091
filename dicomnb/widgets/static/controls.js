// What surrounds the picture: buttons, sliders, lists. Every control has a name and works by key.

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const ICONS = {
  window: "M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12",
  pan: "M8 1v14M1 8h14M6 3l2-2 2 2M6 13l2 2 2-2M3 6 1 8l2 2M13 6l2 2-2 2",
  zoom: "M7 2a5 5 0 1 0 0 10A5 5 0 0 0 7 2zM11 11l4 4M5 7h4M7 5v4",
  distance: "M2 14 14 2M2 11v3h3M11 2h3v3",
  rectangle: "M2 4h12v8H2z",
  ellipse: "M8 4c4 0 6 2 6 4s-2 4-6 4-6-2-6-4 2-4 6-4z",
  invert: "M2 2h12v12H2zM2 14 14 2v12z",
  play: "M4 2l10 6-10 6z",
  reset: "M3 8a5 5 0 1 1 2 4M3 13V9h4",
  erase: "M3 3l10 10M13 3 3 13",
};
const FILLED = new Set(["play"]);

function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICONS[name]);
  if (FILLED.has(name)) path.setAttribute("fill", "currentColor");
  svg.append(path);
  return svg;
}

// A button with a picture; `key` is the letter that does the same.
export function button(name, label, key, onclick) {
  const title = key ? `${label} (${key})` : label;
  return element("button", {
    type: "button", class: `dicomnb-button dicomnb-${name}`, title, "aria-label": label,
    "aria-keyshortcuts": key, onclick,
  }, icon(name));
}

export function slider(label, most, oninput) {
  const input = element("input", { type: "range", min: 0, max: most, step: 1, value: 0, "aria-label": label });
  input.addEventListener("input", () => oninput(Number(input.value)));
  return input;
}

export const TOOLS = [
  ["window", "Window: drag across for width, up and down for centre", "w"],
  ["pan", "Pan", "p"],
  ["zoom", "Zoom", "z"],
  ["distance", "Measure a distance", "d"],
  ["rectangle", "Statistics in a rectangle", "b"],
  ["ellipse", "Statistics in an ellipse", "e"],
];

// The row of tools and actions. `actions` holds a function for each.
export function toolbar(actions) {
  const tools = new Map();
  const bar = element("div", { class: "dicomnb-toolbar", role: "toolbar", "aria-label": "Viewer tools" });
  for (const [name, label, key] of TOOLS) {
    const made = button(name, label, key, () => actions.tool(name));
    tools.set(name, made);
    bar.append(made);
  }
  const presets = element("select", { class: "dicomnb-presets", "aria-label": "Window presets", title: "Window presets" });
  presets.addEventListener("change", () => actions.preset(Number(presets.value)));
  const invert = button("invert", "Invert", "i", actions.invert);
  const play = button("play", "Play", "space", actions.play);
  const erase = button("erase", "Remove the last measurement in view", "Backspace", actions.erase);
  const reset = button("reset", "Reset window, zoom and pan", "r", actions.reset);
  const opacity = element("input", {
    type: "range", min: 0, max: 100, "aria-label": "Opacity of the overlay", title: "Opacity of the overlay",
    class: "dicomnb-opacity", hidden: true,
  });
  opacity.addEventListener("input", () => actions.opacity(Number(opacity.value) / 100));
  bar.append(presets, invert, play, erase, reset, opacity);
  return { bar, tools, presets, invert, play, opacity };
}

// Windows by the groups that they belong to, in their order.
export function fillPresets(presets, windows) {
  const groups = new Map();
  windows.forEach(({ name, group, center, width }, index) => {
    if (!groups.has(group)) groups.set(group, element("optgroup", { label: group }));
    groups.get(group).append(element("option", { value: index }, `${name}  (C ${+center.toPrecision(5)}, W ${+width.toPrecision(5)})`));
  });
  presets.replaceChildren(element("option", { value: -1 }, "Window…"), ...groups.values());
  presets.hidden = windows.length === 0;
}
