"""Marks as `Annotation`s, reading by reading: one reader in one round, or all who worked on one set of marks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import median
from typing import Any

import numpy as np

from sonometry.annotate.desk import Desk
from sonometry.annotate.splines import sample_spline
from sonometry.annotate.store import Mark
from sonometry.annotate.structures import DONE, PHASE, PHASES, SCORE, UNUSABLE, VIEW, contour_structure
from sonometry.core.annotation import Annotation
from sonometry.data.catalogue import Clip
from sonometry.evaluation.consensus import majority_label, majority_mask, staple
from sonometry.io.annotated_clip import AnnotatedClip
from sonometry.numerics.polygons import mask_outlines, polygon_mask

#: Author of what several readers agree on, and of one set of marks with several authors.
CONSENSUS, SEVERAL = "consensus", "several readers"


@dataclass(frozen=True)
class Reading:
    """The marks of one reader and round in one list; reader "" where people worked together."""

    list_name: str
    reader: str
    round: int
    marks: tuple[Mark, ...]

    @property
    def name(self) -> str:
        """A name for folders."""
        if not self.list_name:
            return "together"
        words = [self.list_name, self.reader or "together", *([str(self.round)] if self.reader else [])]
        return "-".join("".join(c if c.isalnum() else "_" for c in word) for word in words).lower()

    def by_target(self) -> dict[str, list[Mark]]:
        found: dict[str, list[Mark]] = defaultdict(list)
        for mark in self.marks:
            found[mark.target].append(mark)
        return dict(found)


def readings_of(desk: Desk, list_name: str) -> list[Reading]:
    """All readings of a list, in order of reader and round; "" is what is marked together in all lists."""
    groups: dict[tuple[str, int], list[Mark]] = defaultdict(list)
    for mark in desk.store.of_list(list_name):
        groups[mark.scope.reader, mark.scope.round].append(mark)
    return [Reading(list_name, reader, number, tuple(marks)) for (reader, number), marks in sorted(groups.items())]


def all_readings(desk: Desk) -> list[Reading]:
    """Those of every list, what was marked together first."""
    names = ["", *(one.name for one in desk.lists.all())]
    return [reading for name in names for reading in readings_of(desk, name)]


def annotations_of(marks: Iterable[Mark], *, author: str | None = None) -> list[Annotation]:
    """One mark can be several annotations: each part of a clip has its view, each phase its frames.

    A contour is sampled along its spline. author : instead of the one of each mark.
    """
    return [
        replace(one, author=author or one.author)
        for mark in marks
        if mark.value is not None and mark.structure != DONE
        for one in _annotations(mark, mark.value)
    ]


def single_author(annotations: Sequence[Annotation]) -> list[Annotation]:
    """The same with one author, as a file of one reading needs."""
    authors = {one.author for one in annotations}
    return [replace(one, author=SEVERAL) for one in annotations] if len(authors) > 1 else list(annotations)


def view_label(mark: Mark | None) -> str:
    """The view of a clip, "A2C+A4C" where its parts show several, "" where none was given."""
    segments = mark.value["segments"] if mark and mark.value else []
    return "+".join(one["label"] for one in segments if one["label"])


def score_table(readings: Sequence[Reading], item: str) -> dict[str, list[int | None]]:
    """Score of one item by target, one place for each reading."""
    found: dict[str, list[int | None]] = {}
    for number, reading in enumerate(readings):
        for mark in reading.marks:
            if mark.slot == f"{SCORE}:{item}" and mark.value:
                found.setdefault(mark.target, [None] * len(readings))[number] = int(mark.value["score"])
    return found


def consensus_views(readings: Sequence[Reading]) -> dict[str, str]:
    """The view most readings gave, by clip; none where there is a tie."""
    votes: dict[str, list[str]] = defaultdict(list)
    for reading in readings:
        for mark in reading.marks:
            if mark.structure == VIEW and (label := view_label(mark)):
                votes[mark.target].append(label)
    return {key: winner for key, labels in votes.items() if (winner := majority_label(labels)) is not None}


def consensus_scores(readings: Sequence[Reading], item: str) -> dict[str, float]:
    """Median score by target."""
    table = score_table(readings, item)
    return {key: float(median([v for v in row if v is not None])) for key, row in table.items()}


def consensus_contours(desk: Desk, readings: Sequence[Reading]) -> list[Annotation]:
    """The outline of what at least two readings marked: STAPLE of three and more, their overlap and half of two."""
    drawn: dict[tuple[str, int, str], list[Annotation]] = defaultdict(list)
    for reading in readings:
        for one in annotations_of(reading.marks):
            if one.contour_px is not None and one.frame is not None and len(one.contour_px) > 2:
                drawn[one.clip_key, one.frame, one.structure].append(one)
    found = []
    for (key, _, _), contours in drawn.items():
        clip = desk.catalogue.clip(key)
        if len(contours) < 2 or clip is None:
            continue
        extent = desk.extent(clip)
        outline = _agreed_outline(contours, (extent.n_rows, extent.n_columns))
        if outline is not None:
            found.append(replace(contours[0], author=CONSENSUS, round=1, contour_px=outline))
    return found


def annotated_clips(desk: Desk, annotations: Iterable[Annotation], *, with_exams: bool = False) -> list[AnnotatedClip]:
    """Clips with their marks, as exporters take them. with_exams : scores of an exam go to its first clip."""
    by_key: dict[str, list[Annotation]] = defaultdict(list)
    for one in annotations:
        by_key[one.clip_key].append(one)
    clips = []
    for key, marks in by_key.items():
        clip = desk.catalogue.clip(key) or (_first_of_exam(desk, key) if with_exams else None)
        if clip is not None and clip.kind == "cine":
            clips.append(_annotated_clip(desk, clip, marks))
    return clips


def _annotated_clip(desk: Desk, clip: Clip, marks: Sequence[Annotation]) -> AnnotatedClip:
    pictures = desk.frames.pictures(clip.clip_key)
    times = pictures.times_s
    is_timed = pictures.is_timed and len(times) > 1
    return AnnotatedClip(
        clip_key=clip.clip_key,
        subject_key=clip.subject_key,
        study_key=clip.study_key or "",
        shape=(pictures.n_frames, pictures.n_rows, pictures.n_columns),
        annotations=tuple(replace(one, clip_key=clip.clip_key) for one in single_author(marks)),
        path=desk.frames.file(clip),
        spacing_m=pictures.spacing_m,
        frame_rate_hz=(len(times) - 1) / (times[-1] - times[0]) if is_timed else None,
    )


def _first_of_exam(desk: Desk, key: str) -> Clip | None:
    members = desk.catalogue.clips(study_key=key) or desk.catalogue.clips(subject_key=key)
    return next((clip for clip in members if clip.kind == "cine"), None)


def _agreed_outline(contours: Sequence[Annotation], shape: tuple[int, int]) -> np.ndarray | None:
    masks = [polygon_mask(one.contour_px, shape) for one in contours if one.contour_px is not None]
    agreed = staple(masks).mask if len(masks) > 2 else majority_mask(masks)
    outlines = mask_outlines(agreed)
    return outlines[0] if outlines else None


def _annotations(mark: Mark, value: dict[str, Any]) -> list[Annotation]:
    def one(**fields: Any) -> Annotation:
        time = datetime.fromisoformat(mark.time)
        time = time if time.tzinfo else time.replace(tzinfo=UTC)
        return Annotation(clip_key=mark.target, author=mark.author, round=mark.scope.round, time=time, **fields)

    if mark.structure == VIEW:
        return [one(structure=VIEW, label=s["label"], frame=s["start"]) for s in value["segments"] if s["label"]]
    if mark.structure == PHASE:
        return [one(structure=PHASE, label=name, frame=frame) for name in PHASES for frame in value[name]]
    if mark.structure == UNUSABLE:
        return [one(structure=UNUSABLE, label=value["reason"])]
    if mark.structure == SCORE:
        return [one(structure=mark.slot, score=float(value["score"]))]
    structure = contour_structure(mark.structure)
    if structure is None:
        return []
    points = np.asarray(value["points"], np.float64)
    contour = sample_spline(points, is_closed=structure.is_closed)
    return [one(structure=structure.name, frame=mark.frame, contour_px=contour)]
