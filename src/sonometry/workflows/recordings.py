"""A recording in memory as the files a scanner would export. A new kind joins here with its writer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sonometry.core.source import Device
from sonometry.core.study import Recording
from sonometry.reports.build import parts

#: What each kind is written as, in words.
FORMATS = {"rf": "RF frames as MetaImage", "cine": "B-mode cine as DICOM"}


def write_recording(recording: Recording, folder: Path, stem: str, labels: Mapping[str, Any] | None = None) -> Path:
    """Write `recording` into `folder` under the name `stem` and return the path to read it from.

    RF becomes MetaImage (header and samples), a cine DICOM. labels : of those, the header of a cine takes
    `subject_key`, `study_key` and `heart_rate_hz`; the view is left to be found out. Raises OutputError.
    """
    return _WRITERS[recording.kind](recording, folder, stem, labels or {})


def marked_simulated(recording: Recording) -> Recording:
    """A recording that was simulated, written and read back, with that said in its origin, where files cannot."""
    device = Device("Sonometry", "simulation")
    return replace(recording, source=replace(recording.source, device=device))


def device_of(recording: Recording) -> Device:
    """The scanner of a recording, or of the first part of a study that names one."""
    named = [part.source.device for part in parts(recording) if part.source.device != Device()]
    return named[0] if named else Device()


def _write_rf(recording: Any, folder: Path, stem: str, labels: Mapping[str, Any]) -> Path:
    from sonometry.io.rf_write import write_rf

    return write_rf(recording, folder / f"{stem}.mhd")[0]


def _write_cine(recording: Any, folder: Path, stem: str, labels: Mapping[str, Any]) -> Path:
    from sonometry.io.dicom_write import write_cine

    path = folder / f"{stem}.dcm"
    rate_hz = labels.get("heart_rate_hz")
    write_cine(
        recording,
        path,
        subject_key=str(labels.get("subject_key", "")),
        study_key=str(labels.get("study_key", "")),
        heart_rate_per_min=None if rate_hz is None else 60 * float(rate_hz),
    )
    return path


_WRITERS: Mapping[str, Callable[[Any, Path, str, Mapping[str, Any]], Path]] = {"rf": _write_rf, "cine": _write_cine}
