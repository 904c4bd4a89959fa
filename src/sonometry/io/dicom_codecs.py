"""Bytes of one frame of Pixel Data to samples, for every transfer syntax in use (PS3.5 A.4).

simplejpeg (libjpeg-turbo) decodes lossless JPEG, Pillow (OpenJPEG) JPEG 2000, pyjpegls JPEG-LS, pylibjpeg-rle RLE;
gdcm, which ends the process when a stream is damaged, only what they cannot: JPEG of more than 8 bits. JPEG Baseline is
not here: `dicom_frames` takes its luminance directly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import simplejpeg
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from sonometry.io import jpeg_stream
from sonometry.io.dicom_header import lenient_pydicom, uid
from sonometry.io.dicom_pixels import PixelModule
from sonometry.io.native_noise import without_native_messages

JPEG_LOSSLESS = (JPEGLossless, JPEGLosslessSV1)
JPEG_LS = (JPEGLSLossless, JPEGLSNearLossless)
JPEG_2000 = (JPEG2000Lossless, JPEG2000)
#: Known, so that their frames are not taken for JPEG 2000, but nothing that is installed decodes them.
HIGH_THROUGHPUT_JPEG_2000 = (HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K)
JPEG_2000_STARTS = (b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  ")


class FrameError(ValueError):
    """One frame cannot be decoded; the text says why, without the frame's number."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Decoded samples: (H, W) or (H, W, 3), their photometric interpretation and number of significant bits."""

    values: np.ndarray
    photometric: str
    bits: int


def actual_syntax(stream: bytes, declared: str) -> str:
    """The transfer syntax that a compressed frame really has, where its first bytes tell; else the declared one.

    Programs that recompress pixels have been seen to leave another transfer syntax in the header.
    """
    if stream.startswith(JPEG_2000_STARTS):
        return declared if declared in (*JPEG_2000, *HIGH_THROUGHPUT_JPEG_2000) else JPEG2000
    header = jpeg_stream.parse_jpeg_header(stream)
    if header is None:
        return declared
    if header.process == jpeg_stream.JPEG_LS:
        return declared if declared in JPEG_LS else JPEGLSLossless
    if header.process == jpeg_stream.LOSSLESS:
        return declared if declared in JPEG_LOSSLESS else JPEGLossless
    return JPEGBaseline8Bit if header.precision == 8 else JPEGExtended12Bit


