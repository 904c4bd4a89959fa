"""Unity Imaging Collaborative: echo stills with points and curves drawn by experts.

    labels/PROJECT/labels-train.json, labels-tune.json (or labels-val.json), or labels-all.json
    png-cache/01/ab/cd/01-abcd...-0012.png, the name being source, digest of the clip, and frame

A label file maps the name of a picture to {"labels": {"curve-lv-endo": {"type": "curve", "x": "1 2", "y": "3 4"}}}; a
curve is a cubic spline through its points, type "off" means outside of the picture, "blurred" not to be seen. The set
does not tell who is who, so every clip counts as a person. Source: https://data.unityimaging.net.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline

from sonometry.core.errors import DataError
from sonometry.data.public.base import (
    ImportOptions,
    Listing,
    PublicClip,
    PublicSet,
    Truth,
    counted,
    files_by_name,
    key_of,
    natural_order,
    number,
    relative,
    split_of,
)
from sonometry.data.sparse_truth import sparse_masks
from sonometry.io.annotated_clip import HEART_VALUES
from sonometry.io.manifest import ManifestRow
from sonometry.io.read import read_cine
from sonometry.io.sniff import check_readable
from sonometry.numerics.polygons import polygon_mask

#: Curves that become contours of ours, with the region they close.
CURVES = {"curve-lv-endo": ("lv_endocardium", "lv_cavity"), "curve-la-endo": ("left_atrium", "left_atrium")}
_NAME = re.compile(r"(?P<clip>.+)-(?P<frame>\d{3,})")
_POINTS_PER_PIECE = 8


@dataclass(frozen=True)
class Marks:
    """All points and curves of one picture, (N, 2) row, column, by label."""

    picture: Path
    marks: Mapping[str, np.ndarray]

    def __call__(self) -> Truth:
        """NAME_px of every label, contours as dense lines, and the mask of the heart where a curve closes a region."""
        shape = read_cine(self.picture).shape
        truth: dict[str, np.ndarray] = {}
        mask = np.zeros(shape[1:], np.uint8)
        values = []
        for label, points in self.marks.items():
            if label.startswith("curve-") and len(points) > 2:
                points = spline(points)
            name, region = CURVES.get(label, (label.replace("-", "_"), None))
            truth[f"{name}_px"] = points
            if region is not None and len(points) > 2:
                mask[polygon_mask(points, shape[1:])] = HEART_VALUES[region]
                values.append(HEART_VALUES[region])
        return truth | (sparse_masks(shape, {0: mask}, values) if values else {})


def spline(points: np.ndarray) -> np.ndarray:
    """(M, 2) of a cubic spline through (N, 2) points by their distance along the line; doubled points count once."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    kept: np.ndarray = points[np.concatenate([[True], steps > 1e-6])]
    if len(kept) < 3:
        return kept
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(kept, axis=0), axis=1))])
    at: np.ndarray = np.interp(
        np.linspace(0, len(kept) - 1, _POINTS_PER_PIECE * (len(kept) - 1) + 1), np.arange(len(kept)), along
    )
    dense: np.ndarray = np.asarray(CubicSpline(along, kept)(at), np.float64)
    return dense


def find(folder: Path, options: ImportOptions) -> Listing:
    """Labelled pictures, with the split of the label file that names them."""
    files = [p for p in sorted(folder.rglob("labels-*.json"))]
    if not files:
        raise SET.wrong_layout(folder, "it has no labels-train.json or labels-all.json")
    pictures = files_by_name(folder, (".png",))
    entries: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for path in sorted(files, key=lambda p: (split_of(_part(p)) == "", p.as_posix())):  # lists with a split first
        for name, entry in _labels(path).items():
            entries.setdefault(name, (split_of(_part(path)), entry))
    clips: list[PublicClip] = []
    n_missing = 0
    for name in sorted(entries, key=natural_order):
        split, entry = entries[name]
        picture = pictures.get(name)
        if picture is None:
            n_missing += 1
        else:
            clips.append(_clip(folder, picture, split, entry))
    notes = ["the set does not tell patients apart: every clip counts as one"]
    if n_missing:
        notes.append(f"{counted(n_missing, 'picture')} of the label files not found in png-cache")
    return Listing(tuple(clips), tuple(notes))


def _clip(folder: Path, picture: Path, split: str, entry: Mapping[str, Any]) -> PublicClip:
    match = _NAME.fullmatch(picture.stem)
    marks = {label: points for label, value in entry.items() if (points := _points(value)) is not None}
    row = ManifestRow(
        clip_key=key_of("unity", picture.stem),
        path=relative(picture, folder),
        kind="cine",
        subject_key=key_of("unity", match["clip"] if match else picture.stem),
        split=split,
        labels={"frame": str(int(match["frame"])) if match else "", "marks": " ".join(sorted(marks))},
    )
    return PublicClip(row, Marks(picture, marks) if marks else None)


def _part(path: Path) -> str:
    return path.stem.removeprefix("labels-")


def _labels(path: Path) -> dict[str, Mapping[str, Any]]:
    """Labels by name of picture. DataError where the file is something else."""
    check_readable(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): entry["labels"] for name, entry in content.items() if isinstance(entry["labels"], dict)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f'{path.name} is no label file of Unity; expected {{"NAME.png": {{"labels": {{...}}}}}}'
        ) from error


def _points(value: Any) -> np.ndarray | None:
    """(N, 2) of the first label that is there; None for "off" and "blurred"."""
    for one in value if isinstance(value, list) else [value]:
        if not isinstance(one, dict) or one.get("type") not in ("point", "curve"):
            continue
        rows, columns = (_numbers(one.get(axis)) for axis in ("y", "x"))
        if rows and len(rows) == len(columns):
            return np.array([rows, columns], np.float64).T
    return None


def _numbers(text: Any) -> list[float]:
    parts = text.split() if isinstance(text, str) else text if isinstance(text, list) else [text]
    values = [number(str(part)) for part in parts]
    return [value for value in values if value is not None] if all(v is not None for v in values) else []


SET = PublicSet(
    name="unity",
    title="Unity Imaging",
    source="https://data.unityimaging.net",
    layout="labels-train.json, labels-tune.json or labels-all.json, and png-cache/.../*.png",
    find=find,
)
