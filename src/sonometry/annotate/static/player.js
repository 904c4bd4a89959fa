// The cine: frames at their true speed, scrubbing, zoom, brightness and a scale in millimetres.
// Rows and columns are counted at the middle of pixels, so that (0, 0) is the middle of the first one.

import { clip as loaded } from "./clips.js";
import { h } from "./dom.js";

const SPEEDS = [0.25, 0.5, 1];
const SCALES_CM = [0.1, 0.2, 0.5, 1, 2, 5, 10];

export class Player extends EventTarget {
  constructor() {
    super();
    this.picture = h("canvas", { class: "picture" });
    this.drawing = h("canvas", { class: "drawing" });
    this.note = h("div", { class: "note" });
    this.element = h("div", { class: "stage", tabindex: "-1" }, this.picture, this.drawing, this.note);
    this.clip = null;
    this.frame = 0;
    this.isPlaying = true;
    this.speed = 1;
    this.light = { brightness: 1, contrast: 1 };
    this.zoom = { scale: 1, row: 0.5, column: 0.5 };
    this.painters = [];
    this.asked = null;
    this.lastSwitchMs = null;
    this.wanted = false;
    new ResizeObserver(() => this.#resize()).observe(this.element);
    this.element.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.element.addEventListener("pointerdown", (event) => this.#pan(event));
    this.onLoad = () => this.#loaded();
    const loop = (now) => {
      this.#advance(now);
      this.handle = requestAnimationFrame(loop);
    };
    this.handle = requestAnimationFrame(loop);
  }

  close() {
    cancelAnimationFrame(this.handle);
    this.clip?.listeners.delete(this.onLoad);
  }

  // Show a clip. askedAt: time of the key press, to tell how long the first frame took.
  show(key, { askedAt = performance.now(), frame = 0 } = {}) {
    this.clip?.listeners.delete(this.onLoad);
    this.clip = loaded(key);
    this.clip.listeners.add(this.onLoad);
    this.frame = frame;
    this.startedAt = null;
    this.asked = askedAt;
    this.zoom = { scale: 1, row: 0.5, column: 0.5 };
    this.wanted = true;
    this.shownKey = null;
    this.shownFrame = -1;
    for (const canvas of [this.picture, this.drawing]) canvas.getContext("2d").reset();
    this.#loaded();
  }

  // Whether the picture on the screen is the frame that marks would be set on.
  get isShown() {
    return this.clip !== null && this.shownKey === this.clip.key && this.shownFrame === this.frame;
  }

  get facts() {
    return this.clip?.facts ?? null;
  }

  get nFrames() {
    return this.facts?.n_frames ?? 1;
  }

  // Seconds that the whole cine takes, the last frame included.
  get duration() {
    const times = this.facts.times_s;
    const n = times.length;
    return n < 2 ? 1 : (times[n - 1] - times[0]) * (n / (n - 1));
  }

  go(frame, { keepPlaying = false } = {}) {
    this.frame = Math.min(Math.max(frame, 0), this.nFrames - 1);
    if (!keepPlaying) this.isPlaying = false;
    this.startedAt = null;
    this.wanted = true;
    this.#tell("frame");
  }

  step(by) {
    const n = this.nFrames;
    this.go((((this.frame + by) % n) + n) % n);
  }

  toggle() {
    this.isPlaying = !this.isPlaying && this.nFrames > 1;
    this.startedAt = null;
    this.#tell("state");
  }

  slower() {
    this.speed = SPEEDS[(SPEEDS.indexOf(this.speed) + SPEEDS.length - 1) % SPEEDS.length];
    this.startedAt = null;
    this.#tell("state");
  }

  shade(name, by) {
    this.light[name] = Math.min(Math.max(this.light[name] + by, 0.2), 4);
    this.#lit();
  }

  plain() {
    this.light = { brightness: 1, contrast: 1 };
    this.zoom = { scale: 1, row: 0.5, column: 0.5 };
    this.#lit();
  }

  magnify(factor) {
    this.zoom.scale = Math.min(Math.max(this.zoom.scale * factor, 1), 12);
    this.wanted = true;
  }

  repaint() {
    this.wanted = true;
  }

  // Screen place of a point [row, column], and back, in CSS pixels of the stage.
  toScreen([row, column]) {
    const g = this.geometry;
    return [g.left + (column + 0.5) * g.perColumn, g.top + (row + 0.5) * g.perRow];
  }

  toImage([x, y]) {
    const g = this.geometry;
    return [(y - g.top) / g.perRow - 0.5, (x - g.left) / g.perColumn - 0.5];
  }

  get geometry() {
    const { n_rows: rows, n_columns: columns, spacing_m: spacing } = this.facts;
    const aspect = spacing ? spacing[1] / spacing[0] : 1;
    const { clientWidth: width, clientHeight: height } = this.element;
    const perRow = Math.min(height / rows, width / (columns * aspect)) * this.zoom.scale;
    const perColumn = perRow * aspect;
    return {
      perRow,
      perColumn,
      left: width / 2 - this.zoom.column * columns * perColumn,
      top: height / 2 - this.zoom.row * rows * perRow,
    };
  }

  #advance(now) {
    if (this.facts && this.isPlaying && this.nFrames > 1 && this.clip.blobs.length > 1) {
      const times = this.facts.times_s;
      this.startedAt ??= now - ((times[this.frame] - times[0]) * 1000) / this.speed;
      const at = ((((now - this.startedAt) / 1000) * this.speed) % this.duration) + times[0];
      const due = Math.min(Math.max(times.findLastIndex((t) => t <= at + 1e-9), 0), this.clip.blobs.length - 1);
      const frame = this.#latestDecoded(due);
      if (frame !== this.frame) {
        this.frame = frame;
        this.wanted = true;
        this.#tell("frame");
      }
    }
    if (this.wanted) this.#draw();
  }

  // The frame that is due, or while it is not decoded the last one before it: a slow computer shows fewer frames, but at
  // their true time.
  #latestDecoded(due) {
    this.clip.bitmap(due);
    const n = this.nFrames;
    for (let k = 0; k < n; k += 1) {
      const frame = (due - k + n) % n;
      if (frame === this.frame || this.clip.bitmaps.has(frame)) return frame;
    }
    return this.frame;
  }

