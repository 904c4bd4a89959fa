"""Opening a DICOM file without its pixels, and reading values that may be wrong.

Real headers break the Standard in every way, so values are read one at a time and a value that cannot be converted
counts as absent. pydicom's warnings and logs are silenced here because they quote values, which may be a patient's.
"""

from __future__ import annotations

import logging
import math
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom import config
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from sonometry.core.errors import DataError
from sonometry.core.source import Device
from sonometry.core.study import Deidentification

UNDEFINED_LENGTH = 0xFFFFFFFF
PIXEL_DATA = 0x7FE00010


#: Image Comments of simulated files; readers accept Synthetic Data (0008,001C) as well.
SYNTHETIC_COMMENT = "Synthetic data, simulated by Sonometry"


@dataclass(frozen=True)
class PixelElement:
    """Where the value of Pixel Data lies.

    offset, length : of the value in the file (or in `data` when that is not None); UNDEFINED_LENGTH when encapsulated.
    data : the value itself where the file had to be inflated.
    """

    offset: int
    length: int
    value_type: str
    data: bytes | None = None

    @property
    def is_encapsulated(self) -> bool:
        return self.length == UNDEFINED_LENGTH


@dataclass(frozen=True)
class DicomFile:
    """A header without pixels. `pixels` is None for an object that has none."""

    path: Path
    dataset: Dataset
    transfer_syntax: str
    pixels: PixelElement | None

    @property
    def name(self) -> str:
        return self.path.name


@contextmanager
def lenient_pydicom() -> Iterator[None]:
    """pydicom neither checks values inside this block nor warns or logs about them."""
    logger = logging.getLogger("pydicom")
    was_disabled = logger.disabled
    logger.disabled = True
    try:
        with config.disable_value_validation(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        logger.disabled = was_disabled


def open_dicom(path: Path) -> DicomFile:
    """Header of a DICOM file, with or without preamble and meta header; pixels stay on disk.

    Raises DataError for a file that pydicom cannot parse or that ends within its header.
    """
    try:
        with lenient_pydicom(), path.open("rb") as stream:
            dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=True)
            end_of_header = stream.tell()
            syntax = _transfer_syntax(dataset)
            if syntax == DeflatedExplicitVRLittleEndian:
                return _open_deflated(path)
            stream.seek(end_of_header)
            pixels = _pixel_element(stream.read(12), end_of_header, syntax)
    except DataError:
        raise
    except PermissionError as error:
        raise DataError(f"{path.name} cannot be read: permission denied") from error
    except Exception as error:  # a broken header makes pydicom raise nearly anything; none of it tells a user more
        raise DataError(f"{path.name} is not a readable DICOM file: its header is damaged; export it again") from error
    if pixels is None and end_of_header >= path.stat().st_size and "Rows" in dataset:
        raise DataError(f"{path.name} ends before its pixel data: the file is truncated; copy it again")
    return DicomFile(path, dataset, syntax, pixels)


def _open_deflated(path: Path) -> DicomFile:
    """The whole dataset is one zlib stream, so that nothing of it can be left on disk."""
    dataset = pydicom.dcmread(path, force=True)
    data = dataset.get("PixelData")
    pixels = None if not data else PixelElement(0, len(data), "OW", data)
    if pixels is not None:
        del dataset.PixelData
    return DicomFile(path, dataset, DeflatedExplicitVRLittleEndian, pixels)


def _transfer_syntax(dataset: Dataset) -> str:
    """The declared transfer syntax, or the encoding that pydicom found where none is declared."""
    declared = getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID")
    if declared:
        return str(declared)
    is_implicit, is_little = dataset.original_encoding
    if is_implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if is_little else ExplicitVRBigEndian


