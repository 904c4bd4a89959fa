"""Where each frame's bytes lie inside Pixel Data, native or encapsulated (PS3.5 8.2 and A.4).

Only item headers are read, so that a cine of any size is indexed without touching its frames.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from pydicom.dataset import Dataset

from sonometry.core.errors import DataError
from sonometry.io.dicom_header import DicomFile, PixelElement, value

ITEM, SEQUENCE_END = 0xFFFEE000, 0xFFFEE0DD

#: (offset, length) of one piece of a frame.
Extent = tuple[int, int]


@dataclass(frozen=True)
class FrameIndex:
    """Bytes of every frame.

    path, data : the file, or the value itself where it had to be inflated.
    extents : per frame, its pieces in order.
    """

    path: Path
    data: bytes | None
    extents: tuple[tuple[Extent, ...], ...]

    @property
    def n_frames(self) -> int:
        return len(self.extents)

    def read(self, index: int) -> bytes:
        """Bytes of one frame. DataError if the file has become shorter or unreadable meanwhile."""
        pieces = self.extents[index]
        try:
            with self._open() as stream:
                found = [_read_at(stream, offset, length) for offset, length in pieces]
        except OSError as error:
            raise DataError(f"{self.path.name} can no longer be read at frame {index}") from error
        frame = b"".join(found)
        if len(frame) < sum(length for _, length in pieces):
            raise DataError(f"{self.path.name} ends within frame {index}: the file is truncated; copy it again")
        return frame

    def _open(self) -> BinaryIO:
        return io.BytesIO(self.data) if self.data is not None else self.path.open("rb")


def index_native(file: DicomFile, n_frames: int, frame_bytes: int) -> FrameIndex:
    """Uncompressed frames lie one behind the other. DataError if there are fewer bytes than frames need."""
    pixels = _pixels(file)
    available = _available_bytes(file, pixels)
    if available < n_frames * frame_bytes:
        raise DataError(
            f"{file.name} announces {n_frames} frames of {frame_bytes} bytes but holds only {available} bytes: "
            "it is truncated or its header is wrong; copy or export it again"
        )
    extents = (((pixels.offset + i * frame_bytes, frame_bytes),) for i in range(n_frames))
    return FrameIndex(file.path, pixels.data, tuple(extents))


def with_swapped_bytes(file: DicomFile) -> DicomFile:
    """The file with its whole pixel value in memory, bytes swapped in pairs.

    Eight-bit samples in a big-endian OW element are stored as 16-bit words (PS3.5 8.1.1); a frame of odd size then
    begins within a word, so frames cannot be swapped one by one.
    """
    pixels = _pixels(file)
    with file.path.open("rb") as stream:
        words = _read_at(stream, pixels.offset, _available_bytes(file, pixels) // 2 * 2)
    swapped = np.frombuffer(words, "<u2").byteswap().tobytes()
    return replace(file, pixels=PixelElement(0, len(swapped), "OB", swapped))


def index_encapsulated(file: DicomFile, n_frames: int) -> FrameIndex:
    """Compressed frames: one fragment each, or grouped by an offset table or by where code streams begin.

    DataError if the file ends early or holds fewer frames than its header announces.
    """
    pixels = _pixels(file)
    try:
        with file.path.open("rb") as stream:
            fragments, table = _walk_items(stream, pixels.offset, file.path.stat().st_size)
            frames = _group(stream, fragments, table or _extended_table(file.dataset), n_frames)
    except (OSError, struct.error) as error:
        raise DataError(f"{file.name} has damaged pixel data; export it again") from error
    if len(frames) < n_frames:
        raise DataError(
            f"{file.name} announces {n_frames} frames but holds {len(frames)}: the file is truncated; copy it again"
        )
    return FrameIndex(file.path, None, tuple(frames[:n_frames]))


def _pixels(file: DicomFile) -> PixelElement:
    if file.pixels is None:
        raise DataError(f"{file.name} has no pixel data")
    return file.pixels


def _available_bytes(file: DicomFile, pixels: PixelElement) -> int:
    if pixels.data is not None:
        return len(pixels.data)
    return min(pixels.length, file.path.stat().st_size - pixels.offset)


def _read_at(stream: BinaryIO, offset: int, length: int) -> bytes:
    stream.seek(offset)
    return stream.read(length)


def _walk_items(stream: BinaryIO, position: int, file_size: int) -> tuple[list[Extent], list[int]]:
    """Extents of all fragments and the Basic Offset Table (the first item), which may be empty.

    A missing end delimiter is tolerated; a fragment that exceeds the file is dropped.
    """
    items: list[Extent] = []
    while position + 8 <= file_size:
        group, element, length = struct.unpack("<HHI", _read_at(stream, position, 8))
        if (group << 16) + element != ITEM or position + 8 + length > file_size:
            break
        items.append((position + 8, length))
        position += 8 + length
    if not items:
        return [], []
    table_bytes = _read_at(stream, *items[0])
    n_offsets = len(table_bytes) // 4
    return items[1:], list(struct.unpack(f"<{n_offsets}I", table_bytes[: 4 * n_offsets]))


def _extended_table(dataset: Dataset) -> list[int]:
    """Extended Offset Table (7FE0,0001): 64-bit offsets where 32 are too few; [] when there is none."""
    table = value(dataset, "ExtendedOffsetTable")
    if not isinstance(table, bytes):
        return []
    n_offsets = len(table) // 8
    return list(struct.unpack(f"<{n_offsets}Q", table[: 8 * n_offsets]))


def _group(stream: BinaryIO, fragments: list[Extent], table: list[int], n_frames: int) -> list[tuple[Extent, ...]]:
    """Fragments of each frame."""
    if len(fragments) == n_frames:
        return [(fragment,) for fragment in fragments]
    if n_frames == 1:
        return [tuple(fragments)] if fragments else []
    if by_table := _group_by_table(fragments, table, n_frames):
        return by_table
    return _group_by_start(stream, fragments)


def _group_by_table(fragments: list[Extent], table: list[int], n_frames: int) -> list[tuple[Extent, ...]]:
    """Offsets count from the first fragment's item header; [] unless each points at one and the counts agree."""
    if len(table) != n_frames or not fragments:
        return []
    origin = fragments[0][0]
    index_at = {offset - origin: i for i, (offset, _) in enumerate(fragments)}
    if any(offset not in index_at for offset in table):
        return []
    starts = [index_at[offset] for offset in table]
    if starts != sorted(set(starts)):
        return []
    return [tuple(fragments[a:b]) for a, b in zip(starts, [*starts[1:], len(fragments)], strict=True)]


def _group_by_start(stream: BinaryIO, fragments: list[Extent]) -> list[tuple[Extent, ...]]:
    """A new frame begins where a fragment begins with the start marker of JPEG, JPEG-LS or JPEG 2000."""
    frames: list[list[Extent]] = []
    for fragment in fragments:
        begins = _read_at(stream, fragment[0], 4)
        if begins.startswith((b"\xff\xd8\xff", b"\xff\x4f\xff\x51")) or not frames:
            frames.append([])
        frames[-1].append(fragment)
    return [tuple(frame) for frame in frames]
