"""Looks of scanners that do not exist: where the sector lies, what is written around it, how frames are stored.

Five invented vendors with their own habits, and a random one. A `Screen` decides the geometry (`raster`, in final
pixels, so that truth is exact there), draws the graphics around the image and stores the frames the way archives do:
JPEG, video, reduced size. Nothing drawn here looks like a name; texts are settings of the machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sonometry.core.signals import Signals
from sonometry.simulation.echo.beams import Raster, Sector
from sonometry.simulation.echo.colour_box import ColourBox, sample_colour_box


class Storage(StrEnum):
    """How the frames were kept before they reached us."""

    RAW = "raw"
    JPEG = "jpeg"
    VIDEO = "video"


@dataclass(frozen=True)
class Vendor:
    """Habits of one make; positions and sizes are shares of the screen.

    shape : rows and columns of the screen. box : top, left, height, width of the image. bar : left and width of the
    grey bar, or None. ticks : "dots", "lines" or "edge" (along the sector). ecg : height above the bottom, or None.
    texts : (row, column, template); {fr} {depth} {hr} {mi} {tis} {gain} are filled in. logo : "dot", "letter",
    "ring". black : grey of the screen. look : (dynamic range dB, gamma) shifts of the image processing.
    """

    name: str
    manufacturer: str
    model: str
    shape: tuple[int, int]
    box: tuple[float, float, float, float]
    bar: tuple[float, float] | None
    ticks: str
    ecg: float | None
    texts: tuple[tuple[float, float, str], ...]
    logo: str
    text_grey: int = 200
    text_size: float = 0.022
    black: int = 0
    look: tuple[float, float] = (0.0, 1.0)
    storage: Storage = Storage.JPEG


AURELIA = Vendor(
    "aurelia", "Aurelia Imaging", "A9", (480, 640), (0.03, 0.12, 0.94, 0.78), (0.955, 0.018), "dots", 0.06,
    ((0.03, 0.01, "FR {fr}Hz\n{depth}cm"), (0.2, 0.01, "2D\n {gain}%\n C 50\n P Low\n HGen"),
     (0.95, 0.86, "{hr} bpm")), "dot",
    look=(-4.0, 1.1),
)  # fmt: skip
BOREAL = Vendor(
    "boreal", "Boreal Medical", "Vista 7", (434, 636), (0.02, 0.16, 0.9, 0.72), (0.02, 0.022), "lines", 0.09,
    ((0.03, 0.8, "{hr}\nHR"), (0.9, 0.8, "{fr} FPS"), (0.86, 0.02, "{depth}.0 cm")), "letter",
    black=4, look=(6.0, 0.95),
)  # fmt: skip
CASCADE = Vendor(
    "cascade", "Cascade Ultrasound", "C2000", (600, 800), (0.08, 0.2, 0.84, 0.6), (0.94, 0.025), "edge", 0.04,
    ((0.015, 0.02, "Adult Echo    S4-1"), (0.1, 0.02, "TIS {tis}  MI {mi}"), (0.93, 0.03, "{fr} Hz  {depth} cm"),
     (0.16, 0.02, "H3.6 MHz\nDR 60 dB\n{gain} dB")), "ring", text_grey=160, look=(0.0, 1.25), storage=Storage.RAW,
)  # fmt: skip
DORADO = Vendor(
    "dorado", "Dorado Systems", "D-One", (240, 320), (0.04, 0.1, 0.86, 0.8), None, "dots", None,
    ((0.03, 0.04, "Gen THI\n S"), (0.05, 0.92, "Crd\nP21"), (0.22, 0.93, "MI\n{mi}\nTIS\n{tis}"),
     (0.83, 0.93, "{depth}")), "dot",
    text_grey=130, text_size=0.034, look=(-8.0, 1.35), storage=Storage.RAW,
)  # fmt: skip
EMBER = Vendor(
    "ember", "Ember Health", "Pocket", (708, 1016), (0.0, 0.2, 0.97, 0.62), (0.97, 0.012), "lines", 0.07,
    ((0.02, 0.01, "{fr}Hz {depth}cm"), (0.06, 0.01, "{gain}dB"), (0.95, 0.9, "{hr}")), "letter", text_grey=235,
    black=10, look=(3.0, 0.85), storage=Storage.VIDEO,
)  # fmt: skip

VENDORS: dict[str, Vendor] = {v.name: v for v in (AURELIA, BOREAL, CASCADE, DORADO, EMBER)}
RANDOM = "random"
#: Share of screens with a colour Doppler box.
_COLOUR_SHARE = 0.06
#: Share of cropped clips that were enlarged on the scanner, cutting the sector off at all sides, and by how much.
_ZOOM_SHARE, _ZOOM = 0.2, (1.1, 1.65)


def random_vendor(rng: np.random.Generator) -> Vendor:
    """A make of its own, mixed from the habits of the others and drawn positions."""
    base = VENDORS[str(rng.choice(list(VENDORS)))]
    other = VENDORS[str(rng.choice(list(VENDORS)))]
    rows = int(rng.choice([240, 300, 422, 480, 600, 768]))
    height, width = rng.uniform(0.75, 0.98), rng.uniform(0.55, 0.9)
    texts = tuple(
        (
            float(np.clip(r + rng.normal(0, 0.05), 0.01, 0.94)),
            float(np.clip(c + rng.normal(0, 0.02), 0.005, 0.93)),
            text,
        )
        for r, c, text in (*base.texts, *other.texts)
        if rng.random() < 0.5
    )
    return replace(
        other,
        name=RANDOM,
        manufacturer="Unnamed",
        model="",
        shape=(rows, int(rows * rng.uniform(1.0, 1.5))),
        box=(rng.uniform(0, 1 - height), rng.uniform(0, 1 - width), height, width),
        bar=(float(rng.choice([0.01, 0.955])), rng.uniform(0.01, 0.03)) if rng.random() < 0.6 else None,
        ticks=str(rng.choice(["dots", "lines", "edge", "none"])),
        ecg=rng.uniform(0.02, 0.12) if rng.random() < 0.6 else None,
        texts=texts,
        text_grey=int(rng.integers(90, 256)),
        text_size=rng.uniform(0.016, 0.035),
        black=int(rng.choice([0, 0, 0, 6, 14])),
        look=(rng.uniform(-8, 8), rng.uniform(0.8, 1.3)),
        storage=Storage(rng.choice([s.value for s in Storage])),
    )


@dataclass(frozen=True)
class ScreenSettings:
    """Numbers a scanner writes on its screen."""

    frame_rate_hz: float = 50.0
    heart_rate_per_min: float = 70.0
    gain: int = 60
    mechanical_index: float = 1.1
    thermal_index: float = 0.8


@dataclass(eq=False)
class Screen:
    """One clip's screen.

    size : (rows, columns) of the frames; None keeps the vendor's. is_cropped : only the sector, as in public
    collections of cropped clips; then hardly any graphics. `raster` gives the pixels of the final frames.
    """

    vendor: Vendor
    sector: Sector
    settings: ScreenSettings
    rng: np.random.Generator
    size: tuple[int, int] | None = None
    is_cropped: bool = False
    raster: Raster = field(init=False)

    def __post_init__(self) -> None:
        self.shape = self.size if self.size is not None else self.vendor.shape
        self._box = self._fitted_box()
        self.raster = self._place_sector()
        self._grey = self._grey_curve()
        self._overlay, self._alpha = self._graphics()
        self._quality = int(self.rng.integers(45, 96))
        has_box = not self.is_cropped and self.rng.random() < _COLOUR_SHARE
        self._colour: ColourBox | None = sample_colour_box(self.rng, self.sector) if has_box else None

    def frame(self, image: np.ndarray, inside: np.ndarray, time_s: float, ecg: Signals | None) -> np.ndarray:
        """uint8 screen of one image (values 0 to 1 on the raster). inside : pixels of the sector."""
        fine = image * (len(self._grey) - 1) + 0.5
        shown = self._grey.take(fine.astype(np.int32), mode="clip")
        shown = np.where(inside, np.maximum(shown, self.vendor.black), self.vendor.black)
        if self._colour is not None:
            self._colour.paint(shown, image, self.raster, time_s)
        shown = shown + self._alpha * (self._overlay - shown)
        if ecg is not None and self.vendor.ecg is not None and not (self.is_cropped and self._hides_ecg):
            self._draw_ecg(shown, time_s, ecg)
        return np.clip(np.round(shown), 0, 255).astype(np.uint8)

    def store(self, frames: Sequence[np.ndarray]) -> np.ndarray:
        """Frames (T, H, W) after they were kept the vendor's way."""
        if self.vendor.storage is Storage.JPEG:
            return np.stack([_through_jpeg(f, self._quality) for f in frames])
        if self.vendor.storage is Storage.VIDEO:
            return _through_video(np.stack(frames), self._quality)
        return np.stack(frames)

    def _fitted_box(self) -> tuple[float, float, float, float]:
        """The vendor's box, wider on frames that are narrower than its screen, so that the sector keeps its height."""
        top, left, height, width = self.vendor.box
        narrower = self.vendor.shape[1] / self.vendor.shape[0] * self.shape[0] / self.shape[1]
        wide = min(width * max(narrower, 1.0), max(width, 0.98))
        left = min(max(left + (width - wide) / 2, 0.0), 1 - wide)
        return top, left, height, wide

    def _place_sector(self) -> Raster:
        """The sector in its box, or filling a cropped frame (whose sides it may exceed)."""
        rows, columns = self.shape
        sector, rng = self.sector, self.rng
        reach = sector.depth_m + sector.apex_m
        top = min((sector.start_m + sector.apex_m) * math.cos(sector.half_angle_rad) - sector.apex_m, 0.0)
        height, width = sector.depth_m - top, 2 * reach * math.sin(sector.half_angle_rad)
        if self.is_cropped:
            box = (rng.uniform(-0.01, 0.04), 0.0, rng.uniform(0.93, 1.02), 1.0)
            overhang = rng.uniform(1.0, 1.25)
        else:
            box, overhang = self._box, 1.0
        pixel = max(height / (box[2] * rows), width / overhang / (box[3] * columns))
        row_m = top - (box[0] * rows + 0.5 * (box[2] * rows - height / pixel)) * pixel
        column_m = -(box[1] + 0.5 * box[3]) * columns * pixel
        if self.is_cropped and rng.random() < _ZOOM_SHARE:
            zoom = rng.uniform(*_ZOOM)
            row_m += rng.uniform(0.0, 0.7) * (1 - 1 / zoom) * rows * pixel
            column_m += (0.5 + rng.uniform(-0.25, 0.25)) * (1 - 1 / zoom) * columns * pixel
            pixel /= zoom
        return Raster(self.shape, pixel, row_m, column_m)

    def _grey_curve(self) -> np.ndarray:
        """Grey levels of the display at 4096 steps: a tinted map turned to grey is a slightly bent line."""
        bend, top = self.rng.normal(0, 0.06), self.rng.uniform(0.85, 1.0)
        x = np.linspace(0, 1, 4096)
        return (255 * top * np.clip(x + bend * np.sin(np.pi * x), 0, 1)).astype(np.float32)

    def _graphics(self) -> tuple[np.ndarray, np.ndarray]:
        """Everything that does not change: grey level and opacity."""
        self._hides_ecg = self.rng.random() < 0.6
        canvas = Image.new("L", (self.shape[1], self.shape[0]), 0)
        draw = ImageDraw.Draw(canvas)
        if not self.is_cropped or self.rng.random() < 0.25:
            self._draw_ticks(draw)
        if not self.is_cropped:
            self._draw_bar(canvas)
            self._draw_texts(draw)
        if not self.is_cropped or self.rng.random() < 0.3:
            self._draw_logo(draw)
        overlay = np.asarray(canvas, np.float32)
        return overlay, (overlay > 0).astype(np.float32)

    def _draw_texts(self, draw: ImageDraw.ImageDraw) -> None:
        s, v = self.settings, self.vendor
        font = _font(round(max(6.0, v.text_size * self.shape[0] * 1.35), 1))
        for row, column, template in v.texts:
            text = template.format(
                fr=f"{s.frame_rate_hz:.0f}", depth=f"{self.sector.depth_m * 100:.0f}", hr=f"{s.heart_rate_per_min:.0f}",
                mi=f"{s.mechanical_index:.1f}", tis=f"{s.thermal_index:.1f}", gain=s.gain,
            )  # fmt: skip
            draw.multiline_text((column * self.shape[1], row * self.shape[0]), text, fill=v.text_grey, font=font)

    def _draw_bar(self, canvas: Image.Image) -> None:
        if self.vendor.bar is None:
            return
        left, width = self.vendor.bar
        rows = max(2, int(0.25 * self.shape[0]))
        ramp = np.linspace(255, 1, rows)[:, None] * np.ones((1, max(2, int(width * self.shape[1]))))
        canvas.paste(Image.fromarray(ramp.astype(np.uint8)), (int(left * self.shape[1]), int(0.04 * self.shape[0])))

    def _draw_ticks(self, draw: ImageDraw.ImageDraw) -> None:
        """Depth marks every centimetre, longer every five; and the focus."""
        if self.vendor.ticks == "none":
            return
        side = 1 if self.rng.random() < 0.6 else -1
        size = max(1, round(self.shape[0] / 240))
        for centimetre in range(1, int(self.sector.depth_m * 100) + 1):
            row, column = self._tick_position(centimetre * 1e-2, side)
            long = 3 * size if centimetre % 5 == 0 else size
            if self.vendor.ticks == "lines":
                draw.line((column, row, column + side * long, row), fill=self.vendor.text_grey, width=size)
            else:
                draw.ellipse((column, row, column + 0.6 * long, row + 0.6 * long), fill=self.vendor.text_grey)
        row, column = self._tick_position(self.rng.uniform(0.3, 0.8) * self.sector.depth_m, side)
        mark = 4 * size
        draw.polygon(
            (column + side * mark, row - mark, column + side * mark, row + mark, column, row),
            fill=self.vendor.text_grey,
        )

    def _tick_position(self, depth_m: float, side: int) -> tuple[float, float]:
        sector = self.sector
        if self.vendor.ticks == "edge":
            angle = side * (sector.half_angle_rad + 0.02)
            reach = depth_m + sector.apex_m
            lateral, axial = reach * math.sin(angle), reach * math.cos(angle) - sector.apex_m
            row, column = self.raster.to_pixels(np.asarray(lateral), np.asarray(axial))
            return float(row), float(column)
        row = float(self.raster.to_pixels(np.asarray(0.0), np.asarray(depth_m))[0])
        left, width = self._box[1], self._box[3]
        return row, (left + (width if side > 0 else 0.0)) * (self.shape[1] - 1)

    def _draw_logo(self, draw: ImageDraw.ImageDraw) -> None:
        """Mark beside the top of the sector that tells the side of the probe's notch."""
        row, column = self.raster.to_pixels(np.asarray(0.0), np.asarray(0.0))
        size = self.shape[0] / 60
        offset = (1 if self.rng.random() < 0.7 else -1) * self.rng.uniform(2, 4) * size
        x, y = float(column) + offset, max(float(row), size)
        if self.vendor.logo == "letter":
            font = _font(round(2.2 * size, 1))
            draw.text((x, y - size), "V", fill=self.vendor.text_grey, font=font)
        elif self.vendor.logo == "ring":
            draw.ellipse((x - size, y - size, x + size, y + size), outline=self.vendor.text_grey)
        else:
            draw.ellipse((x - 0.7 * size, y - 0.7 * size, x + 0.7 * size, y + 0.7 * size), fill=self.vendor.text_grey)

    def _draw_ecg(self, shown: np.ndarray, time_s: float, ecg: Signals) -> None:
        """The trace up to now over a window of the last seconds, with a mark at the end."""
        rows, columns = shown.shape
        window = 2.5
        width = int((0.45 if not self.is_cropped else 0.8) * columns)
        left = int(0.05 * columns)
        at = time_s - window + np.arange(width) / width * window
        length = ecg.times_s[-1] + 1 / ecg.sampling_rate_hz
        if length >= 0.9 * window:  # what ran before the clip looks like what is in it
            at = at % length
        trace = np.interp(at, ecg.times_s, ecg.values[:, 0], left=np.nan, right=np.nan)
        base = rows * (1 - float(self.vendor.ecg or 0.0)) - 2
        y = base - trace * 0.045 * rows
        known = np.isfinite(y)
        if known.sum() < 2:
            return
        points = np.stack([left + np.arange(width)[known], y[known]], axis=-1)
        thickness = max(1, round(rows / 300))
        cv2.polylines(shown, [np.round(points).astype(np.int32)], False, float(self.vendor.text_grey), thickness)
        x, y_end = points[-1]
        cv2.line(shown, (int(x), int(y_end) - 4), (int(x), int(y_end) + 4), float(self.vendor.text_grey), thickness)


