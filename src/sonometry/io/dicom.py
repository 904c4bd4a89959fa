"""DICOM ultrasound cine or still to a `Cine`, decoded frame by frame on access.

Nothing of the patient leaves the header: a `Cine` carries device, calibration, timing and pixels only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom.uid import SegmentationStorage

from sonometry.core.cine import Cine
from sonometry.core.errors import DataError
from sonometry.core.source import Source, digest_files
from sonometry.io.dicom_frames import DicomFrames, open_frames
from sonometry.io.dicom_header import DicomFile, device_of, is_synthetic, open_dicom, text, uid
from sonometry.io.dicom_regions import Calibration, calibrate
from sonometry.io.dicom_timing import FrameTiming, frame_timing
from sonometry.io.dicom_video import is_video, open_video
from sonometry.io.dicom_waveform import ecg_of
from sonometry.io.facts import Facts
from sonometry.io.told import told_spacing, told_times
from sonometry.io.video_stream import VideoFrames


@dataclass(frozen=True, eq=False)
class OpenedDicom:
    """A file with all that its header says about the frames, before a user's facts."""

    file: DicomFile
    syntax: str
    frames: DicomFrames | VideoFrames
    calibration: Calibration
    timing: FrameTiming
    notes: tuple[str, ...]

    @property
    def format(self) -> str:
        return f"DICOM {uid(self.syntax).name}" if uid(self.syntax).is_transfer_syntax else "DICOM"


def read_dicom(path: Path, facts: Facts | None = None) -> Cine:
    """Read one cine or still.

    Spacing comes from the largest tissue region, times from the header's best source, see `dicom_regions` and
    `dicom_timing`; a fact given by the user replaces either, with a note.
    Raises DataError for a damaged file, for one without pixels and where the first frame cannot be decoded;
    a later damaged frame raises when it is accessed.
    """
    opened = open_recording(path)
    facts = facts or Facts()
    spacing_m, spacing_notes = told_spacing(facts, opened.calibration.spacing_m)
    times_s, is_timed, time_notes = told_times(facts, opened.timing.times_s, opened.timing.is_timed)
    return Cine(
        opened.frames,
        frame_times_s=times_s,
        spacing_m=spacing_m,
        sector=opened.calibration.sector,
        ecg=ecg_of(opened.file.dataset),
        is_timed=is_timed,
        source=Source(
            name="clip",
            format=opened.format,
            sha256=digest_files([path]),
            paths=(path,),
            device=device_of(opened.file.dataset),
            notes=(
                *opened.notes,
                *(spacing_notes or opened.calibration.notes),
                *(time_notes or opened.timing.notes),
            ),
        ),
    )


def open_recording(path: Path) -> OpenedDicom:
    """Header, calibration, timing and frame index of a file. Raises DataError as `read_dicom` does."""
    file = open_dicom(path)
    if file.pixels is None:
        raise DataError(f"{file.name} is a DICOM {_what(file)} without pixels; pass an ultrasound image or cine")
    if text(file.dataset, "SOPClassUID") == SegmentationStorage:
        raise DataError(f"{file.name} is a DICOM Segmentation, a result and no recording; pass the cine it was made on")
    if is_video(file):
        return _opened(file, file.transfer_syntax, open_video(file), ())
    frames, notes = open_frames(file)
    return _opened(file, frames.decoder.syntax, frames, notes)


def _opened(file: DicomFile, syntax: str, frames: DicomFrames | VideoFrames, notes: tuple[str, ...]) -> OpenedDicom:
    n_frames, height, width = frames.shape
    return OpenedDicom(
        file=file,
        syntax=syntax,
        frames=frames,
        calibration=calibrate(file.dataset, height, width),
        timing=frame_timing(file.dataset, n_frames),
        notes=(*_origin_notes(file), *notes),
    )


def _what(file: DicomFile) -> str:
    """Kind of object by its SOP class, "object" when that is unknown."""
    sop_class = uid(text(file.dataset, "SOPClassUID"))
    return sop_class.name.removesuffix(" Storage") if sop_class and sop_class.name != str(sop_class) else "object"


def _origin_notes(file: DicomFile) -> list[str]:
    notes = ["the file says that it was simulated"] if is_synthetic(file.dataset) else []
    modality = text(file.dataset, "Modality").upper()
    # Exported screens and films of ultrasound carry other modalities, so this is no reason to refuse.
    if modality in ("US", "IVUS", ""):
        return notes
    known = modality if modality.isalpha() and len(modality) <= 4 else "another one"
    return [*notes, f"the file's modality is {known}, not ultrasound"]
