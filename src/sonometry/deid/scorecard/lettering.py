"""Text as scanners burn it into their pictures, with the exact pixels of every character."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

#: Outline fonts that come with matplotlib, and stroke fonts of OpenCV.
OUTLINE_FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif", "DejaVuSansMono-Bold")
STROKE_FONTS = {
    "HersheySimplex": cv2.FONT_HERSHEY_SIMPLEX,
    "HersheyDuplex": cv2.FONT_HERSHEY_DUPLEX,
    "HersheyComplex": cv2.FONT_HERSHEY_COMPLEX,
}
FONTS = (*OUTLINE_FONTS, *STROKE_FONTS)
#: Ink lighter than this share of full coverage does not make a character readable.
INK = 0.35


@dataclass(frozen=True, eq=False)
class Glyphs:
    """A rendered line: `coverage` (h, w) 0-1, and `character` (h, w) with 1 + index of the character, 0 for none."""

    coverage: np.ndarray
    character: np.ndarray


@dataclass(frozen=True, eq=False)
class TextItem:
    """One text on the screen: where its characters are, and whether it lies inside the imaged sector."""

    text: str
    font: str
    size_px: int
    row: int
    column: int
    character: np.ndarray
    is_inside: bool
    is_identity: bool
    first_frame: int = 0

    @property
    def box(self) -> tuple[slice, slice]:
        height, width = self.character.shape
        return slice(self.row, self.row + height), slice(self.column, self.column + width)

    def is_left(self, kept: np.ndarray) -> bool:
        """Whether any character still has more than half of its ink where `kept` (H, W) is true."""
        window = kept[self.box]
        for index in range(1, int(self.character.max()) + 1):
            ink = self.character == index
            if ink.any() and window[ink].mean() > 0.5:
                return True
        return False


@functools.lru_cache(maxsize=64)
def _outline_font(name: str, size_px: int) -> ImageFont.FreeTypeFont:
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / f"{name}.ttf"), size_px)


def render(text: str, font: str, size_px: int) -> Glyphs:
    """One line of text; `size_px` is the body size of the font (capitals are about 0.72 of it high)."""
    advance = [_coverage(text[: i + 1], font, size_px) for i in range(len(text))]
    full = advance[-1]
    character = np.zeros(full.shape, np.uint8)
    previous = np.zeros_like(full)
    for index, partial in enumerate(advance, 1):
        grown = np.zeros_like(full)
        grown[:, : partial.shape[1]] = partial[:, : full.shape[1]]
        character[(grown > INK) & (previous <= INK)] = index
        previous = grown
    rows, columns = np.nonzero(full > 0.02)
    crop = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    return Glyphs(full[crop], character[crop])


def _coverage(text: str, font: str, size_px: int) -> np.ndarray:
    if font in STROKE_FONTS:
        return _stroke_coverage(text, STROKE_FONTS[font], size_px)
    outline = _outline_font(font, size_px)
    width = int(outline.getlength(text)) + 6
    image = Image.new("L", (width, 2 * size_px), 0)
    ImageDraw.Draw(image).text((2, size_px // 3), text, fill=255, font=outline)
    coverage: np.ndarray = np.asarray(image, np.float32) / 255
    return coverage


def _stroke_coverage(text: str, face: int, size_px: int) -> np.ndarray:
    scale = cv2.getFontScaleFromHeight(face, max(6, round(0.72 * size_px)), 1)
    (width, height), _ = cv2.getTextSize(text, face, scale, 1)
    image = np.zeros((2 * size_px + 8, width + 8), np.uint8)
    cv2.putText(image, text, (3, height + size_px // 3 + 2), face, scale, 255, 1, cv2.LINE_AA)
    coverage: np.ndarray = image.astype(np.float32) / 255
    return coverage
