"""How far readers, and rounds of one reader, agree: kappa of views, kappa and ICC of scores, Dice and distance of
contours; with intervals by patient. Plain tables that the page and the export show alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from sonometry.annotate.desk import Desk
from sonometry.annotate.readings import (
    Reading,
    annotations_of,
    consensus_contours,
    consensus_scores,
    consensus_views,
    readings_of,
    score_table,
    view_label,
)
from sonometry.annotate.store import Scope
from sonometry.annotate.structures import VIEW, contour_structure
from sonometry.annotate.surveys import Survey
from sonometry.annotate.work_lists import Work, WorkList, done_targets, targets_of
from sonometry.core.annotation import Annotation
from sonometry.evaluation.agreement import (
    cohen_kappa_estimate,
    fleiss_kappa_estimate,
    intraclass_correlation,
)
from sonometry.evaluation.estimate import Estimate, estimate
from sonometry.evaluation.overlap import contour_distance, overlap
from sonometry.numerics.polygons import polygon_mask

_MOST_ROWS = 500


@dataclass(frozen=True)
class Table:
    """A table of a page. Cells are text, numbers or None."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""


def results_of(desk: Desk, one: WorkList) -> dict[str, Any]:
    """Readings, agreement and consensus of a list, as JSON."""
    targets = targets_of(one, desk.catalogue, reader="", round_=1)
    keys = {target.key for target in targets}
    subjects = {target.key: target.clips[0].subject_key for target in targets}
    readings = [
        Reading(r.list_name, r.reader, r.round, tuple(m for m in r.marks if m.target in keys))
        for r in readings_of(desk, one.scope("", 1).list_name)
    ]
    readings = [reading for reading in readings if reading.marks]
    survey = desk.survey_of(one)
    tables: list[Table] = []
    consensus: Table | None = None
    if one.is_blind and len(readings) > 1:
        tables, consensus = _compared(desk, one, readings, subjects, survey)
    note = (
        "Readers worked alone. Intervals are 95 %; those of kappa, Dice and distance are resampled by patient."
        if one.is_blind
        else "All work on one set of marks. To compare readers, make a list in which they are blind to each other."
    )
    return {
        "note": note,
        "n": len(targets),
        "readings": [_reading_row(desk, one, reading, survey) for reading in readings],
        "tables": [vars(table) for table in tables],
        "consensus": vars(consensus) if consensus else None,
    }


def _compared(
    desk: Desk, one: WorkList, readings: Sequence[Reading], subjects: dict[str, str], survey: Survey | None
) -> tuple[list[Table], Table]:
    if one.work is Work.VIEWS:
        return _views(readings, subjects), _view_consensus(readings, subjects)
    if one.work is Work.SCORES and survey:
        return _scores(readings, subjects, survey), _score_consensus(readings, survey)
    return _contours(desk, readings, subjects), _contour_consensus(desk, readings)


def _reading_row(desk: Desk, one: WorkList, reading: Reading, survey: Survey | None) -> dict[str, Any]:
    scope = Scope(reading.list_name, reading.reader, reading.round)
    done = done_targets(one, desk.store, scope, survey)
    keys = {mark.target for mark in reading.marks}
    last = max(mark.time for mark in reading.marks)
    return {"reader": reading.reader, "round": reading.round, "n_done": len(done & keys), "last": last}


def _pairs(readings: Sequence[Reading]) -> Iterator[tuple[str, Reading, Reading]]:
    """Readers of the same round, then rounds of the same reader."""
    for a, b in combinations(readings, 2):
        if a.round == b.round:
            yield f"{a.reader} and {b.reader}, reading {a.round}", a, b
    for a, b in combinations(readings, 2):
        if a.reader == b.reader:
            yield f"{a.reader}, readings {a.round} and {b.round}", a, b


def _views(readings: Sequence[Reading], subjects: dict[str, str]) -> list[Table]:
    rows = []
    for name, a, b in _pairs(readings):
        first, second = _view_labels(a), _view_labels(b)
        keys = sorted(set(first) & set(second))
        if not keys:
            continue
        one, two = [first[k] for k in keys], [second[k] for k in keys]
        same = sum(x == y for x, y in zip(one, two, strict=True)) / len(keys)
        kappa = cohen_kappa_estimate(one, two, groups=[subjects[k] for k in keys])
        rows.append((name, len(keys), f"{100 * same:.1f} %", _shown(kappa)))
    tables = [Table("Agreement of views", ("Between", "Clips", "Same view", "Cohen's kappa"), tuple(rows))]
    for number in sorted({r.round for r in readings}):
        labels = [_view_labels(r) for r in readings if r.round == number]
        keys = sorted(set().union(*labels))
        votes = [[own.get(key) for own in labels] for key in keys]
        if len(labels) > 2 and any(sum(v is not None for v in row) > 1 for row in votes):
            kappa = fleiss_kappa_estimate(votes, groups=[subjects[k] for k in keys])
            row = (f"{len(labels)} readers, reading {number}", kappa.n, _shown(kappa))
            tables.append(Table("All readers", ("Between", "Clips", "Fleiss' kappa"), (row,)))
    return tables


def _view_labels(reading: Reading) -> dict[str, str]:
    return {m.target: label for m in reading.marks if m.structure == VIEW and (label := view_label(m))}


