"""Random changes of a training picture: rotation, shift, zoom, shear, flips, and graphics outside the sector.

The ranges are those of Madani et al. 2018 (doi:10.1038/s41746-017-0013-1), as the echo view thesis uses them, without
flips. Graphics outside the sector are the thesis's proposal against learning a vendor by its screen.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:./%-"))
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_DUPLEX)


@dataclass(frozen=True)
class Augmentation:
    """How far a picture is changed; each change is drawn evenly from - to + its range.

    rotation_deg : degrees. shift : share of width and height. zoom, shear : fractions.
    flip_horizontal, flip_vertical : mirror half of the pictures. graphics : share of the pictures that get random
    graphics outside the sector, or lose what was there.
    """

    rotation_deg: float = 10.0
    shift: float = 0.1
    zoom: float = 0.08
    shear: float = 0.03
    flip_horizontal: bool = False
    flip_vertical: bool = False
    graphics: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.rotation_deg <= 180 and 0 <= self.shift < 1 and 0 <= self.zoom < 1 and 0 <= self.shear < 1):
            raise ValueError("rotation must lie in 0-180 degrees, and shift, zoom and shear in [0, 1)")
        if not 0 <= self.graphics <= 1:
            raise ValueError(f"--graphics is a share between 0 and 1, got {self.graphics}")

    @property
    def moves(self) -> bool:
        """Whether pixels change their place at all."""
        ranges = self.rotation_deg or self.shift or self.zoom or self.shear
        return bool(ranges or self.flip_horizontal or self.flip_vertical)


NO_AUGMENTATION = Augmentation(0, 0, 0, 0)


def augmented(
    picture: np.ndarray, augmentation: Augmentation, rng: np.random.Generator, *, area: np.ndarray | None = None
) -> np.ndarray:
    """A changed copy of a picture (H, W) uint8. area : (H, W) bool, where tissue is imaged; needed for graphics."""
    has_graphics = area is not None and augmentation.graphics > 0 and rng.random() < augmentation.graphics
    if has_graphics:
        picture = with_graphics(picture, area, rng)  # type: ignore[arg-type]
    if not augmentation.moves:
        return picture
    matrix = random_matrix(picture.shape[:2], augmentation, rng)
    moved: np.ndarray = cv2.warpAffine(picture, matrix, picture.shape[1::-1], flags=cv2.INTER_LINEAR)
    return moved


def random_matrix(size: tuple[int, ...], augmentation: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """(2, 3) affine matrix about the centre of a picture, in columns and rows."""
    rows, columns = size[:2]
    draw = rng.uniform(-1, 1, size=6)
    angle, shear = np.deg2rad(augmentation.rotation_deg * draw[0]), augmentation.shear * draw[1]
    zoom = 1 + augmentation.zoom * draw[2:4]
    flip_h, flip_v = rng.random(2) < 0.5
    zoom[0] *= -1 if augmentation.flip_horizontal and flip_h else 1
    zoom[1] *= -1 if augmentation.flip_vertical and flip_v else 1
    cosine, sine = np.cos(angle), np.sin(angle)
    linear = np.array([[cosine, -sine], [sine, cosine]]) @ np.array([[1, shear], [0, 1]]) @ np.diag(zoom)
    centre = np.array([(columns - 1) / 2, (rows - 1) / 2])
    shift = augmentation.shift * draw[4:] * [columns, rows]
    return np.column_stack([linear, centre + shift - linear @ centre])


def with_graphics(picture: np.ndarray, area: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A copy whose surroundings of the sector are blanked (half of the time) and drawn over; the sector stays."""
    screen = np.zeros_like(picture) if rng.random() < 0.5 else picture.copy()
    if rng.random() < 0.15:
        screen[screen == 0] = rng.integers(4, 60)
    drawings = (_words, _words, _grey_bar, _trace, _ruler, _box)
    for _ in range(rng.integers(1, 6)):
        drawings[rng.integers(len(drawings))](screen, rng)
    kept = cv2.dilate(area.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return np.where(kept, picture, screen)


def _level(rng: np.random.Generator) -> int:
    return int(rng.integers(70, 256))


def _words(screen: np.ndarray, rng: np.random.Generator) -> None:
    """One to four lines of text, as large as on a scanner's screen."""
    rows, columns = screen.shape
    scale, font = rng.uniform(0.012, 0.04) * rows / 22 * 2, _FONTS[rng.integers(len(_FONTS))]
    left, top, level = int(rng.integers(-columns // 10, columns)), int(rng.integers(0, rows)), _level(rng)
    for line in range(rng.integers(1, 5)):
        text = "".join(_LETTERS[rng.integers(len(_LETTERS), size=rng.integers(2, 14))])
        cv2.putText(screen, text, (left, top + int(line * max(3, 30 * scale))), font, scale, level, 1, cv2.LINE_AA)


def _grey_bar(screen: np.ndarray, rng: np.random.Generator) -> None:
    """The scale of grey levels beside the picture."""
    rows, columns = screen.shape
    height, width = int(rows * rng.uniform(0.15, 0.6)), max(1, int(columns * rng.uniform(0.01, 0.04)))
    top, left = int(rng.integers(0, rows - height)), int(rng.integers(0, columns - width))
    screen[top : top + height, left : left + width] = np.linspace(255, 0, height).astype(np.uint8)[:, None]


def _trace(screen: np.ndarray, rng: np.random.Generator) -> None:
    """An ECG along the lower edge."""
    rows, columns = screen.shape
    x = np.arange(columns)
    phase = (x / columns * rng.uniform(1.5, 6) + rng.random()) % 1
    beat = np.exp(-(((phase - 0.3) / 0.02) ** 2)) + 0.25 * np.exp(-(((phase - 0.6) / 0.06) ** 2))
    y = rows * rng.uniform(0.85, 0.98) - beat * rows * rng.uniform(0.04, 0.12)
    cv2.polylines(screen, [np.stack([x, y], axis=1).astype(np.int32)], False, _level(rng), 1, cv2.LINE_AA)


def _ruler(screen: np.ndarray, rng: np.random.Generator) -> None:
    """Ticks of depth or width."""
    rows, columns = screen.shape
    level, step = _level(rng), max(3, int(rows * rng.uniform(0.03, 0.1)))
    if rng.random() < 0.7:
        left, length = int(rng.integers(columns)), max(1, columns // 60)
        screen[::step, left : left + length] = level
    else:
        top, length = int(rng.integers(rows)), max(1, rows // 60)
        screen[top : top + length, ::step] = level


def _box(screen: np.ndarray, rng: np.random.Generator) -> None:
    """A logo, a thumbnail or a banner."""
    rows, columns = screen.shape
    height, width = int(rows * rng.uniform(0.03, 0.15)) + 1, int(columns * rng.uniform(0.05, 0.4)) + 1
    top, left = int(rng.integers(0, rows - height + 1)), int(rng.integers(0, columns - width + 1))
    thickness = -1 if rng.random() < 0.5 else 1
    cv2.rectangle(screen, (left, top), (left + width - 1, top + height - 1), _level(rng), thickness)
