"""What the catalogue keeps of one file: digest, size, device, view and pseudonyms. Of DICOM only the header is read.

Subjects and studies are keyed digests under the secret key of the workspace (`sonometry.deid.keys`), the same that
`sonometry deidentify` gives, so that an original and its de-identified copy belong to one subject. A file that names no
patient is filed under its folder: taking two patients for one is safe for a split, taking one for two is not.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from sonometry.core.errors import DataError
from sonometry.core.source import Device
from sonometry.core.study import KEY_PATTERN, Deidentification
from sonometry.deid.keys import SecretKey
from sonometry.io.manifest import KINDS
from sonometry.io.sniff import FileFormat, check_readable, sniff

#: What `SecretKey.pseudonym("patient", ...)` looks like.
_OWN_PSEUDONYM = re.compile(r"P[A-Z2-7]{12}")
_BLOCK = 1 << 20
#: Told of files that say nothing about whose they are.
_WITHOUT_PATIENT = "its header names no patient; files of one folder count as one subject"


@dataclass(frozen=True)
class FileStamp:
    """A file or folder as the walk found it: path below the data root, and what changes when it is written to."""

    path: str
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class ClipFacts:
    """A file that was read, or (`reason` not empty) why it could not be.

    day : of the study, in days moved by a secret number, or None. problems : one sentence each, without any name.
    """

    stamp: FileStamp
    reason: str = ""
    sha256: str = ""
    kind: str = ""
    subject_key: str = ""
    study_key: str | None = None
    day: int | None = None
    n_frames: int | None = None
    n_rows: int | None = None
    n_columns: int | None = None
    device: Device = field(default_factory=Device)
    view: str = ""
    deidentification: str = str(Deidentification.UNKNOWN)
    problems: tuple[str, ...] = ()


def stamp_of(root: Path, path: Path) -> FileStamp:
    """Size and time of change of a file with its companions, or of all files of a folder. DataError if it has gone."""
    try:
        status = [file.stat() for file in _files_of(path)]
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror}") from error
    size, changed = sum(s.st_size for s in status), max((s.st_mtime_ns for s in status), default=0)
    return FileStamp(path.relative_to(root).as_posix(), size, changed)


def read_facts(root: Path, stamp: FileStamp, key: SecretKey, kind: str = "") -> ClipFacts:
    """Read one file; never raises for its content. `kind` : of the manifest, which a folder needs."""
    path = root / stamp.path
    try:
        if path.is_dir():
            return _folder_facts(path, stamp, key, kind)
        if sniff(path) is FileFormat.DICOM:
            return _dicom_facts(path, stamp, key)
        return _other_facts(path, stamp, key)
    except DataError as error:
        return ClipFacts(stamp, reason=_nameless(str(error), path).split("; expected")[0])
    except (MemoryError, RecursionError):
        return ClipFacts(stamp, reason="it needs more memory than there is")
    except OSError as error:
        return ClipFacts(stamp, reason=f"it cannot be read: {error.strerror or 'the system gives no reason'}")
    except Exception as error:  # one damaged file must not end the run; what a library says may quote it
        return ClipFacts(stamp, reason=f"its reader failed ({type(error).__name__}); report it with sonometry info")


def _dicom_facts(path: Path, stamp: FileStamp, key: SecretKey) -> ClipFacts:
    from sonometry.deid.identity import patient_key
    from sonometry.io.dicom_header import (
        UNDEFINED_LENGTH,
        deidentification_of,
        device_of,
        integer,
        open_dicom,
        text,
    )

    file = open_dicom(path)
    header, pixels = file.dataset, file.pixels
    n_rows, n_columns = integer(header, "Rows"), integer(header, "Columns")
    if pixels is None:
        raise DataError(f"{path.name} is a DICOM object without pixels; it is no recording")
    if pixels.data is None and pixels.length != UNDEFINED_LENGTH and pixels.offset + pixels.length > stamp.size_bytes:
        raise DataError(f"{path.name} ends before its pixels do; copy it again")
    state, patient = deidentification_of(header), patient_key(header)
    is_pseudonymous = state in (Deidentification.DEIDENTIFIED, Deidentification.SIMULATED)
    study_uid = text(header, "StudyInstanceUID")
    has_patient = patient != "study:"
    subject = _subject_key(patient, is_simulated=state is Deidentification.SIMULATED, key=key)
    return ClipFacts(
        stamp,
        sha256=_digest([path]),
        kind="cine",
        subject_key=subject if has_patient else _folder_subject(stamp, key),
        study_key=key.pseudonym("study", study_uid if is_pseudonymous else key.uid(study_uid)) if study_uid else None,
        day=_day(text(header, "StudyDate"), 0 if is_pseudonymous else key.shift_days(patient)),
        n_frames=integer(header, "NumberOfFrames", 1),
        n_rows=n_rows,
        n_columns=n_columns,
        device=_clean(device_of(header)),
        view=_view(header),
        deidentification=str(state),
        problems=(*_header_problems(header, n_rows, n_columns), *(() if has_patient else (_WITHOUT_PATIENT,))),
    )


def _other_facts(path: Path, stamp: FileStamp, key: SecretKey) -> ClipFacts:
    from sonometry.io.describe import describe

    info = describe(path)
    if info.kind not in KINDS:
        raise DataError(f"{path.name} holds arrays of which none is RF, a cine or signals")
    n_rows, n_columns = info.shape[1:3] if info.kind in ("cine", "rf") and len(info.shape) >= 3 else (None, None)
    return ClipFacts(
        stamp,
        sha256=_digest(_files_of(path)),
        kind=info.kind,
        subject_key=_folder_subject(stamp, key),
        n_frames=info.frames,
        n_rows=n_rows,
        n_columns=n_columns,
        device=_clean(info.device),
        deidentification=info.deidentification,
        problems=(*(_nameless(text, path) for text in info.problems), _WITHOUT_PATIENT),
    )


def _folder_facts(path: Path, stamp: FileStamp, key: SecretKey, kind: str) -> ClipFacts:
    """A sequence or study that a manifest names by its folder."""
    files = _files_of(path)
    if not files:
        raise DataError(f"{path.name} is a folder without files")
    return ClipFacts(stamp, sha256=_digest(files), kind=kind or "study", subject_key=_folder_subject(stamp, key))


def _subject_key(patient: str, *, is_simulated: bool, key: SecretKey) -> str:
    """The pseudonym of a patient; one that is a pseudonym already stays."""
    name = patient.removeprefix("id:")
    is_made = bool(_OWN_PSEUDONYM.fullmatch(name)) or (is_simulated and bool(KEY_PATTERN.fullmatch(name)))
    return name if is_made and patient != name else key.pseudonym("patient", patient)


def _folder_subject(stamp: FileStamp, key: SecretKey) -> str:
    """Of the first folder below the data root, or of the file itself where it lies in the root."""
    return key.pseudonym("patient", f"folder:{stamp.path.split('/')[0]}")


def _day(study_date: str, shift_days: int) -> int | None:
    """Days since 1 January of the year 1, moved into the past; None without a valid date (PS3.5 6.2)."""
    digits = study_date.replace(".", "")
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])).toordinal() - shift_days
    except ValueError:
        return None


def _view(header: object) -> str:
    """Sonometry's name of the view that View Code Sequence tells, or nothing."""
    from sonometry.io.dicom_codes import VIEW_CODES
    from sonometry.io.dicom_header import items, text

    for item in items(header, "ViewCodeSequence"):  # type: ignore[arg-type]
        told = (text(item, "CodeValue"), text(item, "CodingSchemeDesignator"))
        for name, code in VIEW_CODES.items():
            if told == (code.value, code.scheme_designator):
                return name
    return ""


