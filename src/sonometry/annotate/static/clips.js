// Clips in the browser: the frames as they come, decoded when they are wanted, and the next clip before it is.

import { part } from "./api.js";

const MOST_CLIPS = 4;
const MOST_BITMAP_BYTES = 320e6;
const AHEAD = 8;
const AT_ONCE = 2;

export class Clip {
  constructor(key) {
    this.key = key;
    this.facts = null;
    this.blobs = [];
    this.bitmaps = new Map();
    this.decoding = new Set();
    this.error = null;
    this.listeners = new Set();
    this.abort = new AbortController();
    this.ready = this.#load();
  }

  get isComplete() {
    return this.facts !== null && this.blobs.length === this.facts.n_frames;
  }

  // The frame if it is decoded; otherwise it is decoded now, and so are those that follow. null until then.
  bitmap(index) {
    const found = this.bitmaps.get(index);
    if (found) {
      this.bitmaps.delete(index);
      this.bitmaps.set(index, found); // the last one used
    }
    const n = this.facts?.n_frames ?? 0;
    for (let k = 0; k < Math.min(AHEAD, n); k += 1) this.#decode((index + k) % n);
    return found ?? null;
  }

  close() {
    this.abort.abort();
    for (const bitmap of this.bitmaps.values()) bitmap.close();
    this.bitmaps.clear();
  }

  async #load() {
    try {
      const response = await fetch(`/api/clips/${part(this.key)}/frames`, { credentials: "same-origin", signal: this.abort.signal });
      if (!response.ok) throw new Error((await response.json()).error);
      await this.#take(response.body.getReader());
    } catch (error) {
      if (error.name !== "AbortError") this.error = error.message;
    }
    this.#tell();
  }

  // What is known of the clip as JSON, then the frames; each has its length before it, 4 bytes.
  async #take(reader) {
    let rest = new Uint8Array(0);
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const joined = new Uint8Array(rest.length + value.length);
      joined.set(rest);
      joined.set(value, rest.length);
      let at = 0;
      while (joined.length - at >= 4) {
        const size = new DataView(joined.buffer, at, 4).getUint32(0);
        if (joined.length - at - 4 < size) break;
        const bytes = joined.subarray(at + 4, at + 4 + size);
        at += 4 + size;
        if (!this.facts) {
          this.facts = JSON.parse(new TextDecoder().decode(bytes));
          this.#tell();
          continue;
        }
        this.blobs.push(new Blob([bytes], { type: "image/jpeg" }));
        if (this.blobs.length === 1) this.#decode(0);
      }
      rest = joined.slice(at);
    }
  }

  async #decode(index) {
    if (this.decoding.size >= AT_ONCE || this.bitmaps.has(index) || this.decoding.has(index) || !this.blobs[index]) return;
    this.decoding.add(index);
    try {
      this.bitmaps.set(index, await createImageBitmap(this.blobs[index]));
      this.#makeRoom();
    } catch {
      this.error = "a frame of this clip cannot be shown";
    }
    this.decoding.delete(index);
    this.#tell();
  }

  #makeRoom() {
    const one = this.facts.n_rows * this.facts.n_columns * 4;
    while (this.bitmaps.size > AHEAD + 2 && this.bitmaps.size * one > MOST_BITMAP_BYTES) {
      const [oldest, bitmap] = this.bitmaps.entries().next().value;
      bitmap.close();
      this.bitmaps.delete(oldest);
    }
  }

  #tell() {
    for (const listener of this.listeners) listener();
  }
}

const kept = new Map();

// The clip of this key, loaded once; the ones that were not used for longest are let go.
export function clip(key) {
  let one = kept.get(key);
  if (!one || one.error) one = new Clip(key);
  kept.delete(key);
  kept.set(key, one);
  while (kept.size > MOST_CLIPS) {
    const [oldest, gone] = kept.entries().next().value;
    gone.close();
    kept.delete(oldest);
  }
  return one;
}

// Have a clip ready before it is shown, after those that are loading now.
export async function preload(key) {
  const loading = [...kept.values()].filter((one) => !one.isComplete && one.key !== key);
  await Promise.all(loading.map((one) => one.ready));
  if (!kept.has(key)) clip(key);
}
