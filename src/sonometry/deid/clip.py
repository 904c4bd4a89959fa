"""One file through de-identification: read, clean the header, mask the pixels, check the finished bytes.

The result is complete or there is none: everything happens in memory, and the finished bytes are parsed and searched
once more before anybody may write them.
"""

from __future__ import annotations

import hashlib
import io
import logging
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian

from sonometry.core.errors import DataError
from sonometry.deid.frames import NATIVE, Frames, layout_of, value_of
from sonometry.deid.header import CleanHeader, HeaderRules, clean_header, leaks
from sonometry.deid.masking import Pixels, mask_frames
from sonometry.deid.pixels import PixelRules, Plan, plan
from sonometry.deid.profile import retained
from sonometry.deid.scanners import Scanner

#: Sonometry's own UID for what wrote the file (PS3.10 7.1), below the UUID root.
IMPLEMENTATION_UID = "2.25.190846532173654402186573216549843216547"
#: A deflated data set may be this large.
MAX_INFLATED_BYTES = 1 << 30
#: Regions that show a two-dimensional image: spatial format 1 with tissue or colour flow (PS3.3 C.8.5.5.1.1, .2).
_SPATIAL_2D, _IMAGE_TYPES = 1, (1, 2)
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@dataclass(frozen=True, eq=False)
class DeidentifiedClip:
    """The finished file and what the audit needs; only `data` may leave the workspace."""

    data: bytes = field(repr=False)
    path: Path
    scanner: Scanner
    plan: Plan
    pixels: Pixels
    n_frames: int
    source_sha256: str


@dataclass(frozen=True)
class ClipRules:
    """All rules for one file."""

    header: HeaderRules = field(repr=False)
    pixels: PixelRules = field(default_factory=PixelRules)


def deidentify_clip(content: bytes, rules: ClipRules, remembered: dict[str, Sequence[np.ndarray]]) -> DeidentifiedClip:
    """De-identify the bytes of one DICOM file.

    remembered : masks of every known scanner by its key, most used first.
    Raises DataError with the reason when anything is uncertain.
    """
    with quiet_libraries():
        source = hashlib.sha256(content).hexdigest()
        original, syntax = read(content)
        check_kind(original)
        frames = Frames(original, layout_of(original, syntax))
        header = clean_header(original, rules.header, clip_digest=source)
        scanner = scanner_of(header.dataset, frames)
        decided = plan(frames, boxes_of(original), rules.pixels, remembered.get(scanner.key, ()))
        pixels = mask_frames(frames, decided.kept, rules.pixels)
        data = finished(header, frames, pixels)
        check_finished(data, header, decided.kept)
    path = Path(header.patient) / header.study / f"{header.clip}.dcm"
    return DeidentifiedClip(data, path, scanner, decided, pixels, frames.layout.n_frames, source)


class quiet_libraries:
    """pydicom quotes values in warnings and logs: neither may be seen while identified data are open."""

    def __enter__(self) -> None:
        self._catch = warnings.catch_warnings()
        self._catch.__enter__()
        warnings.simplefilter("ignore")
        self._loggers = [logging.getLogger(name) for name in ("pydicom", "pylibjpeg", "PIL")]
        self._levels = [logger.level for logger in self._loggers]
        for logger in self._loggers:
            logger.setLevel(logging.CRITICAL + 1)

    def __exit__(self, *details: object) -> None:
        self._catch.__exit__(None, None, None)
        for logger, level in zip(self._loggers, self._levels, strict=True):
            logger.setLevel(level)


def read(content: bytes) -> tuple[Dataset, UID]:
    """Data set and transfer syntax of a file, with or without preamble. DataError when it is no readable DICOM."""
    try:
        has_preamble = content[128:132] == b"DICM"
        if has_preamble:
            _check_deflated(content)
        dataset = dcmread(io.BytesIO(content), force=not has_preamble)
        syntax = UID(str(dataset.file_meta.get("TransferSyntaxUID", "") or ImplicitVRLittleEndian))
        if not has_preamble and dataset.original_encoding[0] is False:
            syntax = UID("1.2.840.10008.1.2.1" if dataset.original_encoding[1] else "1.2.840.10008.1.2.2")
    except DataError:
        raise
    except Exception as error:  # pydicom raises nearly anything on damaged files
        raise DataError("it cannot be read as DICOM") from error
    if "PixelData" not in dataset:
        raise DataError(_without_image(dataset))
    return dataset, syntax


def _without_image(dataset: Dataset) -> str:
    """The reason to refuse a file without pixels: damaged, or a report, a document or the like."""
    try:
        kind = str(dataset.get("SOPClassUID", "") or "")
    except Exception:  # pydicom raises nearly anything on damaged values
        kind = ""
    if not kind:
        return "it cannot be read as DICOM"
    return "it holds no image" if kind in retained().sop_classes else _no_ultrasound(kind)


def _check_deflated(content: bytes) -> None:
    """DataError for a deflated data set that would not fit into the memory."""
    if DeflatedExplicitVRLittleEndian.encode() not in content[:1024]:
        return
    length = int.from_bytes(content[140:144], "little")
    stream, size, rest = zlib.decompressobj(-zlib.MAX_WBITS), 0, content[144 + length :]
    while rest and not stream.eof:
        size += len(stream.decompress(rest, 1 << 24))
        rest = stream.unconsumed_tail
        if size > MAX_INFLATED_BYTES:
            raise DataError("it is too large when decompressed")