def _header_problems(header: object, n_rows: int | None, n_columns: int | None) -> tuple[str, ...]:
    from sonometry.io.dicom_header import text
    from sonometry.io.dicom_regions import regions_of

    problems = []
    if not n_rows or not n_columns:
        problems.append("the header does not tell how large the pictures are")
    if not regions_of(header) and not text(header, "PixelSpacing"):  # type: ignore[arg-type]
        problems.append("no calibrated ultrasound region and no pixel spacing: not calibrated")
    if text(header, "BurnedInAnnotation").upper() == "YES":  # type: ignore[arg-type]
        problems.append("the file says that a patient's data is burned into the picture")
    return tuple(problems)


def _clean(device: Device) -> Device:
    """Printable text of at most 64 characters."""
    parts = (device.manufacturer, device.model, device.probe)
    return Device(*("".join(c for c in part if c.isprintable()).strip()[:64] for part in parts))


def _nameless(text: str, path: Path) -> str:
    """Names of exported files can be patients' names."""
    return " ".join(text.replace(path.name, "the file").replace(path.stem, "the file").split())


def _files_of(path: Path) -> list[Path]:
    """The file with the raw data that a MetaImage header names, or all files of a folder in order."""
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    if path.suffix.lower() != ".mhd":
        return [path]
    from sonometry.io.rf_metaimage import is_metaimage, read_header

    try:
        raw = path.parent / read_header(path).fields["ElementDataFile"] if is_metaimage(path) else path
    except (DataError, KeyError):
        return [path]
    is_beside = raw.is_file() and raw.resolve().is_relative_to(path.parent.resolve())
    return [path, raw] if is_beside and raw != path else [path]


def _digest(files: Sequence[Path]) -> str:
    """SHA-256 of the content; of several files in order."""
    digest = hashlib.sha256()
    for file in files:
        check_readable(file)
        with file.open("rb", buffering=0) as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()
