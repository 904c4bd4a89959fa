// What is asked for, on the right of the cine: views, contours or scores. Each panel has
//   element, update(), isDone(), keys() for the help, and key(name, askedAt) -> what the key does, or nothing.

import { get, part, session } from "./api.js";
import { h, key, replace, toast } from "./dom.js";

export function panelFor(bench) {
  return { views: () => new ViewPanel(bench), contours: () => new ContourPanel(bench), scores: () => new ScorePanel(bench) }[bench.list.work]();
}

const button = (label, shortcut, act, kind = "") => h("button", { class: `tool ${kind}`, onclick: act }, h("span", {}, label), key(shortcut));

// ED, ES, split, unusable and undo, for all that is marked on clips.
function common(bench, { canSplit = true } = {}) {
  return h("div", { class: "tools" },
    button("End diastole", "D", () => bench.phase("ED"), "ed"), button("End systole", "S", () => bench.phase("ES"), "es"),
    canSplit ? button("Split here", "X", () => bench.split()) : null, button(bench.value("unusable") ? "Usable again" : "Unusable", "U", () => bench.unusable()),
    button("Undo", "Z", () => bench.undo()));
}

const commonKeys = [["D", "end diastole here, or no longer"], ["S", "end systole here, or no longer"]];

function unusableNote(bench) {
  const found = bench.value("unusable");
  return found ? h("p", { class: "banner" }, `Unusable: ${found.reason}`) : null;
}

class ViewPanel {
  constructor(bench) {
    this.bench = bench;
    this.element = h("div", { class: "views" });
  }

  get segment() {
    return this.bench.segments.findLastIndex((one) => one.start <= this.bench.player.frame);
  }

  isDone() {
    return this.bench.segments.every((one) => one.label);
  }

  label(name, askedAt) {
    const segments = structuredClone(this.bench.segments);
    segments[this.segment].label = name;
    this.bench.put("view", { segments });
    const open = segments.findIndex((one) => !one.label);
    if (open >= 0) this.bench.player.go(segments[open].start);
    else this.bench.next({ askedAt });
  }

  key(name, askedAt) {
    const view = session.me.views.find((one) => one.key === name);
    if (view) return () => this.label(view.name, askedAt);
    return { d: () => this.bench.phase("ED"), s: () => this.bench.phase("ES"), x: () => this.bench.split() }[name];
  }

  keys() {
    return [...session.me.views.map((one) => [one.key, one.title]), ["X", "split where the view changes, or join again"], ...commonKeys];
  }

  frame() {
    if (this.shownSegment !== this.segment) this.update();
  }

  update() {
    const { segments } = this.bench;
    this.shownSegment = this.segment;
    const current = segments[this.segment]?.label;
    replace(this.element,
      h("h2", {}, segments.length > 1 ? `View of part ${this.segment + 1} of ${segments.length}` : "Which view is this?"),
      unusableNote(this.bench),
      h("div", { class: "choices" }, session.me.views.map((one) =>
        h("button", { class: `choice ${one.name === current ? "chosen" : ""}`, onclick: () => this.label(one.name, performance.now()) },
          key(one.key), h("b", {}, one.name === "NONE" ? "None" : one.name), h("span", {}, one.title)))),
      common(this.bench));
  }
}

class ContourPanel {
  constructor(bench) {
    this.bench = bench;
    this.element = h("div", { class: "contours" });
    this.isAsking = false;
  }

  get editor() {
    return this.bench.editor;
  }

  isDone() {
    return this.bench.value("done") !== null;
  }

  opened() {
    this.editor.selected = -1;
  }

  finish(askedAt) {
    this.bench.put("done", {});
    this.bench.next({ askedAt });
  }

  copy() {
    const { player } = this.bench;
    const from = player.frame;
    if (from + 1 >= player.nFrames) return toast("This is the last frame");
    const drawn = this.editor.structures.filter((one) => (!this.editor.active || one === this.editor.active) && this.editor.points(one).length);
    if (!drawn.length) return toast("There is no contour on this frame to copy");
    const points = drawn.map((one) => structuredClone(this.editor.points(one)));
    player.go(from + 1);
    drawn.forEach((one, i) => this.bench.put(`contour:${one.name}@${from + 1}`, { points: points[i] }));
    return toast(`Copied to frame ${from + 2}`);
  }

  async suggest() {
    const structure = this.editor.active;
    const { player } = this.bench;
    if (!structure) return toast("Choose a structure first");
    if (this.isAsking) return undefined;
    const [clip, frame] = [player.clip.key, player.frame];
    player.isPlaying = false;
    this.isAsking = true;
    this.update();
    try {
      const found = await get(`/api/clips/${part(clip)}/suggest/${part(structure.name)}/${frame}`);
      if (player.clip.key === clip) {
        this.bench.put(`contour:${structure.name}@${frame}`, { points: found.points });
        toast(`Proposed by ${found.method}; correct it where it is wrong`);
      }
    } catch (error) {
      toast(error.message, "bad");
    }
    this.isAsking = false;
    this.update();
    return undefined;
  }

  key(name, askedAt) {
    const { editor, bench } = this;
    const number = Number(name);
    if (number >= 1 && number <= editor.structures.length) return () => editor.choose(editor.structures[number - 1].name);
    return {
      Enter: () => this.finish(askedAt),
      Escape: () => editor.active && editor.choose(editor.active.name),
      Delete: () => editor.removePoint(),
      Backspace: () => editor.removePoint(),
      c: () => this.copy(),
      g: () => this.suggest(),
      e: () => editor.clear(),
      d: () => bench.phase("ED"),
      s: () => bench.phase("ES"),
    }[name];
  }

