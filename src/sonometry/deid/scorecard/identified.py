"""Simulated recordings as a scanner would have exported them: invented patients in headers, folders and pixels.

So the way from an export to a trained network can be tried, and shown, without any real patient.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from sonometry.core.errors import DataError
from sonometry.deid.frames import Frames, layout_of
from sonometry.deid.scorecard.exports import Exam, identify
from sonometry.deid.scorecard.identities import STUDIES, TODAY, draw_identity
from sonometry.deid.scorecard.lettering import render

#: Rows above the picture, grey level of the banner, and size of its letters in pixels.
_BANNER_ROWS, _BANNER_GREY, _LETTERS_PX = 44, 38, 15
_QUALITY = 90


def write_identified(simulated: Path | str, out: Path | str, *, seed: int = 0) -> list[Path]:
    """Write every DICOM file below `simulated` to `out` under invented names, as JPEG with a banner; the new paths.

    Files of one patient get one identity. Truth and manifest stay behind: an export has none.
    Raises DataError where there is no DICOM file.
    """
    sources = sorted(Path(simulated).rglob("*.dcm"))
    if not sources:
        raise DataError(f"{Path(simulated).name} holds no .dcm file; pass what sonometry simulate wrote")
    rng = np.random.default_rng(seed)
    exams: dict[str, Exam] = {}
    counts: dict[str, int] = {}
    written = []
    for source in sources:
        file = dcmread(source)
        patient = str(file.PatientID)
        exam = exams.setdefault(patient, _exam(rng, len(exams), (str(file.get("Manufacturer")), "")))
        counts[patient] = counts.get(patient, 0) + 1
        written.append(_write(file, Path(out), exam, counts[patient]))
    return written


def _exam(rng: np.random.Generator, number: int, scanner: tuple[str, str]) -> Exam:
    day = TODAY - timedelta(days=int(rng.integers(30, 3000)))
    return Exam(draw_identity(rng), day, scanner, number, f"{rng.integers(10**7, 10**8)}")


def _write(file: FileDataset, out: Path, exam: Exam, image: int) -> Path:
    pictures = _with_banner(file, exam)
    for keyword in ("PatientIdentityRemoved", "DeidentificationMethod", "ImageComments"):
        file.pop(keyword, None)
    identify(file, exam, image)
    file.StudyDescription = f"{STUDIES[0]} {exam.identity.family}"
    file.BurnedInAnnotation = "YES"
    for region in file.get("SequenceOfUltrasoundRegions") or []:
        region.RegionLocationMinY0 = int(region.RegionLocationMinY0) + _BANNER_ROWS
        region.RegionLocationMaxY1 = int(region.RegionLocationMaxY1) + _BANNER_ROWS
    _encode(file, pictures)
    folder = out / f"{exam.identity.family}_{exam.identity.given}" / exam.date.isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{exam.identity.family}_{image:03d}.dcm"
    file.save_as(path, enforce_file_format=True)
    return path


def _with_banner(file: FileDataset, exam: Exam) -> np.ndarray:
    """(T, H + banner, W, 3) uint8 frames below a banner with name, number, birth date, hospital and date."""
    frames = Frames(file, layout_of(file, file.file_meta.TransferSyntaxUID))
    shown = np.stack([frames.rgb(index) for index in range(frames.layout.n_frames)])
    banner = np.full((_BANNER_ROWS, shown.shape[2], 3), _BANNER_GREY, np.uint8)
    identity = exam.identity
    for row, texts in (
        (2, (identity.screen_names[0], identity.hospital)),
        (23, (f"{identity.patient_id}  *{identity.birth:%d.%m.%Y}", f"{exam.date:%m/%d/%Y}")),
    ):
        _print(banner, texts, row)
    banners = np.broadcast_to(banner, (len(shown), *banner.shape))
    return np.concatenate([banners, shown], axis=1)


def _print(banner: np.ndarray, texts: tuple[str, str], row: int) -> None:
    """One text at the left end of a row and one at its right end, where there is room for it."""
    left, right = (render(text, "DejaVuSans-Bold", _LETTERS_PX).coverage for text in texts)
    width = banner.shape[1]
    for cover, column in ((left, 8), (right, width - right.shape[1] - 8)):
        if column < 8 or (cover is right and column < left.shape[1] + 16):
            continue
        cover = cover[: _BANNER_ROWS - row, : width - column]
        box = banner[row : row + cover.shape[0], column : column + cover.shape[1]]
        box[:] = np.round(box * (1 - cover[..., None]) + 235 * cover[..., None])


def _encode(file: FileDataset, pictures: np.ndarray) -> None:
    import simplejpeg

    is_grey = bool((np.ptp(pictures, axis=3) <= 2).all())
    colours = ("GRAY", "Gray") if is_grey else ("RGB", "422")
    streams = []
    for picture in pictures:
        pixels = np.ascontiguousarray(picture[..., :1] if is_grey else picture)
        stream = simplejpeg.encode_jpeg(pixels, quality=_QUALITY, colorspace=colours[0], colorsubsampling=colours[1])
        streams.append(stream + b"\0" * (len(stream) % 2))
    file.Rows, file.Columns = pictures.shape[1:3]
    file.SamplesPerPixel = 1 if is_grey else 3
    file.PhotometricInterpretation = "MONOCHROME2" if is_grey else "YBR_FULL_422"
    file.BitsAllocated = file.BitsStored = 8
    file.HighBit, file.PixelRepresentation = 7, 0
    if not is_grey:
        file.PlanarConfiguration = 0
    file.LossyImageCompression, file.LossyImageCompressionMethod = "01", "ISO_10918_1"
    file.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    file.PixelData = encapsulate(streams)
    file["PixelData"].VR = "OB"
    file["PixelData"].is_undefined_length = True
