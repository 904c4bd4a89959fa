"""Marks of a heart as a folder of NIfTI files laid out like CAMUS, which many segmentation programs read.

    CLIP/CLIP_4CH_ED.nii.gz, CLIP_4CH_ED_gt.nii.gz      pictures and labels of end-diastole, end-systole (ES)
    CLIP/CLIP_4CH_half_sequence.nii.gz (and _gt)        all frames from one to the other, labels where all have them
    CLIP/CLIP_4CH_frame_0012.nii.gz (and _gt)           marked frames that are neither
    CLIP/Info_4CH.cfg                                   ED, ES (counted from 1), NbFrame, FrameRate

Labels: 0 background, 1 cavity of the left ventricle, 2 its muscle, 3 left atrium. Distances in mm; a clip without
spacing has 1 x 1, which Sonometry reads as uncalibrated. Layout: Leclerc et al. 2019, doi:10.1109/TMI.2019.2900516.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sonometry.core.cine import Cine
from sonometry.core.errors import DataError
from sonometry.io.annotated_clip import END_DIASTOLE, END_SYSTOLE, HEART_VALUES, AnnotatedClip
from sonometry.io.atomic import atomic_dir, write_atomic

#: Names of views in CAMUS; others keep their own.
CAMUS_VIEWS = {"A2C": "2CH", "A3C": "3CH", "A4C": "4CH"}
UNKNOWN_VIEW = "VIEW"


def write_camus(clip: AnnotatedClip, cine: Cine, folder: Path | str) -> tuple[Path, ...]:
    """Write one clip into `folder`/CLIP_KEY and return the files.

    Raises DataError where no frame has a contour of the heart, OutputError.
    """
    frames = [f for f in clip.contours if clip.heart_mask(f).any()]
    if not frames:
        raise DataError(f"{clip.clip_key} has no contour of the heart; CAMUS-like folders need one")
    view = CAMUS_VIEWS.get(label := clip.views[0][1] if clip.views else UNKNOWN_VIEW, label)
    phases = {name: _first_marked(clip.frames_of(name), frames) for name in (END_DIASTOLE, END_SYSTOLE)}
    names = {frame: name for name, frame in phases.items() if frame is not None}
    with atomic_dir(Path(folder) / clip.clip_key) as partial:
        stem = partial / f"{clip.clip_key}_{view}"
        for frame in frames:
            name = f"{stem}_{names.get(frame, f'frame_{frame + 1:04d}')}"
            write_nifti(cine.frame(frame), clip.spacing_m, Path(f"{name}.nii.gz"))
            write_nifti(clip.heart_mask(frame), clip.spacing_m, Path(f"{name}_gt.nii.gz"))
        between = _between(phases[END_DIASTOLE], phases[END_SYSTOLE])
        if len(between) > 1:
            pictures = np.stack([cine.frame(f) for f in between])
            write_nifti(pictures, clip.spacing_m, Path(f"{stem}_half_sequence.nii.gz"))
            if all(f in frames for f in between):
                labels = np.stack([clip.heart_mask(f) for f in between])
                write_nifti(labels, clip.spacing_m, Path(f"{stem}_half_sequence_gt.nii.gz"))
        write_atomic(partial / f"Info_{view}.cfg", _info(clip, phases, len(between)))
        written = sorted(p.name for p in partial.iterdir())
    return tuple(Path(folder) / clip.clip_key / name for name in written)


def write_nifti(array: np.ndarray, spacing_m: tuple[float, float] | None, path: Path) -> None:
    """Write (H, W) or (T, H, W) uint8 pixels; `spacing_m` of rows and columns, None writes 1 x 1 mm."""
    import SimpleITK as sitk

    row_mm, column_mm = (v * 1e3 for v in spacing_m) if spacing_m else (1.0, 1.0)
    image: Any = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing((column_mm, row_mm, 1.0)[: array.ndim])
    sitk.WriteImage(image, str(path), useCompression=True)


def read_nifti(path: Path) -> tuple[np.ndarray, tuple[float, float] | None]:
    """Array (H, W) or (T, H, W) as stored, and (row, column) spacing in m, None where it is the 1 x 1 placeholder.

    Raises DataError for a file that cannot be read.
    """
    from sonometry.io.volumes import itk_image

    image = itk_image(path)
    import SimpleITK as sitk

    array = np.asarray(sitk.GetArrayFromImage(image))
    column_mm, row_mm = image.GetSpacing()[:2]
    spacing = None if (row_mm, column_mm) == (1.0, 1.0) else (row_mm / 1e3, column_mm / 1e3)
    return array, spacing


def read_camus_label(path: Path) -> dict[str, np.ndarray]:
    """Masks (H, W) bool of a label picture by region, those that have pixels."""
    labels, _ = read_nifti(path)
    flat = labels.reshape(labels.shape[-2:])
    return {name: flat == value for name, value in HEART_VALUES.items() if (flat == value).any()}


def _first_marked(frames: tuple[int, ...], with_contours: list[int]) -> int | None:
    """The first of `frames` that has contours, as CAMUS has one of each phase."""
    return next((f for f in frames if f in with_contours), None)


def _between(first: int | None, second: int | None) -> list[int]:
    if first is None or second is None:
        return []
    step = 1 if second >= first else -1
    return list(range(first, second + step, step))


def _info(clip: AnnotatedClip, phases: dict[str, int | None], n_between: int) -> str:
    """ED and ES count within the half sequence where there is one, as in CAMUS, else within the clip, from 1."""
    if n_between > 1:
        lines = ["ED: 1", f"ES: {n_between}", f"NbFrame: {n_between}"]
    else:
        lines = [f"{name}: {frame + 1}" for name, frame in phases.items() if frame is not None]
        lines.append(f"NbFrame: {clip.shape[0]}")
    if clip.frame_rate_hz:
        lines.append(f"FrameRate: {clip.frame_rate_hz:.6g}")
    return "\n".join(lines) + "\n"
