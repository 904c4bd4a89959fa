"""The sides of a cross-validation by patient."""

from __future__ import annotations

from sonometry.data.labelled import LabelledClips
from sonometry.data.splits import Group, folds


def sides_of_folds(clips: LabelledClips, k: int, *, seed: int) -> tuple[tuple[LabelledClips, LabelledClips], ...]:
    """(train, validation) of every fold; each patient is validated on once."""
    groups = [
        Group(row.subject_key, label, row.vendor, "", 1) for row, label in zip(clips.rows, clips.labels, strict=True)
    ]
    fold_of = folds(groups, k, seed=seed)
    places = [fold_of[row.subject_key] for row in clips.rows]
    return tuple(
        (clips.chosen(p != fold for p in places), clips.chosen(p == fold for p in places)) for fold in range(k)
    )
