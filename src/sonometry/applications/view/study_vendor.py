"""Tables 4.3 and 4.4: learnt from one or two makes, validated on all others; six splits of equal size."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from sonometry.applications.view.study_clips import at_most, prepared, seeded, study_clips, three_vendors
from sonometry.applications.view.study_figures import bars_figure
from sonometry.applications.view.study_runs import (
    RISE_NOTE,
    Outcome,
    Recipe,
    Runs,
    adam,
    check_ran,
    configured,
    has_learnt,
    per_cent,
    picture_size,
    quick_rise,
    unlearnt_note,
)
from sonometry.core.errors import DataError
from sonometry.core.paper_study import StudyRequest, StudyResult, Table
from sonometry.core.report import Figure
from sonometry.data.frames import FrameTable
from sonometry.data.labelled import LabelledClips
from sonometry.data.sampling import equal_by_source

#: Table 4.4 (MobileNet, baseline). The makes stand in the thesis's order: Epiq 7G, ie33, SC2000.
THESIS = {
    ("Epiq",): ("81.3 %", "88.0 %"),
    ("ie33",): ("84.4 %", "87.4 %"),
    ("SC2000",): ("80.5 %", "84.1 %"),
    ("Epiq", "ie33"): ("85.6 %", "90.0 %"),
    ("Epiq", "SC2000"): ("86.2 %", "89.1 %"),
    ("ie33", "SC2000"): ("87.3 %", "87.8 %"),
}
THESIS_VENDORS = ("Epiq", "ie33", "SC2000")
#: Quick: frames of the other makes that are validated on.
_QUICK_VALIDATION = 600
#: Network, whether from ImageNet, column of the thesis.
NETWORKS = (("mobilenet", True, 0), ("mobilenet", False, None), ("madani", False, 1))


def vendor(request: StudyRequest) -> StudyResult:
    """Every split with every network; the same frames of each class in all of them."""
    clips, notes = study_clips(request)
    vendors = three_vendors(clips)
    clips = clips.of_vendors(vendors)
    _check_patients(clips)
    splits = [*combinations(vendors, 1), *(combinations(vendors, 2) if len(vendors) > 2 else ())]
    runs = Runs(request, len(splits) * len(NETWORKS))
    outcomes: dict[tuple[tuple[str, ...], str], Outcome] = {}
    for name, is_pretrained, _ in NETWORKS:
        table = prepared(request, clips, picture_size(name, quick=request.quick))
        sizes = _sizes(table, vendors)
        for number, chosen in enumerate(splits):
            train, validation = _sides(table, chosen, sizes, number)
            validation = at_most(validation, _QUICK_VALIDATION) if request.quick else validation
            start = _label(name, is_pretrained)
            outcomes[chosen, start] = runs.run(
                f"{name}{'-imagenet' if is_pretrained else ''}-{'-'.join(chosen)}",
                _recipe(name, is_pretrained, quick=request.quick), train, validation,
            )  # fmt: skip
    check_ran(list(outcomes.values()))
    table_4_4 = _table(splits, vendors, outcomes)
    return StudyResult(
        (table_4_4,), (_figure(splits, outcomes),), (*notes, *_notes(request, len(clips.class_names), outcomes))
    )


def _check_patients(clips: LabelledClips) -> None:
    """DataError for a patient under two makes, who would be on both sides."""
    seen: dict[str, str] = {}
    for row in clips.rows:
        if seen.setdefault(row.subject_key, row.vendor) != row.vendor:
            raise DataError(
                f"subject {row.subject_key} was recorded by {seen[row.subject_key]} and {row.vendor}, and would be "
                "learnt from and validated on; leave those clips out"
            )


def _sizes(table: FrameTable, vendors: tuple[str, ...]) -> list[int]:
    """Frames of each class in every training set: those of the make that has fewest in all."""
    sources = table.keys()["vendors"]
    smallest = min(vendors, key=lambda name: int((sources == name).sum()))
    counts = np.bincount(table.labels[sources == smallest], minlength=len(table.clips.class_names))
    return [int(n) for n in counts]


def _sides(table: FrameTable, chosen: tuple[str, ...], sizes: list[int], number: int) -> tuple[FrameTable, FrameTable]:
    """Frames to learn from, equal shares of the chosen makes, and all frames of the other makes."""
    sources = table.keys()["vendors"]
    kept = equal_by_source(table.labels, sources, chosen, sizes, rng=seeded(number))
    return table.chosen(kept), table.chosen(np.flatnonzero(~np.isin(sources, chosen)))


def _recipe(name: str, is_pretrained: bool, *, quick: bool) -> Recipe:
    config = configured(name, quick=quick, pretrained=is_pretrained)
    if quick:
        return Recipe(config, adam(1e-3, 8, batch_size=16, every=4, rise=quick_rise(name)))
    return Recipe(config, adam(1e-3 if name == "madani" else 1e-5, 50, batch_size=64))


def _label(name: str, is_pretrained: bool) -> str:
    if name == "madani":
        return "baseline"
    return f"MobileNet, {'ImageNet' if is_pretrained else 'random'}"


def _table(
    splits: list[tuple[str, ...]], vendors: tuple[str, ...], outcomes: dict[tuple[tuple[str, ...], str], Outcome]
) -> Table:
    """Highest validation accuracy of every split, the thesis's beside it by place in the table."""
    role = dict(zip(vendors, THESIS_VENDORS, strict=False))
    rows = []
    for chosen in splits:
        key = tuple(role[name] for name in chosen)
        cells: list[str | None] = [" & ".join(chosen), " & ".join(key)]
        for name, is_pretrained, column in NETWORKS:
            o = outcomes[chosen, _label(name, is_pretrained)]
            cells.append(o.missing or per_cent(o.validation_accuracy))
            if column is not None:
                cells.append(THESIS[key][column])
        cells.append(str(outcomes[chosen, "baseline"].n_train))
        rows.append(tuple(cells))
    return Table(
        "Table 4.4: learnt from some makes, validated on the others",
        (
            "learnt from", "in place of", "MobileNet, ImageNet", "thesis", "MobileNet, random", "baseline", "thesis",
            "frames",
        ),
        tuple(rows),
        "Highest validation accuracy. The thesis's makes are others; its rows are matched by place only.",
    )  # fmt: skip


