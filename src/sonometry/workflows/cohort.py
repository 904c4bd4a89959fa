"""Many simulated recordings as files: in the formats real ones come in, each with its truth, listed in manifest.csv.

A run may be killed at any moment: every subject appears whole or not at all, and the same call goes on where it ended.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.core.application import Application, Progress, Simulated, no_progress
from sonometry.core.errors import UsageError
from sonometry.core.options import plain
from sonometry.core.parallel import unordered
from sonometry.core.simulation import Simulation
from sonometry.io.atomic import atomic_dir, write_atomic
from sonometry.io.manifest import ManifestRow, read_manifest, write_manifest
from sonometry.workflows.config import Configuration
from sonometry.workflows.output import check_directory, sole_writer
from sonometry.workflows.recordings import device_of, write_recording
from sonometry.workflows.simulate import check_seed, settings_of, simulated, simulation_of

MANIFEST, RECIPE = "manifest.csv", "simulation.json"
#: How many times as long as writing the manifest takes the next writing waits.
_COST = 20
_KEY = re.compile(r"(?P<subject>.+-\d+-\d{6,})(-\d{2,})?")


@dataclass(frozen=True)
class Subject:
    """One subject to be made, with one clip or several; the seed follows from that of the cohort, so that cohorts do
    not share clips."""

    simulation: Simulation
    settings: Any
    folder: Path
    cohort_seed: int
    index: int

    @property
    def key(self) -> str:
        return f"{self.simulation.name}-{self.cohort_seed}-{self.index:06d}"

    @property
    def seed(self) -> int:
        return int(np.random.SeedSequence([self.cohort_seed, self.index]).generate_state(1)[0])

    def clips(self) -> Iterator[tuple[str, Simulated]]:
        """Key and recording of every clip, one at a time."""
        if self.simulation.cohort is None:
            yield self.key, simulated(self.simulation, seed=self.seed, settings=self.settings)
            return
        made = self.simulation.load("cohort")(self.cohort_seed, self.index, self.settings)
        for number, clip in enumerate(made):
            yield f"{self.key}-{number:02d}", clip


def simulate_cohort(
    app: str | Application | Simulation,
    out: Path | str,
    *,
    n: int,
    seed: int = 0,
    workers: int = 1,
    config: Configuration = None,
    progress: Progress | None = None,
    **options: Any,
) -> Path:
    """Write `n` simulated subjects into `out` and return the path of manifest.csv.

    A subject is a patient with several clips where the simulation has such (view, strain), else one recording. Those
    that are there already, from an earlier call with the same seed and options, are kept; `n` may have grown. Raises
    UsageError where `out` holds a cohort made otherwise, OutputError where it cannot be written.
    """
    simulation = simulation_of(app)
    if n < 1:
        raise UsageError(f"--n must be 1 or more, got {n}")
    check_seed(seed)
    folder, told = Path(out), progress or no_progress
    settings = settings_of(simulation, config, options)
    check_directory(folder)
    _keep_recipe(folder, simulation, seed, settings)
    with sole_writer(folder):
        listing = _Listing(folder)
        wanted = [Subject(simulation, settings, folder, seed, index) for index in range(n)]
        missing = [subject for subject in wanted if subject.key not in listing.rows]
        done, what = n - len(missing), "recordings" if simulation.cohort is None else "patients"
        told(done / n, f"{done} of {n} {what}")
        with contextlib.closing(listing):
            for rows in _made(missing, workers):
                listing.add(rows)
                done += 1
                told(done / n, f"{done} of {n} {what}")
    return folder / MANIFEST


def make_subject(subject: Subject) -> tuple[ManifestRow, ...]:
    """Simulate and write all clips of a subject with their truth, or none; their rows of the manifest."""
    rows = []
    with atomic_dir(subject.folder) as partial:
        for key, made in subject.clips():
            path = write_recording(made.recording, partial, key, made.labels)
            truth = f"{key}.truth.npz"
            np.savez_compressed(partial / truth, allow_pickle=False, **dict(made.truth))
            rows.append(_row(subject, key, made, path.relative_to(partial), truth))
    return tuple(rows)


def _made(subjects: list[Subject], workers: int) -> Iterator[tuple[ManifestRow, ...]]:
    if workers <= 1 or len(subjects) <= 1:
        return map(make_subject, subjects)
    return unordered(make_subject, subjects, workers=min(workers, len(subjects)))


def _row(subject: Subject, key: str, made: Simulated, path: Path, truth: str) -> ManifestRow:
    device = device_of(made.recording)
    columns = {
        "clip_key": key,
        "path": path.as_posix(),
        "kind": made.recording.kind,
        "subject_key": subject.key,
        "study_key": subject.key,
        "vendor": device.manufacturer,
        "device": device.model,
        "truth_path": truth,
    }
    seed = subject.seed if subject.simulation.cohort is None else subject.cohort_seed
    return ManifestRow.from_mapping({**columns, **made.labels, "seed": seed})


class _Listing:
    """The manifest while it grows: rows by subject, written again as often as that costs little.

    What was made but not yet listed when the run is killed is made again, and the same.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / MANIFEST
        self.rows: dict[str, tuple[ManifestRow, ...]] = _finished(folder)
        self._next_s = 0.0
        self._is_written = True

    def add(self, rows: tuple[ManifestRow, ...]) -> None:
        self.rows[_subject_of(rows[0])] = rows
        self._is_written = False
        if time.monotonic() >= self._next_s:
            self.close()

    def close(self) -> None:
        """Write what is not written."""
        if self._is_written:
            return
        start = time.monotonic()
        write_manifest([row for key in sorted(self.rows) for row in self.rows[key]], self._path)
        self._is_written = True
        self._next_s = time.monotonic() + _COST * (time.monotonic() - start)


def _finished(folder: Path) -> dict[str, tuple[ManifestRow, ...]]:
    """Rows of an earlier run by subject, where all recordings and truths of the subject are there."""
    manifest = folder / MANIFEST
    if not manifest.exists():
        return {}
    found: dict[str, list[ManifestRow]] = {}
    for row in read_manifest(manifest):
        found.setdefault(_subject_of(row), []).append(row)
    return {key: tuple(rows) for key, rows in found.items() if all(_is_whole(folder, row) for row in rows)}


def _subject_of(row: ManifestRow) -> str:
    """Key of the subject that a clip was made for: name, seed and number, without that of the clip."""
    found = _KEY.fullmatch(row.clip_key)
    return found["subject"] if found else row.clip_key


def _is_whole(folder: Path, row: ManifestRow) -> bool:
    return (folder / row.path).exists() and (folder / row.truth_path).is_file()


def _keep_recipe(folder: Path, simulation: Simulation, seed: int, settings: Any) -> None:
    """Write how the cohort is made, or compare with what is there."""
    recipe = {
        "application": simulation.name,
        "application_version": simulation.version,
        "seed": seed,
        "options": plain(settings),
    }
    path = folder / RECIPE
    if not path.exists():
        if (folder / MANIFEST).exists():
            raise UsageError(f"{folder.name} holds a manifest but no {RECIPE}; choose an empty --out DIR")
        write_atomic(path, json.dumps(recipe, indent=2) + "\n")
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = [name for name, value in recipe.items() if before.get(name) != value]
    except (ValueError, AttributeError):
        changed = list(recipe)
    if changed:
        raise UsageError(f"{folder.name} holds recordings with another {', '.join(changed)}; choose another --out DIR")
