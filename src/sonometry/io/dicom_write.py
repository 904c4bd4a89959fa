"""A `Cine` as DICOM ultrasound file, as scanners export it: pixels, regions, frame times, device, view, ECG.

Identifiers are digests of what is written, so that the same cine gives the same file. The results of a measurement are
written by `dicom_report` and `dicom_capture`, whose functions are offered here too.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import simplejpeg
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sr.coding import Code
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from sonometry.core.cine import Cine
from sonometry.core.signals import Signals
from sonometry.io.atomic import write_atomic
from sonometry.io.dicom_capture import write_secondary_capture
from sonometry.io.dicom_codes import PRIVATE_SCHEME, VIEW_CODES, unit_code
from sonometry.io.dicom_header import SYNTHETIC_COMMENT, lenient_pydicom
from sonometry.io.dicom_report import write_structured_report

__all__ = ["write_cine", "write_secondary_capture", "write_structured_report"]

ECG = Code("ecg", PRIVATE_SCHEME, "ECG lead")

#: Intervals that differ by less than this are one Frame Time, ms: digits of a DS string.
SAME_INTERVAL_MS = 1e-6


def write_cine(
    cine: Cine,
    path: Path,
    *,
    colour: np.ndarray | None = None,
    subject_key: str = "",
    study_key: str = "",
    view: str | None = None,
    heart_rate_per_min: float | None = None,
    quality: int | None = 95,
    is_synthetic: bool | None = None,
) -> None:
    """Write a cine or still.

    colour : (T, H, W, 3) uint8 RGB to store instead of the grey pixels, for pictures with colour.
    subject_key, study_key : pseudonyms; files of one study_key share a Study Instance UID.
    view : one of `VIEW_CODES`. quality : of JPEG Baseline (4:2:2 for colour), None stores uncompressed.
    is_synthetic : says in the file that it was simulated; by default when the format of `cine.source` does.
    Frames of float32 are clipped to 0-255 and rounded. ValueError for several frames without known times, which the
    object cannot hold; OutputError when writing fails.
    """
    if cine.n_frames > 1 and not cine.is_timed:
        raise ValueError("a DICOM cine needs known frame times; set is_timed, or write the frames one by one")
    if colour is not None and (colour.dtype != np.uint8 or colour.shape != (*cine.shape, 3)):
        raise ValueError(f"colour must be uint8 {(*cine.shape, 3)}, got {colour.dtype} {colour.shape}")
    if view is not None and view not in VIEW_CODES:
        raise ValueError(f"unknown view {view!r}; known: {', '.join(VIEW_CODES)}")
    with lenient_pydicom():
        dataset = _header(cine, subject_key, heart_rate_per_min)
        if is_synthetic if is_synthetic is not None else "simulat" in cine.source.format.lower():
            _mark_synthetic(dataset)
        _add_timing(dataset, cine)
        _add_regions(dataset, cine)
        _add_view(dataset, view)
        _add_ecg(dataset, cine.ecg)
        _add_pixels(
            dataset, _frames(cine, colour), is_colour=colour is not None, quality=quality, n_frames=cine.n_frames
        )
        _add_uids(dataset, study_key)
        stream = io.BytesIO()
        dataset.save_as(stream, enforce_file_format=True)
    write_atomic(path, stream.getvalue())


def _header(cine: Cine, subject_key: str, heart_rate_per_min: float | None) -> Dataset:
    """Patient, Study, Series, Equipment and Image modules; dates stay empty, as nothing was acquired then."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = UltrasoundMultiFrameImageStorage if cine.n_frames > 1 else UltrasoundImageStorage
    dataset.PatientID = subject_key
    dataset.PatientName = f"{subject_key}^" if subject_key else ""
    for keyword in ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber", "StudyID"):
        setattr(dataset, keyword, "")
    dataset.ReferringPhysicianName = ""
    dataset.Modality = "US"
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.Manufacturer = cine.source.device.manufacturer
    if cine.source.device.model:
        dataset.ManufacturerModelName = cine.source.device.model
    if cine.source.device.probe:
        dataset.TransducerData = [cine.source.device.probe, "", ""]
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.PatientOrientation = dataset.Laterality = None
    if heart_rate_per_min is not None:
        dataset.HeartRate = round(heart_rate_per_min)
    return dataset


