"""The imaged sector of a clip: what may be seen after de-identification.

Echo areas are found in the projections (`content.py`), the outline of the sector is fitted to them (`shapes.py`).
Regions of the header (PS3.3 C.8.5.5) tell where to look, and never are the sector: scanners put their boxes generously
around it, text and all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from sonometry.deid.content import Projections, dense, echo_areas, foreground, opened
from sonometry.deid.shapes import Shape, fit_shape, hull

#: Parts smaller than this share of the largest are not echoes.
_MIN_PART = 0.02
#: A fitted outline is believed when this share of the echoes lies in it, and echoes end on this share of its border.
_MIN_COVERAGE, _MIN_SUPPORT = 0.985, 0.3
#: With more support, less need lie in it: traces and text blocks can cling to a sector.
_FAIR_COVERAGE, _GOOD_SUPPORT = 0.92, 0.5
#: It may exceed the hull of the echoes by this factor: a sector can be dark in part, but not nearly everywhere.
_MAX_GROWTH = 1.9
#: Grey levels of noise in flat areas: of lossy compression, of little of it, of none. The first good fit counts.
_NOISE = (6, 2, 0)
#: Support by which a fit is better than another one.
_CLEARLY = 0.05
#: Sectors smaller than this share of the picture are not believed; those without a fitted outline must be larger.
_MIN_AREA, _MIN_HULL_AREA = 0.03, 0.15
#: Marks in a dark corner of the sector are brighter than this; faint echoes are not.
_MARK_LEVEL = 80
_MARK_RADIUS = 5
#: Header boxes may exceed the picture by this share before they are taken for those of another picture.
_MAX_EXCESS = 0.02


@dataclass(frozen=True, eq=False)
class Sector:
    """mask (H, W) bool, true where echoes are shown; `method` "fit", "hull" or "remembered"; reason when unsure."""

    mask: np.ndarray
    method: str
    support: float


Box = tuple[int, int, int, int]


def usable_boxes(boxes: Sequence[Box], shape: tuple[int, int]) -> list[Box]:
    """Header boxes (x0, y0, x1, y1, inclusive) as exclusive ends inside the picture; none if they do not belong to it.

    Down-sized exports keep the boxes of the full screen; then none of them means anything.
    """
    height, width = shape
    usable = []
    for x0, y0, x1, y1 in boxes:
        if x1 > width * (1 + _MAX_EXCESS) or y1 > height * (1 + _MAX_EXCESS) or x0 < 0 or y0 < 0:
            return []
        box = (x0, y0, min(x1 + 1, width), min(y1 + 1, height))
        if box[2] - box[0] > 8 and box[3] - box[1] > 8:
            usable.append(box)
    return usable


def find_sector(projections: Projections, boxes: Sequence[Box] = (), text: np.ndarray | None = None) -> Sector | None:
    """The sector of a clip, or None where no echoes can be told from the rest of the screen.

    boxes : regions of two-dimensional images from the header, (x0, y0, x1, y1), inclusive; may be empty or wrong.
    text : (H, W) bool, where text was found; no echoes are taken from there.
    """
    best: Sector | None = None
    for noise in _NOISE:
        seen = foreground(projections, noise=noise)
        if text is not None:
            seen &= ~text
        found = _parts(projections, seen, usable_boxes(boxes, projections.shape))
        if not found:
            continue
        mask = np.logical_or.reduce([part.mask for part in found])
        method = "fit" if all(part.method == "fit" for part in found) else "hull"
        sector = Sector(mask, method, min(part.support for part in found))
        if mask.mean() < (_MIN_AREA if method == "fit" else _MIN_HULL_AREA):
            continue
        if method == "fit" and sector.support >= _GOOD_SUPPORT:
            return sector
        if best is None or _is_better(sector, best):
            best = sector
    return best


def _is_better(sector: Sector, best: Sector) -> bool:
    """Less tolerance of noise takes more of the screen for echoes, so it must give a clearly better fit."""
    if sector.method != best.method:
        return sector.method == "fit"
    return sector.support > best.support + _CLEARLY


def _parts(projections: Projections, seen: np.ndarray, boxes: Sequence[Box]) -> list[Sector]:
    """The sector of every box that has one; of the whole picture where none has."""
    parts = []
    for box in boxes:
        inside = np.zeros_like(seen)
        inside[box[1] : box[3], box[0] : box[2]] = True
        if (part := _sector_in(projections, seen & inside, box)) is not None:
            parts.append(part)
    if not parts and (whole := _sector_in(projections, seen)) is not None:
        parts.append(whole)
    return parts


def _sector_in(projections: Projections, seen: np.ndarray, box: Box | None = None) -> Sector | None:
    areas = echo_areas(seen, projections)
    bright = projections.maximum.max(axis=2) > _MARK_LEVEL
    if not areas:
        return None
    areas = [area for area in areas if area.sum() >= _MIN_PART * areas[0].sum()]
    together = _outline(seen, bright, np.logical_or.reduce(areas), box)
    if together.method == "fit" or len(areas) == 1:
        return together
    largest = areas[0].sum()
    apart = [_outline(seen, bright, area) for area in areas if area.sum() >= 0.1 * largest]
    mask = np.logical_or.reduce([part.mask for part in apart])
    if mask.sum() >= together.mask.sum() or not all(part.method == "fit" for part in apart):
        return together  # echoes of one sector that dark muscle or a shadow divides
    return Sector(mask, "fit", min(part.support for part in apart))


def _outline(seen: np.ndarray, bright: np.ndarray, echoes: np.ndarray, box: Box | None = None) -> Sector:
    """The fitted outline where it is believable, else the hull of the echoes."""
    shape = fit_shape(echoes)
    if shape is not None:
        bands = _bands(seen & ~echoes, shape)
        if bands.any():
            echoes = echoes | bands
            shape = fit_shape(echoes)
        if shape is not None and box is not None:
            shape = _snapped(shape, box)
    covering = hull(echoes)
    if shape is None:
        return Sector(covering, "hull", 0.0)
    fitted = shape.mask(echoes.shape)
    coverage = float((fitted & echoes).sum() / echoes.sum())
    growth = float(fitted.sum() / covering.sum())
    is_certain = shape.support >= _GOOD_SUPPORT and coverage >= _FAIR_COVERAGE  # a trace or text block clings to it
    is_covering = shape.support >= _MIN_SUPPORT and coverage >= _MIN_COVERAGE
    if not (is_certain or is_covering) or growth > _MAX_GROWTH:
        return Sector(covering, "hull", shape.support)
    return Sector(_without_marks(seen, bright, fitted, covering), "fit", shape.support)


def _snapped(shape: Shape, box: Box) -> Shape:
    """The whole box where upright sides of the sector lie on those of the box: a linear probe, maybe dark below."""
    tolerance = max(3.0, 0.006 * (box[2] - box[0]))
    (slope_l, left), (slope_r, right) = shape.left[0], shape.right[0]
    is_box = (
        len(shape.left) == len(shape.right) == 1
        and slope_l == slope_r == 0
        and abs(left - box[0]) <= tolerance
        and abs(right - (box[2] - 1)) <= tolerance
    )
    if not is_box:
        return shape
    return Shape(((0.0, box[0]),), ((0.0, box[2] - 1),), box[1], box[3] - 1, support=shape.support)


def _bands(seen: np.ndarray, shape: Shape) -> np.ndarray:
    """Echoes above or below that fill the width between the sides and end there: near field, far wall.

    Banners and rules go on beyond the sides, text does not fill the width.
    """
    between = dataclasses.replace(shape, top=0, bottom=seen.shape[0], apex=None).mask(seen.shape)
    reach = max(4, seen.shape[1] // 40)
    around = cv2.dilate(between.astype(np.uint8), np.ones((1, 2 * reach + 1), np.uint8)) > 0
    beside = around & ~cv2.dilate(between.astype(np.uint8), np.ones((1, 7), np.uint8)).astype(bool)
    width = between.sum(axis=1)
    filled = (seen & between).sum(axis=1) >= 0.6 * np.maximum(width, 1)
    ends = (seen & beside).sum(axis=1) <= 0.3 * np.maximum(beside.sum(axis=1), 1)
    rows = (filled & ends & (width > 8)).astype(np.uint8)[:, None]
    thick = cv2.morphologyEx(rows, cv2.MORPH_OPEN, np.ones((3, 1), np.uint8))[:, 0] > 0
    bands: np.ndarray = seen & between & thick[:, None]
    return bands


def _without_marks(seen: np.ndarray, bright: np.ndarray, fitted: np.ndarray, covering: np.ndarray) -> np.ndarray:
    """The fitted sector without marks in its dark corners: thin and bright there, outside all echoes, was drawn."""
    beyond = fitted & ~(cv2.dilate(covering.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)
    thick = cv2.dilate(opened(dense(seen, 9), _MARK_RADIUS).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    marks = cv2.dilate((bright & seen & beyond & ~thick).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    kept: np.ndarray = fitted & ~(marks & beyond)
    return kept
