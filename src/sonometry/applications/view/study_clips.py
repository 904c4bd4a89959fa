"""Clips that the studies of the thesis are run on: the user's manifest, or a simulated cohort made for the study.

Only the eight views are used, as in the thesis. Patients are apart in train, validation and test (80, 10 and 10 %).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sonometry.core.echo_views import EchoView
from sonometry.core.errors import DataError, UsageError
from sonometry.core.paper_study import StudyRequest
from sonometry.core.parallel import on_all_cores
from sonometry.data.labelled import LabelledClips, labelled
from sonometry.data.preparation import Rescaling
from sonometry.data.splits import Group, Shares, split_subjects
from sonometry.io.dicom_write import write_cine
from sonometry.io.manifest import Manifest, ManifestRow, read_manifest, write_manifest
from sonometry.simulation.phantoms.heart import ClipOptions, Patient, View

if TYPE_CHECKING:
    from sonometry.data.frames import FrameTable

#: Shares of the thesis, section 3.3.
SHARES = Shares(0.8, 0.1, 0.1)
#: Three invented makes stand for the three of the thesis.
SIMULATED_VENDORS = ("aurelia", "boreal", "cascade")
_SEED = 2019


@dataclass(frozen=True)
class CohortSize:
    """Patients, clips of each, frames of a clip, and rows of a frame.

    is_easy : pictures of good quality, cut to the sector, for trainings of a minute; else whole screens of any quality.
    """

    patients: int
    clips: int
    frames: int
    rows: int = 240
    is_easy: bool = False

    def __str__(self) -> str:
        easy = ", of good quality and cut to the sector" if self.is_easy else ""
        return f"{self.patients} patients, {self.clips} clips of {self.frames} frames each{easy}"


QUICK, FULL = CohortSize(240, 4, 2, rows=120, is_easy=True), CohortSize(420, 8, 20)
#: Quality of easy pictures, from 0 to 1.
_GOOD = 0.8


def study_clips(request: StudyRequest) -> tuple[LabelledClips, tuple[str, ...]]:
    """Labelled clips with a split each, and notes on where they come from.

    Raises UsageError for several manifests, DataError for one that cannot be used.
    """
    if len(request.data) > 1:
        raise UsageError(f"the study takes one manifest, got {len(request.data)}; join them with sonometry ingest")
    if request.data:
        path = request.data[0] / "manifest.csv" if request.data[0].is_dir() else request.data[0]
        manifest, origin = read_manifest(path), f"{path.name} of the user"
    else:
        size = QUICK if request.quick else FULL
        manifest = simulated_manifest(request, size)
        origin = f"simulation: {size}"
    clips, split_note = with_splits(manifest)
    return clips, (f"Data: {origin}.", *split_note)


def with_splits(manifest: Manifest) -> tuple[LabelledClips, tuple[str, ...]]:
    """The clips of the eight views; split by patient where the manifest has no splits."""
    names = [view.value for view in EchoView]
    rows = [row for row in manifest if row.view in names and row.kind == "cine"]
    found = [name for name in names if any(row.view == name for row in rows)]
    if len(found) < 2:
        raise DataError(f"the manifest has clips of {len(found)} of the views {', '.join(names)}; label at least two")
    note: tuple[str, ...] = ()
    if not all(row.split for row in rows):
        groups = [Group(row.subject_key, row.view, row.vendor, "", 1) for row in rows]
        splits = split_subjects(groups, SHARES, seed=_SEED, redo=True)
        rows = [replace(row, split=splits[row.subject_key]) for row in rows]
        note = ("The manifest has no splits; patients were divided 80, 10 and 10 % for this study.",)
    return labelled(Manifest(tuple(rows), manifest.folder), "view", found), note


def simulated_manifest(request: StudyRequest, size: CohortSize) -> Manifest:
    """The cohort in the cache of the study; clips that are there are kept."""
    folder = request.cache / f"cohort-{size.patients}x{size.clips}x{size.frames}{'-easy' if size.is_easy else ''}"
    path = folder / "manifest.csv"
    if path.is_file():
        return read_manifest(path)
    rows = [row for patient in range(size.patients) for row in _rows(patient, size)]
    missing = sorted({_number(row) for row in rows if not (folder / row.path).is_file()})
    for done, _ in enumerate(on_all_cores(partial(_simulate, folder, size), missing)):
        request.progress(0.1 * done / len(missing), "simulating patients")
    groups = [Group(row.subject_key, row.view, row.vendor, "", 1) for row in rows]
    splits = split_subjects(groups, SHARES, seed=_SEED)
    write_manifest([replace(row, split=splits[row.subject_key]) for row in rows], path)
    return read_manifest(path)


def _rows(patient: int, size: CohortSize) -> list[ManifestRow]:
    """What the manifest says of a patient's clips: views in turn."""
    views, n_vendors = list(View), len(SIMULATED_VENDORS)
    key = f"study-{patient:04d}"
    return [
        ManifestRow(
            f"{key}-{clip}", f"{key}-{clip}.dcm", "cine", key, key, vendor=SIMULATED_VENDORS[patient % n_vendors],
            view=views[(patient // n_vendors * size.clips + clip) % len(views)].value,
        )
        for clip in range(size.clips)
    ]  # fmt: skip


def _number(row: ManifestRow) -> int:
    """Of the patient."""
    return int(row.subject_key.removeprefix("study-"))


def _simulate(folder: Path, size: CohortSize, number: int) -> None:
    """Write those clips of one patient that are not there, frames spread over a beat."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = _rows(number, size)
    patient = Patient(_SEED * 10_000 + number, vendor=rows[0].vendor, subject_key=rows[0].subject_key)
    assert patient.parameters is not None
    rate = size.frames * patient.parameters.heart_rate_hz
    options = ClipOptions(
        n_frames=size.frames, frame_rate_hz=rate, size=(size.rows, size.rows * 4 // 3), is_cropped=size.is_easy,
        quality=_GOOD if size.is_easy else None, samples=160 if size.is_easy else 208,
        beams=80 if size.is_easy else 104, has_displacement=False,
    )  # fmt: skip
    for clip, row in enumerate(rows):
        path = folder / row.path
        if not path.is_file():
            cine = patient.recording(View(row.view), clip=clip, options=options).cine()
            write_cine(cine, path, subject_key=row.subject_key, study_key=row.study_key)


@dataclass(frozen=True)
class StudyFrames:
    """Prepared frames of one size: those to learn from, to choose with and to test on once."""

    train: FrameTable
    validation: FrameTable
    test: FrameTable


def study_frames(request: StudyRequest, clips: LabelledClips, size: tuple[int, int]) -> StudyFrames:
    """Frames of the three splits at (rows, columns), stretched as in the thesis."""
    train, validation, test = (
        prepared(request, clips.of_split(name), size) for name in ("train", "validation", "test")
    )
    return StudyFrames(train, validation, test)


def prepared(request: StudyRequest, clips: LabelledClips, size: tuple[int, int]) -> FrameTable:
    """Frames of some clips; prepared once for the study. A quick study takes at most 12 frames of a clip."""
    from sonometry.data.frames import frame_table

    limit = 12 if request.quick else 0
    return frame_table(clips, request.cache / "frames", Rescaling(*size), frames_per_clip=limit)


def at_most(table: FrameTable, most: int) -> FrameTable:
    """The table, or `most` evenly spaced frames of it."""
    n = len(table)
    return table if n <= most else table.chosen(np.linspace(0, n - 1, most).round().astype(np.intp))


def three_vendors(clips: LabelledClips) -> tuple[str, ...]:
    """The three makes with most clips, most first. DataError where there are fewer than two."""
    counts = Counter(row.vendor for row in clips.rows if row.vendor)
    if len(counts) < 2:
        raise DataError(f"the manifest names {len(counts)} vendors; this study needs at least two in the column vendor")
    return tuple(sorted(name for name, _ in counts.most_common(3)))


def seeded(*numbers: int) -> np.random.Generator:
    """Generator of one draw of a study."""
    return np.random.default_rng([_SEED, *numbers])
