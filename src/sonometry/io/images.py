"""Images to a `Cine`: stills (PNG, JPEG, BMP, WebP, JPEG 2000), animations (GIF, APNG) and TIFF stacks, through Pillow.

Pictures carry no spacing and no times, except stacks of ImageJ, which state both, and animations, which state how long
a frame is shown.
"""

from __future__ import annotations

import threading
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sonometry.core.cine import Cine
from sonometry.core.errors import DataError
from sonometry.core.source import Source, digest_files
from sonometry.io.dicom_timing import NOMINAL_RATE_HZ, uniform_times_s
from sonometry.io.facts import Facts
from sonometry.io.luminance import grey_from_rgb, grey_from_samples
from sonometry.io.native_noise import without_native_messages
from sonometry.io.sniff import check_readable
from sonometry.io.told import told_spacing, told_times

#: TIFF tags (TIFF 6.0).
IMAGE_DESCRIPTION, X_RESOLUTION, Y_RESOLUTION = 270, 282, 283
METRES = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "µm": 1e-6, "\\u00b5m": 1e-6, "micron": 1e-6, "microns": 1e-6}
DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def read_image(path: Path, facts: Facts | None = None) -> Cine:
    """Read a still or a stack of pictures of one size, decoded picture by picture on access.

    Raises DataError for a damaged file and for more pixels than Pillow takes for genuine; a damaged later picture
    raises when it is accessed.
    """
    check_readable(path)
    facts = facts or Facts()
    frames = PictureFrames(path)
    file_spacing_m = frames.imagej_spacing_m()
    times_s, is_timed, notes = frames.times()
    spacing_m, spacing_notes = told_spacing(facts, file_spacing_m)
    times_s, is_timed, told_notes = told_times(facts, times_s, is_timed)
    if file_spacing_m is not None and not spacing_notes:
        spacing_notes = ("pixel spacing is the one that ImageJ stored in the file",)
    return Cine(
        frames,
        frame_times_s=times_s,
        spacing_m=spacing_m,
        is_timed=is_timed,
        source=Source(
            name="clip",
            format=f"{frames.format} image",
            sha256=digest_files([path]),
            paths=(path,),
            notes=(*(told_notes or notes), *spacing_notes, *frames.notes),
        ),
    )


