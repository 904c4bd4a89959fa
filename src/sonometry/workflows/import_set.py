"""A public data set, as it lies on disk, into manifest.csv and truth files; the recordings stay where they are."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from sonometry.core.application import Progress, no_progress
from sonometry.core.errors import DataError, UsageError
from sonometry.data.public.base import ImportOptions, PublicClip
from sonometry.data.public.registry import public_set
from sonometry.data.sparse_truth import packed
from sonometry.io.atomic import write_atomic
from sonometry.io.linked_folder import link_to
from sonometry.io.manifest import ManifestRow, read_manifest, write_manifest
from sonometry.workflows.output import check_directory

MANIFEST, FORMER, TRUTH = "manifest.csv", "manifest.former.csv", "truth"


@dataclass(frozen=True)
class ImportResult:
    """manifest : what was written. n_truth : clips with truth. left_out : clips whose truth could not be made, with
    the reason. notes : one sentence each, about what was left out or guessed."""

    manifest: Path
    n_clips: int
    n_subjects: int
    n_truth: int
    n_made: int
    splits: dict[str, int]
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def import_set(
    name: str,
    folder: Path | str,
    *,
    out: Path | str | None = None,
    fold: int = 0,
    subject: str | None = None,
    workers: int = 4,
    progress: Progress | None = None,
) -> ImportResult:
    """Write manifest.csv and truth/CLIP.truth.npz for the set `name` in `folder`.

    out : where; the folder of the set by default. Elsewhere, the paths lead through one link, `recordings`, to the set.
    fold : the published fold that tests, where a set has folds. subject : regular expression that finds the patient in
    a path (folders of classes). A run that was stopped goes on: truth files that are there are kept.
    Raises UsageError, DataError that says what layout was expected, OutputError.
    """
    place = Path(folder)
    if not place.is_dir():
        raise DataError(f"{place.name or place} is no folder; pass the folder of the set")
    if fold < 0 or workers < 1:
        raise UsageError("--fold must be 0 or more and --workers 1 or more")
    target = place if out is None else Path(out)
    check_directory(target)
    found = public_set(name).listing(place, ImportOptions(fold, subject))
    clips, notes = _apart(found.clips)
    prefix = link_to(place, target)
    rows: list[ManifestRow] = []
    left_out: list[tuple[str, str]] = []
    n_made, step = 0, max(1, len(clips) // 20)
    for number, made in enumerate(_with_truth(clips, target, workers), start=1):
        rows.append(_placed(made.row, prefix))
        n_made += made.is_new
        if made.reason:
            left_out.append((made.row.clip_key, made.reason))
        if number % step == 0 or number == len(clips):
            (progress or no_progress)(number / len(clips), f"{number} of {len(clips)} clips")
    rows, kept_notes = _with_former(rows, target)
    write_manifest(rows, target / MANIFEST)
    return ImportResult(
        manifest=target / MANIFEST,
        n_clips=len(rows),
        n_subjects=len({row.subject_key for row in rows}),
        n_truth=sum(bool(row.truth_path) for row in rows),
        n_made=n_made,
        splits={split: sum(row.split == split for row in rows) for split in dict.fromkeys(row.split for row in rows)},
        left_out=tuple(left_out),
        notes=(*found.notes, *notes, *kept_notes),
    )


@dataclass(frozen=True)
class _Made:
    """A row with its truth; reason : why it has none though the set has."""

    row: ManifestRow
    is_new: bool = False
    reason: str = ""


def _placed(row: ManifestRow, prefix: PurePosixPath) -> ManifestRow:
    """The row with paths, also those among its labels, as seen from the manifest."""
    labels = {n: (prefix / v).as_posix() if n.endswith("_path") and v else v for n, v in row.labels.items()}
    return replace(row, path=(prefix / row.path).as_posix(), labels=labels)


def _with_former(rows: list[ManifestRow], target: Path) -> tuple[list[ManifestRow], list[str]]:
    """Take over what a former manifest.csv has beyond the set: splits where the set has none, and further labels.

    Its rows of clips that are no longer there go into manifest.former.csv.
    """
    path = target / MANIFEST
    if not path.exists():
        return rows, []
    former = {row.clip_key: row for row in read_manifest(path)}
    split_of = {row.subject_key: row.split for row in former.values() if row.split}
    published = {row.subject_key for row in rows if row.split}
    taken = 0
    for number, row in enumerate(rows):
        split = row.split or ("" if row.subject_key in published else split_of.get(row.subject_key, ""))
        before = former[row.clip_key].labels if row.clip_key in former else {}
        labels = {**before, **row.labels}
        taken += split != row.split
        rows[number] = replace(row, split=split, labels=labels)
    notes = [f"splits of the manifest.csv that was there are kept: {taken}"] if taken else []
    lost = [row for key, row in former.items() if key not in {row.clip_key for row in rows}]
    if lost:
        write_manifest(lost, target / FORMER)
        notes.append(
            f"{len(lost)} rows of the manifest.csv that was there are no clips of the set; they are in {FORMER}"
        )
    return rows, notes


def _with_truth(clips: tuple[PublicClip, ...], target: Path, workers: int) -> Iterator[_Made]:
    """Rows in order. Threads: reading, rasterising and packing leave Python's lock."""
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield from pool.map(lambda clip: _make_truth(clip, target), clips)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _make_truth(clip: PublicClip, target: Path) -> _Made:
    if clip.truth is None:
        return _Made(clip.row)
    name = f"{TRUTH}/{clip.row.clip_key}.truth.npz"
    if _is_whole(target / name):
        return _Made(replace(clip.row, truth_path=name))
    try:
        truth = clip.truth()
    except DataError as error:
        return _Made(clip.row, reason=str(error))
    if not truth:
        return _Made(clip.row)
    write_atomic(target / name, packed(truth))
    return _Made(replace(clip.row, truth_path=name), is_new=True)


def _is_whole(path: Path) -> bool:
    """Whether a truth file of an earlier run is there and can be read."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return bool(arrays.files)
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def _apart(clips: tuple[PublicClip, ...]) -> tuple[tuple[PublicClip, ...], tuple[str, ...]]:
    """Clips whose patient is in two published splits lose theirs, and a note tells; a repeated key is an error."""
    seen: set[str] = set()
    for clip in clips:
        if clip.row.clip_key in seen:
            raise DataError(f"the set names {clip.row.clip_key} twice; each clip must be listed once")
        seen.add(clip.row.clip_key)
    splits: dict[str, set[str]] = {}
    for clip in clips:
        splits.setdefault(clip.row.subject_key, set()).add(clip.row.split)
    mixed = {subject for subject, names in splits.items() if len(names - {""}) > 1}
    if not mixed:
        return clips, ()
    kept = tuple(replace(c, row=replace(c.row, split="")) if c.row.subject_key in mixed else c for c in clips)
    note = (
        f"patients in two of the given splits: {len(mixed)}, left without one; run sonometry splits --data manifest.csv"
    )
    return kept, (note,)
