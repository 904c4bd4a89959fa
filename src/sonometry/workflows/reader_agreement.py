"""How well readers agree, and their consensus, from all marks on a set of clips.

Two readings are compared on what both marked: views by kappa, scores by weighted kappa, intraclass correlation and
limits of agreement, contours by Dice and distance, frames of the beat by their difference. Readings of one reader in
two rounds are compared in the same way. Every number has its interval by patient where there are enough of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from sonometry.core.annotation import Annotation
from sonometry.evaluation.agreement import (
    cohen_kappa_estimate,
    fleiss_kappa_estimate,
    intraclass_correlation,
)
from sonometry.evaluation.bland_altman import bland_altman
from sonometry.evaluation.consensus import majority_label, median_score, staple
from sonometry.evaluation.estimate import Estimate, estimate
from sonometry.evaluation.overlap import contour_distance, dice
from sonometry.io.annotated_clip import PHASE, UNUSABLE, VIEW, score_name
from sonometry.io.annotations import latest
from sonometry.numerics.polygons import mask_outlines, polygon_mask

#: Author of a consensus.
CONSENSUS = "consensus"
#: Resamples of a bootstrap interval.
N_RESAMPLES = 1000


@dataclass(frozen=True)
class ClipFacts:
    """What comparison needs to know of a clip: its patient, size and spacing (None: distances are left out)."""

    subject_key: str
    shape: tuple[int, int, int]
    spacing_m: tuple[float, float] | None = None


@dataclass(frozen=True)
class AgreementRow:
    """One number: what was compared, between whom, which statistic, in which unit ("1", "m", "{frame}", "{score}")."""

    structure: str
    comparison: str
    statistic: str
    unit: str
    estimate: Estimate


Reading = tuple[str, int]
#: (structure, clip, frame) to value.
_Values = dict[tuple[str, str, int | None], Annotation]


def reader_agreement(annotations: Iterable[Annotation], clips: Mapping[str, ClipFacts]) -> tuple[AgreementRow, ...]:
    """All comparisons that the marks allow, by structure. Marks on clips that `clips` lacks are left out.

    Returns nothing where no two readings marked the same thing.
    """
    by_reading = _by_reading(annotations, clips)
    rows: list[AgreementRow] = []
    for first, second in itertools.combinations(by_reading, 2):
        if first[0] == second[0] or first[1] == second[1]:  # a reader with himself, or two in the same round
            rows += _pair(by_reading[first], by_reading[second], _named(first, second), clips)
    rows += _all_readers(by_reading, clips)
    return tuple(sorted(rows, key=lambda row: (row.structure, row.comparison)))


def consensus(
    annotations: Iterable[Annotation], clips: Mapping[str, ClipFacts], *, time: datetime, round: int = 1
) -> tuple[Annotation, ...]:
    """One mark for everything that readers marked in `round`: the majority of labels, the median of scores and frames,
    STAPLE of contours (a single reader's contour stays as it is). Where labels have no majority there is none.
    """
    grouped: dict[tuple[str, str, int | None, str], list[Annotation]] = {}
    phases: dict[tuple[str, str], dict[str, list[int]]] = {}
    for (author, number), values in _by_reading(annotations, clips).items():
        if number != round:
            continue
        for mark in values.values():
            if mark.structure.split(":")[0] == PHASE and mark.frame is not None:
                by_author = phases.setdefault((mark.clip_key, mark.label or ""), {})
                by_author.setdefault(author, []).append(mark.frame)
            else:
                grouped.setdefault((mark.clip_key, mark.structure, mark.frame, ""), []).append(mark)
    made = [_agreed(marks, clips, time, round) for marks in grouped.values()]
    agreed = [mark for mark in made if mark is not None]
    for (clip_key, label), by_author in phases.items():
        agreed += [
            Annotation(clip_key, f"{PHASE}:{label}", CONSENSUS, round, time, frame=frame, label=label)
            for frame in _median_frames(by_author)
        ]
    return tuple(agreed)


def _by_reading(annotations: Iterable[Annotation], clips: Mapping[str, ClipFacts]) -> dict[Reading, _Values]:
    found: dict[Reading, _Values] = {}
    for mark in latest(annotations):
        if mark.clip_key in clips and mark.author != CONSENSUS:
            values = found.setdefault((mark.author, mark.round), {})
            values[(_structure(mark), mark.clip_key, mark.frame)] = mark
    return dict(sorted(found.items()))


def _structure(mark: Annotation) -> str:
    """Phases of the beat are told apart by their label, whatever the mark is called."""
    if mark.structure.split(":")[0] == PHASE:
        return f"{PHASE}:{mark.label}"
    return score_name(mark) if mark.score is not None else mark.structure


def _named(first: Reading, second: Reading) -> str:
    if first[0] == second[0]:
        return f"{first[0]}, round {first[1]} and {second[1]}"
    return f"{first[0]} and {second[0]}, round {first[1]}"


def _pair(a: _Values, b: _Values, comparison: str, clips: Mapping[str, ClipFacts]) -> list[AgreementRow]:
    rows: list[AgreementRow] = []
    for structure in sorted({key[0] for key in a} & {key[0] for key in b}):
        if structure.startswith(f"{PHASE}:"):
            rows += _phase_rows(structure, _frames(a, structure), _frames(b, structure), comparison, clips)
            continue
        keys = [key for key in a if key[0] == structure and key in b]
        if structure == VIEW:
            keys = [key for key in keys if not key[2]]
        pairs = [(a[key], b[key]) for key in keys]
        groups: list[Hashable] = [clips[key[1]].subject_key for key in keys]
        if not pairs:
            continue
        if all(one.contour_px is not None and other.contour_px is not None for one, other in pairs):
            rows += _contour_rows(structure, pairs, groups, comparison, clips)
        elif all(one.score is not None and other.score is not None for one, other in pairs):
            rows += _score_rows(structure, pairs, groups, comparison)
        elif all(one.label is not None and other.label is not None for one, other in pairs):
            labels = [one.label for one, _ in pairs], [other.label for _, other in pairs]
            kappa = cohen_kappa_estimate(*labels, groups=groups, n_resamples=N_RESAMPLES)
            rows.append(AgreementRow(structure, comparison, "Cohen's kappa", "1", kappa))
            same = [float(x == y) for x, y in zip(*labels, strict=True)]
            rows.append(AgreementRow(structure, comparison, "share that agrees", "1", _mean(same, groups)))
    return rows


def _contour_rows(
    structure: str,
    pairs: Sequence[tuple[Annotation, Annotation]],
    groups: Sequence[Hashable],
    comparison: str,
    clips: Mapping[str, ClipFacts],
) -> list[AgreementRow]:
    overlaps, means, largest, measured = [], [], [], []
    for (one, other), group in zip(pairs, groups, strict=True):
        facts = clips[one.clip_key]
        overlaps.append(dice(*(polygon_mask(_contour(m), facts.shape[1:]) for m in (one, other))))
        if facts.spacing_m is not None:
            distance = contour_distance(_contour(one), _contour(other), facts.spacing_m)
            means.append(distance.mean_m)
            largest.append(distance.hausdorff_m)
            measured.append(group)
    rows = [AgreementRow(structure, comparison, "Dice", "1", _mean(overlaps, groups))]
    if measured:
        rows.append(AgreementRow(structure, comparison, "mean distance", "m", _mean(means, measured)))
        rows.append(AgreementRow(structure, comparison, "largest distance", "m", _mean(largest, measured)))
    return rows


def _score_rows(
    structure: str, pairs: Sequence[tuple[Annotation, Annotation]], groups: Sequence[Hashable], comparison: str
) -> list[AgreementRow]:
    a, b = ([float(m.score if m.score is not None else math.nan) for m in marks] for marks in zip(*pairs, strict=True))
    rows = [
        AgreementRow(
            structure, comparison, "mean absolute difference", "{score}", _mean(np.abs(np.subtract(a, b)), groups)
        )
    ]
    if all(value.is_integer() for value in (*a, *b)):
        order = range(int(min(*a, *b)), int(max(*a, *b)) + 1)
        kappa = cohen_kappa_estimate(
            [int(v) for v in a],
            [int(v) for v in b],
            weights="quadratic",
            order=order,
            groups=groups,
            n_resamples=N_RESAMPLES,
        )
        rows.append(AgreementRow(structure, comparison, "quadratic weighted kappa", "1", kappa))
    if len(a) >= 2:
        form = intraclass_correlation(np.transpose([a, b]))["ICC(2,1)"]
        rows.append(
            AgreementRow(
                structure, comparison, form.form, "1", Estimate(form.value, form.interval, form.n, len(set(groups)))
            )
        )
    if len(a) >= 3 and len(set(groups)) >= 2:
        numbers = {group: i for i, group in enumerate(dict.fromkeys(groups))}
        limits = bland_altman(a, b, groups=[numbers[g] for g in groups])
        for name, value, interval in (
            ("bias", limits.bias, limits.bias_interval),
            ("lower limit of agreement", limits.lower, limits.lower_interval),
            ("upper limit of agreement", limits.upper, limits.upper_interval),
        ):
            made = Estimate(value, interval, limits.n, limits.n_groups)
            rows.append(AgreementRow(structure, comparison, name, "{score}", made))
    return rows


def _frames(values: _Values, structure: str) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for (name, clip_key, frame), _ in values.items():
        if name == structure and frame is not None:
            found.setdefault(clip_key, []).append(frame)
    return found


def _phase_rows(
    structure: str,
    a: Mapping[str, list[int]],
    b: Mapping[str, list[int]],
    comparison: str,
    clips: Mapping[str, ClipFacts],
) -> list[AgreementRow]:
    """Frames of one phase: each mark of the first reader to the nearest of the second."""
    pairs = [
        (clip_key, min(abs(frame - other) for other in b[clip_key]))
        for clip_key in a
        if clip_key in b
        for frame in a[clip_key]
    ]
    if not pairs:
        return []
    groups = [clips[clip_key].subject_key for clip_key, _ in pairs]
    distance = _mean([float(d) for _, d in pairs], groups)
    return [AgreementRow(structure, comparison, "mean absolute difference", "{frame}", distance)]


def _all_readers(by_reading: Mapping[Reading, _Values], clips: Mapping[str, ClipFacts]) -> list[AgreementRow]:
    """Fleiss' kappa of labels and ICC of scores, of three or more readers in their first round."""
    readers = {author: values for (author, number), values in by_reading.items() if number == 1}
    if len(readers) < 3:
        return []
    rows: list[AgreementRow] = []
    keys = list(dict.fromkeys(key for values in readers.values() for key in values))
    for structure in dict.fromkeys(key[0] for key in keys):
        of_it = [k for k in keys if k[0] == structure and not (structure == VIEW and k[2])]
        marks = [[values.get(key) for values in readers.values()] for key in of_it]
        groups: list[Hashable] = [clips[key[1]].subject_key for key in of_it]
        comparison = f"all {len(readers)} readers, round 1"
        if structure in (VIEW, UNUSABLE):
            labels = [[None if mark is None else mark.label for mark in row] for row in marks]
            if any(sum(label is not None for label in row) >= 2 for row in labels):
                kappa = fleiss_kappa_estimate(labels, groups=groups, n_resamples=N_RESAMPLES)
                rows.append(AgreementRow(structure, comparison, "Fleiss' kappa", "1", kappa))
        elif all(mark is None or mark.score is not None for row in marks for mark in row):
            scores = np.array([[math.nan if m is None or m.score is None else m.score for m in row] for row in marks])
            complete = np.isfinite(scores).all(axis=1)
            if complete.sum() >= 2:
                n_subjects = len({g for g, kept in zip(groups, complete, strict=True) if kept})
                for form in intraclass_correlation(scores).values():
                    made = Estimate(form.value, form.interval, form.n, n_subjects)
                    rows.append(AgreementRow(structure, comparison, form.form, "1", made))
    return rows


def _agreed(
    marks: Sequence[Annotation], clips: Mapping[str, ClipFacts], time: datetime, round: int
) -> Annotation | None:
    first = marks[0]

    def made(**values: object) -> Annotation:
        return Annotation(first.clip_key, first.structure, CONSENSUS, round, time, first.frame, **values)  # type: ignore[arg-type]

    if first.score is not None:
        return made(score=median_score([m.score if m.score is not None else math.nan for m in marks]))
    if first.label is not None:
        label = majority_label([m.label for m in marks])
        return None if label is None else made(label=label)
    contours = [_contour(m) for m in marks]
    if len(contours) == 1:
        return made(contour_px=contours[0])
    shape = clips[first.clip_key].shape[1:]
    outlines = mask_outlines(staple([polygon_mask(c, shape) for c in contours]).mask)
    return made(contour_px=outlines[0]) if outlines else None


def _median_frames(by_author: Mapping[str, list[int]]) -> list[int]:
    """Frames of one phase: beat by beat where all readers marked as many, else of the readers who marked most often."""
    counts = [len(frames) for frames in by_author.values()]
    n_beats = max(set(counts), key=lambda n: (counts.count(n), n))
    kept = np.array([sorted(frames) for frames in by_author.values() if len(frames) == n_beats])
    return [_half_up(v) for v in np.median(kept, axis=0)]


def _half_up(value: float) -> int:
    """The later frame where a median falls between two."""
    return math.floor(value + 0.5)


def _contour(mark: Annotation) -> np.ndarray:
    if mark.contour_px is None:
        raise ValueError("a contour was expected")
    return np.asarray(mark.contour_px, np.float64)


def _mean(values: Sequence[float] | np.ndarray, groups: Sequence[Hashable]) -> Estimate:
    numbers = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    mean: Callable[[np.ndarray], float] = lambda v: float(v.mean())  # noqa: E731
    return estimate(values, mean, groups=[numbers[g] for g in groups], n_resamples=N_RESAMPLES)
