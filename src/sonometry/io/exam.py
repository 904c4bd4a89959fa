"""Recordings of one examination as a `Study`, pseudonymous by construction."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import Dataset

from sonometry.core.cine import Cine
from sonometry.core.errors import DataError
from sonometry.core.rf import RFFrames
from sonometry.core.signals import Signals
from sonometry.core.source import Device, Source
from sonometry.core.study import Deidentification, Study
from sonometry.io.dicom_header import deidentification_of, items, number, open_dicom, text, value
from sonometry.io.sniff import FileFormat, sniff

#: Length of a pseudonym made from a digest: 48 bits keep a hospital's studies apart.
KEY_DIGITS = 12


def study_of(recordings: Sequence[Cine | RFFrames | Signals], notes: tuple[str, ...] = ()) -> Study:
    """Recordings as one study.

    The keys are digests of the Study Instance UID, which is unguessable, or of the recordings; never of a patient's
    identifier, which can be found from its digest by trying. Raises DataError for recordings of several patients.
    """
    headers = [_header(path) for recording in recordings for path in recording.source.paths[:1] if _is_dicom(recording)]
    if len({_patient(header) for header in headers} - {("", "")}) > 1:
        raise DataError("recordings of several patients were given together; a study has one: pass them one by one")
    study_uids = sorted({text(header, "StudyInstanceUID") for header in headers} - {""})
    if len(study_uids) > 1:
        notes = (*notes, f"the recordings belong to {len(study_uids)} examinations and are taken as one")
    key = _digest(study_uids or [recording.source.sha256 for recording in recordings])
    device = next((r.source.device for r in recordings if r.source.device != Device()), Device())
    return Study(
        study_key=f"study-{key}",
        subject_key=f"subject-{key}",
        recordings=tuple(recordings),
        device=device,
        deidentification=_deidentification([deidentification_of(header) for header in headers]),
        source=Source(
            name="study",
            format="folder of recordings",
            sha256=hashlib.sha256("".join(r.source.sha256 for r in recordings).encode()).hexdigest(),
            paths=tuple(path for r in recordings for path in r.source.paths),
            device=device,
            notes=notes,
        ),
    )


def exam_order(path: Path) -> tuple[str, float, float]:
    """Sorting key of a file within an examination: time of acquisition, series and instance; equal without a header."""
    if sniff(path) is not FileFormat.DICOM:
        return "", 0.0, 0.0
    try:
        header = _header(path)
    except DataError:
        return "", 0.0, 0.0
    return (
        text(header, "StudyDate") + text(header, "StudyTime"),
        number(header, "SeriesNumber") or 0.0,
        number(header, "InstanceNumber") or 0.0,
    )


def files_of_dicomdir(path: Path) -> list[Path]:
    """Files that a DICOMDIR names and that are there, in its order. DataError when there is none."""
    files = []
    for record in items(open_dicom(path).dataset, "DirectoryRecordSequence"):
        parts = value(record, "ReferencedFileID")
        if parts is None:
            continue
        names = [parts] if isinstance(parts, str) else [str(part) for part in parts]
        file = _within(path.parent, names)
        if file is not None:
            files.append(file)
    if not files:
        raise DataError(f"{path.name} names no file that is beside it; pass the folder of the examination")
    return files


def _within(folder: Path, names: list[str]) -> Path | None:
    """The named file below `folder`, also where a copy has lower-case names; None when it is not there."""
    for candidate in (names, [name.lower() for name in names]):
        file = folder.joinpath(*candidate)
        if file.is_file() and file.resolve().is_relative_to(folder.resolve()):
            return file
    return None


def _is_dicom(recording: Cine | RFFrames | Signals) -> bool:
    return recording.source.format.startswith("DICOM")


def _header(path: Path) -> Dataset:
    return open_dicom(path).dataset


def _patient(header: Dataset) -> tuple[str, str]:
    return text(header, "PatientID"), text(header, "IssuerOfPatientID")


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:KEY_DIGITS]


def _deidentification(states: list[Deidentification]) -> Deidentification:
    """The least protected state: one identified recording makes the study identified."""
    if not states:
        return Deidentification.UNKNOWN
    order = (Deidentification.IDENTIFIED, Deidentification.UNKNOWN, Deidentification.DEIDENTIFIED)
    return next((state for state in order if state in states), Deidentification.SIMULATED)
