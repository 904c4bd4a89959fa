"""Segments of a JPEG stream: what is needed to mask it block by block.

Only sequential Huffman-coded JPEG of 8 bits in one scan is handled (DICOM JPEG Baseline, PS3.5 8.2.1; ITU-T T.81);
other streams raise `UnsupportedJpeg`. Comments and application data are never carried over.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

#: More pixels than any scanner shows: such headers are damaged or an attack.
MAX_PIXELS = 1 << 26


class UnsupportedJpeg(ValueError):
    """A stream that is valid perhaps, but not sequential 8-bit Huffman JPEG in one scan."""


class DamagedJpeg(ValueError):
    """A stream that cannot be decoded."""


@dataclass(frozen=True)
class Component:
    """Sampling factors and table numbers of one component."""

    identifier: int
    across: int
    down: int
    quantisation: int
    dc: int
    ac: int


@dataclass(frozen=True, eq=False)
class Jpeg:
    """A parsed stream: `scan` is the entropy-coded part, `quantisation` maps a number to 64 steps in zigzag order."""

    rows: int
    columns: int
    components: tuple[Component, ...]
    quantisation: dict[int, np.ndarray]
    huffman: dict[int, tuple[bytes, bytes]]
    restart: int
    scan: bytes
    has_jfif: bool
    adobe_transform: int | None

    @property
    def mcu(self) -> tuple[int, int]:
        """Height and width of an MCU, pixels."""
        return 8 * max(c.down for c in self.components), 8 * max(c.across for c in self.components)

    @property
    def n_mcus(self) -> tuple[int, int]:
        """MCUs down and across."""
        height, width = self.mcu
        return -(-self.rows // height), -(-self.columns // width)

    @property
    def is_ycc(self) -> bool:
        """Whether three components are luminance and chrominance (the rules that decoders follow)."""
        if len(self.components) != 3:
            return False
        if self.has_jfif:
            return True
        if self.adobe_transform is not None:
            return self.adobe_transform != 0
        return bytes(c.identifier for c in self.components) != b"RGB"


def parse(data: bytes) -> Jpeg:
    """Read all segments of one stream. Raises UnsupportedJpeg or DamagedJpeg, never anything else."""
    try:
        return _parse(data)
    except (struct.error, IndexError, KeyError) as error:
        raise DamagedJpeg("a segment is cut short") from error


def _parse(data: bytes) -> Jpeg:
    if data[:2] != b"\xff\xd8":
        raise DamagedJpeg("no start of image")
    quantisation: dict[int, np.ndarray] = {}
    huffman: dict[int, tuple[bytes, bytes]] = {}
    frame: tuple[int, int, list[tuple[int, int, int, int]]] | None = None
    restart, has_jfif, adobe, position = 0, False, None, 2
    while True:
        while data[position] == 0xFF and data[position + 1] == 0xFF:
            position += 1
        if data[position] != 0xFF:
            raise DamagedJpeg("a marker is missing")
        marker, (length,) = data[position + 1], struct.unpack_from(">H", data, position + 2)
        body = data[position + 4 : position + 2 + length]
        if len(body) != length - 2:
            raise DamagedJpeg("a segment is cut short")
        position += 2 + length
        if marker == 0xDB:
            _read_quantisation(body, quantisation)
        elif marker == 0xC4:
            _read_huffman(body, huffman)
        elif marker in (0xC0, 0xC1):
            frame = _read_frame(body)
        elif 0xC2 <= marker <= 0xCF and marker != 0xC8:
            raise UnsupportedJpeg("progressive, lossless or arithmetic coding")
        elif marker == 0xDD:
            (restart,) = struct.unpack(">H", body)
        elif marker == 0xE0 and body[:5] == b"JFIF\x00":
            has_jfif = True
        elif marker == 0xEE and body[:5] == b"Adobe" and len(body) >= 12:
            adobe = body[11]
        elif marker == 0xDA:
            break
        elif marker == 0xD9 or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            raise DamagedJpeg("an unexpected marker")
    if frame is None:
        raise DamagedJpeg("no frame header before the scan")
    components = _read_scan(body, frame[2])
    if any(c.quantisation not in quantisation for c in components):
        raise DamagedJpeg("a quantisation table is missing")
    return Jpeg(
        frame[0], frame[1], components, quantisation, huffman, restart, _scan_data(data, position), has_jfif, adobe
    )


def _scan_data(data: bytes, start: int) -> bytes:
    """Entropy-coded bytes up to the end of image; a second scan is not supported."""
    position = start
    while True:
        position = data.find(b"\xff", position)
        if position < 0 or position + 1 >= len(data):
            return data[start:]
        marker = data[position + 1]
        if marker == 0xD9:
            return data[start:position]
        if marker == 0 or 0xD0 <= marker <= 0xD7 or marker == 0xFF:
            position += 1 if marker == 0xFF else 2
            continue
        raise UnsupportedJpeg("more than one scan")


def _read_quantisation(body: bytes, tables: dict[int, np.ndarray]) -> None:
    position = 0
    while position < len(body):
        precision, number = body[position] >> 4, body[position] & 15
        size = 64 * (2 if precision else 1)
        steps = np.frombuffer(body[position + 1 : position + 1 + size], ">u2" if precision else np.uint8)
        if len(steps) != 64 or (steps == 0).any():
            raise DamagedJpeg("a quantisation table is wrong")
        tables[number] = steps.astype(np.int32)
        position += 1 + size


def _read_huffman(body: bytes, tables: dict[int, tuple[bytes, bytes]]) -> None:
    position = 0
    while position < len(body):
        counts = body[position + 1 : position + 17]
        symbols = body[position + 17 : position + 17 + sum(counts)]
        if len(counts) != 16 or len(symbols) != sum(counts) or len(symbols) > 256:
            raise DamagedJpeg("a Huffman table is cut short")
        tables[body[position]] = (counts, symbols)
        position += 17 + len(symbols)


def _read_frame(body: bytes) -> tuple[int, int, list[tuple[int, int, int, int]]]:
    precision, rows, columns, n_components = struct.unpack_from(">BHHB", body)
    if precision != 8 or n_components not in (1, 3):
        raise UnsupportedJpeg("not 8 bits of grey or colour")
    if not 0 < rows * columns <= MAX_PIXELS:
        raise DamagedJpeg("impossible size")
    components = []
    for identifier, sampling, table in struct.iter_unpack(">BBB", body[6 : 6 + 3 * n_components]):
        across, down = sampling >> 4, sampling & 15
        if not (1 <= across <= 2 and 1 <= down <= 2):
            raise UnsupportedJpeg("unusual chroma sampling")
        components.append((identifier, across, down, table))
    if len(components) != n_components:
        raise DamagedJpeg("a frame header is cut short")
    if n_components == 1:  # one component is never interleaved: its sampling factors mean nothing (T.81 A.2.2)
        components = [(components[0][0], 1, 1, components[0][3])]
    return rows, columns, components


def _read_scan(body: bytes, frame: list[tuple[int, int, int, int]]) -> tuple[Component, ...]:
    n_components = body[0]
    if n_components != len(frame):
        raise UnsupportedJpeg("more than one scan")
    if tuple(body[1 + 2 * n_components : 4 + 2 * n_components]) != (0, 63, 0):
        raise UnsupportedJpeg("not sequential")
    components = []
    for (identifier, across, down, table), (selector, tables) in zip(
        frame, struct.iter_unpack(">BB", body[1 : 1 + 2 * n_components]), strict=True
    ):
        if selector != identifier:
            raise UnsupportedJpeg("components in another order")
        components.append(Component(identifier, across, down, table, tables >> 4, tables & 15))
    return tuple(components)