@lru_cache(maxsize=256)
def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Reading a font takes longer than writing with it."""
    return ImageFont.load_default(size=size)


def _through_jpeg(frame: np.ndarray, quality: int) -> np.ndarray:
    _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))


def _through_video(frames: np.ndarray, quality: int) -> np.ndarray:
    """MPEG-4 and back, in memory; odd sizes are padded for the codec and cut again."""
    import io

    import av

    rows, columns = frames.shape[1:]
    padded = np.pad(frames, ((0, 0), (0, rows % 2), (0, columns % 2)), mode="edge")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.height, stream.width = padded.shape[1:]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = int(padded[0].size * (0.5 + quality / 20) * 30 / 10)
        colourless = np.full((padded.shape[1] // 2, padded.shape[2]), 128, np.uint8)
        for frame in padded:  # brightness as it is, between 16 and 235 as codecs expect it
            luma = np.round(16 + frame * np.float32(219 / 255)).astype(np.uint8)
            planes = np.concatenate([luma, colourless])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode())
    buffer.seek(0)
    with av.open(buffer) as container:
        decoded = np.stack([f.to_ndarray(format="yuv420p")[:rows, :columns] for f in container.decode(video=0)])
    return np.clip(np.round((decoded.astype(np.float32) - 16) * np.float32(255 / 219)), 0, 255).astype(np.uint8)
