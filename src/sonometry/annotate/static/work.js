// The workbench: a list of targets on the left, the cine in the middle, what is asked for on the right.

import { get, part, post, session } from "./api.js";
import { preload } from "./clips.js";
import { ContourEditor } from "./contours.js";
import { ask, h, key, replace, toast } from "./dom.js";
import { outbox } from "./outbox.js";
import { panelFor } from "./panels.js";
import { Player } from "./player.js";
import { Timeline } from "./timeline.js";

const MOST_ROWS = 300;

export class Workbench {
  constructor(list, leave) {
    this.list = list;
    this.round = list.round;
    this.leave = leave;
    this.targets = list.targets;
    this.index = 0;
    this.target = null;
    this.marks = new Map();
    this.clipIndex = 0;
    this.box = outbox();
    this.player = new Player();
    const shown = session.me.contours.filter((one) => list.structures.includes(one.name));
    this.editor = new ContourEditor(this.player, shown, {
      value: (name, frame) => this.value(`contour:${name}@${frame}`)?.points,
      change: (name, frame, points) => this.put(`contour:${name}@${frame}`, points && { points }),
      changed: () => this.refresh(),
    });
    this.timeline = new Timeline(this.player, () => this.summary());
    this.panel = panelFor(this);
    this.side = h("nav", { class: "targets", "aria-label": "Work list" });
    this.state = h("span", { class: "saving" });
    this.progress = h("span", { class: "progress-text" });
    this.bar = h("i", {});
    this.title = h("span", { class: "target-title" });
    this.warning = h("span", { class: "warning", hidden: true });
    this.element = this.#page();
    this.onKey = (event) => this.#key(event);
    this.onChange = () => this.#saving();
    this.box.onConflict = (action, current) => this.#conflict(action, current);
    this.box.onRefused = (action, text) => {
      toast(text, "bad");
      this.#reload();
    };
    this.box.onKept = (action, mark) => {
      if (action.target === this.target?.key && mark.value !== undefined && !this.box.pending(this.list.name, this.round, action.target)[action.slot]) {
        this.marks.set(mark.slot, mark);
        this.refresh();
      }
    };
    this.box.addEventListener("change", this.onChange);
    this.player.addEventListener("frame", () => this.panel.frame?.());
    this.player.addEventListener("state", () => this.refresh());
    document.addEventListener("keydown", this.onKey);
    this.#saving();
  }

  close() {
    document.removeEventListener("keydown", this.onKey);
    this.box.removeEventListener("change", this.onChange);
    this.player.close();
  }

  // The value that stands at a slot for the person here, kept or not yet.
  value(slot) {
    return this.marks.get(slot)?.value ?? null;
  }

  put(slot, value) {
    this.marks.set(slot, { ...(this.marks.get(slot) ?? {}), slot, value });
    this.box.put(this.list.name, this.round, this.target.key, slot, value);
    this.#count();
    this.refresh();
  }

  get segments() {
    return this.value("view")?.segments ?? [{ start: 0, label: "" }];
  }

  get phases() {
    return this.value("phase") ?? { ED: [], ES: [] };
  }

  get isExam() {
    return this.list.is_exam;
  }

  summary() {
    if (this.isExam) return { segments: [{ start: 0, label: "" }], phases: {}, contours: new Map() };
    const contours = new Map();
    for (const structure of this.editor.structures) {
      for (const [slot, mark] of this.marks) {
        const [name, frame] = slot.split("@");
        if (name !== `contour:${structure.name}` || !mark.value) continue;
        contours.set(Number(frame), [...(contours.get(Number(frame)) ?? []), structure.colour]);
      }
    }
    return { segments: this.segments, phases: this.phases, contours };
  }

  refresh() {
    this.timeline.update();
    this.panel.update();
    this.player.repaint();
  }