def _figure(splits: list[tuple[str, ...]], outcomes: dict[tuple[tuple[str, ...], str], Outcome]) -> Figure:
    names = [_label(name, is_pretrained) for name, is_pretrained, _ in NETWORKS]
    ran = [name for name in names if not outcomes[splits[0], name].missing]
    values = {name: [outcomes[s, name].validation_accuracy or 0.0 for s in splits] for name in ran}
    return bars_figure(values, [" & ".join(s) for s in splits], "Accuracy on the makes not learnt from")


def _notes(
    request: StudyRequest, n_classes: int, outcomes: dict[tuple[tuple[str, ...], str], Outcome]
) -> tuple[str, ...]:
    said = ["No patient is on both sides; every training set has the same number of frames of each class."]
    for name, is_pretrained, _ in NETWORKS:
        label = _label(name, is_pretrained)
        found = {s: o.validation_accuracy for (s, n), o in outcomes.items() if n == label and not o.missing}
        if found and not has_learnt(list(found.values()), n_classes):
            said.append(unlearnt_note(label, list(found.values()), n_classes))
            continue
        one = [v for s, v in found.items() if len(s) == 1 and v is not None]
        two = [v for s, v in found.items() if len(s) == 2 and v is not None]
        if one and two:
            gain = 100 * (float(np.mean(two)) - float(np.mean(one)))
            verdict = "as in the thesis" if gain > 0 else "other than in the thesis"
            said.append(
                f"{label}: two makes instead of one give {gain:+.1f} points on the others ({verdict}: +4.3, +2.5)."
            )
    if request.quick:
        said.append(
            f"Quick size: 8 epochs at rate 1e-3, MobileNet at 64 x 64, a third of the augmentation, at most "
            f"{_QUICK_VALIDATION} frames of the other makes, and {RISE_NOTE}."
        )
    return tuple(said)
