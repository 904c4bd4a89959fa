"""What marks mean for a clip of the catalogue: its view, and labels of manifest.csv."""

from __future__ import annotations

from collections.abc import Iterable

from sonometry.annotate.store import Mark
from sonometry.annotate.structures import PHASE, UNUSABLE, VIEW

#: Label of a clip that shows several views: first frame and view of each part.
PARTS = "parts"
#: Labels of the frames of each phase.
PHASE_LABELS = {"ED": "end_diastole", "ES": "end_systole"}


def labels_of(marks: Iterable[Mark]) -> dict[str, str]:
    """View and labels of one clip from the newest marks on it; of those that were taken away, empty ones.

    A clip that shows several views or is unusable has no view to learn from.
    """
    facts: dict[str, str] = {}
    for mark in marks:
        facts |= _labels(mark)
    if facts.get(UNUSABLE):
        facts[VIEW] = ""
    return facts


def _labels(mark: Mark) -> dict[str, str]:
    value = mark.value
    if value is None:
        gone = {VIEW: (VIEW, PARTS), UNUSABLE: (UNUSABLE,), PHASE: tuple(PHASE_LABELS.values())}
        return dict.fromkeys(gone.get(mark.structure, ()), "")
    if mark.structure == VIEW:
        segments = value["segments"]
        if len(segments) == 1:
            return {VIEW: segments[0]["label"], PARTS: ""}
        return {VIEW: "", PARTS: " ".join(f"{s['start']}:{s['label']}" for s in segments)}
    if mark.structure == UNUSABLE:
        return {UNUSABLE: value["reason"]}
    if mark.structure == PHASE:
        return {label: " ".join(map(str, value[name])) for name, label in PHASE_LABELS.items()}
    return {}
