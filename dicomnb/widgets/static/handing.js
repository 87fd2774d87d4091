// Code from a panel to the notebook: into a new cell where its page lets us, else the clipboard.

import { element } from "./controls.js";

const INSERT_BELOW = '[data-command="notebook:insert-cell-below"]';
const CELL_MS = 2000;

// Puts text on the clipboard; says whether that was allowed.
export async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

// The same of what an element shows; where that is not allowed it is selected, to be copied by hand.
export async function copyShown(shownIn) {
  const done = await toClipboard(shownIn.textContent);
  if (!done) getSelection().selectAllChildren(shownIn);
  return done;
}

// The older way, which works where a page is not secure, but for where it is forbidden too.
function copyBySelection(text) {
  const before = document.activeElement;
  const area = element("textarea", { readonly: true, style: "position:fixed;opacity:0", "aria-hidden": "true" });
  area.value = text;
  document.body.append(area);
  area.select();
  let done = false;
  try {
    done = document.execCommand("copy");
  } catch {
    done = false;
  }
  area.remove();
  before?.focus?.();
  return done;
}

// Puts text into a new cell below the one that holds `inside`. Widgets are given no way to do
// so; JupyterLab and Notebook have a button for it, and an editor that takes what is pasted.
export async function toNewCell(text, inside) {
  const cell = inside.closest(".jp-Cell");
  const notebook = cell?.closest(".jp-Notebook");
  if (!notebook) return false;
  const cells = () => [...notebook.querySelectorAll(".jp-Cell")];
  const before = new Set(cells());
  // The button of the page adds a cell below the active one, which a click made this one.
  cell.dispatchEvent(new MouseEvent("mousedown", { bubbles: true, button: 0 }));
  await patiently(() => cell.classList.contains("jp-mod-active"));
  if (!cell.classList.contains("jp-mod-active")) return false;
  const button = cell.querySelector(INSERT_BELOW) || cell.closest(".jp-NotebookPanel")?.querySelector(INSERT_BELOW);
  if (!button) return false;
  button.click();
  const made = await patiently(() => cells().find((one) => !before.has(one) && one.querySelector(".cm-content")));
  if (!made) return false;
  const editor = made.querySelector(".cm-content");
  editor.focus();
  const data = new DataTransfer();
  data.setData("text/plain", text);
  editor.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  const first = text.split("\n", 1)[0];
  return Boolean(await patiently(() => editor.textContent.includes(first)));
}

async function patiently(found) {
  const end = performance.now() + CELL_MS;
  while (performance.now() < end) {
    const value = found();
    if (value) return value;
    await new Promise((done) => setTimeout(done, 20));
  }
  return null;
}
