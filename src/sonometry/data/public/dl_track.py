"""DL_Track: muscle stills with masks of aponeuroses and of fascicles.

    aponeurosis/images/img_00001.tif, aponeurosis/masks/img_00001.tif
    fascicle/images/..., fascicle/masks/...

Nobody tells which pictures are of one person; numbers that follow each other often are of one recording. So pictures
are grouped by likeness: one that resembles the one before it belongs to the same subject, and pictures of one number in
both folders do too. Source: https://github.com/njcronin/DL_Track (Apache-2.0).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from sonometry.core.errors import DataError
from sonometry.data.public.base import (
    ImportOptions,
    Listing,
    PublicClip,
    PublicSet,
    Truth,
    counted,
    folder_with,
    key_of,
    natural_order,
    relative,
)
from sonometry.io.manifest import ManifestRow
from sonometry.io.read import read_cine

PARTS = ("aponeurosis", "fascicle")
PICTURES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")
#: Correlation of two small pictures above which they are of one recording.
ALIKE = 0.8
_SMALL = (48, 48)


@dataclass(frozen=True)
class Mask:
    """The mask of one picture."""

    picture: Path
    mask: Path
    part: str

    def __call__(self) -> Truth:
        """PART_mask (H, W) bool. Raises DataError where mask and picture differ in size."""
        shape, mask = read_cine(self.picture).shape, read_cine(self.mask).frame(0)
        if mask.shape != shape[1:]:
            raise DataError(f"mask and picture {self.picture.name} differ in size: {mask.shape} and {shape[1:]}")
        return {f"{self.part}_mask": mask > mask.max() / 2 if mask.max() else np.zeros(mask.shape, np.bool_)}


def find(folder: Path, options: ImportOptions) -> Listing:
    """Pictures of both parts that have a mask of the same name."""
    place = next((p for part in PARTS if (p := folder_with(folder, f"{part}/images", f"{part}/masks"))), None)
    if place is None:
        raise SET.wrong_layout(folder, "it has neither aponeurosis nor fascicle with images and masks")
    clips: list[PublicClip] = []
    n_bare = 0
    subjects: dict[str, str] = {}
    for part in PARTS:
        masks = {p.stem: p for p in _pictures(place / part / "masks")}
        pictures = _pictures(place / part / "images")
        n_bare += sum(p.stem not in masks for p in pictures)
        kept = [p for p in pictures if p.stem in masks]
        _group(kept, subjects)
        clips += [_clip(folder, part, picture, masks[picture.stem], subjects[picture.stem]) for picture in kept]
    notes = ["people are not told apart: pictures that look alike and follow each other count as one subject"]
    if n_bare:
        notes.append(f"{counted(n_bare, 'picture')} without a mask left out")
    return Listing(tuple(clips), tuple(notes))


def _clip(folder: Path, part: str, picture: Path, mask: Path, subject: str) -> PublicClip:
    row = ManifestRow(
        clip_key=key_of(part, picture.stem),
        path=relative(picture, folder),
        kind="cine",
        subject_key=subject,
        labels={"structure": part, "mask_path": relative(mask, folder)},
    )
    return PublicClip(row, Mask(picture, mask, part))


def _group(pictures: list[Path], subjects: dict[str, str]) -> None:
    """Enter the subject of every picture; names that are known keep theirs and lend it to what looks alike."""
    before: np.ndarray | None = None
    current = ""
    for picture in pictures:
        small = _small(picture)
        if picture.stem in subjects:
            current = subjects[picture.stem]
        elif before is None or _likeness(before, small) < ALIKE:
            current = key_of("recording", picture.stem)
        subjects.setdefault(picture.stem, current)
        before = small


def _small(picture: Path) -> np.ndarray:
    frame = read_cine(picture).frame(0).astype(np.float32)
    small = cv2.resize(frame, _SMALL, interpolation=cv2.INTER_AREA)
    return np.asarray(small - small.mean())


def _likeness(a: np.ndarray, b: np.ndarray) -> float:
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.sum(a * b)) / norm if norm > 0 else 1.0


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = (p for p in folder.iterdir() if p.suffix.lower() in PICTURES and not p.name.startswith("."))
    return sorted(found, key=lambda p: natural_order(p.name))


SET = PublicSet(
    name="dl-track",
    title="DL_Track",
    source="https://github.com/njcronin/DL_Track",
    layout="aponeurosis/images and aponeurosis/masks, or fascicle/images and fascicle/masks, with the same file names",
    find=find,
)
