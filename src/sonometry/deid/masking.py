"""Everything outside the kept pixels becomes black in every frame, with proof that the kept ones did not change.

Uncompressed and losslessly compressed images stay so; JPEG Baseline is masked block by block (`jpeg_mask.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import cv2
import numpy as np
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from sonometry.core.errors import DataError
from sonometry.deid.frames import NATIVE, Frames
from sonometry.deid.jpeg import DamagedJpeg, UnsupportedJpeg, parse
from sonometry.deid.jpeg_mask import BlockMask, block_mask, masked, whole_blocks
from sonometry.deid.pixels import PixelRules

T = TypeVar("T")
R = TypeVar("R")
#: Quality of frames that cannot be masked block by block.
_QUALITY = 95
#: Grey levels that a second compression may leave outside the kept pixels, and change inside on average.
_MAX_OUTSIDE, _MAX_CHANGE = 24, 3.0


@dataclass(frozen=True, eq=False)
class Pixels:
    """Pixel data of the result: encapsulated or native bytes, their transfer syntax and colours, and the proof.

    sha256_before, sha256_after : digests of the kept pixels of all frames; equal when not one of them changed.
    exact_share : share of the kept pixels that the digests cover (JPEG blocks cut by the mask are not among them).
    """

    data: bytes = field(repr=False)
    syntax: UID
    photometric: str
    sha256_before: str
    sha256_after: str
    exact_share: float


def mask_frames(frames: Frames, kept: np.ndarray, rules: PixelRules) -> Pixels:
    """Mask all frames and check the result. Raises DataError; nothing is certain until this has returned.

    kept : (H, W) bool, what stays.
    """
    if frames.layout.syntax == JPEGBaseline8Bit and not rules.lossless:
        try:
            return _masked_jpeg(frames, kept, rules.threads)
        except UnsupportedJpeg:
            return _recompressed(frames, kept)
        except DamagedJpeg as error:
            raise DataError("a JPEG frame is damaged") from error
    return _masked_lossless(frames, kept)


def _masked_jpeg(frames: Frames, kept: np.ndarray, threads: int) -> Pixels:
    """Blocks outside become black, blocks inside keep their coefficients."""
    parsed = [parse(frame) for frame in frames.coded]
    layouts: dict[object, BlockMask] = {}
    for jpeg in parsed:
        if (jpeg.rows, jpeg.columns) != kept.shape or len(jpeg.components) != frames.layout.samples:
            raise DataError("a JPEG frame has another size than the header says")
        if jpeg.components not in layouts:
            layouts[jpeg.components] = block_mask(jpeg, kept)
    is_rgb = frames.layout.photometric == "RGB"
    out = _in_threads(lambda jpeg: masked(jpeg, layouts[jpeg.components], is_rgb=is_rgb), parsed, threads)
    exact = np.logical_and.reduce([whole_blocks(jpeg, layouts[jpeg.components]) for jpeg in parsed[:1]])
    dark = ~_grown(kept, 16)

    def check(pair: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
        before, after = (_luminance(stream) for stream in pair)
        if dark.any() and int(after[dark].max()) > (255 if is_rgb else 2):
            raise DataError("its masked JPEG frames are not black outside")
        return hashlib.sha256(before[exact]).digest(), hashlib.sha256(after[exact]).digest()

    checked = _in_threads(check, list(zip(frames.coded, out, strict=True)), threads)
    return Pixels(
        encapsulate(out),
        JPEGBaseline8Bit,
        frames.layout.photometric,
        *_joined(checked),
        exact_share=float(exact.sum() / max(kept.sum(), 1)),
    )


def _luminance(stream: bytes) -> np.ndarray:
    """(H, W) uint8: the first component, which no interpolation of chroma touches."""
    import simplejpeg

    try:
        grey: np.ndarray = simplejpeg.decode_jpeg(stream, "GRAY")[..., 0]
    except ValueError as error:
        raise DataError("a JPEG frame is damaged") from error
    return grey


def _recompressed(frames: Frames, kept: np.ndarray) -> Pixels:
    """Progressive and other unusual JPEG: decoded, masked and compressed again at high quality, then compared."""
    import simplejpeg

    is_grey = frames.layout.samples == 1
    out, digests = [], []
    dark = ~_grown(kept, 16)
    for frame in frames:
        clean = _blacked(frame, kept, frames.black)
        pixels = np.ascontiguousarray(clean[..., None] if is_grey else clean)
        stream = simplejpeg.encode_jpeg(
            pixels,
            quality=_QUALITY,
            colorspace="GRAY" if is_grey else "RGB",
            colorsubsampling="Gray" if is_grey else "444",
        )
        again = simplejpeg.decode_jpeg(stream, "GRAY" if is_grey else "RGB")
        again = again[..., 0] if is_grey else again
        change = np.abs(again.astype(np.int16) - clean)
        if change[dark].max(initial=0) > _MAX_OUTSIDE or change[kept].mean() > _MAX_CHANGE:
            raise DataError("its JPEG frames cannot be compressed again without loss")
        out.append(stream + b"\x00" * (len(stream) % 2))
        digests.append((hashlib.sha256(frame[kept]).digest(), hashlib.sha256(again[kept]).digest()))
    photometric = "MONOCHROME2" if is_grey else "YBR_FULL"
    return Pixels(encapsulate(out), JPEGBaseline8Bit, photometric, *_joined(digests), exact_share=0.0)


def _masked_lossless(frames: Frames, kept: np.ndarray) -> Pixels:
    """Masked in stored values: uncompressed stays so, RLE stays RLE, the rest becomes lossless JPEG-LS."""
    syntax = frames.layout.syntax
    target = ExplicitVRLittleEndian if syntax in NATIVE else RLELossless if syntax == RLELossless else JPEGLSLossless
    target = DeflatedExplicitVRLittleEndian if syntax == DeflatedExplicitVRLittleEndian else target
    out, digests = [], []
    for frame in frames:
        clean = _blacked(frame, kept, frames.black)
        if (clean[~kept] != frames.black).any():
            raise DataError("its masked frames are not black outside")
        out.append(_coded(clean, target))
        digests.append((hashlib.sha256(frame[kept]).digest(), hashlib.sha256(clean[kept]).digest()))
    data = b"".join(out) if target in NATIVE else encapsulate(out)
    return Pixels(data + b"\x00" * (len(data) % 2), target, _colours(frames), *_joined(digests), exact_share=1.0)


def _colours(frames: Frames) -> str:
    """Photometric interpretation of frames as `Frames.stored` gives them."""
    layout = frames.layout
    if layout.samples == 1:
        return layout.photometric
    return "YBR_FULL" if layout.photometric.startswith("YBR_FULL") and layout.syntax != JPEGBaseline8Bit else "RGB"


def _coded(frame: np.ndarray, syntax: UID) -> bytes:
    """One frame as it stands in the file."""
    if syntax in NATIVE:
        return frame.astype(frame.dtype.newbyteorder("<"), copy=False).tobytes()
    from pydicom.pixels import get_decoder, get_encoder

    description = {
        "rows": frame.shape[0],
        "columns": frame.shape[1],
        "samples_per_pixel": 3 if frame.ndim == 3 else 1,
        "bits_allocated": 8 * frame.dtype.itemsize,
        "bits_stored": 8 * frame.dtype.itemsize,
        "pixel_representation": 0,
        "number_of_frames": 1,
        "photometric_interpretation": "RGB" if frame.ndim == 3 else "MONOCHROME2",
        "planar_configuration": 0,
    }
    stream: bytes = get_encoder(syntax).encode(frame, **description)
    stream += b"\x00" * (len(stream) % 2)
    again, _ = get_decoder(syntax).as_array(
        encapsulate([stream]), raw=True, index=0, pixel_keyword="PixelData", **description
    )
    if not np.array_equal(again, frame):
        raise DataError("its frames cannot be compressed without loss")
    return stream


def _blacked(frame: np.ndarray, kept: np.ndarray, black: np.ndarray) -> np.ndarray:
    clean: np.ndarray = np.where(kept if frame.ndim == 2 else kept[..., None], frame, black)
    return clean


def _grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    grown: np.ndarray = cv2.dilate(mask.astype(np.uint8), np.ones((2 * pixels + 1,) * 2, np.uint8)) > 0
    return grown


def _joined(digests: Sequence[tuple[bytes, bytes]]) -> tuple[str, str]:
    """One digest over those of all frames, before and after."""
    before, after = (hashlib.sha256(b"".join(column)).hexdigest() for column in zip(*digests, strict=True))
    return before, after


def _in_threads(work: Callable[[T], R], items: Sequence[T], threads: int) -> list[R]:
    if threads <= 1 or len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))