class PictureFrames:
    """Grey pictures of one file, for one thread at a time.

    8-bit pictures give uint8; 16-bit ones float32 on the scale of 0 to 255; 32-bit ones float32 as they are.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: tuple[str, ...] = ()
        self._open()
        first = self.frame(0)
        self.size: tuple[int, int] = (first.shape[0], first.shape[1])
        self.dtype: np.dtype[Any] = first.dtype
        if self._image.mode in ("I", "F"):
            self.notes = ("32-bit grey levels are used as they are, without a known scale",)
        self._check_imagej_stack()

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.n_frames, *self.size)

    def frame(self, index: int) -> np.ndarray:
        """(H, W) grey. DataError names the picture that cannot be decoded."""
        with self._lock:
            try:
                with _no_bombs(), without_native_messages():
                    self._image.seek(index)
                    grey = _grey(self._image)
            except Exception as error:  # Pillow's decoders raise whatever a damaged file leads them to
                raise DataError(f"frame {index} of {self.path.name} cannot be decoded: the image is damaged") from error
        if index and (grey.shape != self.size or grey.dtype != self.dtype):
            raise DataError(
                f"frame {index} of {self.path.name} is {grey.shape[0]} x {grey.shape[1]} {grey.dtype}, "
                f"the first {self.size[0]} x {self.size[1]} {self.dtype}; a clip needs frames of one kind"
            )
        if grey.dtype == np.float32 and not np.isfinite(grey).all():
            raise DataError(f"frame {index} of {self.path.name} contains NaN or infinite values")
        return grey

    def times(self) -> tuple[np.ndarray, bool, tuple[str, ...]]:
        """(T,) frame times, s, whether the file tells them, and notes."""
        if self.n_frames == 1:
            return np.zeros(1), False, ()
        if (interval_s := self._imagej_interval_s()) is not None:
            note = "the frame rate is the one that ImageJ stored in the file"
            return uniform_times_s(self.n_frames, 1 / interval_s), True, (note,)
        durations_s = np.array(self._durations_ms()) / 1e3
        if (durations_s > 0).all():
            note = "frame times are the file's display durations, which may not be the scanner's; check or pass --fps"
            return np.concatenate([[0.0], np.cumsum(durations_s[:-1])]), True, (note,)
        note = "the file tells no frame rate, so rates and times cannot be measured without --fps"
        return uniform_times_s(self.n_frames, NOMINAL_RATE_HZ), False, (note,)

    def imagej_spacing_m(self) -> tuple[float, float] | None:
        """(row, column) from the resolution, when ImageJ's description names a unit of length."""
        unit_m = METRES.get(self._imagej().get("unit", ""))
        resolution = [self._tag(Y_RESOLUTION), self._tag(X_RESOLUTION)]
        if unit_m is None or not all(isinstance(r, int | float) or hasattr(r, "numerator") for r in resolution):
            return None
        pixels_per_unit = [float(r) for r in resolution]
        if not all(p > 0 for p in pixels_per_unit):
            return None
        row_m, column_m = (unit_m / p for p in pixels_per_unit)
        return (row_m, column_m) if max(row_m, column_m) < 0.1 else None

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("_image", "_lock", "_closer")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def _open(self) -> None:
        stream = self.path.open("rb")
        # Pillow leaves files of damaged pictures open, so the stream is this object's to close.
        self._closer = weakref.finalize(self, stream.close)
        try:
            with _no_bombs(), without_native_messages():
                self._image = Image.open(stream)
                self.n_frames = int(getattr(self._image, "n_frames", 1))
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise DataError(f"{self.path.name} has too many pixels for a genuine picture; export it smaller") from error
        except Exception as error:  # see `frame`
            raise DataError(f"{self.path.name} is not a readable image: it is damaged or of an unknown kind") from error
        self.format = str(self._image.format)
        self._lock = threading.Lock()

    def _durations_ms(self) -> list[float]:
        """How long each picture is shown; 0 where the file does not say."""
        durations = []
        with self._lock:
            for index in range(self.n_frames):
                try:
                    with _no_bombs(), without_native_messages():
                        self._image.seek(index)
                        if self.format == "WEBP":
                            self._image.load()
                except Exception as error:  # see `frame`
                    raise DataError(f"{self.path.name} is damaged at frame {index}: it may be truncated") from error
                durations.append(float(self._image.info.get("duration") or 0))
        return durations

    def _tag(self, number: int) -> Any:
        return getattr(self._image, "tag_v2", {}).get(number)

    def _imagej(self) -> dict[str, str]:
        """Key and value lines of ImageJ's image description; {} for other files."""
        with self._lock:
            self._image.seek(0)
            description = self._tag(IMAGE_DESCRIPTION)
        if not isinstance(description, str) or not description.startswith("ImageJ="):
            return {}
        pairs = (line.partition("=") for line in description.splitlines())
        return {key.strip(): value.strip() for key, found, value in pairs if found}

    def _imagej_interval_s(self) -> float | None:
        described = self._imagej()
        try:
            interval_s = float(described.get("finterval", 0)) or 1 / float(described.get("fps", "inf"))
        except (ValueError, ZeroDivisionError):
            return None
        return interval_s if 1e-5 < interval_s < 100 else None

    def _check_imagej_stack(self) -> None:
        """ImageJ stores files of 4 GB and more as one TIFF page with the other pictures behind it."""
        announced = self._imagej().get("images", "")
        if announced.isdigit() and int(announced) > self.n_frames:
            raise DataError(
                f"{self.path.name} announces {announced} pictures but has {self.n_frames} TIFF pages: it is truncated, "
                "or stored in ImageJ's layout for large files; save it in parts below 4 GB"
            )


@contextmanager
def _no_bombs() -> Iterator[None]:
    """Pillow's warning about too many pixels is an error inside; its other warnings tell a user nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _grey(image: Image.Image) -> np.ndarray:
    """Grey levels of the current picture."""
    if image.mode == "L" and "transparency" not in image.info:
        return np.array(image)
    if image.mode in ("I", "F"):
        return np.array(image, np.float32)
    if image.mode in DEEP_MODES:
        return grey_from_samples(np.array(image), 16)
    if image.mode == "1":
        return np.array(image.convert("L"))
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        rgba = np.array(image.convert("RGBA"))
        # What is transparent was not imaged: black, as the ground of an ultrasound picture.
        rgb = rgba[..., :3].astype(np.uint16) * rgba[..., 3:] // 255
        return grey_from_rgb(rgb.astype(np.uint8))
    return grey_from_rgb(np.array(image.convert("RGB")))
