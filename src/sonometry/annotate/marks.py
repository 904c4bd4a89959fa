"""Values of marks as they come from a browser, checked; every structure has its one form.

view                 {"segments": [{"start": 0, "label": "A4C"}, ...]}  label "" where none was given yet
phase                {"ED": [frames], "ES": [frames]}
unusable             {"reason": one of UNUSABLE_REASONS}
done                 {}
score:ID             {"score": 4}
contour:NAME@FRAME   {"points": [[row, column], ...]}
None                 takes the mark away
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sonometry.annotate.structures import (
    DONE,
    PHASE,
    PHASES,
    SCORE,
    UNUSABLE,
    UNUSABLE_REASONS,
    VIEW,
    VIEWS,
    contour_structure,
)
from sonometry.annotate.surveys import Survey
from sonometry.core.errors import UsageError

MOST_POINTS = 256
#: Points may lie this far outside of the picture, as a share of its size: a ventricle can leave the sector.
_MARGIN = 0.25
_SLOT = re.compile(r"(view|phase|unusable|done|score:([A-Za-z0-9_]{1,32})|contour:([a-z_]{1,32})@(\d{1,6}))")


@dataclass(frozen=True)
class Slot:
    """Place of a mark on a target: structure, with the frame of a contour or the item of a score."""

    text: str
    structure: str
    frame: int | None = None
    item: str = ""


@dataclass(frozen=True)
class Extent:
    """Size of the clip that is marked; an exam has none."""

    n_frames: int
    n_rows: int
    n_columns: int


def parse_slot(text: str) -> Slot:
    """UsageError where there is no such place."""
    match = _SLOT.fullmatch(text)
    if not match:
        raise UsageError("a mark has a slot: view, phase, unusable, done, score:ID or contour:NAME@FRAME")
    if match[2]:
        return Slot(text, SCORE, item=match[2])
    if match[3]:
        if contour_structure(match[3]) is None or str(int(match[4])) != match[4]:
            raise UsageError("no such contour")
        return Slot(text, match[3], frame=int(match[4]))
    return Slot(text, text)


def checked_value(slot: Slot, value: Any, *, extent: Extent | None, survey: Survey | None) -> dict[str, Any] | None:
    """The value in its one form; UsageError says what is wrong. None stays: it takes the mark away."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise UsageError(f"the value of {slot.structure} must be an object")
    if slot.structure == SCORE:
        return _score(slot, value, survey)
    if slot.structure == DONE:
        return {}
    if slot.structure == UNUSABLE:
        reason = value.get("reason")
        if reason not in UNUSABLE_REASONS:
            raise UsageError(f"reason must be one of: {', '.join(UNUSABLE_REASONS)}")
        return {"reason": reason}
    if extent is None:
        raise UsageError(f"{slot.structure} is marked on a clip, not on an exam")
    if slot.structure == VIEW:
        return _view(value, extent)
    if slot.structure == PHASE:
        return {name: _frames(value.get(name, []), extent) for name in PHASES}
    return _contour(slot, value, extent)


def _score(slot: Slot, value: Mapping[str, Any], survey: Survey | None) -> dict[str, Any]:
    item = survey.item(slot.item) if survey else None
    score = value.get("score")
    if item is None:
        raise UsageError("this work list has no such score")
    if type(score) is not int or not item.low <= score <= item.high:
        raise UsageError(f"{item.id} is a whole number from {item.low} to {item.high}")
    return {"score": score}


def _view(value: Mapping[str, Any], extent: Extent) -> dict[str, Any]:
    segments = value.get("segments")
    names = {"", *(view.name for view in VIEWS)}
    if not isinstance(segments, list) or not 1 <= len(segments) <= min(extent.n_frames, 100):
        raise UsageError("a view has segments, the first from frame 0 on")
    if any(not isinstance(s, Mapping) or type(s.get("start")) is not int for s in segments):
        raise UsageError("a segment starts with a frame")
    starts = [s["start"] for s in segments]
    if starts[0] != 0 or starts != sorted(set(starts)) or starts[-1] >= extent.n_frames:
        raise UsageError("segments start with rising frames of the clip, the first with 0")
    if any(s.get("label") not in names for s in segments):
        raise UsageError("a segment has the name of a view as its label, or nothing")
    return {"segments": [{"start": s["start"], "label": s["label"]} for s in segments]}


def _frames(value: Any, extent: Extent) -> list[int]:
    if not isinstance(value, list) or len(value) > extent.n_frames:
        raise UsageError("a phase is a list of frames")
    if any(type(frame) is not int or not 0 <= frame < extent.n_frames for frame in value):
        raise UsageError(f"a phase names frames from 0 to {extent.n_frames - 1}")
    return sorted(set(value))


def _contour(slot: Slot, value: Mapping[str, Any], extent: Extent) -> dict[str, Any]:
    points = value.get("points")
    if slot.frame is None or slot.frame >= extent.n_frames:
        raise UsageError(f"a contour lies on a frame from 0 to {extent.n_frames - 1}")
    if not isinstance(points, list) or not 1 <= len(points) <= MOST_POINTS:
        raise UsageError(f"a contour has 1 to {MOST_POINTS} points")
    sizes = (extent.n_rows, extent.n_columns)
    checked = []
    for point in points:
        if not isinstance(point, list) or len(point) != 2 or any(type(x) not in (int, float) for x in point):
            raise UsageError("a point of a contour is [row, column]")
        if any(not -_MARGIN * n <= x <= (1 + _MARGIN) * n for x, n in zip(point, sizes, strict=True)):  # NaN too
            raise UsageError("a point of a contour lies far outside of the picture")
        checked.append([round(float(x), 3) for x in point])
    return {"points": checked}