  // Go to a target by its place in the list.
  async open(index, { askedAt = performance.now(), frame = 0 } = {}) {
    if (!this.targets.length) return;
    this.index = Math.min(Math.max(index, 0), this.targets.length - 1);
    const row = this.targets[this.index];
    this.target = null;
    this.marks = new Map();
    this.clipIndex = 0;
    this.panel.opened?.();
    this.player.isPlaying = !frame;
    if (!this.isExam) this.player.show(row.key, { askedAt, frame }); // a clip's key is its target's key
    history.replaceState(null, "", `#/work/${part(this.list.name)}/${this.round}/${part(row.key)}`);
    this.#listed();
    const token = (this.token = Symbol("open"));
    try {
      const found = await get(`/api/lists/${part(this.list.name)}/targets/${part(row.key)}?round=${this.round}`);
      if (token !== this.token) return;
      this.#take(found);
      if (this.isExam) this.showClip(0, askedAt);
    } catch (error) {
      if (token === this.token) toast(error.message, "bad");
    }
    this.#preload();
  }

  showClip(index, askedAt = performance.now()) {
    const n = this.target.clips.length;
    this.clipIndex = (index + n) % n;
    this.player.isPlaying = true;
    this.player.show(this.target.clips[this.clipIndex].key, { askedAt });
    if (n > 1) preload(this.target.clips[(this.clipIndex + 1) % n].key);
    this.refresh();
  }

  // The next target that is not done, or simply the next one.
  next({ askedAt = performance.now() } = {}) {
    const n = this.targets.length;
    const order = Array.from({ length: n - 1 }, (_, k) => (this.index + 1 + k) % n);
    const following = order.find((i) => !this.targets[i].is_done);
    if (following === undefined) {
      toast(this.targets[this.index].is_done ? "Every clip of this list is done" : "All others are done", "good");
      this.#listed();
      return;
    }
    this.open(following, { askedAt });
  }

  async undo() {
    if (!(await this.box.flushed())) {
      toast("The server cannot be reached; undo when it is back", "bad");
      return;
    }
    try {
      const mark = await post("/api/undo", { list: this.list.name, round: this.round, action_id: crypto.randomUUID() });
      const index = this.targets.findIndex((one) => one.key === mark.target);
      toast(`Undone: ${mark.slot.split("@")[0].replace(/^contour:|^score:/, "").replaceAll("_", " ")}`);
      const frame = Number(mark.slot.split("@")[1] ?? this.player.frame);
      if (mark.target !== this.target?.key) await this.open(index, { frame: mark.slot.includes("@") ? frame : 0 });
      else {
        this.box.know(this.list.name, this.round, mark.target, { [mark.slot]: mark });
        this.marks.set(mark.slot, mark);
        if (mark.slot.includes("@")) this.player.go(frame);
        this.#count();
        this.refresh();
      }
    } catch (error) {
      toast(error.message, error.status === 400 ? "" : "bad");
    }
  }

  async unusable() {
    if (this.value("unusable")) {
      this.put("unusable", null);
      toast("Usable again");
      return;
    }
    const choices = session.me.unusable_reasons.map((reason, i) => ({ label: reason, value: reason, key: String(i + 1) }));
    const askedFor = this.target;
    const reason = await ask("Why can this not be used?", h("p", { class: "muted" }, "It is left out of training and counts as done."), choices);
    if (!reason || askedFor !== this.target) return;
    this.put("unusable", { reason });
    this.next();
  }

  split() {
    const frame = this.player.frame;
    const segments = this.segments;
    const at = segments.findIndex((one) => one.start === frame);
    if (frame === 0) toast("Go to the frame where the view changes, then split");
    else if (at > 0) {
      this.put("view", { segments: segments.filter((_, i) => i !== at) });
      toast("The two parts are one again");
    } else {
      const before = segments.findLastIndex((one) => one.start < frame);
      this.put("view", { segments: segments.toSpliced(before + 1, 0, { start: frame, label: "" }) });
      toast("Split here; each part has its own view");
    }
  }

  phase(name) {
    const frame = this.player.frame;
    const other = name === "ED" ? "ES" : "ED";
    const phases = structuredClone(this.phases);
    phases[name] = phases[name].includes(frame) ? phases[name].filter((f) => f !== frame) : [...phases[name], frame].sort((a, b) => a - b);
    phases[other] = phases[other].filter((f) => f !== frame);
    this.put("phase", phases.ED.length || phases.ES.length ? phases : null);
  }

