"""From a frame of any size to the small grey picture that the network sees; the same in training and in measuring.

Screens carry text, bars, an ECG and wide margins. The picture is cut to what is bright and thick (`content_box`),
padded to a square with black, and reduced by area. Where a file tells the imaged region, everything outside it is
dropped first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from sonometry.core.cine import Cine

#: Rows and columns of the network's picture.
SIDE = 128
#: Frames that are looked at to find the box of a clip.
_LOOKED_AT = 5
#: Recordings up to this size are held in memory as a whole.
_HELD_BYTES = 512 << 20
#: The content is searched for in a picture whose longer side is at most this.
_SEARCH_SIDE = 208
#: Share of the bright end of the grey levels above which a pixel may be content, and the least level.
_BRIGHT_SHARE, _LEAST_LEVEL = 0.10, 10.0
#: A part counts when it has this share of the area of the largest one.
_PART_SHARE = 0.06
#: Menus and grey bars are thinner than this share of the picture, and this many times longer than wide.
_BAR_SHARE, _BAR_ASPECT = 0.1, 4
#: Boxes smaller than this share of the picture are not believed.
_LEAST_BOX = 0.04
#: Room left around the content, as a share of its size.
_MARGIN = 0.03


@dataclass(frozen=True)
class Box:
    """Rows `top` to `bottom` and columns `left` to `right`, ends excluded, px."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.bottom - self.top, self.right - self.left

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """(..., rows, columns) of the box."""
        return picture[..., self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True)
class ContentPicture:
    """The preparation of the view networks: one content box a clip, then a picture of rows x columns, as many as rows
    when 0; see `data.preparation`."""

    rows: int = SIDE
    columns: int = 0

    @property
    def size(self) -> tuple[int, int]:
        return self.rows, self.columns or self.rows

    @property
    def name(self) -> str:
        return f"content-{self.rows}" + (f"x{self.columns}" if self.columns not in (0, self.rows) else "")

    def __call__(self, cine: Cine) -> Callable[[np.ndarray], np.ndarray]:
        box, scale = clip_box(cine), grey_scale(cine)
        sector = None if cine.sector is None else box.cut(cine.sector)
        if sector is not None and sector.all():
            sector = None
        return lambda frame: fitted(keep_sector(scale * box.cut(frame), sector), self.size)


def decoded_once(cine: Cine) -> None:
    """Decode all frames in order, and keep them, where they fit: frames one by one cost a search each in a video."""
    if int(np.prod(cine.shape)) <= _HELD_BYTES:
        _ = cine.pixels


def clip_box(cine: Cine) -> Box:
    """Where the ultrasound image lies in all frames of a clip: the box of the brightest of a few."""
    looked = [keep_sector(frame, cine.sector) for frame in few_frames(cine)]
    return content_box(grey_scale(cine) * np.max(np.stack(looked), axis=0))


def few_frames(cine: Cine) -> list[np.ndarray]:
    """At most five frames, spread evenly over the clip."""
    return [cine.frame(int(i)) for i in spread(cine.n_frames, _LOOKED_AT)]


def spread(n_frames: int, most: int) -> np.ndarray:
    """(K,) indices of all frames, or of `most` at even distances."""
    return np.unique(np.linspace(0, n_frames - 1, min(n_frames, most)).round().astype(int))


def grey_scale(cine: Cine) -> np.float32 | int:
    """Factor to grey levels of 0 to 255: 255 for a recording of floating-point values that do not exceed 1."""
    if cine.frame(0).dtype == np.uint8:
        return 1
    largest = max(float(frame.max()) for frame in few_frames(cine))
    return np.float32(255.0 if 0 < largest <= 1 else 1.0)


def whole(shape: tuple[int, int]) -> Box:
    """The box of all pixels."""
    return Box(0, shape[0], 0, shape[1])