def _mark_synthetic(dataset: Dataset) -> None:
    """Nothing in the file is of a patient. Synthetic Data (0008,001C) is too new for validators and archives."""
    dataset.ImageComments = SYNTHETIC_COMMENT
    dataset.BurnedInAnnotation = "NO"
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Simulated; there is no patient"


def _add_timing(dataset: Dataset, cine: Cine) -> None:
    """Frame Time where intervals agree, else Frame Time Vector (PS3.3 C.7.6.5)."""
    if cine.n_frames == 1:
        return
    dataset.NumberOfFrames = cine.n_frames
    intervals_ms = np.diff(cine.frame_times_s) * 1e3
    if np.ptp(intervals_ms) < SAME_INTERVAL_MS:
        dataset.FrameTime = _decimal(float(intervals_ms.mean()))
        dataset.FrameIncrementPointer = 0x00181063
    else:
        dataset.FrameTimeVector = [_decimal(v) for v in (0.0, *intervals_ms.tolist())]
        dataset.FrameIncrementPointer = 0x00181065
    rate = round(1e3 / float(intervals_ms.mean()))
    if rate >= 1:
        dataset.CineRate = dataset.RecommendedDisplayFrameRate = rate


def _add_regions(dataset: Dataset, cine: Cine) -> None:
    """One tissue region around the sector (or the picture), with the pixel distances in cm; none when uncalibrated."""
    if cine.spacing_m is None:
        return
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    top, bottom, left, right = _box(cine)
    region.RegionLocationMinX0, region.RegionLocationMinY0 = left, top
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = right, bottom
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX, region.PhysicalDeltaY = cine.spacing_m[1] * 100, cine.spacing_m[0] * 100
    dataset.SequenceOfUltrasoundRegions = [region]


def _box(cine: Cine) -> tuple[int, int, int, int]:
    """Top, bottom, left, right pixel of the sector, all included."""
    _, height, width = cine.shape
    if cine.sector is None or not cine.sector.any():
        return 0, height - 1, 0, width - 1
    rows, columns = np.flatnonzero(cine.sector.any(axis=1)), np.flatnonzero(cine.sector.any(axis=0))
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


def _add_view(dataset: Dataset, view: str | None) -> None:
    if view is None:
        return
    item = _coded(VIEW_CODES[view])
    dataset.ViewCodeSequence = [item]
    _declare_scheme(dataset, VIEW_CODES[view])


