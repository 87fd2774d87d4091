// Files of the browser on their way to the kernel: in pieces, a few ahead of what it has
// acknowledged, so that neither side ever holds a file whole.

const PIECE_BYTES = 1 << 20;
const AHEAD = 4;
const START_BYTES = 132;
const OFFERED_AT_ONCE = 500;

// Why something cannot be read, in words.
function unreadable(error) {
  return error.name === "NotReadableError" || error.name === "NotFoundError"
    ? "it was changed, moved or removed since it was chosen, or may not be read" : String(error.message || error);
}

const hex = (bytes) => Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");

export class FileSender {
  // `ask` sends a message; `name` tells this page's files from another's.
  constructor(ask, name) {
    this.ask = ask;
    this.name = name;
    this.files = new Map();
    this.queue = [];
    this.made = 0;
    this.loads = 0;
    this.flying = new Set();
    this.running = false;
    this.wake = () => {};
  }

  // Tells the kernel of files, [file, name, fault] each, by their first bytes; it answers what it
  // wants. With a fault there is no file.
  async offer(found) {
    for (let from = 0; from < found.length; from += OFFERED_AT_ONCE) {
      const told = [];
      for (const one of found.slice(from, from + OFFERED_AT_ONCE)) told.push(await this.offered(...one));
      this.ask("offer", { files: told });
    }
  }

  async offered(file, name, fault = "") {
    const key = `${this.name}-${(this.made += 1)}`;
    if (fault) return [key, name, 0, 0, "", fault];
    let start = new Uint8Array();
    let unread = "";
    // What is gone looks as if it were empty, until the disk is asked; of no bytes a slice never asks.
    const read = file.size ? file.slice(0, START_BYTES) : file;
    try { start = new Uint8Array(await read.arrayBuffer()); } catch (error) { unread = unreadable(error); }
    this.files.set(key, file);
    return [key, name, file.size, file.lastModified || 0, hex(start), unread];
  }

  // The kernel wants these from where it has them, [key, position] each; `again` where what was
  // sent of them may be lost.
  want(wanted, again) {
    const own = wanted.filter(([key]) => this.files.has(key));
    if (!own.length) return;
    const anew = new Set(own.map(([key]) => key));
    this.queue = [...this.queue.filter(([key]) => !anew.has(key)), ...own];
    if (again) this.flying.clear();
    this.wake();
    if (!this.running) this.run();
  }

  // The kernel does not want these any more.
  drop(keys) {
    const dropped = new Set(keys);
    this.queue = this.queue.filter(([key]) => !dropped.has(key));
    keys.forEach((key) => this.files.delete(key));
  }

  // A message has come, and these files are whole with it.
  got(load, whole) {
    this.flying.delete(load);
    this.drop(whole);
    this.wake();
  }

  async run() {
    this.running = true;
    while (this.queue.length && !this.ended) {
      if (this.flying.size >= AHEAD) {
        await new Promise((resolve) => { this.wake = resolve; });
        continue;
      }
      const { pieces, buffers } = await this.load();
      if (!pieces.length || this.ended) continue;
      this.loads += 1;
      this.flying.add(this.loads);
      this.ask("pieces", { sender: this.name, load: this.loads, pieces }, buffers);
    }
    this.running = false;
  }

  // As much as one message holds: a piece of a large file, or several small files.
  async load() {
    const pieces = [];
    const buffers = [];
    let room = PIECE_BYTES;
    while (room > 0 && this.queue.length) {
      const next = this.queue[0];
      const [key, at] = next;
      const file = this.files.get(key);
      const size = Math.min(room, file.size - at);
      let bytes = null;
      try { bytes = await file.slice(at, at + size).arrayBuffer(); } catch (error) {
        this.ask("unreadable", { key, words: unreadable(error) });
        this.drop([key]);
        continue;
      }
      if (this.queue[0] !== next) continue; // dropped or begun anew meanwhile
      pieces.push([key, at]);
      buffers.push(bytes);
      next[1] = at + size;
      room -= Math.max(size, 1);
      if (next[1] >= file.size) this.queue.shift();
    }
    return { pieces, buffers };
  }

  // Whether the kernel may count on this page.
  roll() {
    if (this.files.size) this.ask("here", { keys: [...this.files.keys()] });
  }

  end() {
    this.ended = true;
    this.wake();
    if (this.files.size) this.ask("gone", { keys: [...this.files.keys()] });
  }
}

// The files of a drop, [file, name, fault] each, those in folders included. What cannot be read,
// be it a file or a folder, is there by its name, with the fault and without a file.
export async function droppedFiles(transfer) {
  const items = [...transfer.items].filter((one) => one.kind === "file");
  // What was dropped is only there until this function first waits.
  const entries = items.map((one) => [one.webkitGetAsEntry?.() ?? null, one.getAsFile()]);
  const found = [];
  for (const [entry, file] of entries) {
    if (entry) await walkEntry(entry, found);
    else if (file) found.push([file, file.name]);
    else found.push([null, "(without a name)", "the browser hands nothing over of it"]);
  }
  return found;
}

async function walkEntry(entry, found) {
  const name = entry.fullPath.replace(/^\//, "");
  try {
    if (entry.isFile) found.push([await new Promise((resolve, reject) => entry.file(resolve, reject)), name]);
    else await walkFolder(entry.createReader(), found);
  } catch (error) {
    found.push([null, entry.isFile ? name : `${name}/`, unreadable(error)]);
  }
}

// A browser tells a hundred at a time of what lies in a folder.
async function walkFolder(reader, found) {
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const one of some) await walkEntry(one, found);
  }
}