  #take(found) {
    this.target = found;
    this.box.know(this.list.name, this.round, found.key, found.marks);
    this.marks = new Map(Object.entries(found.marks));
    for (const [slot, value] of Object.entries(this.box.pending(this.list.name, this.round, found.key))) {
      this.marks.set(slot, { ...(this.marks.get(slot) ?? {}), slot, value });
    }
    this.warning.textContent = found.warning;
    this.warning.hidden = !found.warning;
    this.refresh();
  }

  async #reload() {
    const found = await get(`/api/lists/${part(this.list.name)}/targets/${part(this.target.key)}?round=${this.round}`);
    this.#take(found);
    this.#count();
  }

  #preload() {
    if (this.isExam) return;
    const n = this.targets.length;
    const order = Array.from({ length: n - 1 }, (_, k) => (this.index + 1 + k) % n);
    const soon = new Set([order[0], ...order.filter((i) => !this.targets[i].is_done).slice(0, 1)]);
    for (const i of soon) if (i !== undefined) preload(this.targets[i].key);
  }

  // Whether the target is done, as the server will find too.
  #count() {
    if (this.list.work === "views") this.targets[this.index].label = this.segments.map((one) => one.label).filter(Boolean).join("+");
    this.targets[this.index].is_done = Boolean(this.value("unusable")) || this.panel.isDone();
    this.#listed();
  }

  async #conflict(action, current) {
    const [place, frame] = action.slot.split("@");
    const what = place.replace(/^contour:|^score:/, "").replaceAll("_", " ") + (frame ? ` on frame ${Number(frame) + 1}` : "");
    const when = new Date(current.time).toLocaleTimeString();
    const who = current.author === session.me.name ? "You, in another window," : current.author;
    const said = describe(current.value);
    const choice = await ask(
      "Two people at one place",
      h("div", {},
        h("p", {}, `${who} changed the ${what} at ${when}, after you had opened this clip.`),
        h("table", { class: "versus" },
          h("tr", {}, h("th", {}, "There now"), h("td", {}, said)),
          h("tr", {}, h("th", {}, "Yours"), h("td", {}, describe(action.value))))),
      [
        { label: "Keep what is there", value: "theirs", key: "k", kind: "main" },
        { label: "Use mine", value: "mine", key: "m" },
      ],
      { canClose: false },
    );
    return choice ?? "theirs";
  }

  #saving() {
    const { kind, text } = this.box.state;
    this.state.className = `saving ${kind}`;
    this.state.textContent = text;
  }

  #listed() {
    const n = this.targets.length;
    const done = this.targets.filter((one) => one.is_done).length;
    this.progress.textContent = `${done} of ${n} done`;
    this.bar.style.width = `${n ? (100 * done) / n : 0}%`;
    const first = Math.max(0, Math.min(this.index - MOST_ROWS / 2, n - MOST_ROWS));
    const rows = this.targets.slice(first, first + MOST_ROWS).map((one, k) => {
      const i = first + k;
      return h("button",
        { class: `target ${i === this.index ? "current" : ""} ${one.is_done ? "done" : ""}`, onclick: () => this.open(i) },
        h("i", { class: "dot" }), h("b", {}, `${this.isExam ? "Exam" : "Clip"} ${i + 1}`),
        h("span", { title: one.vendor ?? "" }, one.label || (one.n_clips > 1 ? `${one.n_clips} clips` : "")));
    });
    replace(this.side, rows);
    this.side.querySelector(".current")?.scrollIntoView({ block: "nearest" });
    this.title.textContent = `${this.isExam ? "Exam" : "Clip"} ${this.index + 1}`;
  }

  #page() {
    const { list } = this;
    return h("main", { class: "work" },
      h("header", { class: "top" },
        h("button", { class: "plain", onclick: () => this.leave(), title: "All lists" }, "‹ Lists"),
        h("h1", {}, list.name, list.rounds > 1 ? h("small", {}, `reading ${this.round}`) : null, list.is_blind ? h("small", {}, "blind") : null),
        h("div", { class: "progress" }, h("div", { class: "meter" }, this.bar), this.progress),
        this.warning, h("span", { class: "grow" }), this.state,
        h("button", { class: "plain", onclick: () => this.help() }, "Keys", key("?"))),
      this.side,
      h("section", { class: "middle" }, this.player.element, this.timeline.element),
      h("aside", { class: "panel" }, this.panel.element));
  }

  help() {
    const own = this.panel.keys();
    const common = [
      ["Space", "play or stop"], ["← →", "one frame; with Shift ten"], ["Home End", "first, last frame"],
      ["↓ ↑", "next, previous " + (this.isExam ? "clip of the exam" : "clip")],
      ["N", "next that is not done"], ["U", "unusable, or usable again"], ["Z", "undo"], ["V", "speed: true, 1/4, 1/2"],
      ["+ −", "zoom (or the wheel); drag moves"], ["[ ]", "darker, brighter"], ["{ }", "contrast"], ["R", "plain picture again"],
    ];
    const table = (rows) => h("table", { class: "keys" }, rows.map(([k, text]) => h("tr", {}, h("td", {}, k.split(" ").map((one) => key(one))), h("td", {}, text))));
    ask("Keys", h("div", { class: "columns" }, table(own), table(common)), [{ label: "Close", value: null, kind: "main" }]);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey) {
      if (event.key.toLowerCase() === "z") {
        event.preventDefault();
        this.undo();
      }
      return;
    }
    if (event.altKey || ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName) || document.querySelector(".veil")) return;
    const askedAt = event.timeStamp;
    const { player } = this;
    const by = event.shiftKey ? 10 : 1;
    const actions = {
      " ": () => player.toggle(),
      ArrowLeft: () => player.step(-by),
      ArrowRight: () => player.step(by),
      Home: () => player.go(0),
      End: () => player.go(player.nFrames - 1),
      ArrowDown: () => this.#along(1, askedAt),
      ArrowUp: () => this.#along(-1, askedAt),
      n: () => this.next({ askedAt }),
      u: () => isSeen && this.unusable(),
      z: () => this.undo(),
      v: () => player.slower(),
      "+": () => player.magnify(1.25),
      "=": () => player.magnify(1.25),
      "-": () => player.magnify(0.8),
      "[": () => player.shade("brightness", -0.1),
      "]": () => player.shade("brightness", 0.1),
      "{": () => player.shade("contrast", -0.1),
      "}": () => player.shade("contrast", 0.1),
      r: () => player.plain(),
      "?": () => this.help(),
    };
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const isSeen = this.target && player.shownKey === player.clip?.key; // nobody labels what is not on the screen yet
    const act = (isSeen && this.panel.key(name, askedAt, event)) || actions[name];
    if (!act) return;
    event.preventDefault();
    if (document.activeElement instanceof HTMLButtonElement) document.activeElement.blur();
    act();
  }

  #along(by, askedAt) {
    if (this.isExam) {
      if (this.target) this.showClip(this.clipIndex + by, askedAt);
    } else this.open((this.index + by + this.targets.length) % this.targets.length, { askedAt });
  }
}

function describe(value) {
  if (value === null || value === undefined) return "nothing";
  if (value.segments) return value.segments.map((s) => s.label || "no view").join(", ");
  if (value.points) return `a contour of ${value.points.length} points`;
  if ("score" in value) return String(value.score);
  if (value.reason) return `unusable: ${value.reason}`;
  if (value.ED) return `ED ${value.ED.map((f) => f + 1).join(", ") || "none"}; ES ${value.ES.map((f) => f + 1).join(", ") || "none"}`;
  return "done";
}

export async function workbench(name, round, target, leave) {
  const list = await get(`/api/lists/${part(name)}?round=${round}`);
  const bench = new Workbench(list, leave);
  window.sonometry = { bench }; // for people who look into the console, and for tests
  const asked = list.targets.findIndex((one) => one.key === target);
  const unfinished = list.targets.findIndex((one) => !one.is_done);
  return { bench, start: () => bench.open(asked >= 0 ? asked : Math.max(unfinished, 0)) };
}