def check_kind(original: Dataset) -> None:
    """DataError unless the file is an ultrasound image that Sonometry can clean."""
    kind = str(value_of(original, "SOPClassUID") or "")
    if kind not in retained().sop_classes:
        raise DataError(_no_ultrasound(kind))
    modality = str(value_of(original, "Modality") or "").strip()
    if modality not in ("US", "IVUS", "") or (kind.startswith(_SECONDARY_CAPTURE) and modality != "US"):
        raise DataError("its modality is not ultrasound")
    for keyword in ("FloatPixelData", "DoubleFloatPixelData", "EncapsulatedDocument", "ContentSequence"):
        if keyword in original:
            raise DataError("it carries more than an image (a report, a document or a second image)")


def _no_ultrasound(kind: str) -> str:
    return f"it is no ultrasound image but {_kind_name(kind)}, which cannot be cleaned"


def _kind_name(uid: str) -> str:
    from pydicom.uid import UID_dictionary

    return UID_dictionary[uid][0].replace(" Storage", "") if uid in UID_dictionary else "of a private or unknown kind"


def boxes_of(original: Dataset) -> list[tuple[int, int, int, int]]:
    """Boxes of the two-dimensional regions, (x0, y0, x1, y1); damaged ones are left out."""
    boxes = []
    try:
        regions = list(original.get("SequenceOfUltrasoundRegions") or [])
    except Exception:  # a damaged sequence tells nothing
        return []
    for region in regions:
        try:
            is_image = int(region.RegionSpatialFormat) == _SPATIAL_2D and int(region.RegionDataType) in _IMAGE_TYPES
            box = (
                int(region.RegionLocationMinX0),
                int(region.RegionLocationMinY0),
                int(region.RegionLocationMaxX1),
                int(region.RegionLocationMaxY1),
            )
        except Exception:  # a region without a box tells nothing
            continue
        if is_image:
            boxes.append(box)
    return boxes


def scanner_of(cleaned: Dataset, frames: Frames) -> Scanner:
    """The scanner by the cleaned header: nothing of the patient can be in its name."""
    manufacturer = str(cleaned.get("Manufacturer") or "").strip()[:64]
    model = str(cleaned.get("ManufacturerModelName") or "").strip()[:64]
    return Scanner(manufacturer, model, frames.layout.rows, frames.layout.columns)


def finished(header: CleanHeader, frames: Frames, pixels: Pixels) -> bytes:
    """The bytes of the new file: meta group anew, preamble zero."""
    dataset = header.dataset
    dataset.PhotometricInterpretation = pixels.photometric
    dataset.SamplesPerPixel = frames.layout.samples
    dataset.Rows, dataset.Columns = frames.layout.rows, frames.layout.columns
    dataset.BitsAllocated, dataset.BitsStored = frames.layout.bits_allocated, frames.layout.bits_stored
    dataset.HighBit, dataset.PixelRepresentation = frames.layout.bits_stored - 1, 0
    if frames.layout.n_frames > 1 or "NumberOfFrames" in frames.dataset:
        dataset.NumberOfFrames = frames.layout.n_frames
    if frames.layout.samples == 3:
        dataset.PlanarConfiguration = 0
    dataset.PixelData = pixels.data
    dataset["PixelData"].VR = "OW" if frames.layout.bits_allocated == 16 and pixels.syntax in NATIVE else "OB"
    dataset["PixelData"].is_undefined_length = pixels.syntax not in NATIVE
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = pixels.syntax
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = "SONOMETRY"
    dataset.file_meta = meta
    dataset.preamble = bytes(128)
    stream = io.BytesIO()
    try:
        dcmwrite(stream, dataset, enforce_file_format=True)
    except Exception as error:  # pydicom raises nearly anything for values it cannot encode
        raise DataError("its cleaned header cannot be written") from error
    return stream.getvalue()


def check_finished(data: bytes, header: CleanHeader, kept: np.ndarray) -> None:
    """Read the finished bytes again: no identifier in any text, and black outside in first, middle and last frame."""
    dataset, syntax = read(data)
    marks = {"DeidentificationMethodCodeSequence"}
    bare = Dataset({element.tag: element for element in dataset if element.keyword not in marks})
    if leaks(bare, header.identity) or any(data[:128]):
        raise DataError("a name or number of its patient would remain in the header")
    frames = Frames(dataset, layout_of(dataset, syntax))
    import cv2

    far = ~(cv2.dilate(kept.astype(np.uint8), np.ones((33, 33), np.uint8)) > 0)
    count = frames.layout.n_frames
    for index in {0, count // 2, count - 1}:
        shown = frames.rgb(index)
        if far.any() and int(shown[far].max()) > int(frames.shown(_black_frame(frames)).max()) + 24:
            raise DataError("its masked frames are not black outside")


def _black_frame(frames: Frames) -> np.ndarray:
    shape = (16, 16, 3) if frames.layout.samples == 3 else (16, 16)
    return np.full(shape, frames.black, frames.layout.dtype)
