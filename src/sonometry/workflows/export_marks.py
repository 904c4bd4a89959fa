"""Marks of readers into the formats of others: manifest.csv with truth, CAMUS-like NIfTI, DICOM SEG and SR, COCO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from sonometry.core.annotation import Annotation
from sonometry.core.application import Progress, no_progress
from sonometry.core.cine import Cine
from sonometry.core.errors import DataError, OutputError, UsageError
from sonometry.data.sparse_truth import packed, sparse_masks
from sonometry.io.annotated_clip import END_DIASTOLE, END_SYSTOLE, HEART_VALUES, AnnotatedClip
from sonometry.io.annotation_coco import frame_name, write_coco
from sonometry.io.annotation_nifti import write_camus
from sonometry.io.atomic import write_atomic
from sonometry.io.dicom_marks import write_marks
from sonometry.io.dicom_segmentation import write_segmentation
from sonometry.io.linked_folder import link_to
from sonometry.io.manifest import Manifest, ManifestRow, write_manifest
from sonometry.io.read import read_cine

#: Formats by name. "manifest" writes manifest.csv with labels and truth files.
FORMATS = ("manifest", "camus", "seg", "sr", "coco")


@dataclass(frozen=True)
class LeftOut:
    """A clip that a format could not take, with the reason."""

    clip_key: str
    format: str
    reason: str


@dataclass(frozen=True)
class Exported:
    """files : all that was written. left_out : clips that a format could not take."""

    files: tuple[Path, ...]
    left_out: tuple[LeftOut, ...]


def export_marks(
    manifest: Manifest,
    annotations: Sequence[Annotation],
    out: Path | str,
    *,
    formats: Sequence[str] = FORMATS,
    progress: Progress | None = None,
) -> Exported:
    """Write the marks of one reading (one author and round, or `consensus`) on the clips of a manifest.

    Below `out`: manifest.csv and truth/, camus/, seg/, sr/, coco/. A clip that a format cannot hold (a video in DICOM)
    is left out of it with the reason; a clip that cannot be read is left out of all.
    Raises UsageError for an unknown format, DataError for marks of several readings or of no clip of the manifest.
    """
    wanted = tuple(dict.fromkeys(formats))
    if unknown := [name for name in wanted if name not in FORMATS]:
        raise UsageError(f"unknown format {unknown[0]}; there are: {', '.join(FORMATS)}")
    by_clip = _by_clip(manifest, annotations)
    export = _Export(manifest, Path(out), wanted)
    for number, (row, marks) in enumerate(by_clip, start=1):
        export.add(row, marks)
        (progress or no_progress)(number / len(by_clip), f"{number} of {len(by_clip)} clips")
    return export.finish()


def annotated_clip(row: ManifestRow, path: Path, annotations: Sequence[Annotation]) -> tuple[AnnotatedClip, Cine]:
    """The clip of a row with its marks, and its frames (decoded on access). DataError where it cannot be read."""
    cine = read_cine(path)
    clip = AnnotatedClip(
        clip_key=row.clip_key,
        subject_key=row.subject_key,
        shape=cine.shape,
        annotations=tuple(annotations),
        path=path,
        spacing_m=cine.spacing_m,
        frame_rate_hz=cine.frame_rate_hz,
        study_key=row.study_key,
    )
    return clip, cine


def truth_of(clip: AnnotatedClip) -> dict[str, np.ndarray]:
    """Arrays of a truth file: frames of the beat, mask of the heart, and every contour as NAME_px with NAME_frames.

    Contours of one structure have different numbers of points: `NAME_px` (N, 2) holds them one after the other and
    `NAME_frames` (N,) the frame of each point.
    """
    truth: dict[str, np.ndarray] = {}
    for phase, name in ((END_DIASTOLE, "end_diastole"), (END_SYSTOLE, "end_systole")):
        if frames := clip.frames_of(phase):
            truth[name] = np.array(frames, np.int64)
    masks = {frame: clip.heart_mask(frame) for frame in clip.contours}
    marked = {name for frame in clip.contours for name in clip.region_masks(frame)} & set(HEART_VALUES)
    if marked:
        kept = {frame: mask for frame, mask in masks.items() if mask.any()}
        truth |= sparse_masks(clip.shape, kept, [HEART_VALUES[name] for name in marked])
    for structure in dict.fromkeys(name for by_name in clip.contours.values() for name in by_name):
        lines = {frame: by_name[structure] for frame, by_name in clip.contours.items() if structure in by_name}
        truth[f"{structure}_px"] = np.concatenate(list(lines.values()))
        truth[f"{structure}_frames"] = np.repeat(list(lines), [len(line) for line in lines.values()])
    if clip.spacing_m is not None:
        truth["spacing_m"] = np.array(clip.spacing_m)
    return truth


class _Export:
    """One call: what was written so far, and what could not be."""

    def __init__(self, manifest: Manifest, out: Path, formats: tuple[str, ...]) -> None:
        self.manifest, self.out, self.formats = manifest, out, formats
        self.files: list[Path] = []
        self.left_out: list[LeftOut] = []
        self.rows: list[ManifestRow] = []
        self.coco: list[AnnotatedClip] = []

    def add(self, row: ManifestRow, marks: Sequence[Annotation]) -> None:
        try:
            clip, cine = annotated_clip(row, self.manifest.file_of(row), marks)
        except DataError as error:
            self.left_out += [LeftOut(row.clip_key, name, str(error)) for name in self.formats]
            return
        for name in self.formats:
            try:
                getattr(self, f"_{name}")(row, clip, cine)
            except DataError as error:
                self.left_out.append(LeftOut(row.clip_key, name, str(error)))

    def finish(self) -> Exported:
        if self.coco:
            path = self.out / "coco" / "annotations.json"
            frames = [(clip.clip_key, frame) for clip in self.coco for frame in clip.contours]
            write_coco(self.coco, path, files={one: f"images/{frame_name(*one)}" for one in frames})
            self.files.append(path)
        if self.rows:
            path = self.out / "manifest.csv"
            write_manifest(self.rows, path)
            self.files.append(path)
        return Exported(tuple(self.files), tuple(self.left_out))

    def _manifest(self, row: ManifestRow, clip: AnnotatedClip, cine: Cine) -> None:
        truth_path = ""
        if truth := truth_of(clip):
            truth_path = f"truth/{row.clip_key}.truth.npz"
            write_atomic(self.out / truth_path, packed(truth))
            self.files.append(self.out / truth_path)
        prefix = link_to(self.manifest.folder, self.out)
        self.rows += _rows(replace(row, path=(prefix / row.path).as_posix(), truth_path=truth_path), clip)

    def _camus(self, row: ManifestRow, clip: AnnotatedClip, cine: Cine) -> None:
        self.files += write_camus(clip, cine, self.out / "camus")

    def _seg(self, row: ManifestRow, clip: AnnotatedClip, cine: Cine) -> None:
        path = self.out / "seg" / f"{row.clip_key}.dcm"
        write_segmentation(clip, path)
        self.files.append(path)

    def _sr(self, row: ManifestRow, clip: AnnotatedClip, cine: Cine) -> None:
        path = self.out / "sr" / f"{row.clip_key}.dcm"
        write_marks(clip, path)
        self.files.append(path)

    def _coco(self, row: ManifestRow, clip: AnnotatedClip, cine: Cine) -> None:
        if not clip.contours:
            raise DataError(f"{row.clip_key} has no contour; COCO holds nothing else")
        for frame in clip.contours:
            path = self.out / "coco" / "images" / frame_name(row.clip_key, frame)
            write_atomic(path, _png(cine.frame(frame)))
            self.files.append(path)
        self.coco.append(clip)


def _by_clip(manifest: Manifest, annotations: Sequence[Annotation]) -> list[tuple[ManifestRow, list[Annotation]]]:
    readings = sorted({(mark.author, mark.round) for mark in annotations})
    if len(readings) > 1:
        listed = ", ".join(f"{author} round {number}" for author, number in readings[:6])
        raise DataError(f"there are {len(readings)} readings ({listed}); export one of them, or their consensus")
    marks: dict[str, list[Annotation]] = {}
    for mark in annotations:
        marks.setdefault(mark.clip_key, []).append(mark)
    found = [(row, marks[row.clip_key]) for row in manifest if row.clip_key in marks]
    if not found:
        raise DataError("no clip of the manifest has a mark; there is nothing to export")
    return found


def _rows(row: ManifestRow, clip: AnnotatedClip) -> list[ManifestRow]:
    """One row for every view of a clip: with several, `first_frame` and `last_frame` tell the parts."""
    labels = dict(row.labels) | {name: f"{score:g}" for name, score in clip.scores.items()}
    for phase, name in ((END_DIASTOLE, "end_diastole"), (END_SYSTOLE, "end_systole")):
        if frames := clip.frames_of(phase):
            labels[name] = " ".join(map(str, frames))
    if clip.unusable:
        labels["unusable"] = clip.unusable
    views = clip.views
    if len(views) < 2:
        return [replace(row, view=views[0][1] if views else row.view, labels=labels)]
    starts = [start for start, _ in views]
    ends = [*(start - 1 for start in starts[1:]), clip.shape[0] - 1]
    return [
        replace(
            row,
            clip_key=row.clip_key if number == 0 else f"{row.clip_key[:60]}-{number + 1}",
            view=view,
            labels={**labels, "first_frame": str(start), "last_frame": str(end)},
        )
        for number, ((start, view), end) in enumerate(zip(views, ends, strict=True))
    ]


def _png(frame: np.ndarray) -> bytes:
    pixels = frame if frame.dtype == np.uint8 else np.clip(np.rint(frame), 0, 255).astype(np.uint8)
    is_encoded, data = cv2.imencode(".png", pixels)
    if not is_encoded:
        raise OutputError("a frame cannot be written as PNG")
    return bytes(data.tobytes())
