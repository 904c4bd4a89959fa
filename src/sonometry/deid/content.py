"""Where echoes are on a screen, told from text, bars, banners and background by the projections of a loop.

Echoes fill an area with values that differ from the background; text fills a quarter of its box at most; banners are
flat; bars and ticks are narrow. In a loop, echoes also change from frame to frame, and what the scanner draws does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

#: A loop must change in at least this share of the picture for its changes to be used.
_MIN_MOVING = 0.02
#: Flat areas of one colour larger than this share of the picture are background or banners.
_MIN_FLAT = 0.002
#: Dense content: this share of the neighbourhood differs from the background.
_DENSITY = 0.5


@dataclass(frozen=True, eq=False)
class Projections:
    """What a loop looks like in one picture each.

    maximum : (H, W, 3) uint8, brightest value of every pixel and colour. mean, deviation : (H, W) float32, over time of
    the brightest colour. n_frames : how many frames went in.
    """

    maximum: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    n_frames: int

    @property
    def shape(self) -> tuple[int, int]:
        height, width = self.maximum.shape[:2]
        return height, width


def foreground(projections: Projections, *, noise: int = 2) -> np.ndarray:
    """(H, W) bool: pixels that differ from the flat colours of background and banners.

    noise : differences within flat areas; lossy compression leaves two grey levels, a raw screen none.
    """
    picture = projections.maximum
    flat = (_spread(picture) <= noise).astype(np.uint8)
    background = _most_frequent(picture[flat > 0]) if flat.mean() > 0.005 else np.zeros(3, np.int16)
    differs: np.ndarray = np.abs(picture.astype(np.int16) - background).max(axis=2) > 1.5 * noise
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(flat, connectivity=4)
    is_large = statistics[:, cv2.CC_STAT_AREA] >= _MIN_FLAT * flat.size
    is_large[0] = False
    banners = cv2.dilate((is_large[labels]).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return differs & ~banners


def _spread(picture: np.ndarray) -> np.ndarray:
    """(H, W) largest difference of any colour within 5 x 5 pixels."""
    kernel = np.ones((5, 5), np.uint8)
    spread: np.ndarray = cv2.subtract(cv2.dilate(picture, kernel), cv2.erode(picture, kernel)).max(axis=2)
    return spread


def _most_frequent(pixels: np.ndarray) -> np.ndarray:
    """(3,) the colour that most of the (N, 3) pixels have."""
    codes = pixels.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    values, counts = np.unique(codes, return_counts=True)
    code = int(values[np.argmax(counts)])
    return np.array([code >> 16, (code >> 8) & 255, code & 255], np.int16)


def moving(projections: Projections) -> np.ndarray | None:
    """(H, W) bool: pixels that change in the loop beyond compression noise; None when too few do."""
    if projections.n_frames < 3:
        return None
    changes = cv2.blur(projections.deviation, (3, 3)) > 1.0
    return changes if changes.mean() >= _MIN_MOVING else None


def passing(projections: Projections) -> np.ndarray:
    """(H, W) bool: pixels that are bright in few frames only: a trace (ECG) that runs over the screen."""
    brightest = projections.maximum.max(axis=2)
    if projections.n_frames < 3:
        return np.zeros(projections.shape, bool)
    rare = (brightest > 90) & (projections.mean < 0.22 * brightest)
    # Lossy compression leaves dim blocks around such strokes.
    around = cv2.dilate(rare.astype(np.uint8), np.ones((17, 17), np.uint8)) > 0
    result: np.ndarray = rare | (around & (brightest < 60))
    return result


def dense(mask: np.ndarray, window_px: int) -> np.ndarray:
    """(H, W) bool: where at least half of the neighbourhood is set."""
    share = cv2.blur(mask.astype(np.float32), (window_px, window_px), borderType=cv2.BORDER_REPLICATE)
    filled: np.ndarray = share >= _DENSITY
    return filled


def echo_areas(seen: np.ndarray, projections: Projections) -> list[np.ndarray]:
    """Areas of echoes, largest first, (H, W) bool each; an empty list when there are none.

    seen : (H, W) bool, the pixels in question: `foreground`, without text and outside of no box.
    """
    size = min(seen.shape)
    changes = moving(projections)
    seen = seen & ~passing(projections)
    if changes is not None:
        changes &= seen
        # Static pixels count only where echoes move around them.
        near = _grown(dense(changes, max(9, size // 40)), size // 24)
        seen = seen & (near | changes)
    filled = dense(seen, max(7, size // 40) | 1) & (cv2.dilate(seen.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    radius = max(6, size // 26)
    core = opened(filled, radius)
    n_parts, labels, statistics, _ = cv2.connectedComponentsWithStats(core.astype(np.uint8), connectivity=8)
    order = np.argsort(-statistics[1:, cv2.CC_STAT_AREA])[:12] + 1
    return [_grown(labels == part, radius) & filled for part in order if part < n_parts]


def _step(radius: int) -> int:
    """Large discs work on every second or third pixel: their border need not be exact."""
    return max(1, radius // 8)


def opened(mask: np.ndarray, radius: int) -> np.ndarray:
    """Opening with a disc: what is narrower than it goes."""
    step = _step(radius)
    coarse = mask[::step, ::step].astype(np.uint8)
    coarse = cv2.morphologyEx(coarse, cv2.MORPH_OPEN, _disc(round(radius / step)))
    fine: np.ndarray = cv2.resize(coarse, mask.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    return fine & mask


def _grown(mask: np.ndarray, radius: int) -> np.ndarray:
    """Dilation with a disc."""
    step = _step(radius)
    coarse = cv2.resize(mask.astype(np.uint8), None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA)
    coarse = cv2.dilate((coarse > 0).astype(np.uint8), _disc(int(np.ceil(radius / step))))
    fine: np.ndarray = cv2.resize(coarse, mask.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    return fine


def _disc(radius: int) -> np.ndarray:
    kernel: np.ndarray = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return kernel
