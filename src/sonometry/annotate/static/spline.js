// Centripetal Catmull-Rom splines, as `splines.py` of the server has them. Points are [row, column].

const EPSILON = 1e-9;
const minus = (a, b) => [a[0] - b[0], a[1] - b[1]];
const length = (a) => Math.hypot(a[0], a[1]);

// Bezier control points [start, handle, handle, end] of the pieces through the points.
export function pieces(points, isClosed) {
  const n = points.length;
  if (n < 2) return [];
  const closed = isClosed && n > 2;
  const at = (i) => (closed ? points[(i + n) % n] : points[Math.min(Math.max(i, 0), n - 1)]);
  return Array.from({ length: closed ? n : n - 1 }, (_, i) => {
    const [before, start, end, after] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
    const [d1, d2, d3] = [minus(start, before), minus(end, start), minus(after, end)].map((v) => Math.sqrt(length(v)));
    if (d2 <= EPSILON) return [start, start, end, end];
    const first = d1 > EPSILON ? handle(before, start, end, d1, d2) : start;
    const second = d3 > EPSILON ? handle(after, end, start, d3, d2) : end;
    return [start, first, second, end];
  });
}

function handle(outer, near, far, dOuter, d) {
  const scale = 3 * dOuter * (dOuter + d);
  return [0, 1].map((k) => (dOuter ** 2 * far[k] - d ** 2 * outer[k] + (2 * dOuter ** 2 + 3 * dOuter * d + d ** 2) * near[k]) / scale);
}

export function pointOn([a, b, c, d], t) {
  const u = 1 - t;
  return [0, 1].map((k) => u ** 3 * a[k] + 3 * u ** 2 * t * b[k] + 3 * u * t ** 2 * c[k] + t ** 3 * d[k]);
}

// Dense points along the spline, through every control point.
export function sample(points, isClosed, perPiece = 16) {
  const found = pieces(points, isClosed).flatMap((piece) => Array.from({ length: perPiece }, (_, i) => pointOn(piece, i / perPiece)));
  if (!found.length) return points.map((p) => [...p]);
  return isClosed && points.length > 2 ? found : [...found, [...points.at(-1)]];
}

// Nearest place on the spline: { index of the piece, distance, point }; distances in the units of `scale`.
export function nearest(points, isClosed, place, scale = [1, 1]) {
  let best = { distance: Infinity };
  pieces(points, isClosed).forEach((piece, index) => {
    for (let i = 0; i <= 24; i += 1) {
      const point = pointOn(piece, i / 24);
      const distance = Math.hypot((point[0] - place[0]) * scale[0], (point[1] - place[1]) * scale[1]);
      if (distance < best.distance) best = { index, distance, point };
    }
  });
  return best;
}

// Area within a dense line, closed by the straight line between its ends; and its length. scale: units per pixel.
export function areaOf(line, scale) {
  let twice = 0;
  line.forEach((p, i) => {
    const q = line[(i + 1) % line.length];
    twice += (p[0] * q[1] - q[0] * p[1]) * scale[0] * scale[1];
  });
  return Math.abs(twice) / 2;
}

export function lengthOf(line, isClosed, scale) {
  const ends = isClosed ? [...line, line[0]] : line;
  return ends.slice(1).reduce((sum, p, i) => sum + Math.hypot((p[0] - ends[i][0]) * scale[0], (p[1] - ends[i][1]) * scale[1]), 0);
}
