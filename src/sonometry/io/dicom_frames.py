"""Frames of a DICOM cine on demand, as grey levels.

Opening decodes only the first frame: to learn the type of its samples, and to see whether its colour space is the one
that the header states. Mislabelled colour is common and turns pictures green.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import simplejpeg
from pydicom.uid import UID, JPEGBaseline8Bit

from sonometry.core.errors import DataError
from sonometry.io import jpeg_stream
from sonometry.io.dicom_codecs import FrameError, Samples, actual_syntax, decode_compressed, decode_native
from sonometry.io.dicom_fragments import FrameIndex, index_encapsulated, index_native, with_swapped_bytes
from sonometry.io.dicom_header import DicomFile, uid
from sonometry.io.dicom_pixels import PixelModule, pixel_module
from sonometry.io.luminance import grey_from_rgb, grey_from_samples, grey_share_as_rgb, grey_share_as_ybr

#: A colour space is mislabelled when the other reading makes more than half of the picture grey, and the stated one
#: less than half as much. A true but strongly coloured picture does not do that: its background is black.
MOSTLY_GREY = 0.5


@dataclass(frozen=True, eq=False)
class FrameDecoder:
    """Grey levels of one frame's bytes.

    is_rgb : whether three samples a pixel are RGB rather than YCbCr; None until the first frame has settled it.
    """

    module: PixelModule
    syntax: str
    is_compressed: bool
    is_rgb: bool | None = None

    def grey(self, data: bytes) -> np.ndarray:
        """(H, W) uint8, or float32 on the same scale for deeper samples. FrameError if the frame is damaged."""
        if self.syntax != JPEGBaseline8Bit:
            return _grey(self.samples(data), self.module, is_rgb=bool(self.is_rgb))
        if len(_jpeg_header(data, self.module).component_ids) == 3:
            return _decode_jpeg(jpeg_stream.with_colour_space(data, is_rgb=bool(self.is_rgb)), "GRAY")[..., 0]
        return _grey(self.samples(data), self.module, is_rgb=False)

    def samples(self, data: bytes) -> Samples:
        """Samples before any conversion of colours."""
        if not self.is_compressed:
            return decode_native(data, self.module)
        if self.syntax == JPEGBaseline8Bit:
            return _jpeg_samples(data, self.module)
        return decode_compressed(data, self.module, self.syntax)


@dataclass(frozen=True, eq=False)
class DicomFrames:
    """Grey frames of one file, each read and decoded when it is asked for."""

    name: str
    index: FrameIndex
    decoder: FrameDecoder
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.index.n_frames, self.decoder.module.rows, self.decoder.module.columns

    def frame(self, index: int) -> np.ndarray:
        """(H, W) grey. DataError names the frame that cannot be decoded."""
        data = self.index.read(index)
        try:
            grey = self.decoder.grey(data)
        except FrameError as error:
            raise DataError(f"frame {index} of {self.name} cannot be decoded: {error}") from error
        return np.require(grey, self.dtype, ["C_CONTIGUOUS", "WRITEABLE"])


def open_frames(file: DicomFile) -> tuple[DicomFrames, tuple[str, ...]]:
    """Frames of an open file, and what was decided about their colours. DataError if even the first is damaged."""
    module = pixel_module(file)
    is_compressed = file.pixels is not None and file.pixels.is_encapsulated
    if is_compressed:
        index = index_encapsulated(file, module.n_frames)
    else:
        if module.has_swapped_bytes:
            file = with_swapped_bytes(file)
        index = index_native(file, module.n_frames, module.frame_bytes)
    first = index.read(0)
    syntax = actual_syntax(first, file.transfer_syntax) if is_compressed else file.transfer_syntax
    notes = []
    if not is_compressed and not uid(syntax).is_transfer_syntax:
        notes.append("the header names an unknown transfer syntax; the pixels are taken as uncompressed")
    if is_compressed and syntax != file.transfer_syntax:
        notes.append(f"the frames are {UID(syntax).name}, not {_syntax_name(file.transfer_syntax)} as the header says")
    decoder = FrameDecoder(module, syntax, is_compressed)
    try:
        decoder, colour_notes = _settle_colour(decoder, first)
        dtype = decoder.grey(first).dtype
    except FrameError as error:
        raise DataError(f"frame 0 of {file.name} cannot be decoded: {error}") from error
    return DicomFrames(file.name, index, decoder, dtype), (*notes, *colour_notes)


def _syntax_name(syntax: str) -> str:
    """Name of a known transfer syntax; an unknown one stays out of the message."""
    return uid(syntax).name if uid(syntax).is_transfer_syntax else "what"


def _settle_colour(decoder: FrameDecoder, first: bytes) -> tuple[FrameDecoder, tuple[str, ...]]:
    """Decide from the header, the stream's markers and the picture itself whether samples are RGB or YCbCr.

    Ultrasound is mostly grey and black: RGB read as YCbCr, or the other way round, leaves hardly a grey pixel.
    """
    photometric = decoder.module.photometric
    samples = decoder.samples(first)
    if samples.values.ndim == 2:
        return decoder, ()
    is_rgb = samples.photometric == "RGB"
    if decoder.syntax == JPEGBaseline8Bit:
        declared = _jpeg_header(first, decoder.module).is_declared_rgb
        is_rgb = is_rgb if declared is None else declared
    if samples.values.dtype == np.uint8:
        as_rgb, as_ybr = grey_share_as_rgb(samples.values), grey_share_as_ybr(samples.values)
        stated, other = (as_rgb, as_ybr) if is_rgb else (as_ybr, as_rgb)
        if other > MOSTLY_GREY and stated < other / 2:
            is_rgb = not is_rgb
    notes: tuple[str, ...] = ()
    if is_rgb != (samples.photometric == "RGB"):
        found = "RGB" if is_rgb else "YCbCr"
        notes = (f"PhotometricInterpretation says {photometric} but the pixels are {found} and are read so",)
    return replace(decoder, is_rgb=is_rgb), notes


def _grey(samples: Samples, module: PixelModule, *, is_rgb: bool) -> np.ndarray:
    """Grey levels of decoded samples."""
    values = samples.values
    if values.ndim == 3:
        values = grey_from_rgb(values) if is_rgb else np.ascontiguousarray(values[..., 0])
        return grey_from_samples(values, samples.bits)
    if module.grey_of_index is not None:
        indices = values.astype(np.int64) & (len(module.grey_of_index) - 1)
        coloured: np.ndarray = module.grey_of_index[indices]
        return coloured
    grey = grey_from_samples(values, samples.bits)
    if samples.photometric == "MONOCHROME1":
        return (255 - grey).astype(grey.dtype)
    if samples.photometric.startswith("YBR_PARTIAL"):  # luminance from 16 to 235 (PS3.3 C.7.6.3.1.2)
        return np.clip((grey.astype(np.float32) - 16) * (255 / 219) + 0.5, 0, 255).astype(grey.dtype)
    return grey


def _jpeg_header(data: bytes, module: PixelModule) -> jpeg_stream.JpegHeader:
    header = jpeg_stream.parse_jpeg_header(data)
    if header is None:
        raise FrameError("it is not a JPEG stream")
    if (header.height, header.width) != (module.rows, module.columns):
        raise FrameError(
            f"it is {header.height} x {header.width} pixels where the header says {module.rows} x {module.columns}"
        )
    if len(header.component_ids) not in (1, 3):
        raise FrameError(f"it has {len(header.component_ids)} colours where 1 or 3 can be read")
    return header


def _jpeg_samples(data: bytes, module: PixelModule) -> Samples:
    """The components as stored: three are decoded as if they were RGB, which keeps them as they are."""
    if len(_jpeg_header(data, module).component_ids) == 1:
        photometric = module.photometric if module.samples == 1 else "MONOCHROME2"
        return Samples(_decode_jpeg(data, "GRAY")[..., 0], photometric, 8)
    values = _decode_jpeg(jpeg_stream.with_colour_space(data, is_rgb=True), "RGB")
    return Samples(values, module.photometric, 8)


def _decode_jpeg(data: bytes, colour_space: str) -> np.ndarray:
    try:
        return simplejpeg.decode_jpeg(data, colour_space)
    except ValueError as error:
        if "extraneous bytes" not in str(error):
            raise FrameError("its compressed data is damaged") from error
    try:
        # Stray bytes between markers are a known habit of some encoders and lose nothing.
        return simplejpeg.decode_jpeg(data, colour_space, strict=False)
    except ValueError as error:
        raise FrameError("its compressed data is damaged") from error
