"""Graphics that people and scanners leave on a picture: texts, callipers, arrows, outlines, bars, boxes, traces.

The thesis proposes random graphics outside the sector; stills from a scanner also carry them inside.
"""

from __future__ import annotations

import cv2
import numpy as np

from sonometry.applications.view.distractors import word, write


def draw_marks(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A copy of a grey uint8 picture with a few marks."""
    picture = np.array(image)
    kinds = (_text, _text, _text, _label, _calliper, _arrow, _outline, _bar, _box, _trace, _spots)
    for _ in range(int(rng.integers(1, 6))):
        kinds[int(rng.integers(len(kinds)))](picture, rng)
    return picture


def _point(picture: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    """Column and row anywhere."""
    return int(rng.integers(picture.shape[1])), int(rng.integers(picture.shape[0]))


def _text(picture: np.ndarray, rng: np.random.Generator) -> None:
    """A few short lines below each other."""
    height, grey = int(rng.integers(6, 13)), int(rng.integers(90, 256))
    column, row = _point(picture, rng)
    for line in range(int(rng.integers(1, 6))):
        write(rng, picture, word(rng, 12), (column, row + line * int(1.4 * height)), grey, height)


def _label(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Large letters, as on a chamber."""
    write(rng, picture, word(rng, 3), _point(picture, rng), int(rng.integers(140, 256)), int(rng.integers(12, 26)))


def _calliper(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Two crosses and a dotted line."""
    ends = np.array([_point(picture, rng), _point(picture, rng)])
    grey = int(rng.integers(140, 256))
    for end in ends:
        cv2.drawMarker(picture, tuple(end.tolist()), grey, cv2.MARKER_CROSS, int(rng.integers(4, 9)), 1)
    for share in np.linspace(0, 1, int(rng.integers(5, 30))):
        column, row = np.round(ends[0] + share * (ends[1] - ends[0])).astype(int)
        picture[row, column] = grey


def _arrow(picture: np.ndarray, rng: np.random.Generator) -> None:
    start = np.array(_point(picture, rng))
    end = np.clip(start + rng.normal(0, 22, 2), 0, np.array(picture.shape[::-1]) - 1).astype(int)
    thickness = int(rng.integers(1, 3))
    cv2.arrowedLine(
        picture, tuple(start.tolist()), tuple(end.tolist()), int(rng.integers(140, 256)), thickness, tipLength=0.35
    )


def _outline(picture: np.ndarray, rng: np.random.Generator) -> None:
    """A traced contour, closed or open."""
    angle = np.linspace(0, rng.uniform(3, 2 * np.pi), 24)
    radius = rng.uniform(8, 50) * (1 + 0.25 * np.sin(angle * rng.integers(1, 4) + rng.uniform(0, 6)))
    points = np.array(_point(picture, rng)) + np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    closed = bool(rng.random() < 0.5)
    cv2.polylines(picture, [points.round().astype(np.int32)], closed, int(rng.integers(120, 256)), 1, cv2.LINE_AA)


def _bar(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Colour or grey bar."""
    rows, columns = picture.shape
    height, width = int(rng.uniform(0.1, 0.45) * rows), int(rng.integers(3, 13))
    top = int(rng.integers(0, rows - height))
    left = int(rng.choice([rng.integers(0, 14), columns - width - rng.integers(0, 14)]))
    ramp = np.linspace(255, 0, height) if rng.random() < 0.6 else 200 * np.abs(np.linspace(-1, 1, height))
    picture[top : top + height, left : left + width] = ramp[:, None].astype(np.uint8)


def _box(picture: np.ndarray, rng: np.random.Generator) -> None:
    """A table or a thumbnail: a filled or empty rectangle with a few words."""
    column, row = _point(picture, rng)
    width, height = int(rng.integers(15, 80)), int(rng.integers(10, 60))
    fill = -1 if rng.random() < 0.5 else 1
    cv2.rectangle(picture, (column, row), (column + width, row + height), int(rng.integers(0, 200)), fill)
    write(rng, picture, word(rng), (column + 2, row + 10), 230, 8)


def _trace(picture: np.ndarray, rng: np.random.Generator) -> None:
    """A physiological trace across the picture."""
    rows, columns = picture.shape
    x = np.arange(int(columns * rng.uniform(0.3, 1.0)))
    phase = (x / columns * rng.uniform(1, 6) + rng.random()) % 1
    wave = np.exp(-(((phase - 0.4) / 0.02) ** 2)) + 0.2 * np.exp(-(((phase - 0.65) / 0.06) ** 2))
    middle = rng.uniform(0.75, 0.98) * rows if rng.random() < 0.8 else rng.uniform(0.05, 0.95) * rows
    points = np.stack([x + rng.integers(0, 10), middle - rng.uniform(4, 20) * wave], axis=-1).round().astype(np.int32)
    cv2.polylines(picture, [points], False, int(rng.integers(100, 256)), 1, cv2.LINE_AA)


def _spots(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Dots in a row: depth marks, tracked points."""
    start, step = np.array(_point(picture, rng), float), rng.normal(0, 6, 2)
    for i in range(int(rng.integers(4, 24))):
        column, row = np.round(start + i * step).astype(int)
        if 0 <= row < picture.shape[0] and 0 <= column < picture.shape[1]:
            cv2.circle(picture, (int(column), int(row)), int(rng.integers(1, 3)), int(rng.integers(120, 256)), -1)