  #draw() {
    const context = this.picture.getContext("2d");
    const ratio = devicePixelRatio;
    const bitmap = this.facts && this.clip.bitmap(this.frame);
    if (!bitmap) return; // the frame before stays until this one is there; that of another clip was cleared
    this.wanted = false;
    const g = this.geometry;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.element.clientWidth, this.element.clientHeight);
    context.imageSmoothingQuality = "high";
    context.imageSmoothingEnabled = g.perRow < 4;
    context.drawImage(bitmap, g.left, g.top, g.perColumn * this.facts.n_columns, g.perRow * this.facts.n_rows);
    const over = this.drawing.getContext("2d");
    over.setTransform(ratio, 0, 0, ratio, 0, 0);
    over.clearRect(0, 0, this.element.clientWidth, this.element.clientHeight);
    this.#drawScale(over, g);
    for (const paint of this.painters) paint(over, this);
    this.shownKey = this.clip.key;
    this.shownFrame = this.frame;
    if (this.asked !== null) {
      this.lastSwitchMs = performance.now() - this.asked;
      this.asked = null;
      this.#tell("shown");
    }
  }

  // A scale of a round length with a tick every centimetre, low on the left of what is seen.
  #drawScale(context, g) {
    const spacing = this.facts.spacing_m;
    if (!spacing) return;
    const perCentimetre = (0.01 / spacing[0]) * g.perRow;
    const height = this.element.clientHeight;
    const n = SCALES_CM.find((cm) => cm * perCentimetre > height / 7) ?? SCALES_CM.at(-1);
    const x = 22;
    const bottom = height - 22;
    context.font = "600 12px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.fillStyle = "rgba(8,12,15,.72)";
    context.beginPath();
    context.roundRect(x - 10, bottom - n * perCentimetre - 10, 78, n * perCentimetre + 20, 6);
    context.fill();
    for (const [colour, shift] of [["rgba(0,0,0,.85)", 1], ["#c9f1ee", 0]]) {
      context.strokeStyle = context.fillStyle = colour;
      context.lineWidth = 1.5;
      context.beginPath();
      context.moveTo(x + shift, bottom + shift);
      context.lineTo(x + shift, bottom - n * perCentimetre + shift);
      for (let k = 0; k <= Math.max(n, 1); k += 1) {
        const y = bottom - Math.min(k, n) * perCentimetre + shift;
        context.moveTo(x + shift, y);
        context.lineTo(x + shift + (k === 0 || k >= n ? 9 : 5), y);
      }
      context.stroke();
      context.fillText(`${n * 10} mm`, x + shift + 15, bottom - (n * perCentimetre) / 2 + shift);
    }
  }

  #loaded() {
    this.wanted = true;
    if (this.clip.error) this.note.textContent = this.clip.error;
    else if (!this.clip.blobs.length) this.note.textContent = "Decoding the clip";
    else this.note.textContent = "";
    this.note.hidden = !this.note.textContent;
    if (this.facts && this.toldOf !== this.clip) {
      this.toldOf = this.clip;
      this.#tell("load");
    }
  }

  #resize() {
    const ratio = devicePixelRatio;
    for (const canvas of [this.picture, this.drawing]) {
      canvas.width = Math.max(1, Math.round(this.element.clientWidth * ratio));
      canvas.height = Math.max(1, Math.round(this.element.clientHeight * ratio));
    }
    this.wanted = true;
  }

  #lit() {
    const { brightness, contrast } = this.light;
    this.picture.style.filter = brightness === 1 && contrast === 1 ? "" : `brightness(${brightness.toFixed(2)}) contrast(${contrast.toFixed(2)})`;
    this.wanted = true;
    this.#tell("state");
  }

  // The wheel zooms around the pointer.
  #wheel(event) {
    if (!this.facts) return;
    event.preventDefault();
    const place = this.place(event);
    const [row, column] = this.toImage(place);
    this.magnify(Math.exp(-event.deltaY / 400));
    const [x, y] = this.toScreen([row, column]);
    this.#shift(place[0] - x, place[1] - y);
  }

  // Dragging with the middle or right button moves the picture, with the left one where nothing is drawn.
  #pan(event) {
    if (!this.facts || event.defaultPrevented || event.button === 2) return;
    let [x, y] = [event.clientX, event.clientY];
    const move = (e) => {
      this.#shift(e.clientX - x, e.clientY - y);
      [x, y] = [e.clientX, e.clientY];
    };
    this.element.setPointerCapture(event.pointerId);
    this.element.addEventListener("pointermove", move);
    this.element.addEventListener("pointerup", () => this.element.removeEventListener("pointermove", move), { once: true });
  }

  #shift(dx, dy) {
    const g = this.geometry;
    const clamp = (v) => (this.zoom.scale <= 1 ? 0.5 : Math.min(Math.max(v, 0), 1));
    this.zoom.column = clamp(this.zoom.column - dx / (g.perColumn * this.facts.n_columns));
    this.zoom.row = clamp(this.zoom.row - dy / (g.perRow * this.facts.n_rows));
    this.wanted = true;
  }

  // Place of a pointer in CSS pixels of the stage.
  place(event) {
    const box = this.element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #tell(name) {
    this.dispatchEvent(new Event(name));
  }
}