  keys() {
    return [
      ...this.editor.structures.map((one, i) => [String(i + 1), `draw the ${one.title}`]),
      ["Esc", "stop drawing"], ["Del", "take the chosen point away"], ["E", "erase the contour of this frame"], ["C", "copy to the next frame"],
      ["G", "let the model propose"], ["Enter", "done, next clip"], ...commonKeys,
    ];
  }

  frame() {
    if (!this.bench.player.isPlaying) this.update();
  }

  update() {
    const { editor, bench } = this;
    const drawn = (one) => [...bench.marks].filter(([slot, mark]) => slot.startsWith(`contour:${one.name}@`) && mark.value).length;
    replace(this.element,
      h("h2", {}, "Contours"),
      unusableNote(bench),
      h("div", { class: "structures" }, editor.structures.map((one, i) => {
        const swatch = h("i", { class: "swatch" });
        swatch.style.background = one.colour;
        const n = drawn(one);
        return h("button", { class: `structure ${one === editor.active ? "chosen" : ""}`, onclick: () => editor.choose(one.name) },
          key(String(i + 1)), swatch, h("b", {}, one.title), h("span", {}, n ? `on ${n} frame${n > 1 ? "s" : ""}` : ""),
          h("em", {}, editor.measured(one)));
      })),
      h("p", { class: "muted hint" }, editor.active
        ? "Click to set points, drag them, click on the line to insert one. Shift and drag moves all; a right click takes a point away."
        : "Choose a structure to draw or change it."),
      h("div", { class: "tools" },
        button(this.isAsking ? "The model is measuring" : "Let the model propose", "G", () => this.suggest()),
        button("Copy to next frame", "C", () => this.copy()), button("Erase on this frame", "E", () => editor.clear())),
      common(bench, { canSplit: false }),
      bench.player.facts && !bench.player.facts.spacing_m ? h("p", { class: "muted" }, "This clip is not calibrated: lengths are in pixels.") : null,
      h("button", { class: "main wide", onclick: () => this.finish(performance.now()) }, this.isDone() ? "Done; next clip" : "Finish this clip", key("⏎")));
  }
}

class ScorePanel {
  constructor(bench) {
    this.bench = bench;
    this.form = bench.list.form;
    this.item = 0;
    this.element = h("div", { class: "scores" });
  }

  score(item) {
    return this.bench.value(`score:${item.id}`)?.score ?? null;
  }

  isDone() {
    return this.form.items.every((item) => this.score(item) !== null);
  }

  opened() {
    this.item = 0;
  }

  give(index, score) {
    const item = this.form.items[index];
    this.bench.put(`score:${item.id}`, { score });
    const open = this.form.items.findIndex((one) => this.score(one) === null);
    this.item = open >= 0 ? open : Math.min(index + 1, this.form.items.length - 1);
    this.update();
  }

  key(name, askedAt) {
    const item = this.form.items[this.item];
    const number = Number(name);
    if (name.length === 1 && name >= "0" && name <= "9" && number >= item.low && number <= item.high) return () => this.give(this.item, number);
    const move = (by) => () => {
      this.item = (this.item + by + this.form.items.length) % this.form.items.length;
      this.update();
    };
    return {
      Tab: move(1),
      PageDown: move(1),
      PageUp: move(-1),
      Enter: () => (this.isDone() ? this.bench.next({ askedAt }) : toast("Some questions have no answer yet")),
    }[name];
  }

  keys() {
    return [["1 7", "score, and on to the next question"], ["Tab", "next question"], ["PgUp", "the question before"], ["Enter", "next exam"]];
  }

  update() {
    const { bench, form } = this;
    const clips = bench.target?.clips ?? [];
    replace(this.element,
      h("h2", {}, form.title), form.source ? h("p", { class: "muted" }, form.source) : null,
      unusableNote(bench),
      clips.length > 1
        ? h("div", { class: "clips" }, clips.map((_, i) => h("button", { class: i === bench.clipIndex ? "chosen" : "", onclick: () => bench.showClip(i) }, String(i + 1))), h("span", { class: "muted" }, "clips", key("↓")))
        : null,
      h("ol", { class: "questions" }, form.items.map((item, i) => this.#question(item, i))),
      h("div", { class: "tools" }, button(bench.value("unusable") ? "Usable again" : "Unusable", "U", () => bench.unusable()), button("Undo", "Z", () => bench.undo())),
      h("button", { class: "main wide", disabled: !this.isDone(), onclick: () => bench.next() }, "Next exam", key("⏎")));
  }

  #question(item, index) {
    const chosen = this.score(item);
    const scale = Array.from({ length: item.high - item.low + 1 }, (_, k) => item.low + k);
    return h("li", { class: index === this.item ? "current" : "", onclick: () => { this.item = index; this.update(); } },
      h("div", { class: "question" }, h("b", {}, item.title), h("span", {}, item.id)),
      item.help ? h("p", { class: "muted" }, item.help) : null,
      h("div", { class: "scale", role: "radiogroup", "aria-label": item.title }, scale.map((value) =>
        h("button", { role: "radio", "aria-checked": String(value === chosen), class: value === chosen ? "chosen" : "", onclick: (event) => { event.stopPropagation(); this.give(index, value); } }, String(value)))),
      h("div", { class: "ends" }, h("span", {}, item.low_means), h("span", {}, item.high_means)));
  }
}
