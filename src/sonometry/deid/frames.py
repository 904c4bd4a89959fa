"""Frames of a DICOM image as they are stored, as they look, and back into a file.

Everything is checked before anything is decoded: a damaged or malicious header must not make the decoder fill the
memory. What cannot be handled raises DataError with the reason; nothing of the file's text is in it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from sonometry.core.errors import DataError

NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
_LOSSLESS_CODED = (JPEG2000Lossless, JPEGLossless, JPEGLosslessSV1, JPEGLSLossless)
_CODED = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEG2000, JPEGLSNearLossless, RLELossless, *_LOSSLESS_CODED)
_PHOTOMETRIC = {
    1: ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"),
    3: ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT"),
}
MIN_SIDE, MAX_SIDE, MAX_FRAMES = 16, 8192, 20_000
#: Decoded size above which a file is refused rather than filling the memory.
MAX_BYTES = 12 << 30


@dataclass(frozen=True)
class Layout:
    """How the pixels of an image are stored."""

    syntax: UID
    rows: int
    columns: int
    n_frames: int
    samples: int
    bits_allocated: int
    bits_stored: int
    photometric: str

    @property
    def frame_bytes(self) -> int:
        return self.rows * self.columns * self.samples * self.bits_allocated // 8

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8 if self.bits_allocated == 8 else np.uint16)


def layout_of(dataset: Dataset, syntax: UID) -> Layout:
    """Check the pixel attributes (PS3.3 C.7.6.3) and return them. DataError when they cannot be handled."""
    if syntax not in NATIVE and syntax not in _CODED:
        raise DataError("its transfer syntax is not supported; convert it to JPEG Baseline or uncompressed first")
    layout = Layout(
        syntax,
        rows=_whole(dataset, "Rows"),
        columns=_whole(dataset, "Columns"),
        n_frames=_whole(dataset, "NumberOfFrames", 1),
        samples=_whole(dataset, "SamplesPerPixel"),
        bits_allocated=_whole(dataset, "BitsAllocated"),
        bits_stored=_whole(dataset, "BitsStored"),
        photometric=str(value_of(dataset, "PhotometricInterpretation") or "").strip(),
    )
    if not (MIN_SIDE <= layout.rows <= MAX_SIDE and MIN_SIDE <= layout.columns <= MAX_SIDE):
        raise DataError(f"its frames are not {MIN_SIDE} to {MAX_SIDE} pixels high and wide")
    if not 1 <= layout.n_frames <= MAX_FRAMES or layout.frame_bytes * layout.n_frames > MAX_BYTES:
        raise DataError("it has no frames or too many to be decoded safely")
    if layout.photometric not in _PHOTOMETRIC.get(layout.samples, ()):
        raise DataError("its photometric interpretation is not supported")
    if layout.bits_allocated not in (8, 16) or not 1 <= layout.bits_stored <= layout.bits_allocated:
        raise DataError("its pixels do not have 8 or 16 bits")
    if _whole(dataset, "HighBit", layout.bits_stored - 1) != layout.bits_stored - 1:
        raise DataError("its pixels are stored with an unusual high bit")
    if _whole(dataset, "PixelRepresentation", 0) != 0:
        raise DataError("its pixels are signed")
    if layout.samples == 3 and layout.bits_allocated != 8:
        raise DataError("its colours have more than 8 bits")
    return layout


def value_of(dataset: Dataset, keyword: str) -> Any:
    """The value of an attribute, None where it is absent. DataError when it cannot be read."""
    try:
        return dataset.get(keyword)
    except Exception as error:  # pydicom raises nearly anything on damaged values
        raise DataError(f"its {keyword} is damaged") from error


def _whole(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    value = value_of(dataset, keyword)
    if value is None or value == "":
        if default is None:
            raise DataError(f"it has no {keyword}")
        return default
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"its {keyword} is not a number") from None


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames of one image, decoded one at a time."""

    dataset: Dataset = field(repr=False)
    layout: Layout

    @cached_property
    def coded(self) -> list[bytes]:
        """Compressed frames, as many as the header says. DataError otherwise."""
        try:
            frames = list(generate_frames(self.dataset.PixelData, number_of_frames=self.layout.n_frames))
        except Exception as error:  # pydicom raises nearly anything on damaged fragments
            raise DataError("its compressed frames are damaged") from error
        if len(frames) != self.layout.n_frames:
            raise DataError("it holds another number of compressed frames than its header says")
        for frame in frames:
            _check_coded_size(frame, self.layout)
        return frames

    @cached_property
    def _native(self) -> np.ndarray:
        """(T, H, W) or (T, H, W, 3) view of uncompressed pixels, in stored colours."""
        layout = self.layout
        data = value_of(self.dataset, "PixelData")
        if not isinstance(data, bytes):
            raise DataError("its pixel data are damaged")
        shape = (layout.n_frames, layout.rows, layout.columns)
        if layout.photometric == "YBR_FULL_422":
            return self._native_422(data)
        if len(data) < layout.frame_bytes * layout.n_frames:
            raise DataError("its pixel data are shorter than its header says")
        order = ">" if layout.syntax == ExplicitVRBigEndian and layout.bits_allocated == 16 else "<"
        pixels = np.frombuffer(data, layout.dtype.newbyteorder(order), count=int(np.prod(shape)) * layout.samples)
        if layout.samples == 1:
            return pixels.reshape(shape)
        if _whole(self.dataset, "PlanarConfiguration", 0) == 1:
            return pixels.reshape(shape[0], 3, *shape[1:]).transpose(0, 2, 3, 1)
        return pixels.reshape(*shape, 3)

    def _native_422(self, data: bytes) -> np.ndarray:
        """Uncompressed YBR_FULL_422 holds two luminances and one pair of chrominances for two pixels (C.7.6.3.1.2)."""
        layout = self.layout
        n_pairs = layout.n_frames * layout.rows * layout.columns // 2
        if layout.columns % 2 or len(data) < 4 * n_pairs:
            raise DataError("its pixel data are shorter than its header says")
        pairs = np.frombuffer(data, np.uint8, count=4 * n_pairs).reshape(-1, 4)
        pixels = pairs[:, [0, 2, 3, 1, 2, 3]]
        return pixels.reshape(layout.n_frames, layout.rows, layout.columns, 3)

    def stored(self, index: int) -> np.ndarray:
        """One frame in stored colours, (H, W) or (H, W, 3); bits above those stored (old overlays) are cleared."""
        if self.layout.syntax in NATIVE:
            frame = self._native[index]
        elif self.layout.syntax == JPEGBaseline8Bit:
            return self._jpeg(index)
        else:
            frame = self._decoded(index)
        if self.layout.bits_stored < self.layout.bits_allocated:
            frame = frame & np.asarray((1 << self.layout.bits_stored) - 1, self.layout.dtype)
        return np.ascontiguousarray(frame).astype(self.layout.dtype, copy=False)

    def _jpeg(self, index: int) -> np.ndarray:
        """Baseline JPEG as RGB or grey, whatever the header calls its colours."""
        import simplejpeg

        try:
            frame = simplejpeg.decode_jpeg(self.coded[index], "GRAY" if self.layout.samples == 1 else "RGB")
        except ValueError as error:
            raise DataError("a JPEG frame is damaged") from error
        return frame[..., 0] if self.layout.samples == 1 else frame

    def _decoded(self, index: int) -> np.ndarray:
        from pydicom.pixels import get_decoder

        try:
            decoder = get_decoder(self.layout.syntax)
            options = {
                "rows": self.layout.rows,
                "columns": self.layout.columns,
                "samples_per_pixel": self.layout.samples,
                "bits_allocated": self.layout.bits_allocated,
                "bits_stored": self.layout.bits_stored,
                "pixel_representation": 0,
                "photometric_interpretation": self.layout.photometric,
                "planar_configuration": _whole(self.dataset, "PlanarConfiguration", 0),
                "number_of_frames": 1,
                "pixel_keyword": "PixelData",
            }
            frame, _ = decoder.as_array(encapsulate([self.coded[index]]), raw=True, index=0, **options)
        except DataError:
            raise
        except Exception as error:  # decoders raise nearly anything
            raise DataError("a compressed frame cannot be decoded") from error
        expected = (self.layout.rows, self.layout.columns) + ((3,) if self.layout.samples == 3 else ())
        if frame.shape != expected:
            raise DataError("a compressed frame has another size than the header says")
        return frame

    def rgb(self, index: int) -> np.ndarray:
        """One frame as it is shown, (H, W, 3) uint8."""
        return self.shown(self.stored(index))

    def shown(self, frame: np.ndarray) -> np.ndarray:
        """Stored colours as (H, W, 3) uint8."""
        layout = self.layout
        if layout.photometric == "PALETTE COLOR":
            return np.ascontiguousarray(self._palette[np.minimum(frame, len(self._palette) - 1)])
        if layout.samples == 1:
            grey = frame if layout.bits_stored <= 8 else (frame >> (layout.bits_stored - 8)).astype(np.uint8)
            grey = grey if layout.photometric == "MONOCHROME2" else 255 - grey
            return np.repeat(grey[..., None], 3, axis=2)
        if layout.photometric.startswith("YBR_FULL") and layout.syntax != JPEGBaseline8Bit:
            from pydicom.pixels import convert_color_space

            return convert_color_space(frame, "YBR_FULL", "RGB")
        return frame

    @cached_property
    def _palette(self) -> np.ndarray:
        """(levels, 3) uint8 colours of stored values, below and above the table as at its ends (C.7.6.3.1.5)."""
        from pydicom.pixels import apply_color_lut

        try:
            first = int(self.dataset.RedPaletteColorLookupTableDescriptor[1])
            n_levels = 1 << self.layout.bits_stored
            levels = np.arange(n_levels, dtype=self.layout.dtype).reshape(1, -1)
            colours = apply_color_lut(levels, self.dataset)[0]
        except Exception as error:  # missing or damaged tables
            raise DataError("its palette is missing or damaged") from error
        if colours.dtype == np.uint16:
            colours = (colours >> 8).astype(np.uint8) if colours.max() > 255 else colours.astype(np.uint8)
        if not -(1 << 16) < first < 1 << 16 or colours.shape != (n_levels, 3):
            raise DataError("its palette is missing or damaged")
        return np.ascontiguousarray(colours)

    @cached_property
    def black(self) -> np.ndarray:
        """Stored value(s) of a black pixel."""
        layout = self.layout
        if layout.photometric == "PALETTE COLOR":
            return np.array(int(self._palette.astype(int).sum(axis=1).argmin()), layout.dtype)
        if layout.photometric == "MONOCHROME1":
            return np.array((1 << layout.bits_stored) - 1, layout.dtype)
        if layout.photometric.startswith("YBR_FULL") and layout.syntax != JPEGBaseline8Bit:
            return np.array([0, 128, 128], layout.dtype)
        return np.zeros(layout.samples if layout.samples == 3 else (), layout.dtype)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self.stored(index) for index in range(self.layout.n_frames))


def _check_coded_size(frame: bytes, layout: Layout) -> None:
    """DataError when the stream itself announces another size: decoders allocate what it says."""
    size = coded_size(frame)
    if size is not None and size != (layout.rows, layout.columns):
        raise DataError("a compressed frame has another size than the header says")
    if size is None and layout.syntax != RLELossless:
        raise DataError("a compressed frame is damaged")


def coded_size(frame: bytes) -> tuple[int, int] | None:
    """Rows and columns that a JPEG, JPEG-LS or JPEG 2000 stream announces, or None."""
    if frame[:4] == b"\xff\x4f\xff\x51" and len(frame) >= 24:
        x1, y1, x0, y0 = struct.unpack_from(">4I", frame, 8)
        return y1 - y0, x1 - x0
    position = 2
    while frame[:2] == b"\xff\xd8" and position + 9 <= len(frame):
        marker = frame[position + 1]
        if frame[position] != 0xFF:
            return None
        if marker == 0xFF:
            position += 1
            continue
        if (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7:
            rows, columns = struct.unpack_from(">HH", frame, position + 5)
            return rows, columns
        position += 2 + int.from_bytes(frame[position + 2 : position + 4], "big")
    return None
