// The bar under the cine: where the frame is, which view which part shows, phases, and frames with contours.

import { h, replace } from "./dom.js";

export class Timeline {
  // state() gives { segments, phases, contours: Map(frame -> colours) }
  constructor(player, state) {
    this.player = player;
    this.state = state;
    this.head = h("div", { class: "head" });
    this.marks = h("div", { class: "marks" });
    this.bar = h("div", { class: "bar", role: "slider", "aria-label": "Frame" }, this.marks, this.head);
    this.text = h("div", { class: "time" });
    this.element = h("div", { class: "timeline" }, this.bar, this.text);
    this.bar.addEventListener("pointerdown", (event) => {
      const go = (e) => {
        const box = this.bar.getBoundingClientRect();
        player.go(Math.floor(((e.clientX - box.left) / box.width) * player.nFrames));
      };
      go(event);
      this.bar.setPointerCapture(event.pointerId);
      this.bar.addEventListener("pointermove", go);
      this.bar.addEventListener("pointerup", () => this.bar.removeEventListener("pointermove", go), { once: true });
    });
    player.addEventListener("frame", () => this.#moved());
    player.addEventListener("state", () => this.#moved());
    player.addEventListener("load", () => this.update());
  }

  update() {
    const { segments, phases, contours } = this.state();
    const n = this.player.nFrames;
    const parts = [];
    segments.forEach((segment, i) => {
      const end = segments[i + 1]?.start ?? n;
      const part = h("div", { class: `segment ${segment.label ? "named" : ""}` }, h("span", {}, segment.label || (segments.length > 1 ? "no view yet" : "")));
      place(part, segment.start / n, end / n);
      parts.push(part);
    });
    for (const [frame, colours] of contours) {
      const dots = h("div", { class: "dots" }, colours.map((colour) => {
        const dot = h("i", {});
        dot.style.background = colour;
        return dot;
      }));
      place(dots, (frame + 0.5) / n);
      parts.push(dots);
    }
    for (const [name, frames] of Object.entries(phases)) {
      for (const frame of frames) {
        const flag = h("div", { class: `flag ${name.toLowerCase()}`, title: `${name}, frame ${frame + 1}` }, name);
        place(flag, (frame + 0.5) / n);
        parts.push(flag);
      }
    }
    replace(this.marks, parts);
    this.#moved();
  }

  #moved() {
    const { player } = this;
    if (!player.facts) return;
    place(this.head, (player.frame + 0.5) / player.nFrames);
    this.bar.setAttribute("aria-valuenow", String(player.frame + 1));
    const seconds = player.facts.times_s[player.frame] - player.facts.times_s[0];
    const rate = player.facts.is_timed && player.nFrames > 1 ? `${(player.nFrames / player.duration).toFixed(0)} frames/s` : "frame rate unknown";
    const speed = player.speed === 1 ? "true speed" : `${player.speed} x speed`;
    replace(
      this.text,
      h("b", {}, `${player.frame + 1}`), ` / ${player.nFrames}`,
      h("span", {}, `${(seconds * 1000).toFixed(0)} ms`),
      player.nFrames > 1 ? h("span", {}, `${rate}, ${speed}`) : null,
    );
  }
}

function place(element, from, to) {
  element.style.left = `${from * 100}%`;
  if (to !== undefined) element.style.width = `${(to - from) * 100}%`;
}
