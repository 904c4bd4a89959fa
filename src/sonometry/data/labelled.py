"""Labelled clips of a manifest: which class each has, in which split, and whether they can be learnt from at all.

Everything that would spoil a training is told here, before it begins, in one line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sonometry.core.errors import DataError
from sonometry.data.splits import Group, given_splits
from sonometry.io.manifest import COLUMNS, Manifest, ManifestRow, read_manifest


@dataclass(frozen=True)
class LabelledClips:
    """Clips with a class each. class_names : in the order of the network's outputs. labels : name of every row.

    folder : where the paths of the rows start.
    """

    class_names: tuple[str, ...]
    rows: tuple[ManifestRow, ...]
    labels: tuple[str, ...]
    folder: Path

    def __len__(self) -> int:
        return len(self.rows)

    def file_of(self, row: ManifestRow) -> Path:
        """The recording of a row."""
        return self.folder / row.path

    @property
    def subjects(self) -> frozenset[str]:
        """All patients."""
        return frozenset(row.subject_key for row in self.rows)

    @property
    def vendors(self) -> tuple[str, ...]:
        """All vendors in alphabetical order."""
        return tuple(sorted({row.vendor for row in self.rows}))

    def chosen(self, keep: Iterable[bool]) -> LabelledClips:
        """The clips where `keep` is true."""
        pairs = [(row, label) for row, label, k in zip(self.rows, self.labels, keep, strict=True) if k]
        return replace(self, rows=tuple(r for r, _ in pairs), labels=tuple(label for _, label in pairs))

    def of_split(self, split: str) -> LabelledClips:
        """Clips of one split. DataError where it is empty."""
        part = self.chosen(row.split == split for row in self.rows)
        if not part.rows:
            raise DataError(f"no labelled clip is in the split {split!r}; run sonometry splits --data manifest.csv")
        return part

    def of_vendors(self, vendors: Sequence[str], *, are_others: bool = False) -> LabelledClips:
        """Clips of some vendors, or of all the others."""
        return self.chosen((row.vendor in vendors) != are_others for row in self.rows)


def read_labelled(path: Path | str, label: str = "view", class_names: Sequence[str] = ()) -> LabelledClips:
    """Clips of a manifest that have a value in the column `label`; the others are left out.

    class_names : the classes in order; by default those that occur, alphabetically.
    Raises DataError for a missing column, a label that is no class, and a patient in two splits.
    """
    return labelled(read_manifest(path), label, class_names, name=Path(path).name)


def labelled(
    manifest: Manifest, label: str = "view", class_names: Sequence[str] = (), *, name: str = "the manifest"
) -> LabelledClips:
    """As `read_labelled`, of a manifest in memory."""
    if label not in COLUMNS and label not in manifest.label_names:
        there = ", ".join(("view", "plane", *manifest.label_names))
        raise DataError(f"{name} has no column {label!r} to take classes from; there are: {there}")
    given_splits(Group(row.subject_key, row[label], row.vendor, row.split, 1) for row in manifest)
    pairs = [(row, row[label]) for row in manifest if row.kind == "cine" and row[label]]
    if not pairs:
        raise DataError(f"{name} has no cine with a value in {label!r}; label the clips first")
    names = tuple(class_names) or tuple(sorted({value for _, value in pairs}))
    for row, value in pairs:
        if value not in names:
            raise DataError(
                f"clip {row.clip_key} has the unknown {label} {value[:40]!r}; expected one of: {', '.join(names)}"
            )
    return LabelledClips(names, tuple(r for r, _ in pairs), tuple(v for _, v in pairs), manifest.folder)


def check_learnable(train: LabelledClips, validation: LabelledClips) -> None:
    """DataError for a class without a clip, one with a single patient in all, or a patient on both sides."""
    shared = sorted(train.subjects & validation.subjects)
    if shared:
        raise DataError(f"subject {shared[0]} is in train and in validation; run sonometry splits --redo")
    owners: dict[str, set[str]] = defaultdict(set)
    trained = set(train.labels)
    for part in (train, validation):
        for row, value in zip(part.rows, part.labels, strict=True):
            owners[value].add(row.subject_key)
    for name in train.class_names:
        if not owners[name]:
            raise DataError(f"class {name} has no clip; add some, or leave it out with --classes")
        if len(owners[name]) == 1:
            raise DataError(
                f"class {name} has one patient, who cannot be learnt from and validated on; "
                "add patients, or leave it out with --classes"
            )
        if name not in trained:
            raise DataError(f"class {name} has no clip in train; run sonometry splits --redo")
