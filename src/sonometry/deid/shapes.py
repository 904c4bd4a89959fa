"""The outline of an imaged sector, fitted to where its echoes end.

A sector is bounded by straight sides and by a row or an arc above and below: a rectangle, a trapezoid, a fan, or any of
these cut by the edge of the screen. Echoes lie inside, and touch the border in many places although cavities, shadows
and poor contact keep them from it elsewhere; so every border is the line that has most echoes end on it and hardly any
beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

#: Candidate lines for one side.
_N_CANDIDATES = 500
#: A further straight border (a fan cut by the screen) needs this share of the rows.
_SECOND_SUPPORT = 0.14
#: Weight of a row where echoes lie beyond a border, against one where they end on it.
_BEYOND = 4.0
#: Share of rows that may lie beyond at no cost: traces, markers.
_FREE_BEYOND = 0.01
#: The face of a probe lies at most this share of the depth below the chord over it.
_DEEPEST_FACE = 0.3


@dataclass(frozen=True)
class Shape:
    """Sector in pixels; every bound is optional.

    left, right : straight sides as (slope, offset), column = slope * row + offset.
    top, bottom : first and last row. apex : (row, column) of the arcs; inner, outer : their radii.
    support : share of the fitted border on which echoes end, 0-1.
    """

    left: tuple[tuple[float, float], ...]
    right: tuple[tuple[float, float], ...]
    top: float
    bottom: float
    apex: tuple[float, float] | None = None
    inner: float = 0.0
    outer: float = float("inf")
    support: float = 0.0

    def mask(self, shape: tuple[int, int]) -> np.ndarray:
        """(H, W) bool."""
        row = np.arange(shape[0], dtype=np.float32)[:, None]
        column = np.arange(shape[1], dtype=np.float32)[None, :]
        inside: np.ndarray = (row >= self.top - 0.5) & (row <= self.bottom + 0.5) & (column > -1)
        for slope, offset in self.left:
            inside &= column >= slope * row + offset - 0.5
        for slope, offset in self.right:
            inside &= column <= slope * row + offset + 0.5
        if self.apex is not None:
            distance = np.hypot(row - self.apex[0], column - self.apex[1])
            inside &= (distance >= self.inner - 0.5) & (distance <= self.outer + 0.5)
        return inside


@dataclass(frozen=True)
class _Side:
    """Where echoes end along one direction: `position` per `at`, both in pixels; smaller is farther out."""

    at: np.ndarray
    position: np.ndarray


def fit_shape(echoes: np.ndarray, rng: np.random.Generator | None = None) -> Shape | None:
    """The sector whose border the `echoes` (H, W) bool touch; None where too few rows have any."""
    rng = rng or np.random.default_rng(0)
    rows = np.flatnonzero(echoes.any(axis=1))
    if len(rows) < 12:
        return None
    tolerance = max(1.5, 0.004 * max(echoes.shape))
    first = echoes.argmax(axis=1)[rows]
    last = echoes.shape[1] - 1 - echoes[:, ::-1].argmax(axis=1)[rows]
    lefts = _sides(_Side(rows, first.astype(float)), tolerance, rng)
    rights = _sides(_Side(rows, -last.astype(float)), tolerance, rng)
    if not lefts or not rights:
        return None
    left = tuple(line for line, _ in lefts)
    right = tuple((-slope, -offset) for (slope, offset), _ in rights)
    supported = sum(n for _, n in lefts) + sum(n for _, n in rights)
    sides_px = 2 * len(rows)
    apex = _apex(left, right, int(rows[0]))
    below = _vertical(echoes, apex, tolerance, outer=True)
    above = _vertical(echoes, apex, tolerance, outer=False)
    total = sides_px + 2 * below.n_columns
    return Shape(
        left,
        right,
        top=above.row,
        bottom=below.row,
        apex=apex if (below.radius is not None or above.radius is not None) else None,
        inner=above.radius or 0.0,
        outer=below.radius if below.radius is not None else float("inf"),
        support=(supported + below.support + above.support) / total,
    )


def _sides(side: _Side, tolerance: float, rng: np.random.Generator) -> list[tuple[tuple[float, float], int]]:
    """Straight borders of one side with their numbers of supporting rows: the best, then further ones."""
    found: list[tuple[tuple[float, float], int]] = []
    remaining = np.ones(len(side.at), bool)
    for _ in range(3):
        line, n_inliers = _best_line(side, remaining, tolerance, rng)
        needed = _SECOND_SUPPORT * len(side.at) if found else 0.08 * len(side.at)
        if line is None or n_inliers < max(8, needed):
            break
        if found and not any(_is_screen_edge(side, each, tolerance) for each in (line, *(f for f, _ in found))):
            break
        found.append((line, n_inliers))
        remaining &= side.position - (line[0] * side.at + line[1]) > 3 * tolerance
        if remaining.sum() < 12:
            break
    return found


def _is_screen_edge(side: _Side, line: tuple[float, float], tolerance: float) -> bool:
    """Whether a border is upright with nothing beyond it: where the screen cuts a fan. Cavities make other corners."""
    return line[0] == 0 and float(side.position.min()) >= line[1] - tolerance


def _best_line(
    side: _Side, remaining: np.ndarray, tolerance: float, rng: np.random.Generator
) -> tuple[tuple[float, float] | None, int]:
    """The line on which most of the `remaining` rows end, with hardly any row of all beyond it."""
    indices = np.flatnonzero(remaining)
    first, second = rng.choice(indices, (2, _N_CANDIDATES))
    apart = np.abs(side.at[first] - side.at[second]) >= max(6, 0.08 * len(side.at))
    first, second = first[apart], second[apart]
    if not len(first):
        return None, 0
    slope = (side.position[second] - side.position[first]) / (side.at[second] - side.at[first])
    slope = np.concatenate([slope, np.zeros(len(first))])  # upright sides are common: try them exactly
    offset = np.concatenate([side.position[first]] * 2) - slope * np.concatenate([side.at[first]] * 2)
    usable = np.abs(slope) < 6
    slope, offset = slope[usable], offset[usable]
    residual = side.position[None, :] - (slope[:, None] * side.at[None, :] + offset[:, None])
    inliers = (np.abs(residual) <= tolerance)[:, remaining].sum(axis=1)
    beyond = (residual < -tolerance).sum(axis=1)
    score = inliers - _BEYOND * np.maximum(0, beyond - _FREE_BEYOND * len(side.at))
    best = int(np.argmax(score))
    if score[best] <= 0:
        return None, 0
    return _refined(side, remaining, (float(slope[best]), float(offset[best])), tolerance), int(inliers[best])


def _refined(side: _Side, remaining: np.ndarray, line: tuple[float, float], tolerance: float) -> tuple[float, float]:
    """Least squares over the rows that end on `line`, then moved out to where nearly all of them begin."""
    residual = side.position - (line[0] * side.at + line[1])
    on = remaining & (np.abs(residual) <= tolerance)
    slope, offset = np.polyfit(side.at[on], side.position[on], 1) if line[0] else (0.0, np.median(side.position[on]))
    out = np.quantile(side.position[on] - (slope * side.at[on] + offset), 0.05)
    return float(slope), float(offset + min(out, 0.0))


def _apex(
    left: tuple[tuple[float, float], ...], right: tuple[tuple[float, float], ...], first_row: int
) -> tuple[float, float] | None:
    """Where the steepest opening sides meet, (row, column); None for parallel sides."""
    (slope_l, offset_l), (slope_r, offset_r) = min(left), max(right)
    opening = slope_r - slope_l
    if opening < 0.1:
        return None
    row = (offset_l - offset_r) / opening
    return (float(row), float(slope_l * row + offset_l)) if row <= first_row + 40 else None


@dataclass(frozen=True)
class _Bound:
    """Border above or below: a row, or a radius; how many columns end on it, of how many."""

    row: float
    radius: float | None
    support: int
    n_columns: int


def _vertical(echoes: np.ndarray, apex: tuple[float, float] | None, tolerance: float, *, outer: bool) -> _Bound:
    """The lower (`outer`) or upper border: the row or the arc around `apex` on which more columns end."""
    height = echoes.shape[0]
    columns = np.flatnonzero(echoes.any(axis=0))
    rows = (height - 1 - echoes[::-1].argmax(axis=0)[columns] if outer else echoes.argmax(axis=0)[columns]).astype(
        float
    )
    sign = 1.0 if outer else -1.0
    level, flat = _best_level(sign * rows, tolerance)
    extreme = rows.max() if outer else rows.min()
    if apex is None:
        return _Bound(sign * level, None, flat, len(columns))
    distance = np.hypot(rows - apex[0], columns - apex[1])
    if not outer:
        distance = _nearest_echo(echoes, apex)
    radius, round_ = _best_level(sign * distance, tolerance)
    round_ = round(round_ * len(columns) / max(len(distance), 1))
    if flat > 1.15 * round_:
        cut = _cut_arc(rows, distance, sign * level, tolerance) if outer else None
        return _Bound(sign * level, cut, flat, len(columns))
    return _Bound(extreme + sign * tolerance, sign * radius, round_, len(columns))


def _cut_arc(rows: np.ndarray, distance: np.ndarray, level: float, tolerance: float) -> float | None:
    """Radius of the arc that is left in the corners where the screen cuts the bottom of a fan; None without one."""
    rest = rows < level - 3 * tolerance
    if rest.sum() < _SECOND_SUPPORT * len(rows):
        return None
    radius, support = _best_level(distance[rest], tolerance)
    is_bound = support >= 0.5 * rest.sum() and (distance <= radius + tolerance).mean() > 1 - _FREE_BEYOND
    return radius if is_bound else None


def _nearest_echo(echoes: np.ndarray, apex: tuple[float, float]) -> np.ndarray:
    """Distance from the apex to the first echo in every direction that has one."""
    row, column = np.nonzero(echoes)
    distance = np.hypot(row - apex[0], column - apex[1])
    n_directions = max(24, int(np.sqrt(len(row)) / 3))
    angle = np.arctan2(column - apex[1], row - apex[0])
    low, high = angle.min(), angle.max()
    bins = np.minimum(((angle - low) / (high - low + 1e-9) * n_directions).astype(int), n_directions - 1)
    nearest = np.full(n_directions, np.inf)
    np.minimum.at(nearest, bins, distance)
    found: np.ndarray = nearest[np.isfinite(nearest)]
    return found


def _best_level(values: np.ndarray, tolerance: float) -> tuple[float, int]:
    """The level at which most `values` lie, hardly any of them above it; and how many lie there."""
    candidates = np.unique(np.round(values))
    near = np.abs(values[None, :] - candidates[:, None]) <= tolerance
    beyond = (values[None, :] > candidates[:, None] + tolerance).sum(axis=1)
    score = near.sum(axis=1) - _BEYOND * np.maximum(0, beyond - _FREE_BEYOND * len(values))
    best = int(np.argmax(score))
    on = values[near[best]]
    return float(np.quantile(on, 0.95)), int(near[best].sum())


def hull(echoes: np.ndarray) -> np.ndarray:
    """(H, W) bool: convex hull of the echoes without what lies above them (a curved probe face is not convex).

    Columns whose first echo lies deep begin with a cavity, not with the face of the probe: there the hull stays whole.
    """
    points = cv2.findNonZero(echoes.astype(np.uint8))
    filled = np.zeros(echoes.shape, np.uint8)
    cv2.fillConvexPoly(filled, cv2.convexHull(points), 1)
    columns = echoes.any(axis=0)
    first = np.where(columns, echoes.argmax(axis=0), echoes.shape[0]).astype(np.float32)
    face = cv2.erode(first[None, :], np.ones((1, 15), np.uint8))[0]
    face[face - filled.argmax(axis=0) > _DEEPEST_FACE * filled.any(axis=1).sum()] = 0
    inside: np.ndarray = (filled > 0) & (np.arange(echoes.shape[0])[:, None] >= face[None, :] - 2)
    return inside
