"""Patient-wise splits of a catalogue or of a manifest, kept once they are made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sonometry.core.errors import DataError, UsageError
from sonometry.data.catalogue import Catalogue
from sonometry.data.schema import CATALOGUE_FILE
from sonometry.data.splits import Distribution, Group, Shares, distributions, split_subjects, warnings_of
from sonometry.io.manifest import COLUMNS, Manifest, read_manifest, write_manifest
from sonometry.workflows.ingest import export_manifest

#: Columns that are no classes.
_NO_CLASS = frozenset({"clip_key", "path", "subject_key", "study_key", "split", "truth_path", "time_point"})
_CLASS_COLUMNS = tuple(name for name in COLUMNS if name not in _NO_CLASS)


@dataclass(frozen=True)
class SplitsResult:
    """splits : of every subject. n_new : subjects that got one now. manifests : what was written."""

    splits: dict[str, str]
    n_new: int
    distributions: tuple[Distribution, ...]
    notes: tuple[str, ...]
    manifests: tuple[Path, ...]


def splits(
    *,
    workspace: Path | str | None = None,
    data: Path | str | None = None,
    database: str | None = None,
    train: float = 0.7,
    validation: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    label: str | None = None,
    redo: bool = False,
) -> SplitsResult:
    """Give every subject a split, so that classes and vendors have the same shares in all, and write manifest.csv.

    workspace : whose catalogue is split (default "workspace"); data : a manifest.csv to be split instead.
    label : column whose classes are kept in proportion; None takes `view` where clips have one. A subject that has a
    split keeps it unless `redo`. The same seed gives the same splits.
    Raises UsageError, DataError, OutputError.
    """
    shares = Shares(train, validation, test)
    if seed < 0:
        raise UsageError(f"--seed must be 0 or more, got {seed}")
    if data is not None:
        if workspace is not None or database is not None:
            raise UsageError("give --data for a manifest, or --workspace or --database for a catalogue, not both")
        return _of_manifest(Path(data), shares, seed, label, redo)
    place = Path("workspace" if workspace is None else workspace)
    if database is None and not (place / CATALOGUE_FILE).is_file():
        raise DataError(
            f"{place.name} holds no {CATALOGUE_FILE}; run sonometry ingest DIR, or pass --data manifest.csv"
        )
    with Catalogue(place, database) as catalogue:
        return _of_catalogue(catalogue, shares, seed, label, redo)


def _of_manifest(path: Path, shares: Shares, seed: int, label: str | None, redo: bool) -> SplitsResult:
    manifest = read_manifest(path, with_splits=not redo)
    column = _column(label, manifest.label_names)
    counts = Counter(
        (row.subject_key, row.labels.get(column, "") if column in manifest.label_names else row[column], row.vendor)
        for row in manifest
    )
    given = {row.subject_key: row.split for row in manifest if row.split}
    groups = [Group(key, value, vendor, given.get(key, ""), n) for (key, value, vendor), n in counts.items()]
    result = _split(groups, shares, seed, label, redo)
    rows = tuple(replace(row, split=result.splits[row.subject_key]) for row in manifest)
    write_manifest(Manifest(rows, manifest.folder), path)
    return replace(result, manifests=(path,))


def _of_catalogue(catalogue: Catalogue, shares: Shares, seed: int, label: str | None, redo: bool) -> SplitsResult:
    column = _column(label, catalogue.label_names())
    groups = list(map(Group._make, catalogue.groups(column)))
    result = _split(groups, shares, seed, label, redo)
    catalogue.assign(result.splits, replace=redo)
    written: list[Path] = []
    notes: list[str] = []
    for root_id in catalogue.roots():
        manifest, told = export_manifest(catalogue, root_id)
        written += [manifest] if manifest else []
        notes += told
    return replace(result, manifests=tuple(written), notes=(*result.notes, *notes))


def _column(label: str | None, label_names: Sequence[str]) -> str:
    if label is None:
        return "view"
    if label not in _CLASS_COLUMNS and label not in label_names:
        there = ", ".join((*_CLASS_COLUMNS, *label_names))
        raise UsageError(f"there is no column {label!r} to take classes from; --label may be: {there}")
    return label


def _split(groups: Sequence[Group], shares: Shares, seed: int, label: str | None, redo: bool) -> SplitsResult:
    column, notes = label or "view", []
    if not groups:
        raise DataError("there are no clips to split; run sonometry ingest DIR first")
    if not any(group.label for group in groups):
        if label is not None:
            raise DataError(f"{label} is empty in all clips; label them first, or leave out --label")
        notes.append("no clip has a view, so only vendors are kept in proportion; --label COLUMN names other classes")
    chosen = split_subjects(groups, shares, seed=seed, redo=redo)
    before = {group.subject for group in groups if group.split}
    return SplitsResult(
        splits=chosen,
        n_new=len(chosen) if redo else len(chosen.keys() - before),
        distributions=distributions(groups, chosen, column),
        notes=(*notes, *warnings_of(groups, chosen, shares, column)),
        manifests=(),
    )
