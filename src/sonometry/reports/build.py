"""Findings of one application become the record of one run: inputs with digests, warnings and provenance."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sonometry.core.application import Application, Findings
from sonometry.core.cine import Cine
from sonometry.core.options import plain
from sonometry.core.provenance import provenance
from sonometry.core.report import Figure, InputRecord, Report
from sonometry.core.rf import RFFrames
from sonometry.core.signals import Signals
from sonometry.core.source import Source
from sonometry.core.study import Deidentification, Recording, Study

SIMULATED_INPUT = "Simulated recording: these numbers describe a simulation, not a patient."


def build_report(
    application: Application,
    recording: Recording,
    findings: Findings,
    *,
    figures: Sequence[Figure] = (),
    config: Any = None,
    facts: Mapping[str, Any] | None = None,
    prerequisites: Mapping[str, Report] | None = None,
) -> Report:
    """The report of one run.

    What the reader decided or was told (`Source.notes`) and a simulated input are stated as warnings, before those
    of the application. `facts` are the ones the user gave; prerequisites are recorded with their numbers.
    """
    options = plain(config) if config is not None else {}
    record = provenance(options, seed=options.get("seed"))
    record["facts"] = {name: plain(value) for name, value in (facts or {}).items() if value is not None}
    record["recordings"] = [_origin(part) for part in parts(recording)]
    if prerequisites:
        record["prerequisites"] = {name: _summary(report) for name, report in prerequisites.items()}
    return Report(
        application=application.name,
        application_version=application.version,
        inputs=input_records(recording),
        measurements=tuple(findings.measurements),
        figures=tuple(figures),
        warnings=_warnings(recording, findings, prerequisites or {}),
        provenance=record,
        fields=dict(findings.fields),
    )


def parts(recording: Recording) -> tuple[Cine | RFFrames | Signals, ...]:
    """The single recordings of a study, or the recording itself."""
    return recording.recordings if isinstance(recording, Study) else (recording,)


def input_records(recording: Recording) -> tuple[InputRecord, ...]:
    """One record for every single recording, with names that differ ("clip", "clip_2")."""
    records: list[InputRecord] = []
    for part in parts(recording):
        taken = [r.name for r in records]
        name, number = part.source.name, 2
        while name in taken:
            name, number = f"{part.source.name}_{number}", number + 1
        records.append(InputRecord(name, part.kind, part.source.sha256 or digest_of(part), _length(part)))
    return tuple(records)


def digest_of(recording: Cine | RFFrames | Signals) -> str:
    """SHA-256 of the samples of a recording that has no file: their type, shape and bytes."""
    digest = hashlib.sha256()
    for array in _arrays(recording):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def is_simulated(recording: Recording) -> bool:
    """Whether a recording, or any part of a study, comes from a simulation, as its origin says."""
    if isinstance(recording, Study):
        marked = recording.deidentification is Deidentification.SIMULATED or _says_simulated(recording.source)
        return marked or any(is_simulated(part) for part in recording.recordings)
    return _says_simulated(recording.source)


def _says_simulated(source: Source) -> bool:
    said = (source.format, source.device.manufacturer, source.device.model, source.device.probe)
    return any("simulat" in word.lower() for word in said)


def _arrays(recording: Cine | RFFrames | Signals) -> Sequence[np.ndarray]:
    if isinstance(recording, RFFrames):
        return (recording.samples,)
    if isinstance(recording, Signals):
        return (recording.values,)
    return (recording.pixels, recording.frame_times_s)


def _length(recording: Cine | RFFrames | Signals) -> int:
    return len(recording.values) if isinstance(recording, Signals) else recording.n_frames


def _origin(recording: Cine | RFFrames | Signals) -> dict[str, str]:
    source = recording.source
    device = " ".join(word for word in (source.device.manufacturer, source.device.model) if word)
    return {"kind": recording.kind, "format": source.format, **({"device": device} if device else {})}


def _summary(report: Report) -> dict[str, Any]:
    return {
        "version": report.application_version,
        "measurements": [m.to_json() for m in report.measurements],
        "options_sha256": report.provenance.get("options_sha256"),
    }


def _warnings(recording: Recording, findings: Findings, prerequisites: Mapping[str, Report]) -> tuple[str, ...]:
    said = [SIMULATED_INPUT] if is_simulated(recording) else []
    sources = [recording.source, *(part.source for part in parts(recording))]
    said += [note for source in sources for note in source.notes]
    said += [f"{name}: {warning}" for name, report in prerequisites.items() for warning in report.warnings]
    return tuple(dict.fromkeys([*said, *findings.warnings]))
