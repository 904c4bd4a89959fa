"""Centripetal Catmull-Rom splines through the points that a reader set, the same in the page and here.

Centripetal knots give no loops or cusps however unevenly points are spaced (Yuksel, Schaefer, Keyser 2011,
doi:10.1016/j.cad.2010.08.008). Each piece is a cubic Bezier curve, which is what a browser draws.
"""

from __future__ import annotations

import numpy as np

#: Points on a piece between two control points in exported contours.
SAMPLES_PER_PIECE = 16
_EPSILON = 1e-9


def bezier_pieces(points: np.ndarray, *, is_closed: bool) -> np.ndarray:
    """(P, 4, 2) Bezier control points of the pieces through (N, 2) points; P is N where closed, else N - 1.

    Ends of an open spline count twice. Fewer than two points have no piece, and two are never closed.
    """
    points = np.asarray(points, np.float64)
    n = len(points)
    if n < 2:
        return np.empty((0, 4, 2))
    is_closed = is_closed and n > 2
    index = np.arange(n if is_closed else n - 1)
    before, start, end, after = (
        points[(index + k) % n] if is_closed else points[np.clip(index + k, 0, n - 1)] for k in (-1, 0, 1, 2)
    )
    d1, d2, d3 = (
        np.sqrt(np.linalg.norm(b - a, axis=1))[:, None] for a, b in ((before, start), (start, end), (end, after))
    )
    first = np.where(d1 > _EPSILON, _handle(before, start, end, d1, d2), start)
    second = np.where(d3 > _EPSILON, _handle(after, end, start, d3, d2), end)
    flat = d2 <= _EPSILON
    return np.stack([start, np.where(flat, start, first), np.where(flat, end, second), end], axis=1)


def sample_spline(points: np.ndarray, *, is_closed: bool, per_piece: int = SAMPLES_PER_PIECE) -> np.ndarray:
    """(M, 2) points along the spline, through every control point in order; a single point stays as it is.

    The first point is not repeated at the end of a closed spline.
    """
    points = np.asarray(points, np.float64)
    pieces = bezier_pieces(points, is_closed=is_closed)
    if not len(pieces):
        return points.copy()
    t = (np.arange(per_piece) / per_piece)[None, :, None]
    a, b, c, d = (pieces[:, k, None, :] for k in range(4))
    curve = ((1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d).reshape(-1, 2)
    return curve if is_closed and len(points) > 2 else np.concatenate([curve, points[-1:]])


def thin_points(contour_px: np.ndarray, *, is_closed: bool, n_points: int = 12) -> np.ndarray:
    """(n_points, 2) of a dense contour at equal distances along it, to be edited by hand."""
    line = np.asarray(contour_px, np.float64)
    if is_closed:
        line = np.concatenate([line, line[:1]])
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    if along[-1] <= _EPSILON:
        return line[:1].copy()
    places = np.linspace(0, along[-1], n_points, endpoint=not is_closed)
    return np.stack([np.interp(places, along, line[:, k]) for k in range(2)], axis=1)


def _handle(outer: np.ndarray, near: np.ndarray, far: np.ndarray, d_outer: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Bezier handle at `near` of the piece to `far`, with the point before it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        top = d_outer**2 * far - d**2 * outer + (2 * d_outer**2 + 3 * d_outer * d + d**2) * near
        handle: np.ndarray = top / (3 * d_outer * (d_outer + d))
        return handle
