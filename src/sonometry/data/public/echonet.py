"""EchoNet-Dynamic and EchoNet-Pediatric: apical and short-axis AVI clips with ejection fraction and tracings.

    FileList.csv         FileName, EF, ESV, EDV, FrameHeight, FrameWidth, FPS, NumberOfFrames, Split   (Dynamic)
                         FileName, EF, Sex, Age, Weight, Height, Split (a fold from 0 to 9)            (Pediatric)
    VolumeTracings.csv   FileName, X1, Y1, X2, Y2, Frame: the long axis, then discs across it          (Dynamic)
                         FileName, X, Y, Frame: points of the outline                                  (Pediatric)
    Videos/NAME.avi

Pediatric has the three of them in A4C and in PSAX. Sources: Ouyang et al. 2020, doi:10.1038/s41586-020-2145-8;
Reddy et al. 2023, doi:10.1016/j.echo.2023.01.015. Only the cavity is marked, on two frames: the larger is taken for
end-diastole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sonometry.data.public.base import (
    ImportOptions,
    Listing,
    PublicClip,
    PublicSet,
    Truth,
    counted,
    folded_split,
    folder_with,
    key_of,
    number,
    read_table,
    relative,
    split_of,
)
from sonometry.data.sparse_truth import sparse_masks
from sonometry.io.annotated_clip import HEART_VALUES
from sonometry.io.manifest import ManifestRow
from sonometry.io.read import read_cine
from sonometry.numerics.polygons import polygon_area_px, polygon_mask

N_FOLDS = 10
#: Folders of the pediatric set. Its short axis lies at the papillary muscles.
PEDIATRIC_VIEWS = {"A4C": "A4C", "PSAX": "SAXMID"}
_TABLES = ("FileList.csv", "Videos")


@dataclass(frozen=True)
class Tracings:
    """Outlines of the cavity of one video, (N, 2) row, column, by frame."""

    video: Path
    outlines: Mapping[int, np.ndarray]
    ejection_fraction: float | None

    def __call__(self) -> Truth:
        """Arrays of the truth file. Raises DataError where the video cannot be read."""
        shape = read_cine(self.video).shape
        outlines = {frame: line for frame, line in self.outlines.items() if 0 <= frame < shape[0]}
        truth: dict[str, np.ndarray] = {}
        if outlines:
            cavity = HEART_VALUES["lv_cavity"]
            masks = {f: polygon_mask(line, shape[1:]).astype(np.uint8) * cavity for f, line in outlines.items()}
            truth = sparse_masks(shape, masks, [cavity])
            truth["lv_endocardium_px"] = np.concatenate(list(outlines.values()))
            truth["lv_endocardium_frames"] = np.repeat(list(outlines), [len(line) for line in outlines.values()])
        if len(outlines) >= 2:
            by_area = sorted(outlines, key=lambda frame: polygon_area_px(outlines[frame]))
            truth["end_diastole"] = np.array([by_area[-1]], np.int64)
            truth["end_systole"] = np.array([by_area[0]], np.int64)
        if self.ejection_fraction is not None:
            truth["ejection_fraction"] = np.array(self.ejection_fraction)
        return truth


def find_dynamic(folder: Path, options: ImportOptions) -> Listing:
    """Clips of EchoNet-Dynamic; every video is another person."""
    place = folder_with(folder, *_TABLES)
    if place is None:
        raise DYNAMIC.wrong_layout(folder, "it has no FileList.csv beside a folder Videos")
    return _listing(folder, place, view="A4C", split=lambda text: split_of(text), subject=lambda stem: stem)


def find_pediatric(folder: Path, options: ImportOptions) -> Listing:
    """Clips of both views; files that begin alike (CR32a7555-...) are of one child."""
    place = folder_with(folder, *PEDIATRIC_VIEWS, depth=4)
    if place is None:
        raise PEDIATRIC.wrong_layout(folder, "it has no folders A4C and PSAX")
    clips: list[PublicClip] = []
    notes: list[str] = []

    def fold_split(text: str) -> str:
        fold = number(text)
        return "" if fold is None else folded_split(int(fold), options.fold, N_FOLDS)

    for name, view in PEDIATRIC_VIEWS.items():
        if not all((place / name / table).exists() for table in _TABLES):
            raise PEDIATRIC.wrong_layout(folder, f"{name} lacks FileList.csv or Videos")
        found = _listing(
            folder, place / name, view=view, split=fold_split, subject=lambda stem: stem.split("-")[0], prefix=name
        )
        clips += found.clips
        notes += [f"{name}: {note}" for note in found.notes]
    notes.append(f"fold {options.fold % N_FOLDS} is the test set, the next one validates; --fold N takes another")
    clips, without = _one_split_each(clips)
    if without:
        notes.append(
            f"{counted(without, 'clip')} had no split or another one than the same child elsewhere; the first counts"
        )
    return Listing(tuple(clips), tuple(notes))


def _listing(folder: Path, place: Path, *, view: str, split: object, subject: object, prefix: str = "") -> Listing:
    rows = read_table(place / "FileList.csv", ("FileName", "EF", "Split"))
    tracings = place / "VolumeTracings.csv"
    outlines = _outlines(tracings) if tracings.exists() else {}
    clips: list[PublicClip] = []
    n_missing = n_bare = 0
    for row in rows:
        stem = row["FileName"].removesuffix(".avi")
        video = place / "Videos" / f"{stem}.avi"
        if not video.is_file():
            n_missing += 1
            continue
        fraction = number(row["EF"])
        ejection_fraction = None if fraction is None else fraction / 100
        lines = outlines.get(stem, {})
        n_bare += not lines
        manifest_row = ManifestRow(
            clip_key=key_of(*([prefix] if prefix else []), stem),
            path=relative(video, folder),
            kind="cine",
            subject_key=key_of(subject(stem)),  # type: ignore[operator]
            study_key=key_of(subject(stem)),  # type: ignore[operator]
            view=view,
            split=split(row["Split"]),  # type: ignore[operator]
            labels=_labels(row, ejection_fraction),
        )
        clips.append(PublicClip(manifest_row, Tracings(video, lines, ejection_fraction)))
    notes = []
    if n_missing:
        notes.append(f"{counted(n_missing, 'video')} of FileList.csv {'is' if n_missing == 1 else 'are'} not in Videos")
    if n_bare:
        notes.append(f"{counted(n_bare, 'video')} without a tracing")
    return Listing(tuple(clips), tuple(notes))


def _labels(row: Mapping[str, str], ejection_fraction: float | None) -> dict[str, str]:
    labels = {"ejection_fraction": "" if ejection_fraction is None else f"{ejection_fraction:.6g}"}
    for column, name in (
        ("EDV", "end_diastolic_volume_ml"),
        ("ESV", "end_systolic_volume_ml"),
        ("FPS", "fps"),
        ("Sex", "sex"),
        ("Age", "age_years"),
        ("Weight", "weight_kg"),
        ("Height", "height_cm"),
    ):
        if column in row:
            labels[name] = row[column]
    return labels


def _outlines(path: Path) -> dict[str, dict[int, np.ndarray]]:
    """Outlines by name of the video and frame, of discs (X1, Y1, X2, Y2) or of points (X, Y)."""
    rows = read_table(path, ("FileName", "Frame"))
    has_discs = bool(rows) and "X1" in rows[0]
    columns = ("X1", "Y1", "X2", "Y2") if has_discs else ("X", "Y")
    read_table(path, columns)
    points: dict[str, dict[int, list[list[float]]]] = {}
    for row in rows:
        values = [number(row.get(name, "")) for name in columns]
        frame = number(row["Frame"])
        if frame is not None and all(value is not None for value in values):
            stem = row["FileName"].removesuffix(".avi")
            points.setdefault(stem, {}).setdefault(int(frame), []).append([v for v in values if v is not None])
    make = _outline_of_discs if has_discs else _outline_of_points
    made = {
        stem: {frame: make(np.array(values)) for frame, values in by_frame.items()} for stem, by_frame in points.items()
    }
    return {stem: {f: line for f, line in lines.items() if len(line) >= 3} for stem, lines in made.items()}


def _outline_of_discs(discs: np.ndarray) -> np.ndarray:
    """The first row is the long axis; then one side of all discs downwards and the other one back."""
    across = discs[1:]
    return np.concatenate([across[:, [1, 0]], across[::-1][:, [3, 2]]])


def _outline_of_points(points: np.ndarray) -> np.ndarray:
    return points[:, [1, 0]]


def _one_split_each(clips: list[PublicClip]) -> tuple[list[PublicClip], int]:
    """All clips of a child in the split of its first one that has any; how many that changed."""
    from dataclasses import replace

    chosen: dict[str, str] = {}
    for clip in clips:
        if clip.row.split:
            chosen.setdefault(clip.row.subject_key, clip.row.split)
    made = [replace(c, row=replace(c.row, split=chosen.get(c.row.subject_key, ""))) for c in clips]
    return made, sum(a.row.split != b.row.split for a, b in zip(clips, made, strict=True))


DYNAMIC = PublicSet(
    name="echonet-dynamic",
    title="EchoNet-Dynamic",
    source="https://echonet.github.io/dynamic",
    layout="FileList.csv, VolumeTracings.csv and Videos/*.avi",
    find=find_dynamic,
)
PEDIATRIC = PublicSet(
    name="echonet-pediatric",
    title="EchoNet-Pediatric",
    source="https://echonet.github.io/pediatric",
    layout="A4C and PSAX, each with FileList.csv, VolumeTracings.csv and Videos/*.avi",
    find=find_pediatric,
)
