"""Everything suspicious about a DICOM recording, one sentence each, beyond the notes that its readers make."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydicom.dataset import Dataset

from sonometry.io.dicom import OpenedDicom
from sonometry.io.dicom_frames import DicomFrames, FrameError
from sonometry.io.dicom_header import number, numbers, text, value
from sonometry.io.dicom_regions import regions_of
from sonometry.io.luminance import grey_share_as_rgb, grey_share_as_ybr

#: Ultrasound classes of 1993 to 1998 (PS3.4, retired), which archives often refuse.
RETIRED_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.3": "Ultrasound Multi-frame Image Storage (Retired)",
    "1.2.840.10008.5.1.4.1.1.6": "Ultrasound Image Storage (Retired)",
}

#: Rates of video recorders and displays: a rate of just this size is rarely the scanner's own.
VIDEO_RATES_HZ = (15.0, 20.0, 24.0, 25.0, 29.97, 30.0, 50.0, 59.94, 60.0)

#: Share of coloured pixels from which colour is more than marks and scales.
COLOURED_SHARE = 0.03

#: Relative deviation of a frame interval from the median that motion analysis should know of.
JITTER_SHARE = 0.1


def dicom_problems(opened: OpenedDicom) -> tuple[str, ...]:
    """What the header and the first picture make suspicious."""
    dataset = opened.file.dataset
    return (
        *_class_problems(dataset),
        *_region_problems(dataset, opened),
        *_timing_problems(dataset, opened),
        *_pixel_problems(opened),
        *_heart_problems(dataset),
        *_privacy_problems(dataset),
    )


def _class_problems(dataset: Dataset) -> Iterator[str]:
    if (sop_class := text(dataset, "SOPClassUID")) in RETIRED_CLASSES:
        yield f"the SOP class is {RETIRED_CLASSES[sop_class]}, which archives may refuse"
    if value(dataset, "SharedFunctionalGroupsSequence") is not None:
        yield "this is an enhanced multi-frame object: its frames may be slices of a volume rather than moments in time"


def _region_problems(dataset: Dataset, opened: OpenedDicom) -> Iterator[str]:
    for i, region in enumerate(regions_of(dataset), 1):
        if region.is_ecg:
            yield f"region {i} is the ECG trace, which is kept out of the sector"
        elif region.units == (0, 0) and region.spatial_format in (0, 1) and region.data_type in (0, 1, 2):
            yield f"region {i} ({region.what}) has no physical units and is skipped"
    spacing_mm = numbers(dataset, "PixelSpacing")
    region_m = opened.calibration.spacing_m
    if region_m is not None and len(spacing_mm) == 2 and abs(abs(spacing_mm[0]) / (region_m[0] * 1e3) - 1) > 0.02:
        yield (
            f"PixelSpacing says {spacing_mm[0]:g} mm a row but the ultrasound region {region_m[0] * 1e3:.5g} mm; "
            "the region is used"
        )


def _timing_problems(dataset: Dataset, opened: OpenedDicom) -> Iterator[str]:
    timing = opened.timing
    if len(timing.times_s) < 2 or not timing.is_timed:
        return
    intervals_s = np.diff(timing.times_s)
    median_s = float(np.median(intervals_s))
    if timing.basis == "FrameTimeVector" and number(dataset, "FrameTime") is None:
        yield "there is a FrameTimeVector but no FrameTime; the vector is used"
    if timing.jitter_s > JITTER_SHARE * median_s:
        yield f"frame intervals vary from {intervals_s.min() * 1e3:.4g} to {intervals_s.max() * 1e3:.4g} ms"
    elif any(abs(median_s * rate_hz - 1) < 1e-3 for rate_hz in VIDEO_RATES_HZ):
        yield (
            f"{1 / median_s:.4g} frames a second is a rate of video recorders; the scanner's own may be another "
            "(compare the rate written in the picture)"
        )


def _pixel_problems(opened: OpenedDicom) -> Iterator[str]:
    if not isinstance(opened.frames, DicomFrames):
        yield "the frames are a video stream, whose compression smooths speckle"
        return
    module = opened.frames.decoder.module
    if module.photometric == "PALETTE COLOR":
        yield f"pixels are palette colours ({module.bits_allocated} bit); their luminance is used"
    if module.bits_stored > 8 and module.grey_of_index is None:
        yield f"pixels have {module.bits_stored} bits; they are scaled to 0 to 255"
    if module.samples == 3 and (share := _coloured_share(opened.frames)) > COLOURED_SHARE:
        yield f"{100 * share:.0f} % of the first picture is coloured (flow, tint, marks), so grey is not only tissue"


def _coloured_share(frames: DicomFrames) -> float:
    """Share of pixels of the first picture that are not grey; 0 where colours are not at hand (4:2:2, 16 bit)."""
    decoder = frames.decoder
    try:
        values = decoder.samples(frames.index.read(0)).values
    except FrameError:
        return 0.0
    if values.ndim != 3 or values.dtype != np.uint8:
        return 0.0
    return 1 - (grey_share_as_rgb(values) if decoder.is_rgb else grey_share_as_ybr(values))


def _heart_problems(dataset: Dataset) -> Iterator[str]:
    rate = number(dataset, "HeartRate")
    if rate is not None and not 15 <= rate <= 350:
        yield f"HeartRate is {rate:g}, which means that none was measured"


def _privacy_problems(dataset: Dataset) -> Iterator[str]:
    if text(dataset, "BurnedInAnnotation").upper() == "YES":
        yield "the file says that a patient's data is burned into the picture"
