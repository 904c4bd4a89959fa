"""Outlines and the pixels inside them.

Points are (row, column) with the centre of the first pixel at (0, 0), as in scikit-image. An open line is closed by the
straight line between its ends.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage import draw, measure

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_polygon2mask: Any = draw.polygon2mask
_find_contours: Any = measure.find_contours


def polygon_mask(contour_px: npt.ArrayLike, shape: tuple[int, int]) -> Mask:
    """(H, W) bool, True where the centre of a pixel lies inside; parts outside of the picture are cut off.

    contour_px : (N, 2); fewer than three points enclose nothing.
    """
    contour = np.asarray(contour_px, np.float64)
    if len(contour) < 3:
        return np.zeros(shape, np.bool_)
    mask: Mask = np.asarray(_polygon2mask(shape, contour), np.bool_)
    return mask


def mask_outlines(mask: npt.ArrayLike) -> list[Array]:
    """Closed outlines (N, 2) of a mask half-way between pixels, the longest first, the first point not repeated.

    Holes are outlines too. A mask that touches the border of the picture is closed half a pixel outside of it.
    """
    padded = np.pad(np.asarray(mask, np.float64), 1)
    outlines = [line[:-1] - 1 for line in _find_contours(padded, 0.5)]
    return sorted(outlines, key=len, reverse=True)


def polygon_area_px(contour_px: npt.ArrayLike) -> float:
    """Area inside a closed line that does not cross itself, in squares of a pixel (the shoelace formula)."""
    contour = np.asarray(contour_px, np.float64)
    if len(contour) < 3:
        return 0.0
    row, column = (contour - contour.mean(axis=0)).T
    return float(abs(np.sum(row * np.roll(column, -1) - column * np.roll(row, -1))) / 2)


def resampled_line(points: npt.ArrayLike, *, step: float, is_closed: bool) -> Array:
    """(M, 2) points along a line at most `step` apart, the given ones among them; a single point stays as it is."""
    line = np.asarray(points, np.float64)
    if len(line) < 2:
        return line.copy()
    ends = np.concatenate([line, line[:1]]) if is_closed else line
    pieces = []
    for start, end in itertools.pairwise(ends):
        n = max(1, int(np.ceil(np.linalg.norm(end - start) / step)))
        pieces.append(start + (end - start) * (np.arange(n) / n)[:, None])
    joined: Array = np.concatenate(pieces if is_closed else [*pieces, ends[-1:]])
    return joined


def distance_to_line(points: npt.ArrayLike, line: npt.ArrayLike, *, is_closed: bool) -> Array:
    """(N,) distance of every point to the nearest place on a polyline, not only to its corners.

    points : (N, 2), line : (M, 2), in the same unit. ValueError where the line has no point.
    """
    targets, corners = np.asarray(points, np.float64), np.asarray(line, np.float64)
    if not len(corners):
        raise ValueError("a line needs at least one point")
    ends = np.concatenate([corners, corners[:1]]) if is_closed or len(corners) == 1 else corners
    start, along = ends[:-1], np.diff(ends, axis=0)
    length_2 = np.maximum(np.sum(along**2, axis=1), 1e-300)
    nearest = np.full(len(targets), np.inf)
    for a, d, square in zip(start, along, length_2, strict=True):
        share = np.clip((targets - a) @ d / square, 0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(targets - (a + share[:, None] * d), axis=1))
    return nearest