def _coded(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


def _declare_scheme(dataset: Dataset, code: Code) -> None:
    """Name the private coding scheme when a code is of it (PS3.3 C.12.1.1.7)."""
    if code.scheme_designator == PRIVATE_SCHEME:
        scheme = Dataset()
        scheme.CodingSchemeDesignator = PRIVATE_SCHEME
        scheme.CodingSchemeResponsibleOrganization = "The Sonometry developers"
        dataset.CodingSchemeIdentificationSequence = [scheme]


def _add_ecg(dataset: Dataset, ecg: Signals | None) -> None:
    """ECG as Waveform Sequence of 16-bit samples (PS3.3 C.10.9), each channel with its own sensitivity."""
    if ecg is None:
        return
    steps = np.nanmax(np.abs(ecg.values), axis=0) / 32767
    steps[~(steps > 0)] = 1.0
    group = Dataset()
    group.MultiplexGroupTimeOffset = _decimal(ecg.start_time_s * 1e3)
    group.WaveformOriginality = "ORIGINAL"
    group.NumberOfWaveformChannels = len(ecg.names)
    group.NumberOfWaveformSamples = len(ecg.values)
    group.SamplingFrequency = _decimal(ecg.sampling_rate_hz)
    group.ChannelDefinitionSequence = [
        _channel(name, unit, float(step)) for name, unit, step in zip(ecg.names, ecg.units, steps, strict=True)
    ]
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.WaveformData = np.nan_to_num(ecg.values / steps).round().astype("<i2").tobytes()
    group["WaveformData"].VR = "OW"
    dataset.WaveformSequence = [group]
    _declare_scheme(dataset, ECG)


def _channel(name: str, unit: str, step: float) -> Dataset:
    channel = Dataset()
    channel.ChannelLabel = name[:16]
    channel.ChannelSourceSequence = [_coded(ECG)]
    channel.ChannelSensitivity = _decimal(step)
    channel.ChannelSensitivityUnitsSequence = [_coded(unit_code(unit))]
    channel.ChannelSensitivityCorrectionFactor, channel.ChannelBaseline = "1", "0"
    channel.ChannelSampleSkew, channel.WaveformBitsStored = "0", 16
    return channel


def _frames(cine: Cine, colour: np.ndarray | None) -> Iterable[np.ndarray]:
    """8-bit frames, one at a time."""
    if colour is not None:
        return iter(colour)
    return (
        frame if frame.dtype == np.uint8 else np.clip(np.rint(frame), 0, 255).astype(np.uint8)
        for frame in cine.frames()
    )


def _add_pixels(
    dataset: Dataset, frames: Iterable[np.ndarray], *, is_colour: bool, quality: int | None, n_frames: int
) -> None:
    encoded, shape = [], (0, 0)
    for frame in frames:
        shape = frame.shape[:2]
        encoded.append(np.ascontiguousarray(frame).tobytes() if quality is None else _jpeg(frame, quality))
    dataset.Rows, dataset.Columns = shape
    dataset.SamplesPerPixel = 3 if is_colour else 1
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    if is_colour:
        dataset.PlanarConfiguration = 0
    dataset.UltrasoundColorDataPresent = int(is_colour)
    if quality is None:
        dataset.PhotometricInterpretation = "RGB" if is_colour else "MONOCHROME2"
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data = b"".join(encoded)
        dataset.PixelData = data + b"\0" * (len(data) % 2)
    else:
        dataset.PhotometricInterpretation = "YBR_FULL_422" if is_colour else "MONOCHROME2"
        dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        n_bytes = n_frames * shape[0] * shape[1] * dataset.SamplesPerPixel
        dataset.LossyImageCompression, dataset.LossyImageCompressionMethod = "01", "ISO_10918_1"
        dataset.LossyImageCompressionRatio = f"{n_bytes / sum(map(len, encoded)):.4g}"
        dataset.PixelData = encapsulate(encoded)
    dataset["PixelData"].VR = "OB"


def _jpeg(frame: np.ndarray, quality: int) -> bytes:
    if frame.ndim == 2:
        return simplejpeg.encode_jpeg(np.ascontiguousarray(frame[..., np.newaxis]), quality, "GRAY", "Gray")
    return simplejpeg.encode_jpeg(np.ascontiguousarray(frame), quality, "RGB", "422")


def _add_uids(dataset: Dataset, study_key: str) -> None:
    """UIDs below 2.25 from digests: of the study key, and of everything that is written."""
    with io.BytesIO() as stream:
        dataset.save_as(stream, implicit_vr=False, little_endian=True)
        content = hashlib.sha256(stream.getvalue()).hexdigest()
    study = study_key or content
    dataset.StudyInstanceUID = _uid("study", study)
    dataset.SeriesInstanceUID = _uid("series", study, content)
    dataset.SOPInstanceUID = _uid("instance", study, content)


def _uid(*parts: str) -> UID:
    digest = hashlib.sha256("/".join(parts).encode()).digest()
    return UID(f"2.25.{int.from_bytes(digest[:16], 'big')}")


def _decimal(value: float) -> str:
    """A DS string: at most 16 characters (PS3.5 6.2)."""
    for digits in range(16, 0, -1):
        if len(text := f"{value:.{digits}g}") <= 16:
            return text
    return "0"
