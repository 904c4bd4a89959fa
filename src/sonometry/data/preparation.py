"""From a frame of any size to the small grey picture that a network is trained on, and where tissue is imaged in it.

A preparation is a plain object with a `name`, under which the frame cache keeps its pictures. Applications may bring
their own: what is prepared for training must be prepared in the same way for measuring.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import cv2
import numpy as np

from sonometry.core.cine import Cine

PrepareFrame = Callable[[np.ndarray], np.ndarray]


class Preparation(Protocol):
    """Looks at a clip once, and then prepares its frames one by one.

    name : tells preparations apart; other options, other name. size : (rows, columns) of the pictures.
    """

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> tuple[int, int]: ...

    def __call__(self, cine: Cine) -> PrepareFrame:
        """A function from a frame (H, W) to a picture (rows, columns) uint8."""


@dataclass(frozen=True)
class Rescaling:
    """Frames at the size of the network.

    rows, columns : of the picture. fit : "stretch" fills it, as the thesis does; "pad" keeps the shape of the frame and
    fills up with black. crop : leave out everything around the imaged sector where the recording tells it.
    """

    rows: int
    columns: int
    fit: Literal["stretch", "pad"] = "stretch"
    crop: bool = False

    @property
    def size(self) -> tuple[int, int]:
        return self.rows, self.columns

    @property
    def name(self) -> str:
        return f"rescaled-{self.rows}x{self.columns}-{self.fit}{'-cropped' if self.crop else ''}"

    def __call__(self, cine: Cine) -> PrepareFrame:
        box = _box_of(cine.sector) if self.crop and cine.sector is not None and cine.sector.any() else np.s_[:, :]
        to_grey = _grey_scale(cine)
        return lambda frame: self._fitted(np.ascontiguousarray(to_grey(frame)[box]))

    def _fitted(self, grey: np.ndarray) -> np.ndarray:
        if self.fit == "stretch":
            return resized(grey, self.size)
        scale = min(self.rows / grey.shape[0], self.columns / grey.shape[1])
        inner = resized(grey, (max(1, round(scale * grey.shape[0])), max(1, round(scale * grey.shape[1]))))
        picture = np.zeros(self.size, np.uint8)
        top, left = (self.rows - inner.shape[0]) // 2, (self.columns - inner.shape[1]) // 2
        picture[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
        return picture


def resized(grey: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) uint8 at another size: areas are averaged when it shrinks, values interpolated when it grows."""
    if grey.shape == size:
        return grey
    shrinks = size[0] <= grey.shape[0] and size[1] <= grey.shape[1]
    picture: np.ndarray = cv2.resize(grey, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return picture


def imaged_area(pictures: np.ndarray, *, level: int = 12) -> np.ndarray:
    """(H, W) bool: the convex hull of the largest bright area of a prepared clip (T, H, W), text and lines left out."""
    brightest = cv2.medianBlur(pictures.max(axis=0), 3)
    radius = max(1, min(brightest.shape) // 40)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    bright = cv2.morphologyEx((brightest > level).astype(np.uint8), cv2.MORPH_CLOSE, kernel)
    bright = cv2.morphologyEx(bright, cv2.MORPH_OPEN, kernel)
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(bright)
    if count < 2:
        return np.ones(brightest.shape, bool)
    largest = 1 + int(np.argmax(statistics[1:, cv2.CC_STAT_AREA]))
    contours, _ = cv2.findContours((labels == largest).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = np.zeros(brightest.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.concatenate(contours)), 1)
    return hull > 0


def _box_of(mask: np.ndarray) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _grey_scale(cine: Cine) -> PrepareFrame:
    """Grey levels 0-255: as they are, or from the range of the first frame of a cine of floating-point numbers."""
    if cine.frame(0).dtype == np.uint8:
        return lambda frame: frame
    low, high = float(cine.frame(0).min()), float(cine.frame(0).max())
    scale = 255 / (high - low) if high > low else 0.0
    return lambda frame: np.clip(np.round((frame - low) * scale), 0, 255).astype(np.uint8)
