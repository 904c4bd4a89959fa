"""Marks as files: manifest.csv to train with, JSON lines, CAMUS-like NIfTI, DICOM SEG and SR, COCO.

The manifest is written beside the recordings, through the catalogue. Everything else goes into one folder, reading by
reading, and what several blind readers agree on as the reading "consensus".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sonometry.annotate.desk import Desk
from sonometry.annotate.manifest import export_labels
from sonometry.annotate.readings import (
    CONSENSUS,
    Reading,
    all_readings,
    annotated_clips,
    annotations_of,
    consensus_contours,
    readings_of,
)
from sonometry.core.errors import DataError, UsageError
from sonometry.io.annotated_clip import AnnotatedClip
from sonometry.io.annotations import write_annotations
from sonometry.io.atomic import atomic_dir

EXPORTS = "exports"


@dataclass
class Exported:
    """Files and folders that were written, and what was left out."""

    paths: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def export(desk: Desk, formats: Sequence[str], out: Path | None) -> Exported:
    """Write marks as `formats` into `out`, by default the folder `exports` of the workspace.

    Raises UsageError for an unknown format, DataError where nothing was marked, OutputError.
    """
    unknown = [name for name in formats if name not in _WRITERS]
    if unknown or not formats:
        raise UsageError(f"--to takes {', '.join(_WRITERS)}, got {', '.join(unknown) or 'nothing'}")
    if not any(reading.marks for reading in all_readings(desk)):
        raise DataError("nothing has been marked yet; run sonometry annotate first")
    result = Exported()
    for name in dict.fromkeys(formats):
        _WRITERS[name](desk, out or desk.workspace / EXPORTS, result)
    return result


def _manifest(desk: Desk, out: Path, result: Exported) -> None:
    paths, notes = export_labels(desk)
    result.paths += paths
    result.notes += notes


def _marks(desk: Desk, out: Path, result: Exported) -> None:
    path = out / "annotations.jsonl"
    write_annotations((one for reading in all_readings(desk) for one in annotations_of(reading.marks)), path)
    result.paths.append(path)


def _camus(desk: Desk, out: Path, result: Exported) -> None:
    from sonometry.io.annotation_nifti import write_camus

    for name, clips in _clips_by_reading(desk).items():
        for clip in clips:
            if any(clip.heart_mask(frame).any() for frame in clip.contours):
                write_camus(clip, desk.frames.read(clip.clip_key), out / "camus" / name)
                result.paths.append(out / "camus" / name / clip.clip_key)
    _note_empty(result, "camus", out)


def _dicom(desk: Desk, out: Path, result: Exported) -> None:
    from sonometry.io.dicom_marks import write_marks
    from sonometry.io.dicom_segmentation import write_segmentation

    refused = 0
    for name, clips in _clips_by_reading(desk, with_exams=True).items():
        folder = out / "dicom" / name
        for clip in clips:
            try:
                write_marks(clip, folder / f"{clip.clip_key}.sr.dcm")
                result.paths.append(folder / f"{clip.clip_key}.sr.dcm")
                if any(mask.any() for frame in clip.contours for mask in clip.region_masks(frame).values()):
                    write_segmentation(clip, folder / f"{clip.clip_key}.seg.dcm")
                    result.paths.append(folder / f"{clip.clip_key}.seg.dcm")
            except DataError:
                refused += 1
    if refused:
        result.notes.append(
            f"{refused} clips are no DICOM files that a result can refer to; export them as coco or camus"
        )
    _note_empty(result, "dicom", out)


def _coco(desk: Desk, out: Path, result: Exported) -> None:
    import cv2

    from sonometry.io.annotation_coco import frame_name, write_coco

    for name, clips in _clips_by_reading(desk).items():
        drawn = [clip for clip in clips if clip.contours]
        if not drawn:
            continue
        with atomic_dir(out / "coco" / name) as folder:
            write_coco(drawn, folder / "annotations.json")
            for clip in drawn:
                for frame in clip.contours:
                    picture = cv2.imencode(".png", desk.frames.grey(clip.clip_key, frame))[1].tobytes()
                    (folder / frame_name(clip.clip_key, frame)).write_bytes(picture)
        result.paths.append(out / "coco" / name)
    _note_empty(result, "coco", out)


_WRITERS: Mapping[str, Callable[[Desk, Path, Exported], None]] = {
    "manifest": _manifest,
    "marks": _marks,
    "camus": _camus,
    "dicom": _dicom,
    "coco": _coco,
}


def _note_empty(result: Exported, name: str, out: Path) -> None:
    if not any(path.is_relative_to(out / name) for path in result.paths):
        result.notes.append(f"{name}: nothing was drawn that this format can hold")


def _clips_by_reading(desk: Desk, *, with_exams: bool = False) -> dict[str, list[AnnotatedClip]]:
    """Annotated clips of every reading, and of the consensus of blind lists of contours.

    with_exams : scores of an exam are given to its first clip.
    """
    found: dict[str, list[AnnotatedClip]] = defaultdict(list)
    for reading in all_readings(desk):
        found[reading.name] += annotated_clips(desk, annotations_of(reading.marks), with_exams=with_exams)
    for one in desk.lists.all():
        readings: list[Reading] = readings_of(desk, one.name) if one.is_blind and one.structures else []
        if len(readings) > 1:
            found[CONSENSUS] += annotated_clips(desk, consensus_contours(desk, readings), with_exams=False)
    return {name: clips for name, clips in found.items() if clips}