def content_box(picture: np.ndarray) -> Box:
    """Where the ultrasound image lies in a grey picture (H, W), 0 to 255; the whole picture when nothing stands out.

    Thin things (letters, traces, ticks) vanish under a morphological opening; of what remains, the largest part and
    those beside it that are not much smaller make the box.
    """
    rows, columns = picture.shape
    scale = min(1.0, _SEARCH_SIDE / max(rows, columns))
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    small = cv2.resize(picture.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    found = _bounds(_thick_and_bright(small))
    if found is None:
        return whole(picture.shape)
    top, bottom, left, right = (edge / scale for edge in found)
    margin_rows, margin_columns = _MARGIN * (bottom - top), _MARGIN * (right - left)
    box = Box(
        max(0, int(top - margin_rows)),
        min(rows, int(np.ceil(bottom + margin_rows))),
        max(0, int(left - margin_columns)),
        min(columns, int(np.ceil(right + margin_columns))),
    )
    is_tiny = box.shape[0] * box.shape[1] < _LEAST_BOX * rows * columns or min(box.shape) < 8
    return whole(picture.shape) if is_tiny else box


def _thick_and_bright(small: np.ndarray) -> np.ndarray:
    """uint8 mask of the areas that are no letters, traces or background."""
    darkest = float(np.percentile(small, 5))
    level = max(_LEAST_LEVEL, _BRIGHT_SHARE * (float(np.percentile(small, 99)) - darkest)) + darkest
    blurred = cv2.GaussianBlur(small, (0, 0), 1.5)
    mask = (blurred > level).astype(np.uint8)
    joined = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, _disc(5))
    return cv2.morphologyEx(joined, cv2.MORPH_OPEN, _disc(9))


def _bounds(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """Top, bottom, left, right around the parts that count; None when there is none."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count < 2:
        return None
    areas = stats[1:, cv2.CC_STAT_AREA]
    parts = stats[1:][areas >= _PART_SHARE * areas.max()]
    kept = parts[~_is_bar(parts, mask.shape)] if not _is_bar(parts, mask.shape).all() else parts
    left, top = kept[:, cv2.CC_STAT_LEFT], kept[:, cv2.CC_STAT_TOP]
    right, bottom = left + kept[:, cv2.CC_STAT_WIDTH], top + kept[:, cv2.CC_STAT_HEIGHT]
    return int(top.min()), int(bottom.max()), int(left.min()), int(right.max())


def _is_bar(parts: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Which parts are menus or grey bars: thin for the picture, and much longer than wide."""
    height, width = parts[:, cv2.CC_STAT_HEIGHT], parts[:, cv2.CC_STAT_WIDTH]
    is_thin = (height < _BAR_SHARE * shape[0]) | (width < _BAR_SHARE * shape[1])
    found: np.ndarray = is_thin & (np.maximum(height, width) > _BAR_ASPECT * np.minimum(height, width))
    return found


def _disc(width: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))


def square(picture: np.ndarray, side: int = SIDE) -> np.ndarray:
    """(side, side) uint8 of a grey picture, its aspect kept, centred on black."""
    return fitted(picture, (side, side))


def fitted(picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """`shape` uint8 of a grey picture, its aspect kept, centred on black."""
    rows, columns = picture.shape
    scale = min(shape[0] / rows, shape[1] / columns)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    kept = picture if picture.dtype == np.uint8 else picture.astype(np.float32)
    small = cv2.resize(np.ascontiguousarray(kept), size, interpolation=how)
    canvas = np.zeros(shape, np.uint8)
    top, left = (shape[0] - size[1]) // 2, (shape[1] - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = np.clip(np.round(small), 0, 255)
    return canvas


def keep_sector(picture: np.ndarray, sector: np.ndarray | None) -> np.ndarray:
    """The picture with everything outside the known region black; unchanged when none is known."""
    if sector is None or not sector.any():
        return picture
    kept: np.ndarray = np.where(sector, picture, 0)
    return kept