def _pixel_element(head: bytes, position: int, syntax: str) -> PixelElement | None:
    """Parse tag, VR and length of the element at which pydicom stopped; None unless it is Pixel Data."""
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    if len(head) < 8:
        return None
    group, element = struct.unpack(f"{order}HH", head[:4])
    if (group << 16) + element != PIXEL_DATA:
        return None
    value_type = head[4:6].decode("latin-1")
    if value_type in ("OB", "OW", "UN") and len(head) == 12:
        return PixelElement(position + 12, struct.unpack(f"{order}I", head[8:12])[0], value_type)
    return PixelElement(position + 8, struct.unpack(f"{order}I", head[4:8])[0], "OW")


def value(dataset: Dataset, keyword: str) -> Any:
    """Value of an element, or None when it is absent, empty or cannot be converted."""
    try:
        with lenient_pydicom():
            found = dataset.get(keyword)
    except Exception:  # whatever a damaged value makes a converter raise, the value is not there
        return None
    return None if found is None or (isinstance(found, str | bytes | Sequence) and len(found) == 0) else found


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """All finite-or-not numbers of an element; empty when one of them is no number."""
    found = value(dataset, keyword)
    if found is None:
        return ()
    items = found if isinstance(found, Sequence) and not isinstance(found, str | bytes) else [found]
    try:
        return tuple(float(item) for item in items)
    except (TypeError, ValueError, OverflowError):
        return ()


def number(dataset: Dataset, keyword: str) -> float | None:
    """First number of an element, or None when it is absent or not finite."""
    found = numbers(dataset, keyword)
    return found[0] if found and math.isfinite(found[0]) else None


def integer(dataset: Dataset, keyword: str, default: int | None = None) -> int | None:
    """First number of an element as int."""
    found = number(dataset, keyword)
    return default if found is None else int(found)


def text(dataset: Dataset, keyword: str) -> str:
    """First value of an element as stripped text, "" when absent."""
    found = value(dataset, keyword)
    if isinstance(found, Sequence) and not isinstance(found, str | bytes):
        found = found[0] if len(found) else ""
    return "" if found is None or isinstance(found, bytes) else str(found).strip("\0 ")


def uid(text_of_uid: str) -> UID:
    """A UID that may be invalid; nothing is checked or warned of."""
    return UID(text_of_uid, validation_mode=config.IGNORE)


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Items of a sequence, [] when it is absent or not a sequence."""
    found = value(dataset, keyword)
    if not isinstance(found, Sequence) or isinstance(found, str | bytes):
        return []
    return [item for item in found if isinstance(item, Dataset)]


def device_of(dataset: Dataset) -> Device:
    """Manufacturer, model and probe as the header names them.

    TransducerData has up to three values of which vendors fill the first ("S5-1\\UNUSED\\").
    """
    probe = text(dataset, "TransducerData")
    if not probe or probe.upper() == "UNUSED":
        probe = text(dataset, "TransducerType")
    return Device(text(dataset, "Manufacturer"), text(dataset, "ManufacturerModelName"), probe)


def heart_rate_per_min(dataset: Dataset) -> float | None:
    """HeartRate (0018,1088); 0 and values outside 15 to 350 mean that none was measured."""
    rate = number(dataset, "HeartRate")
    return rate if rate is not None and 15 <= rate <= 350 else None


def is_synthetic(dataset: Dataset) -> bool:
    """Whether the file says that it was simulated."""
    return text(dataset, "SyntheticData").upper() == "YES" or text(dataset, "ImageComments") == SYNTHETIC_COMMENT


def deidentification_of(dataset: Dataset) -> Deidentification:
    """What the header tells: simulated, declared removal, a patient's name or identifier present, or none of it."""
    if is_synthetic(dataset):
        return Deidentification.SIMULATED
    if text(dataset, "PatientIdentityRemoved").upper() == "YES":
        return Deidentification.DEIDENTIFIED
    if any(text(dataset, keyword) for keyword in ("PatientName", "PatientID", "PatientBirthDate")):
        return Deidentification.IDENTIFIED
    return Deidentification.UNKNOWN