def decode_native(data: bytes, module: PixelModule) -> Samples:
    """Uncompressed samples. Of 4:2:2 chroma only the luminance is returned."""
    if len(data) < module.frame_bytes:
        raise FrameError(f"it has {len(data)} of {module.frame_bytes} bytes")
    if module.bits_allocated == 8:
        flat = np.frombuffer(data, np.uint8, module.frame_bytes)
    else:
        flat = np.frombuffer(data, ">u2" if module.is_big_endian else "<u2", module.frame_bytes // 2).astype(np.uint16)
    if module.photometric.endswith("_422"):
        luminance = flat.reshape(module.rows, module.columns // 2, 4)[..., :2]
        return Samples(luminance.reshape(module.rows, -1), module.photometric, module.bits_stored)
    return Samples(_in_place(flat, module), module.photometric, module.bits_stored)


def decode_compressed(data: bytes, module: PixelModule, syntax: str) -> Samples:
    """Samples of one compressed frame. FrameError when the stream is damaged, of another size or of an unknown kind."""
    _check_size(data, module)
    if syntax == RLELossless:
        return _decode_rle(data, module)
    try:
        with without_native_messages():
            return _decode_with_library(data, module, syntax)
    except FrameError:
        raise
    except Exception as error:  # four decoders, each with its own failures, none of which tells a user more
        raise FrameError("its compressed data is damaged") from error


def _decode_with_library(data: bytes, module: PixelModule, syntax: str) -> Samples:
    if syntax == JPEGExtended12Bit:
        return _decode_jpeg_deep(data, module, 12, 51)
    if syntax in JPEG_LOSSLESS:
        return _decode_jpeg_lossless(data, module)
    if syntax in JPEG_2000:
        return _decode_with_pydicom(data, module, syntax, "pillow")
    if syntax in JPEG_LS:
        return _decode_with_pydicom(data, module, syntax, "pyjpegls")
    known = uid(syntax).name if uid(syntax).is_transfer_syntax else "in its header"
    raise FrameError(f"nothing decodes the transfer syntax {known}; export it uncompressed or as JPEG")


def _in_place(flat: np.ndarray, module: PixelModule) -> np.ndarray:
    """Samples in rows, columns and colours, with only their stored bits, signed where the header says so."""
    shift = module.high_bit + 1 - module.bits_stored
    if shift or module.bits_stored < module.bits_allocated:
        flat = (flat >> shift) & ((1 << module.bits_stored) - 1)
    if module.is_signed:
        flat = _signed(flat, module.bits_stored)
    if module.samples == 1:
        return flat.reshape(module.rows, module.columns)
    if module.is_planar:
        return np.moveaxis(flat.reshape(3, module.rows, module.columns), 0, 2)
    return flat.reshape(module.rows, module.columns, 3)


def _signed(values: np.ndarray, bits: int) -> np.ndarray:
    """Two's complement of `bits` bits."""
    wide = values.astype(np.int32)
    return wide - ((wide >> (bits - 1)) << bits)


def _check_size(data: bytes, module: PixelModule) -> None:
    size = _j2k_size(data) if data.startswith(JPEG_2000_STARTS[0]) else _jpeg_size(data)
    if size is not None and size != (module.rows, module.columns):
        raise FrameError(f"it is {size[0]} x {size[1]} pixels where the header says {module.rows} x {module.columns}")


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    header = jpeg_stream.parse_jpeg_header(data)
    return (header.height, header.width) if header else None


def _j2k_size(data: bytes) -> tuple[int, int] | None:
    """Image area by the size segment (ITU-T T.800 A.5.1): reference grid minus offset."""
    if len(data) < 24:
        return None
    right, bottom, left, top = (int.from_bytes(data[i : i + 4], "big") for i in (8, 12, 16, 20))
    return bottom - top, right - left


def _decode_rle(data: bytes, module: PixelModule) -> Samples:
    from rle import decode_pixel_data

    size: dict[str, Any] = {"rows": module.rows, "columns": module.columns, "bits_allocated": module.bits_allocated}
    try:
        planes = decode_pixel_data(data, version=2, **size)
    except ValueError as error:
        raise FrameError("its compressed data is damaged") from error
    word = np.dtype("<u2") if module.bits_allocated == 16 else np.dtype(np.uint8)
    flat = np.frombuffer(planes, word)
    if flat.size != module.rows * module.columns * module.samples:
        raise FrameError(f"it unpacks to {flat.size} samples")
    # RLE always stores colours plane by plane (PS3.5 G.2).
    shape = (module.samples, module.rows, module.columns)
    values = np.moveaxis(flat.reshape(shape), 0, 2) if module.samples == 3 else flat.reshape(shape[1:])
    if module.is_signed:
        values = _signed(values, module.bits_stored)
    return Samples(values, module.photometric, module.bits_stored)


def _decode_with_pydicom(data: bytes, module: PixelModule, syntax: str, plugin: str) -> Samples:
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder

    options: dict[str, Any] = {
        "rows": module.rows,
        "columns": module.columns,
        "number_of_frames": 1,
        "samples_per_pixel": module.samples,
        "photometric_interpretation": module.photometric,
        "planar_configuration": 0,
        "bits_allocated": module.bits_allocated,
        "bits_stored": module.bits_stored,
        "pixel_representation": int(module.is_signed),
        "pixel_keyword": "PixelData",
    }
    stream = encapsulate([data], has_bot=False)
    with lenient_pydicom():
        values, found = get_decoder(UID(syntax)).as_array(stream, index=0, raw=True, decoding_plugin=plugin, **options)
    return Samples(values, str(found["photometric_interpretation"]), int(found["bits_stored"]))


def _decode_jpeg_lossless(data: bytes, module: PixelModule) -> Samples:
    """Eight-bit lossless JPEG: libjpeg-turbo decodes it, several times faster than gdcm and without its crashes."""
    header = jpeg_stream.parse_jpeg_header(data)
    if header is None or len(header.component_ids) != module.samples:
        raise FrameError("its compressed data is damaged")
    if header.precision > 8:
        return _decode_jpeg_deep(data, module, header.precision, 57)
    if module.samples == 1:
        return Samples(simplejpeg.decode_jpeg(data, "GRAY")[..., 0], module.photometric, header.precision)
    values = simplejpeg.decode_jpeg(jpeg_stream.with_colour_space(data, is_rgb=True), "RGB")
    return Samples(values, module.photometric, header.precision)


def _decode_jpeg_deep(data: bytes, module: PixelModule, bits: int, syntax: int) -> Samples:
    """JPEG of 9 to 16 bits, which pydicom's plug-ins refuse or crash on: gdcm in a process of its own."""
    from sonometry.io.gdcm_process import Picture, decode

    words = decode(data, Picture(syntax, module.rows, module.columns, module.samples, bits))
    shape = (module.rows, module.columns, 3) if module.samples == 3 else (module.rows, module.columns)
    if words is None or len(words) != 2 * math.prod(shape):
        raise FrameError("its compressed data is damaged")
    values = np.frombuffer(words, "<u2").astype(np.uint16).reshape(shape)
    if module.is_signed:
        values = _signed(values, bits)
    # A stream of 16 bits may hold samples of which the header says that 12 are stored.
    return Samples(values, module.photometric, min(bits, module.bits_stored))
