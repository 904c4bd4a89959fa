"""Damaged and hostile DICOM files: small exports of invented scanners with something changed.

The changes are those that break readers: bytes and bits, lengths of elements, cut and repeated parts, headers that
contradict their pixels, nesting without end, another transfer syntax, two files spliced.
"""

from __future__ import annotations

import io
import struct
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.uid import UID

from sonometry.deid.frames import Frames, layout_of
from sonometry.deid.scorecard.exports import encode, write_exports
from sonometry.deid.scorecard.lettering import render

#: Size of the small pictures: two texts and a sector find room, and thousands of files are done in minutes.
_ROWS, _COLUMNS, _BANNER = 144, 192, 34
_PIXEL_TAG = b"\xe0\x7f\x10\x00"
_SYNTAXES = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.100",
    "1.2.840.10008.1.2.5",
)
#: Attributes on which decoders rely, and values that they do not expect.
_NUMBERS = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "SamplesPerPixel", "PixelRepresentation")
_VALUES = (0, 1, 2, 3, 7, 8, 12, 15, 16, 17, 32, 64, 255, 256, 4096, 32767, 65535)
_COLOURS = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "CMYK", "")


@dataclass(frozen=True)
class Base:
    """One small export: its bytes, and every text of it that must never be seen in a log or a result."""

    content: bytes
    secrets: tuple[str, ...]


def small_exports(seed: int = 0) -> list[Base]:
    """One file of every invented scanner, shrunk to a thumbnail with a patient's name in its banner."""
    with tempfile.TemporaryDirectory() as folder:
        truths = write_exports(Path(folder), n_studies=6, seed=seed)
        firsts = {truth.scanner[1]: truth for truth in reversed(truths)}
        return [_small(truth.path, name, truth.identity.secrets()) for name, truth in sorted(firsts.items())]


def _small(path: Path, scanner: str, secrets: tuple[str, ...]) -> Base:
    header = dcmread(path)
    frames = Frames(header, layout_of(header, header.file_meta.TransferSyntaxUID))
    n_frames = min(frames.layout.n_frames, 2)
    banner = render(str(header.PatientName).split("^")[0], "DejaVuSans", 16).coverage[: _BANNER - 4, : _COLUMNS - 8]
    pictures = np.zeros((n_frames, _ROWS, _COLUMNS, 3), np.uint8)
    for index in range(n_frames):
        shrunk = cv2.resize(frames.rgb(index), (_COLUMNS, _ROWS), interpolation=cv2.INTER_AREA)
        pictures[index, _BANNER:] = shrunk[_BANNER:]
        box = slice(2, 2 + banner.shape[0]), slice(4, 4 + banner.shape[1])
        pictures[index][box] = (255 * banner[..., None]).astype(np.uint8)
    del header.PixelData
    header.pop("SequenceOfUltrasoundRegions", None)
    if n_frames > 1:
        header.NumberOfFrames = n_frames
    encode(header, scanner, pictures)
    header["PixelData"].VR = "OB"
    return Base(_written(header), tuple(secret for secret in secrets if len(secret) > 4))


def _written(dataset: FileDataset) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values that break their representation are the point
        dataset.save_as(stream)
    return stream.getvalue()


def mutated(bases: list[Base], rng: np.random.Generator) -> tuple[bytes, str]:
    """The bytes of one damaged file, and what was done to it in one word."""
    base = bases[int(rng.integers(len(bases)))].content
    other = bases[int(rng.integers(len(bases)))].content
    name = str(rng.choice(list(_MUTATIONS)))
    try:
        changed = _MUTATIONS[name](base, other, rng)
    except Exception:  # pydicom cannot write everything; then the bytes are damaged instead
        name, changed = "bytes", _bytes(base, other, rng)
    if rng.random() < 0.2:
        changed = _bits(changed, other, rng)
    return changed, name


def _place(content: bytes, rng: np.random.Generator) -> int:
    """A position: mostly in the header, else anywhere."""
    end = content.find(_PIXEL_TAG) if rng.random() < 0.7 else len(content)
    return int(rng.integers(0, max(1, end if end > 0 else len(content))))


