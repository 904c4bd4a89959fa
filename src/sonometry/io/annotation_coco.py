"""Contours as COCO JSON: one image a marked frame, one polygon a contour.

COCO counts pixels from the outer corner of the first one, x before y, so that its centre is (0.5, 0.5). Clip, frame,
author, round and time of a mark stand in the annotation beside COCO's own fields, which other programs pass over.
Format: https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.core.annotation import Annotation
from sonometry.core.errors import DataError
from sonometry.io.annotated_clip import AnnotatedClip
from sonometry.io.atomic import write_atomic
from sonometry.io.sniff import check_readable
from sonometry.numerics.polygons import polygon_area_px

#: From the centre of the first pixel to the corner that COCO counts from.
CORNER_PX = 0.5


def write_coco(
    clips: Sequence[AnnotatedClip], path: Path | str, *, files: Mapping[tuple[str, int], str] | None = None
) -> None:
    """Write the contours of all clips.

    files : name of the picture of (clip_key, frame), relative to `path`; by default "CLIP_FRAME.png" as
    `frame_name` gives it. Contours of fewer than three points enclose nothing and are left out. Raises OutputError.
    """
    structures = sorted({s for clip in clips for by_name in clip.contours.values() for s in by_name})
    category = {name: number for number, name in enumerate(structures, start=1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for clip in clips:
        for frame in clip.contours:
            name = (files or {}).get((clip.clip_key, frame), frame_name(clip.clip_key, frame))
            images.append(_image(len(images) + 1, clip, frame, name))
            for mark in _marks_on(clip, frame):
                annotations.append(_annotation(len(annotations) + 1, images[-1]["id"], category[mark.structure], mark))
    content = {
        "info": {"description": "Marks made with Sonometry", "version": "1"},
        "licenses": [],
        "images": images,
        "categories": [{"id": n, "name": name, "supercategory": "anatomy"} for name, n in category.items()],
        "annotations": annotations,
    }
    write_atomic(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def frame_name(clip_key: str, frame: int) -> str:
    """Name of the picture of a frame."""
    return f"{clip_key}_{frame:05d}.png"


def read_coco(path: Path | str) -> tuple[Annotation, ...]:
    """Contours of a COCO file that `write_coco` made, as they were. DataError for any other content."""
    path = Path(path)
    check_readable(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = {entry["id"]: entry["name"] for entry in content["categories"]}
        return tuple(_mark(entry, names) for entry in content["annotations"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path.name} is no COCO file of contours that Sonometry wrote") from error


def _marks_on(clip: AnnotatedClip, frame: int) -> list[Annotation]:
    last = {m.structure: m for m in clip.annotations if m.frame == frame and m.contour_px is not None}
    return [m for m in last.values() if m.contour_px is not None and len(m.contour_px) >= 3]


def _image(number: int, clip: AnnotatedClip, frame: int, name: str) -> dict[str, Any]:
    _, height, width = clip.shape
    return {
        "id": number,
        "file_name": name,
        "width": width,
        "height": height,
        "clip_key": clip.clip_key,
        "frame": frame,
    }


def _annotation(number: int, image: int, category: int, mark: Annotation) -> dict[str, Any]:
    contour = np.asarray(mark.contour_px, np.float64)
    points = contour[:, ::-1] + CORNER_PX
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "segmentation": [points.ravel().tolist()],
        "area": polygon_area_px(contour),
        "bbox": [float(left), float(top), float(right - left), float(bottom - top)],
        "iscrowd": 0,
        "clip_key": mark.clip_key,
        "frame": mark.frame,
        "author": mark.author,
        "round": mark.round,
        "time": mark.time.isoformat(),
    }


def _mark(entry: Mapping[str, Any], names: Mapping[int, str]) -> Annotation:
    (polygon,) = entry["segmentation"]
    points = np.asarray(polygon, np.float64).reshape(-1, 2)
    return Annotation(
        clip_key=entry["clip_key"],
        structure=names[entry["category_id"]],
        author=entry["author"],
        round=entry["round"],
        time=datetime.fromisoformat(entry["time"]),
        frame=entry["frame"],
        contour_px=points[:, ::-1] - CORNER_PX,
    )
