// Drawing and editing contours on the frame that is shown. A press on a point drags it, on the line inserts one there,
// elsewhere adds one at the end; with Shift the whole contour moves; Delete or a right click takes a point away.

import { areaOf, lengthOf, nearest, pieces, sample } from "./spline.js";

const GRAB_PX = 10;
const LINE_PX = 7;

export class ContourEditor {
  // value(structure, frame) gives points or null; change(structure, frame, points or null) keeps them.
  constructor(player, structures, { value, change, changed }) {
    this.player = player;
    this.structures = structures;
    this.value = value;
    this.change = change;
    this.changed = changed;
    this.active = null;
    this.hovered = -1;
    this.selected = -1;
    this.draft = null;
    player.painters.push((context) => this.#paint(context));
    player.element.addEventListener("pointerdown", (event) => this.#down(event), { capture: true });
    player.element.addEventListener("pointermove", (event) => this.#hover(event));
    player.element.addEventListener("contextmenu", (event) => event.preventDefault());
    player.addEventListener("frame", () => (this.selected = this.hovered = -1));
  }

  choose(name) {
    this.active = this.active?.name === name ? null : (this.structures.find((one) => one.name === name) ?? null);
    this.selected = this.hovered = -1;
    this.player.element.classList.toggle("drawable", this.active !== null);
    this.player.repaint();
    this.changed();
  }

  points(structure = this.active) {
    if (!structure) return [];
    if (this.draft && structure === this.active) return this.draft;
    return this.value(structure.name, this.player.frame) ?? [];
  }

  removePoint(index = this.selected >= 0 ? this.selected : this.hovered) {
    const points = this.points();
    if (!this.active || index < 0 || index >= points.length) return false;
    const rest = points.filter((_, i) => i !== index);
    this.#keep(rest.length ? rest : null);
    this.selected = this.hovered = -1;
    return true;
  }

  clear() {
    if (this.active && this.points().length) this.#keep(null);
  }

  // Area and length in words, for the side of the page.
  measured(structure) {
    const points = this.points(structure);
    if (points.length < 2) return "";
    const spacing = this.player.facts?.spacing_m;
    const line = sample(points, structure.is_closed);
    if (!spacing) return `${Math.round(lengthOf(line, structure.is_closed, [1, 1]))} px`;
    const scale = spacing.map((s) => s * 100);
    const length = `${lengthOf(line, structure.is_closed, scale).toFixed(1)} cm`;
    return points.length > 2 ? `${areaOf(line, scale).toFixed(1)} cm², ${length}` : length;
  }

  #keep(points) {
    this.draft = null;
    this.change(this.active.name, this.player.frame, points && points.map((p) => p.map((x) => Math.round(x * 100) / 100)));
    this.player.repaint();
    this.changed();
  }

  #down(event) {
    if (!this.active || !this.player.facts || event.button === 1) return;
    event.preventDefault();
    event.stopPropagation();
    this.player.isPlaying = false;
    if (!this.player.isShown) return; // nobody draws on a frame that is not seen
    this.player.element.focus({ preventScroll: true });
    const place = this.player.place(event);
    const index = this.#pointAt(place);
    if (event.button === 2) {
      this.removePoint(index);
      return;
    }
    const points = this.points().map((p) => [...p]);
    const start = this.player.toImage(place);
    if (event.shiftKey && points.length) this.#drag(event, points, (now) => points.map((p) => p.map((x, k) => x + now[k] - start[k])));
    else {
      const chosen = index >= 0 ? index : this.#insert(points, start);
      this.selected = chosen;
      this.#drag(event, points, (now) => points.map((p, i) => (i === chosen ? p.map((x, k) => x + now[k] - start[k]) : p)), index < 0);
    }
  }

  #insert(points, place) {
    const g = this.player.geometry;
    const found = nearest(points, this.active.is_closed, place, [g.perRow, g.perColumn]);
    const at = found.distance <= LINE_PX ? found.index + 1 : points.length;
    points.splice(at, 0, place);
    return at;
  }

  #drag(event, points, moved, isNew = false) {
    const element = this.player.element;
    const frame = this.player.frame;
    this.draft = points;
    let hasMoved = isNew;
    element.setPointerCapture(event.pointerId);
    const move = (e) => {
      hasMoved = true;
      this.draft = moved(this.player.toImage(this.player.place(e)));
      this.player.repaint();
      this.changed();
    };
    const end = () => {
      element.removeEventListener("pointermove", move);
      element.removeEventListener("pointerup", end);
      element.removeEventListener("pointercancel", end);
      const result = this.draft;
      this.draft = null;
      if (hasMoved && frame === this.player.frame) this.#keep(result);
    };
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerup", end);
    element.addEventListener("pointercancel", end);
    this.player.repaint();
  }

  #hover(event) {
    if (!this.active || !this.player.facts || this.draft) return;
    const before = this.hovered;
    this.hovered = this.#pointAt(this.player.place(event));
    if (before !== this.hovered) this.player.repaint();
  }

  #pointAt(place) {
    let best = -1;
    let least = GRAB_PX;
    this.points().forEach((point, i) => {
      const [x, y] = this.player.toScreen(point);
      const distance = Math.hypot(x - place[0], y - place[1]);
      if (distance < least) [best, least] = [i, distance];
    });
    return best;
  }

  #paint(context) {
    for (const structure of this.structures) {
      const points = this.points(structure);
      if (points.length) this.#paintOne(context, structure, points, structure === this.active);
    }
  }

  #paintOne(context, structure, points, isActive) {
    const screen = (p) => this.player.toScreen(p);
    context.lineJoin = context.lineCap = "round";
    const path = new Path2D();
    const found = pieces(points, structure.is_closed);
    if (found.length) path.moveTo(...screen(found[0][0]));
    for (const [, first, second, end] of found) path.bezierCurveTo(...screen(first), ...screen(second), ...screen(end));
    context.strokeStyle = "rgba(0,0,0,.55)";
    context.lineWidth = isActive ? 4.5 : 3.5;
    context.stroke(path);
    context.strokeStyle = structure.colour;
    context.lineWidth = isActive ? 2.2 : 1.6;
    context.stroke(path);
    if (!structure.is_closed && points.length > 2) {
      context.setLineDash([3, 5]);
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(...screen(points[0]));
      context.lineTo(...screen(points.at(-1)));
      context.stroke();
      context.setLineDash([]);
    }
    if (!isActive) return;
    points.forEach((point, i) => {
      const [x, y] = screen(point);
      context.beginPath();
      context.arc(x, y, i === this.hovered || i === this.selected ? 6 : 4, 0, 2 * Math.PI);
      context.fillStyle = i === this.selected ? "#ffffff" : structure.colour;
      context.strokeStyle = "rgba(0,0,0,.75)";
      context.lineWidth = 1.5;
      context.fill();
      context.stroke();
    });
  }
}