def _bits(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        changed[_place(content, rng)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _bytes(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    start, length = _place(content, rng), int(rng.integers(1, 17))
    new = (rng.bytes(length), b"\xff" * length, b"\0" * length)[int(rng.integers(3))]
    return content[:start] + new + content[start + length :]


def _cut(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(0, len(content)))]


def _left_out(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    start = _place(content, rng)
    return content[:start] + content[start + int(rng.integers(1, 200)) :]


def _repeated(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    start, length = _place(content, rng), int(rng.integers(1, 400))
    return content[: start + length] + content[start : start + length] * int(rng.integers(1, 4)) + content[start:]


def _spliced(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    return content[: _place(content, rng)] + other[_place(other, rng) :]


def _length(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Another length for one element, often a huge one."""
    changed = bytearray(content)
    start = _place(content, rng) & ~1
    huge = (0xFFFFFFFF, 0xFFFFFFFE, 0x7FFFFFFF, 0x80000000, 0, 1, int(rng.integers(0, 1 << 20)))
    value = struct.pack("<I", huge[int(rng.integers(len(huge)))])
    changed[start : start + 4] = value
    return bytes(changed)


def _header(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Numbers and colours that contradict the pixels."""
    dataset = dcmread(io.BytesIO(content))
    for _ in range(int(rng.integers(1, 4))):
        name = str(rng.choice([*_NUMBERS, "NumberOfFrames", "PhotometricInterpretation", "PlanarConfiguration"]))
        value: Any = int(rng.choice(_VALUES))
        if name == "PhotometricInterpretation":
            value = str(rng.choice(_COLOURS))
        elif name == "NumberOfFrames":
            value = str(rng.choice([-1, 0, 1, 3, 70000, 2147483647]))
        setattr(dataset, name, value)
    return _written(dataset)


def _syntax(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Another transfer syntax than the pixels have."""
    new = str(rng.choice(_SYNTAXES)).encode()
    old = str(dcmread(io.BytesIO(content), stop_before_pixels=True).file_meta.TransferSyntaxUID).encode()
    end = content.find(b"\x08\x00", 132)
    start = content.find(old, 132)
    padded = new.ljust(len(old), b"\0")[: len(old)]
    return content[:start] + padded + content[start + len(old) :] if 0 < start < end + 4096 else content


def _nested(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Sequences within sequences, up to two thousand deep, none of them closed."""
    depth = int(rng.choice([3, 20, 200, 2000]))
    opening = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    place = content.find(b"\x08\x00\x60\x00")
    place = place if place > 0 else len(content) // 2
    return content[:place] + opening * depth + content[place:]


def _coded(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Damage in the pixels: markers, tables and sizes of the compressed streams."""
    start = max(content.find(_PIXEL_TAG), 0)
    changed = bytearray(content)
    reach = len(content) - start if rng.random() < 0.3 else min(700, len(content) - start)
    for _ in range(int(rng.integers(1, 6))):
        changed[start + int(rng.integers(12, max(13, reach)))] = int(rng.choice([0, 255, int(rng.integers(256))]))
    return bytes(changed)


def _mislaid(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """The patient's name in an attribute that is not meant for it."""
    dataset = dcmread(io.BytesIO(content))
    name = str(dataset.PatientName).replace("^", " ")
    places = ("SoftwareVersions", "ProcessingFunction", "TransducerData", "ManufacturerModelName", "Manufacturer")
    codes = ("TransducerType", "ViewPosition", "ImageLaterality", "PhotometricInterpretation", "Modality")
    keyword = str(rng.choice([*places, *codes]))
    setattr(dataset, keyword, name if keyword in places else name.split()[0].upper()[:16])
    dataset.file_meta.TransferSyntaxUID = UID(str(dataset.file_meta.TransferSyntaxUID))
    return _written(dataset)


_MUTATIONS: dict[str, Callable[[bytes, bytes, np.random.Generator], bytes]] = {
    "bits": _bits,
    "bytes": _bytes,
    "cut": _cut,
    "left out": _left_out,
    "repeated": _repeated,
    "spliced": _spliced,
    "length": _length,
    "header": _header,
    "syntax": _syntax,
    "nested": _nested,
    "coded": _coded,
    "mislaid": _mislaid,
}
