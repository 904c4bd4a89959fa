"""Where burned-in text is in a clip, to the last letter.

The network sees the brightest values of the loop with the tissue darkened (text is the brightest thing on a screen),
the same values as they are for text that is printed dimly (menus), of which only what can be read counts, and the
standard deviation for text that is not always there. It tends to lose a first or last letter that stands apart
("A. Smith"), so every line is followed to both sides while ink of its colour goes on.
"""

from __future__ import annotations

import cv2
import numpy as np

from sonometry.deid.content import Projections
from sonometry.deid.reading import is_readable
from sonometry.deid.text import TextLine, TextOptions, find_text, text_mask

#: Exponent that darkens tissue against text. On 192 synthetic texts of 11-24 px in tissue, the plain picture loses
#: eight at zoom 1.5, this one three, and none once lines are followed.
_DARKENING = 2.5
#: The smaller side of a picture is brought to this size, within these zooms: small text needs it.
_SIDE_PX, _MIN_ZOOM, _MAX_ZOOM = 930, 1.25, 3.0
#: Ink may differ this much from the median ink of its line, and a line is followed for this many of its heights.
_INK_TOLERANCE, _MAX_FOLLOW, _MAX_GAP = 45, 1.4, 0.9


def zoom_for(shape: tuple[int, int]) -> float:
    """Enlargement for a picture of this size."""
    return float(np.clip(_SIDE_PX / min(shape), _MIN_ZOOM, _MAX_ZOOM))


def burned_in(projections: Projections, *, threads: int = 1) -> tuple[TextLine, ...]:
    """All lines of text in a clip."""
    zoom = zoom_for(projections.shape)
    options = TextOptions(zoom=zoom, threads=threads)
    lines = list(find_text(darkened(projections.maximum), options))
    lines += _dim(projections.maximum, lines, options)
    if projections.n_frames > 1 and projections.deviation.max() > 4:
        spread = np.clip(projections.deviation * 4, 0, 255).astype(np.uint8)
        options = TextOptions(zoom=max(1.0, zoom / 1.5), threads=threads)
        lines += find_text(np.repeat(spread[..., None], 3, axis=2), options)
    return tuple(followed(line, projections.maximum) for line in lines)


def _dim(picture: np.ndarray, found: list[TextLine], options: TextOptions) -> list[TextLine]:
    """Lines of the plain picture that are not `found` yet and can be read: layers of tissue cannot."""
    known = text_mask(tuple(found), picture.shape[:2])
    lines = []
    for line in find_text(picture, options):
        area = text_mask((line,), picture.shape[:2])
        if (area & known).sum() < 0.8 * area.sum() and is_readable(picture, line):
            lines.append(line)
    return lines


def darkened(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 with mid greys pushed down."""
    table = (255 * (np.arange(256) / 255) ** _DARKENING).astype(np.uint8)
    result: np.ndarray = cv2.LUT(picture, table)
    return result


def followed(line: TextLine, picture: np.ndarray) -> TextLine:
    """The line, longer by the letters of its ink on both sides; unchanged where it is upright or has no ink."""
    (left, top), (right, bottom) = np.floor(line.corners_px.min(axis=0)), np.ceil(line.corners_px.max(axis=0))
    height = int(bottom - top)
    rows = slice(max(0, int(top)), min(picture.shape[0], int(bottom)))
    inside = picture[rows, max(0, int(left)) : max(0, int(right))].reshape(-1, 3)
    if height < 4 or right - left < height / 2 or len(inside) < 16:
        return line
    colour = _ink_colour(inside)
    reach = int(_MAX_FOLLOW * height)
    first, last = max(0, int(left) - reach), min(picture.shape[1], int(right) + reach)
    core = slice(rows.start + height // 6, max(rows.stop - height // 6, rows.start + height // 6 + 1))
    n_ink = _ink_per_column(picture[core, first:last], colour)
    height_of_core = core.stop - core.start
    above = picture[max(0, rows.start - height_of_core) : rows.start, first:last]
    below = picture[rows.stop : rows.stop + height_of_core, first:last]
    beside = np.maximum(_ink_per_column(above, colour), _ink_per_column(below, colour))
    has_ink = (n_ink >= 2) & (n_ink > 1.5 * beside)  # tissue of the colour of ink goes on above and below
    start = _follow(has_ink[: max(0, int(left) - first) + 1][::-1], height)
    end = _follow(has_ink[min(len(has_ink), int(right) - first) :], height)
    if not start and not end:
        return line
    left, right = left - start - 2, right + end + 2
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    return TextLine(corners, line.probability)


def _ink_colour(pixels: np.ndarray) -> np.ndarray:
    """(3,) median colour of the brighter half of the pixels that Otsu's threshold calls bright."""
    value = pixels.max(axis=1)
    threshold, _ = cv2.threshold(value, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    bright = pixels[value > threshold] if (value > threshold).any() else pixels
    level = np.median(bright.max(axis=1))
    colour: np.ndarray = np.median(bright[bright.max(axis=1) >= level], axis=0)
    return colour


def _ink_per_column(area: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """(columns,) how many pixels have about this colour."""
    if not area.size:
        return np.zeros(area.shape[1], np.intp)
    near = np.abs(area.astype(np.int16) - colour).max(axis=2) < _INK_TOLERANCE
    counts: np.ndarray = near.sum(axis=0)
    return counts


def _follow(has_ink: np.ndarray, height: int) -> int:
    """How many columns to go on, without crossing a gap wider than a space."""
    columns = np.flatnonzero(has_ink)
    reached = 0
    for column in columns:
        if column - reached > _MAX_GAP * height:
            break
        reached = int(column)
    return reached