def _scores(readings: Sequence[Reading], subjects: dict[str, str], survey: Survey) -> list[Table]:
    tables = []
    for name, a, b in _pairs(readings):
        rows = []
        for item in survey.items:
            table = {key: row for key, row in score_table((a, b), item.id).items() if None not in row}
            if len(table) < 2:
                continue
            values = np.array([row for row in table.values()], np.float64)
            kappa = cohen_kappa_estimate(
                [row[0] for row in table.values()],
                [row[1] for row in table.values()],
                weights="quadratic",
                order=list(range(item.low, item.high + 1)),
                groups=[subjects[key] for key in table],
            )
            icc = intraclass_correlation(values)["ICC(2,1)"]
            interval = f"{icc.value:.2f} ({icc.interval.low:.2f} to {icc.interval.high:.2f})"
            difference = float(np.abs(values[:, 0] - values[:, 1]).mean())
            rows.append((item.id, item.title, len(table), _shown(kappa), interval, f"{difference:.2f}"))
        if rows:
            columns = ("Score", "", "Exams", "Kappa, quadratic", "ICC(2,1)", "Mean difference")
            tables.append(Table(f"Agreement of {name}", columns, tuple(rows)))
    return tables


def _contours(desk: Desk, readings: Sequence[Reading], subjects: dict[str, str]) -> list[Table]:
    rows = []
    for name, a, b in _pairs(readings):
        first, second = _drawn(a), _drawn(b)
        for structure in sorted({key[2] for key in set(first) & set(second)}):
            keys = [key for key in sorted(set(first) & set(second)) if key[2] == structure]
            rows.append((name, *_contour_row(desk, structure, keys, first, second, subjects)))
    columns = ("Between", "Structure", "Frames", "Dice", "Mean distance, mm")
    note = "Open contours are closed by the straight line between their ends for Dice; distances follow the drawn line."
    return [Table("Agreement of contours", columns, tuple(rows), note)]


_Place = tuple[str, int, str]


def _drawn(reading: Reading) -> dict[_Place, Annotation]:
    found = {}
    for one in annotations_of(reading.marks):
        if one.contour_px is not None and one.frame is not None and len(one.contour_px) > 2:
            found[one.clip_key, one.frame, one.structure] = one
    return found


def _contour_row(
    desk: Desk,
    structure_name: str,
    keys: Sequence[_Place],
    first: dict[_Place, Annotation],
    second: dict[_Place, Annotation],
    subjects: dict[str, str],
) -> tuple[Any, ...]:
    structure = contour_structure(structure_name)
    masks: tuple[list[Any], list[Any]] = ([], [])
    distances, groups = [], [subjects[key[0]] for key in keys]
    for key in keys:
        pictures = desk.frames.pictures(key[0])
        shape = (pictures.n_rows, pictures.n_columns)
        lines = [np.asarray(side[key].contour_px) for side in (first, second)]
        for side, line in zip(masks, lines, strict=True):
            side.append(polygon_mask(line, shape))
        if pictures.spacing_m and structure:
            distance = contour_distance(lines[0], lines[1], pictures.spacing_m, is_closed=structure.is_closed)
            distances.append(distance.mean_m * 1e3)
        else:
            distances.append(math.nan)
    there = np.isfinite(distances)
    found = overlap(masks[0], masks[1], groups=groups)
    numbers = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    members = np.array([numbers[group] for group in groups])
    far = (
        _shown(estimate(np.array(distances)[there], lambda v: float(v.mean()), groups=members[there]))
        if there.any()
        else None
    )
    return structure.title if structure else structure_name, len(keys), _shown(found.dice), far


def _view_consensus(readings: Sequence[Reading], subjects: dict[str, str]) -> Table:
    agreed = consensus_views(readings)
    read = {m.target for r in readings for m in r.marks if m.structure == VIEW and view_label(m)}
    counts = [(label, sum(v == label for v in agreed.values())) for label in sorted(set(agreed.values()))]
    rows = (*counts, ("no majority", len(read - set(agreed))))
    return Table("Consensus of views", ("View", "Clips"), rows, "What most readings say.")


def _score_consensus(readings: Sequence[Reading], survey: Survey) -> Table:
    medians = {item.id: consensus_scores(readings, item.id) for item in survey.items}
    keys = sorted(set().union(*(set(table) for table in medians.values())))[:_MOST_ROWS]
    rows = tuple((key, *(medians[item.id].get(key) for item in survey.items)) for key in keys)
    return Table("Consensus of scores", ("Exam", *(i.id for i in survey.items)), rows, "Median over all readings.")


def _contour_consensus(desk: Desk, readings: Sequence[Reading]) -> Table:
    agreed = consensus_contours(desk, readings)
    names = sorted({one.structure for one in agreed})
    rows = tuple((_title(name), sum(one.structure == name for one in agreed)) for name in names)
    note = "Outline of what readers agree on: STAPLE of three and more readings, the common area of two."
    return Table("Consensus of contours", ("Structure", "Frames"), rows, note)


def _title(name: str) -> str:
    structure = contour_structure(name)
    return structure.title if structure else name


def _shown(one: Estimate) -> str | None:
    if not math.isfinite(one.value):
        return None
    if one.interval is None:
        return f"{one.value:.2f}"
    return f"{one.value:.2f} ({one.interval.low:.2f} to {one.interval.high:.2f})"
