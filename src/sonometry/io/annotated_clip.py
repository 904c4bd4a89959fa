"""Marks of one reading on one clip, as exporters take them: regions of contours, frames of the beat, labels, scores.

A contour is named by its structure (`lv_endocardium`); the region that it bounds has the name and the value of the
masks of `fields.npz`. Points are (row, column) with the centre of the first pixel at (0, 0); an open contour is closed
by the straight line between its ends, as the mitral plane closes the ventricle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sonometry.core.annotation import Annotation
from sonometry.core.errors import DataError
from sonometry.numerics.polygons import polygon_mask

VIEW, PHASE, UNUSABLE = "view", "phase", "unusable"
END_DIASTOLE, END_SYSTOLE = "ED", "ES"
ENDOCARDIUM, EPICARDIUM = "lv_endocardium", "lv_epicardium"
#: Structures of scores may be written "score:SCT" or "SCT".
SCORE_PREFIX = "score:"

#: Regions by the structure that bounds them, and values in a mask of the heart (0 is background).
REGIONS = {
    EPICARDIUM: "lv_myocardium",
    ENDOCARDIUM: "lv_cavity",
    "left_atrium": "left_atrium",
    "muscle_boundary": "muscle",
    "tendon_region": "tendon",
}
HEART_VALUES = {"lv_cavity": 1, "lv_myocardium": 2, "left_atrium": 3}


@dataclass(frozen=True, eq=False)
class AnnotatedClip:
    """A clip with the marks of one reader in one round, or with a consensus.

    shape : (T, H, W) of the clip. spacing_m : (row, column) or None. path : its file; SEG and SR need a DICOM file.
    Raises DataError where marks are of other clips, of several readings, or lie beyond the last frame.
    """

    clip_key: str
    subject_key: str
    shape: tuple[int, int, int]
    annotations: tuple[Annotation, ...]
    path: Path | None = None
    spacing_m: tuple[float, float] | None = None
    frame_rate_hz: float | None = None
    study_key: str = ""
    contours: dict[int, dict[str, np.ndarray]] = field(init=False)

    def __post_init__(self) -> None:
        contours: dict[int, dict[str, np.ndarray]] = {}
        if len({(mark.author, mark.round) for mark in self.annotations}) > 1:
            raise DataError(
                f"{self.clip_key} has marks of several readings; export one reader and round, or a consensus"
            )
        for mark in self.annotations:
            if mark.clip_key != self.clip_key:
                raise DataError(f"{self.clip_key} was given a mark of another clip, {mark.clip_key}")
            if mark.frame is not None and mark.frame >= self.shape[0]:
                raise DataError(f"{self.clip_key} has {self.shape[0]} frames, but a mark on frame {mark.frame}")
            if mark.contour_px is not None and mark.frame is not None:
                contours.setdefault(mark.frame, {})[mark.structure] = np.asarray(mark.contour_px, np.float64)
        object.__setattr__(self, "contours", dict(sorted(contours.items())))

    @property
    def author(self) -> str:
        """The reader; "" where there is no mark."""
        return self.annotations[0].author if self.annotations else ""

    @property
    def round(self) -> int:
        return self.annotations[0].round if self.annotations else 1

    @property
    def views(self) -> tuple[tuple[int, str], ...]:
        """First frame and view of every part, in order; a label without a frame starts at 0."""
        found = {m.frame or 0: m.label for m in self.annotations if m.structure == VIEW and m.label}
        return tuple(sorted(found.items()))

    @property
    def scores(self) -> dict[str, float]:
        """Scores by name, in the order they were given."""
        return {score_name(m): m.score for m in self.annotations if m.score is not None}

    @property
    def unusable(self) -> str:
        """Why the clip cannot be used; "" where it can."""
        return next((m.label for m in self.annotations if m.structure == UNUSABLE and m.label), "")

    def frames_of(self, phase: str) -> tuple[int, ...]:
        """Frames marked as "ED" or "ES", in order."""
        marked = (m for m in self.annotations if m.structure in (PHASE, f"{PHASE}:{phase}") and m.label == phase)
        return tuple(sorted({m.frame for m in marked if m.frame is not None}))

    def region_masks(self, frame: int) -> dict[str, np.ndarray]:
        """(H, W) bool masks of the regions marked on a frame, by name; the myocardium without the cavity."""
        masks = {}
        for structure, contour in self.contours.get(frame, {}).items():
            masks[REGIONS.get(structure, structure)] = polygon_mask(contour, self.shape[1:])
        if "lv_myocardium" in masks:
            if "lv_cavity" in masks:
                masks["lv_myocardium"] &= ~masks["lv_cavity"]
            else:
                del masks["lv_myocardium"]  # without the inner border it would count the cavity as muscle
        return masks

    def heart_mask(self, frame: int) -> np.ndarray:
        """(H, W) uint8 with `HEART_VALUES`; where regions overlap, the cavity counts first, then the atrium."""
        mask = np.zeros(self.shape[1:], np.uint8)
        regions = self.region_masks(frame)
        for name in ("lv_myocardium", "left_atrium", "lv_cavity"):
            if name in regions:
                mask[regions[name]] = HEART_VALUES[name]
        return mask


def readings(annotations: Sequence[Annotation]) -> dict[tuple[str, int], tuple[Annotation, ...]]:
    """Marks of every author and round, in order of first appearance."""
    found: dict[tuple[str, int], list[Annotation]] = {}
    for mark in annotations:
        found.setdefault((mark.author, mark.round), []).append(mark)
    return {key: tuple(marks) for key, marks in found.items()}


def score_name(mark: Annotation) -> str:
    """Name of a score without its prefix."""
    return mark.structure.removeprefix(SCORE_PREFIX)
