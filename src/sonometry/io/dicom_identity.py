"""Patient and study of a source file, cleaned, for results that belong into the same study.

Sources break rules that archives then enforce on results (dates with dots, names with backslashes, no Study Time), and
highdicom copies attributes as they are. So every attribute is checked here and emptied when it is not valid.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import UID, generate_uid

from sonometry.core.errors import DataError
from sonometry.core.provenance import library_version
from sonometry.io.dicom_header import integer, lenient_pydicom, open_dicom, text, uid

MANUFACTURER = "Sonometry"

#: Patient and study attributes that a result carries on, with what a valid value looks like (PS3.5 6.2).
_DATE, _TIME = re.compile(r"\d{8}"), re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")
_OLD_DATE = re.compile(r"\d{4}\.\d{2}\.\d{2}")  # of ACR-NEMA, which PS3.5 6.2 asks readers to accept
_SHORT, _LONG = re.compile(r"[^\\\x00-\x1f]{1,16}"), re.compile(r"[^\\\x00-\x1f]{1,64}")
_NAME = re.compile(r"[^\\\x00-\x1f]{1,192}")
COPIED: dict[str, re.Pattern[str]] = {
    "PatientName": _NAME,
    "PatientID": _LONG,
    "PatientBirthDate": _DATE,
    "PatientSex": re.compile(r"[MFO]"),
    "StudyDate": _DATE,
    "StudyTime": _TIME,
    "AccessionNumber": _SHORT,
    "StudyID": _SHORT,
    "ReferringPhysicianName": _NAME,
}
#: Further ones that are carried on only when the source has them.
OPTIONAL: dict[str, re.Pattern[str]] = {
    "IssuerOfPatientID": _LONG,
    "StudyDescription": _LONG,
    "PatientIdentityRemoved": re.compile(r"YES|NO"),
}


@dataclass(frozen=True, eq=False)
class SourceIdentity:
    """Cleaned modules of a source.

    patient_and_study : Patient and General Study attributes, all of type 1 and 2 present.
    sop_class_uid, sop_instance_uid, series_instance_uid : of the source image, for references.
    rows, columns : of its pictures. is_burned_in : False only where the source says so.
    """

    patient_and_study: Dataset
    sop_class_uid: UID
    sop_instance_uid: UID
    series_instance_uid: UID
    modality: str
    rows: int
    columns: int
    is_burned_in: bool


def source_identity(path: Path) -> SourceIdentity:
    """Identity of a DICOM image. DataError without the UIDs that place a result beside it."""
    dataset = open_dicom(path).dataset
    uids = {}
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"):
        uids[keyword] = uid(text(dataset, keyword))
        if not uids[keyword].is_valid:
            raise DataError(f"{path.name} has no valid {keyword}, so no DICOM result can be filed beside it")
    modules = Dataset()
    for keyword, pattern in COPIED.items():
        setattr(modules, keyword, _valid(dataset, keyword, pattern))
    for keyword, pattern in OPTIONAL.items():
        if found := _valid(dataset, keyword, pattern):
            setattr(modules, keyword, found)
    if modules.get("PatientIdentityRemoved") == "YES":  # then the method must be named (PS3.3 C.7.1.1)
        modules.DeidentificationMethod = _valid(dataset, "DeidentificationMethod", _LONG) or "As in the source image"
    modules.StudyInstanceUID = uids["StudyInstanceUID"]
    modules.SpecificCharacterSet = "ISO_IR 192"
    return SourceIdentity(
        patient_and_study=modules,
        sop_class_uid=uids["SOPClassUID"],
        sop_instance_uid=uids["SOPInstanceUID"],
        series_instance_uid=uids["SeriesInstanceUID"],
        modality=text(dataset, "Modality") or "US",
        rows=integer(dataset, "Rows", 1) or 1,
        columns=integer(dataset, "Columns", 1) or 1,
        is_burned_in=text(dataset, "BurnedInAnnotation").upper() != "NO",
    )


def add_equipment(dataset: Dataset) -> None:
    """General Equipment of a result: this program."""
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = MANUFACTURER
    dataset.SoftwareVersions = library_version("sonometry") or "unknown"


def new_uid() -> UID:
    """A UID below 2.25, from a random UUID."""
    return generate_uid(prefix=None)


def _valid(dataset: Dataset, keyword: str, pattern: re.Pattern[str]) -> str:
    with lenient_pydicom():
        found = text(dataset, keyword)
    if pattern is _DATE and _OLD_DATE.fullmatch(found):
        found = found.replace(".", "")
    return found if pattern.fullmatch(found) else ""
