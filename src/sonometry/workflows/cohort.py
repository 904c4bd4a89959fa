"""Many simulated recordings as files: in the formats real ones come in, each with its truth, listed in manifest.csv.

A run may be killed at any moment: every clip appears whole or not at all, and the same call goes on where it ended.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.applications import application as find_application
from sonometry.core.application import Application, Progress, Simulated, no_progress
from sonometry.core.errors import UsageError
from sonometry.core.options import plain
from sonometry.io.atomic import atomic_dir, write_atomic
from sonometry.io.manifest import ManifestRow, read_manifest, write_manifest
from sonometry.workflows.config import Configuration
from sonometry.workflows.output import check_directory
from sonometry.workflows.parallel import unordered
from sonometry.workflows.recordings import device_of, write_recording
from sonometry.workflows.simulate import check_seed, settings_of, simulated

MANIFEST, RECIPE = "manifest.csv", "simulation.json"


@dataclass(frozen=True)
class Clip:
    """One recording to be made; the seed follows from that of the cohort, so that cohorts do not share clips."""

    application: Application
    settings: Any
    folder: Path
    cohort_seed: int
    index: int

    @property
    def key(self) -> str:
        return f"{self.application.name}-{self.cohort_seed}-{self.index:06d}"

    @property
    def seed(self) -> int:
        return int(np.random.SeedSequence([self.cohort_seed, self.index]).generate_state(1)[0])


def simulate_cohort(
    app: str | Application,
    out: Path | str,
    *,
    n: int,
    seed: int = 0,
    workers: int = 1,
    config: Configuration = None,
    progress: Progress | None = None,
    **options: Any,
) -> Path:
    """Write `n` simulated recordings into `out` and return the path of manifest.csv.

    Clips that are there already, from an earlier call with the same seed and options, are kept; `n` may have grown.
    Raises UsageError where `out` holds a cohort made otherwise, OutputError where it cannot be written.
    """
    application = app if isinstance(app, Application) else find_application(app)
    if n < 1:
        raise UsageError(f"--n must be 1 or more, got {n}")
    check_seed(seed)
    folder, told = Path(out), progress or no_progress
    settings = settings_of(application, config, options)
    check_directory(folder)
    _keep_recipe(folder, application, seed, settings)
    rows = _finished(folder)
    wanted = [Clip(application, settings, folder, seed, index) for index in range(n)]
    missing = [clip for clip in wanted if clip.key not in rows]
    told((n - len(missing)) / n, f"{n - len(missing)} of {n} recordings")
    for row in _made(missing, workers):
        rows[row.clip_key] = row
        write_manifest([rows[key] for key in sorted(rows)], folder / MANIFEST)
        told(len(rows) / max(n, len(rows)), f"{len(rows)} of {n} recordings")
    return folder / MANIFEST


def make_clip(clip: Clip) -> ManifestRow:
    """Simulate and write one recording with its truth; its row of the manifest."""
    made = simulated(clip.application, seed=clip.seed, settings=clip.settings)
    with atomic_dir(clip.folder) as partial:
        path = write_recording(made.recording, partial, clip.key)
        truth = f"{clip.key}.truth.npz"
        write_atomic(partial / truth, _packed(made.truth))
        return _row(clip, made, path.relative_to(partial), truth)


def _made(clips: list[Clip], workers: int) -> Iterator[ManifestRow]:
    if workers <= 1 or len(clips) <= 1:
        return map(make_clip, clips)
    return unordered(make_clip, clips, workers=min(workers, len(clips)))


def _packed(truth: Mapping[str, np.ndarray]) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **dict(truth))
    return stream.getvalue()


def _row(clip: Clip, made: Simulated, path: Path, truth: str) -> ManifestRow:
    device = device_of(made.recording)
    columns = {
        "clip_key": clip.key,
        "path": path.as_posix(),
        "kind": made.recording.kind,
        "subject_key": clip.key,
        "study_key": clip.key,
        "vendor": device.manufacturer,
        "device": device.model,
        "truth_path": truth,
    }
    return ManifestRow.from_mapping({**columns, **made.labels, "seed": clip.seed})


def _finished(folder: Path) -> dict[str, ManifestRow]:
    """Rows of an earlier run whose recording and truth are there, by clip."""
    manifest = folder / MANIFEST
    if not manifest.exists():
        return {}
    there = [row for row in read_manifest(manifest) if _is_whole(folder, row)]
    return {row.clip_key: row for row in there}


def _is_whole(folder: Path, row: ManifestRow) -> bool:
    return (folder / row.path).exists() and (folder / row.truth_path).is_file()


def _keep_recipe(folder: Path, application: Application, seed: int, settings: Any) -> None:
    """Write how the cohort is made, or compare with what is there."""
    recipe = {
        "application": application.name,
        "application_version": application.version,
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
