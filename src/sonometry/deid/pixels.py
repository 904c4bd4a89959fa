"""Which pixels of a clip stay: the imaged sector, without the text that was found in it.

Nothing is decided by a single cue. The sector is found from the echoes, text is looked for in the whole picture, and
the masked picture is searched once more. When any step is uncertain the file is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sonometry.core.errors import DataError
from sonometry.deid.content import Projections
from sonometry.deid.frames import Frames
from sonometry.deid.ink import burned_in, darkened, followed, zoom_for
from sonometry.deid.projections import project
from sonometry.deid.reading import is_readable
from sonometry.deid.sector import Box, Sector, find_sector
from sonometry.deid.text import TextLine, TextOptions, find_text, text_mask

#: Text that is still found after masking is masked as well, this often; then the file is refused.
_MAX_ROUNDS = 3
#: After masking, at least this share of the sector must be left.
_MIN_LEFT = 0.5


@dataclass(frozen=True)
class PixelRules:
    """top_rows : rows from the top that are masked in any case. lossless : no lossy compression in the result.
    threads : threads for one file.
    """

    top_rows: int = 0
    lossless: bool = False
    threads: int = 1


@dataclass(frozen=True, eq=False)
class Plan:
    """What stays of one clip.

    kept : (H, W) bool. sector : as found. before : projections of the original. after : (H, W, 3) its maximum, masked.
    n_text_inside, n_text_outside : lines of text found in the sector and beyond.
    """

    kept: np.ndarray
    sector: Sector
    before: Projections
    after: np.ndarray
    n_text_inside: int
    n_text_outside: int


def plan(frames: Frames, boxes: Sequence[Box], rules: PixelRules, remembered: Sequence[np.ndarray] = ()) -> Plan:
    """Decide what stays. Raises DataError when the sector or the text in it is not certain.

    boxes : two-dimensional regions of the header. remembered : masks of the same scanner and size, most used first.
    """
    before = project(frames.rgb, frames.layout.n_frames, rules.threads)
    lines = burned_in(before, threads=rules.threads)
    text = text_mask(lines, before.shape)
    sector = find_sector(before, boxes, text)
    if sector is None or sector.method != "fit":
        sector = _remembered(remembered, sector, before.shape) or sector
    if sector is None:
        raise DataError("no imaged sector can be told from the rest of its screen")
    kept = sector.mask.copy()
    kept[: rules.top_rows] = False
    inside = [line for line in lines if (text_mask((line,), before.shape) & kept).any()]
    kept &= ~text
    kept = _without_found_text(before, kept, rules.threads) if inside else kept
    if kept.sum() < _MIN_LEFT * sector.mask.sum():
        raise DataError("too little of its sector is left after the text in it is masked")
    after = before.maximum * kept[..., None].astype(np.uint8)
    return Plan(kept, sector, before, after, len(inside), len(lines) - len(inside))


def _remembered(masks: Sequence[np.ndarray], found: Sector | None, shape: tuple[int, int]) -> Sector | None:
    """The first remembered mask that holds all of what was found, however uncertain that is."""
    for mask in masks:
        if mask.shape != shape:
            continue
        if found is None or (found.mask & mask).sum() >= 0.995 * found.mask.sum():
            return Sector(mask, "remembered", 0.0)
    return None


def _without_found_text(before: Projections, kept: np.ndarray, threads: int) -> np.ndarray:
    """Mask what is still found and can be read once the text is gone; DataError when there is no end to it."""
    options = TextOptions(zoom=zoom_for(before.shape), threads=threads)
    for _ in range(_MAX_ROUNDS):
        picture = before.maximum * kept[..., None].astype(np.uint8)
        found = _inside(find_text(darkened(picture), options), kept)
        left = [line for line in found if is_readable(picture, line)]
        if not left:
            return kept
        kept = kept & ~text_mask(tuple(followed(line, picture) for line in left), before.shape)
    raise DataError("text is still found in its sector after masking")


def _inside(lines: Sequence[TextLine], kept: np.ndarray) -> list[TextLine]:
    """Lines with pixels that stay; an outline around what was masked is not text."""
    found = []
    for line in lines:
        area = text_mask((line,), kept.shape[:2])
        if (area & kept).sum() > 0.25 * area.sum():
            found.append(line)
    return found
