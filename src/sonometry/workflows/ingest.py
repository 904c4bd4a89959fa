"""A folder of recordings into the catalogue of a workspace, and out of it as manifest.csv.

Files are read in several processes and entered in batches, in the order of the folder; a run may be killed at any
moment and the same call goes on. What has not changed since is not read again.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sonometry.core.application import Progress, no_progress
from sonometry.core.errors import DataError, OutputError, UsageError
from sonometry.core.parallel import unordered
from sonometry.data.catalogue import Catalogue
from sonometry.data.clip_facts import ClipFacts, FileStamp, read_facts, stamp_of
from sonometry.deid.journal import write_refused
from sonometry.deid.keys import open_key
from sonometry.deid.places import Places
from sonometry.io.atomic import write_atomic
from sonometry.io.manifest import Manifest, ManifestRow, read_manifest, write_manifest

MANIFEST, FORMER = "manifest.csv", "manifest.former.csv"
UNREADABLE, DUPLICATES = "unreadable.csv", "duplicates.csv"
#: Files that Sonometry writes beside recordings.
_OWN = frozenset({MANIFEST, FORMER, "simulation.json", "deidentification.json"})
#: Files in one transaction: what a kill costs at most, in each process.
BATCH = 32
#: Below this, starting processes costs more than it saves.
_FEW = 200


@dataclass(frozen=True)
class Unreadable:
    """A file that could not be read: its number in `unreadable.csv` of the workspace, and the reason."""

    path: Path = field(repr=False)
    number: int
    reason: str


@dataclass(frozen=True)
class IngestResult:
    """What the catalogue holds of the folder now.

    n_clips : contents, n_subjects, n_studies : whose they are. n_read : files that were read this time; n_unchanged :
    those known from before. n_duplicates : files whose content another one has already. n_missing : clips whose file
    has gone. manifest : None where the folder may not be written to. notes : one sentence each.
    """

    n_clips: int
    n_subjects: int
    n_studies: int
    n_read: int
    n_unchanged: int
    n_duplicates: int
    n_missing: int
    unreadable: tuple[Unreadable, ...]
    manifest: Path | None
    workspace: Path
    notes: tuple[str, ...] = ()


def ingest(
    folder: Path | str,
    *,
    workspace: Path | str = "workspace",
    database: str | None = None,
    workers: int = 0,
    progress: Progress | None = None,
) -> IngestResult:
    """Enter all recordings below `folder` and write its manifest.csv anew.

    A manifest.csv that is there already (of a simulation, of another workspace, or filled in by hand) gives keys,
    labels and splits of the clips it names. database : a PostgreSQL URL instead of the file in the workspace.
    workers : processes; 0 takes one for every core.
    Raises DataError when nothing could be read, UsageError, OutputError.
    """
    root, place = Path(folder), Path(workspace)
    _check(root, place, workers)
    places = Places(place)
    places.make()
    open_key(places.folder)
    with Catalogue(place, database) as catalogue:
        run = _Run(root, place, catalogue, progress or no_progress)
        run.read(workers or os.cpu_count() or 1)
        return run.finish()


class _Run:
    """One call: which files there are, which of them are new, and what they hold."""

    def __init__(self, root: Path, workspace: Path, catalogue: Catalogue, progress: Progress) -> None:
        self.root, self.workspace, self.catalogue, self.progress = root, workspace, catalogue, progress
        manifest = root / MANIFEST
        self.rows: dict[str, ManifestRow] = {}
        for row in read_manifest(manifest) if manifest.exists() else ():
            self.rows.setdefault(row.path, row)
        self.stamps, self.unnamed = self._walk()
        self.root_id = catalogue.add_root(root)
        self.n_read = 0

    def read(self, workers: int) -> None:
        """Read what is new or has changed, and enter it batch by batch."""
        known = self.catalogue.files(self.root_id)
        todo = [s for path, s in self.stamps.items() if path not in known or known[path].stamp != s]
        kinds = {path: row.kind for path, row in self.rows.items()}
        key_folder = Places(self.workspace).folder
        jobs = [
            _Job(number, self.root, key_folder, tuple((s, kinds.get(s.path, "")) for s in todo[start : start + BATCH]))
            for number, start in enumerate(range(0, len(todo), BATCH))
        ]
        own = {c.clip_key for c in self.catalogue.clips(is_missing=None) if c.root_id == self.root_id}
        rows = {path: row for path, row in self.rows.items() if row.clip_key not in own}  # others are of former content
        for facts in _in_order(jobs, workers if len(todo) >= _FEW else 1):
            self.catalogue.record(self.root_id, facts, rows)
            self.n_read += len(facts)
            self.progress(self.n_read / len(todo), f"{self.n_read} of {len(todo)} files")

    def finish(self) -> IngestResult:
        """Take over the manifest, settle what moved, write the lists; DataError when nothing could be read."""
        n_kept = self.catalogue.apply_rows(self.root_id, self.rows.values())
        known = self.catalogue.files(self.root_id)
        unreadable = self._unreadable(known[path].reason for path in self.stamps)
        self._write_lists(unreadable)
        if len(unreadable) == len(self.stamps) + len(self.unnamed):
            raise DataError(
                f"{self.root.name} holds no recording that can be read ({len(unreadable)} files were looked at); "
                f"the reasons are in {UNREADABLE} of the workspace"
            )
        self.catalogue.settle(self.root_id, self.stamps)
        notes = [f"{n_kept} subjects keep the split of the catalogue, not that of {MANIFEST}"] if n_kept else []
        clips = self.catalogue.clips(root_id=self.root_id)
        written, lost = export_manifest(self.catalogue, self.root_id)
        notes += lost
        n_files = sum(known[path].clip_key is not None for path in self.stamps)
        return IngestResult(
            n_clips=len(clips),
            n_subjects=len({clip.subject_key for clip in clips}),
            n_studies=len({clip.study_key for clip in clips} - {None}),
            n_read=self.n_read,
            n_unchanged=len(self.stamps) - self.n_read,
            n_duplicates=n_files - len(clips),
            n_missing=len(self.catalogue.clips(is_missing=True)),
            unreadable=tuple(unreadable),
            manifest=written,
            workspace=self.workspace,
            notes=tuple(notes),
        )

    def _walk(self) -> tuple[dict[str, FileStamp], list[Path]]:
        """Stamps of all files in order, and files whose names no database or manifest can hold."""
        from sonometry.io.read import recording_files

        private = self.workspace.resolve()
        folders = [self.root / path for path in self.rows if (self.root / path).is_dir()]
        named = [path for path in folders if path.resolve().is_relative_to(self.root.resolve())]
        inside = set(named)
        stamps: dict[str, FileStamp] = {}
        unnamed: list[Path] = []
        for path in (*recording_files(self.root), *named):
            if path.name in _OWN or private in path.resolve().parents or not inside.isdisjoint(path.parents):
                continue
            if _is_plain(path.relative_to(self.root).as_posix()):
                stamp = stamp_of(self.root, path)
                stamps[stamp.path] = stamp
            else:
                unnamed.append(path)
        if not stamps and not unnamed:
            raise DataError(f"{self.root.name} holds no file; pass the folder with the recordings")
        return stamps, unnamed

    def _unreadable(self, reasons: Iterable[str]) -> list[Unreadable]:
        found = [(Path(path), why) for path, why in zip(self.stamps, reasons, strict=True) if why]
        found += [(p.relative_to(self.root), "its name is no plain text; rename it") for p in self.unnamed]
        found += [
            (Path(path), f"{MANIFEST} names it but it is not there") for path in self.rows if path not in self.stamps
        ]
        return [Unreadable(path, number, why) for number, (path, why) in enumerate(found, 1)]

    def _write_lists(self, unreadable: Sequence[Unreadable]) -> None:
        """Both lists hold names of files, so they stay in the workspace, closed to others."""
        write_refused(self.workspace / UNREADABLE, [(one.number, one.path, one.reason) for one in unreadable])
        roots = self.catalogue.roots()
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["clip_key", "file", "same_content_as"])
        for key, ((own_root, own), *others) in self.catalogue.duplicates().items():
            for root, path in others:
                writer.writerow([key, roots[root] / path, roots[own_root] / own])
        target = self.workspace / DUPLICATES
        write_atomic(target, text.getvalue())
        target.chmod(0o600)


@dataclass(frozen=True)
class _Job:
    """A batch for one process: the number tells its place."""

    number: int
    root: Path
    key_folder: Path
    files: tuple[tuple[FileStamp, str], ...]


def _read_batch(job: _Job) -> tuple[int, list[ClipFacts]]:
    key = open_key(job.key_folder)
    return job.number, [read_facts(job.root, stamp, key, kind) for stamp, kind in job.files]


def _in_order(jobs: Sequence[_Job], workers: int) -> Iterator[list[ClipFacts]]:
    """Batches as they come, but in order: of two files with one content the first in the folder has the clip."""
    if workers <= 1 or len(jobs) <= 1:
        yield from (_read_batch(job)[1] for job in jobs)
        return
    waiting: dict[int, list[ClipFacts]] = {}
    following = 0
    for number, facts in unordered(_read_batch, jobs, workers=min(workers, len(jobs))):
        waiting[number] = facts
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def export_manifest(catalogue: Catalogue, root_id: int) -> tuple[Path | None, list[str]]:
    """Write manifest.csv of one data root anew; None where that may not be written. Notes tell what was not kept."""
    root = catalogue.roots()[root_id]
    target = root / MANIFEST
    clips = catalogue.clips(root_id=root_id)
    if not root.is_dir() or not clips:
        return None, []
    labels = tuple(dict.fromkeys(name for clip in clips for name in clip.label_map))
    rows = tuple(clip.row() for clip in clips)
    notes = _keep_former(target, rows)
    try:
        write_manifest(Manifest(rows), target)
    except OutputError as error:
        return None, [*notes, f"{error}; the catalogue has everything ({len(labels)} labels)"]
    return target, notes


def _keep_former(target: Path, rows: Sequence[ManifestRow]) -> list[str]:
    """Keep a manifest that names clips which the new one does not have."""
    if not target.is_file():
        return []
    before = target.read_bytes()
    try:
        lost = len({row.clip_key for row in read_manifest(target)} - {row.clip_key for row in rows})
    except DataError:
        lost = 1
    if not lost:
        return []
    write_atomic(target.with_name(FORMER), before)
    return [f"{lost} rows of {MANIFEST} have no clip of their own any more; the former list is kept as {FORMER}"]


def _check(root: Path, workspace: Path, workers: int) -> None:
    if not root.exists():
        raise DataError(f"{root.name} does not exist; check the path")
    if not root.is_dir():
        raise UsageError(f"{root.name} is a file; ingest needs the folder with the recordings")
    if workers < 0:
        raise UsageError(f"--workers must be 0 or more, got {workers}")
    if root.resolve().is_relative_to(workspace.resolve() / "deid"):
        raise UsageError("the folder lies in the private part of the workspace; pass the folder with the recordings")


def _is_plain(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return "\\" not in path and path.isprintable()
