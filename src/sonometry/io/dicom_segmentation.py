"""Regions of a clip as DICOM Segmentation (PS3.3 A.51): one bit a pixel, one segment a region, only marked frames.

An ultrasound cine has no frame of reference, so every frame of the segmentation says which frame of the cine it was
drawn on (Derivation Image, PS3.3 C.7.6.16.2.6), and then neither plane position nor pixel measures are required
(PS3.3 C.8.20.2). highdicom does not write such objects but reads them. What is taken over from the source is cleaned
first (`dicom_identity`).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage

from sonometry.core.errors import DataError
from sonometry.io.annotated_clip import AnnotatedClip
from sonometry.io.atomic import write_atomic
from sonometry.io.dicom_codes import PRIVATE_SCHEME
from sonometry.io.dicom_header import lenient_pydicom
from sonometry.io.dicom_identity import SourceIdentity, add_equipment, new_uid, source_identity
from sonometry.io.sniff import check_readable

SERIES_NUMBER = 903
BODY_STRUCTURE = Code("91723000", "SCT", "Anatomical Structure")
TISSUE = Code("85756007", "SCT", "Tissue")
SEGMENTATION = Code("113076", "DCM", "Segmentation")
SOURCE_FOR_PROCESSING = Code("121322", "DCM", "Source image for image processing operation")
#: Category and type of each region (CID 7150, 12305, 7191).
REGION_CODES: dict[str, tuple[Code, Code]] = {
    "lv_cavity": (BODY_STRUCTURE, Code("87878005", "SCT", "Left ventricle")),
    "lv_myocardium": (BODY_STRUCTURE, Code("49848007", "SCT", "Left Ventricle Myocardium")),
    "left_atrium": (BODY_STRUCTURE, Code("82471001", "SCT", "Left atrium")),
    "muscle": (TISSUE, Code("91727004", "SCT", "Muscle")),
    "tendon": (TISSUE, Code("13024002", "SCT", "Tendon")),
}
#: Frame Content names a stack; there is one.
_STACK = "1"


@dataclass(frozen=True, eq=False)
class Segmentation:
    """masks : (H, W) bool by frame of the cine (from 0) and region. source_uid : SOP Instance UID of the cine."""

    masks: dict[int, dict[str, np.ndarray]]
    source_uid: str
    author: str


def write_segmentation(clip: AnnotatedClip, path: Path | str) -> None:
    """Write the regions of a clip, beside the study of its DICOM file.

    Raises DataError where the clip is no DICOM file of its size or has no region, OutputError.
    """
    marked = {frame: clip.region_masks(frame) for frame in clip.contours}
    regions = sorted({name for masks in marked.values() for name, mask in masks.items() if mask.any()})
    if not regions:
        raise DataError(f"{clip.clip_key} has no contour that encloses a region; a segmentation needs one")
    identity = source_of(clip)
    frames = [
        (number, frame)
        for number, name in enumerate(regions)
        for frame in marked
        if name in marked[frame] and marked[frame][name].any()
    ]
    pixels = np.stack([marked[frame][regions[number]] for number, frame in frames])
    with lenient_pydicom():
        dataset = _modules(identity, clip)
        dataset.SegmentSequence = [_segment(n, name, clip.author) for n, name in enumerate(regions, start=1)]
        _add_dimensions(dataset, identity, frames, is_cine=clip.shape[0] > 1)
        _add_pixels(dataset, pixels)
        stream = io.BytesIO()
        dataset.save_as(stream, enforce_file_format=True)
    write_atomic(path, stream.getvalue())


def source_of(clip: AnnotatedClip) -> SourceIdentity:
    """Identity of the DICOM file of a clip. DataError where there is none, or pictures have another size."""
    if clip.path is None or not clip.path.is_file():
        raise DataError(f"{clip.clip_key} has no file, and a DICOM result refers to one; export it in another format")
    try:
        identity = source_identity(clip.path)
    except DataError as error:
        raise DataError(
            f"{clip.clip_key} is not a DICOM file that a result can refer to; export it as COCO, NIfTI or manifest"
        ) from error
    if (identity.rows, identity.columns) != clip.shape[1:]:
        raise DataError(
            f"{clip.clip_key} has pictures of {identity.rows} x {identity.columns} pixels, "
            f"but was marked on {clip.shape[1]} x {clip.shape[2]}"
        )
    return identity


def read_segmentation(path: Path | str) -> Segmentation:
    """Read a binary segmentation whose frames name frames of one source. DataError for any other file."""
    path = Path(path)
    check_readable(path)
    try:
        with lenient_pydicom():
            dataset = pydicom.dcmread(path)
            if dataset.SOPClassUID != SegmentationStorage or dataset.SegmentationType != "BINARY":
                raise DataError(f"{path.name} is no binary DICOM segmentation")
            pixels = np.atleast_3d(dataset.pixel_array).astype(np.bool_)
            if pixels.ndim == 3 and pixels.shape[-1] == 1 and int(dataset.NumberOfFrames) == 1:
                pixels = pixels[..., 0][np.newaxis]
            return _read(dataset, pixels)
    except (InvalidDicomError, AttributeError, KeyError, IndexError, ValueError, OSError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path.name} is no DICOM segmentation that names the frames it was drawn on") from error


def _read(dataset: Dataset, pixels: np.ndarray) -> Segmentation:
    labels = {int(item.SegmentNumber): str(item.SegmentLabel) for item in dataset.SegmentSequence}
    masks: dict[int, dict[str, np.ndarray]] = {}
    source_uid = ""
    for group, mask in zip(dataset.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        source_uid = str(source.ReferencedSOPInstanceUID)
        frame = int(source.get("ReferencedFrameNumber", 1)) - 1
        number = int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        masks.setdefault(frame, {})[labels[number]] = mask
    return Segmentation(dict(sorted(masks.items())), source_uid, str(dataset.get("ContentCreatorName", "")).rstrip("^"))


def _modules(identity: SourceIdentity, clip: AnnotatedClip) -> Dataset:
    now = max(mark.time for mark in clip.annotations).astimezone(UTC)
    dataset = Dataset()
    dataset.update(identity.patient_and_study)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = SegmentationStorage
    dataset.SOPInstanceUID, dataset.SeriesInstanceUID = new_uid(), new_uid()
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "SEG", SERIES_NUMBER, 1
    dataset.SeriesDescription = "Sonometry regions"
    dataset.SeriesDate, dataset.SeriesTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    dataset.ContentDate, dataset.ContentTime = dataset.SeriesDate, dataset.SeriesTime
    dataset.ContentLabel, dataset.ContentDescription = "REGIONS", f"Marked by hand, round {clip.round}"
    dataset.ContentCreatorName = reader_name(clip.author)
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.LossyImageCompression = "00"
    dataset.PatientOrientation = None  # unknown: how the probe lay is not in the source
    dataset.SegmentationType = "BINARY"
    add_equipment(dataset)
    dataset.DeviceSerialNumber = "none"
    dataset.ReferencedSeriesSequence = [_referenced_series(identity)]
    return dataset


def _referenced_series(identity: SourceIdentity) -> Dataset:
    series, instance = Dataset(), Dataset()
    instance.ReferencedSOPClassUID = identity.sop_class_uid
    instance.ReferencedSOPInstanceUID = identity.sop_instance_uid
    series.SeriesInstanceUID = identity.series_instance_uid
    series.ReferencedInstanceSequence = [instance]
    return series


def _segment(number: int, name: str, author: str) -> Dataset:
    category, kind = REGION_CODES.get(
        name, (BODY_STRUCTURE, Code(name[:16], PRIVATE_SCHEME, name.replace("_", " ")[:64]))
    )
    segment = Dataset()
    segment.SegmentNumber, segment.SegmentLabel = number, name[:64]
    segment.SegmentedPropertyCategoryCodeSequence = [_coded(category)]
    segment.SegmentedPropertyTypeCodeSequence = [_coded(kind)]
    segment.SegmentAlgorithmType = "MANUAL"
    segment.TrackingID, segment.TrackingUID = name[:64], new_uid()
    return segment


def _add_dimensions(
    dataset: Dataset, identity: SourceIdentity, frames: Sequence[tuple[int, int]], *, is_cine: bool
) -> None:
    """Frames are ordered by segment, then by frame of the cine (PS3.3 C.7.6.17)."""
    organization = new_uid()
    item = Dataset()
    item.DimensionOrganizationUID = organization
    dataset.DimensionOrganizationSequence = [item]
    dataset.DimensionIndexSequence = [
        _index(organization, 0x0062000B, 0x0062000A, "Segment"),
        _index(organization, 0x00209057, 0x00209111, "Frame of the cine"),
    ]
    # Nothing is the same for all frames, and an empty item says so (PS3.3 C.7.6.16, type 1 with one item).
    dataset.SharedFunctionalGroupsSequence = [Dataset()]
    dataset.PerFrameFunctionalGroupsSequence = [
        _frame(identity, number, frame, is_cine=is_cine) for number, frame in frames
    ]


def _index(organization: str, pointer: int, group: int, label: str) -> Dataset:
    index = Dataset()
    index.DimensionOrganizationUID = organization
    index.DimensionIndexPointer, index.FunctionalGroupPointer = pointer, group
    index.DimensionDescriptionLabel = label
    return index


def _frame(identity: SourceIdentity, number: int, frame: int, *, is_cine: bool) -> Dataset:
    content = Dataset()
    content.StackID, content.InStackPositionNumber = _STACK, frame + 1
    content.DimensionIndexValues = [number + 1, frame + 1]
    source = Dataset()
    source.ReferencedSOPClassUID = identity.sop_class_uid
    source.ReferencedSOPInstanceUID = identity.sop_instance_uid
    if is_cine:
        source.ReferencedFrameNumber = frame + 1
    source.SpatialLocationsPreserved = "YES"
    source.PurposeOfReferenceCodeSequence = [_coded(SOURCE_FOR_PROCESSING)]
    derivation = Dataset()
    derivation.DerivationCodeSequence = [_coded(SEGMENTATION)]
    derivation.SourceImageSequence = [source]
    segment = Dataset()
    segment.ReferencedSegmentNumber = number + 1
    group = Dataset()
    group.FrameContentSequence = [content]
    group.DerivationImageSequence = [derivation]
    group.SegmentIdentificationSequence = [segment]
    return group


def _add_pixels(dataset: Dataset, pixels: np.ndarray) -> None:
    """One bit a pixel, the first in the lowest bit (PS3.5 8.1.1), frames without gaps between them."""
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit, dataset.PixelRepresentation = 0, 0
    data = np.packbits(pixels.ravel(), bitorder="little").tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB"


def _coded(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


def reader_name(author: str) -> str:
    """A name of a reader as family name; separators of DICOM names are taken out."""
    family = "".join(c for c in author if c.isprintable() and c not in "^=\\")[:63] or "Reader"
    return f"{family}^"
