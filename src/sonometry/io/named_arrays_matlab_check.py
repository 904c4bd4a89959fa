"""A walk through the elements of a MATLAB v5 file before scipy reads it.

scipy takes the type codes of a file on trust: a damaged one ends the process with a segmentation fault
(https://github.com/scipy/scipy/pull/25349), and a damaged size asks for cells without end. Here every tag is checked:
known type, inside its parent, no more members than fit. The numbers themselves are not looked at.
Source: MAT-File Format, The MathWorks, "Level 5 MAT-File Format".
"""

from __future__ import annotations

import mmap
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sonometry.core.errors import DataError

#: Type codes of numbers and texts, and of a matrix and a compressed one.
_PLAIN = frozenset({1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 16, 17, 18})
_MATRIX, _COMPRESSED = 14, 15
#: Classes of a matrix that hold more than numbers.
_CELL, _STRUCT, _OBJECT, _SPARSE, _FUNCTION, _OPAQUE = 1, 2, 3, 5, 16, 17
_NUMERIC = frozenset(range(4, 16)) - {_SPARSE}
_COMPLEX_FLAG = 0x08
_DEEPEST = 64
#: zlib cannot compress further.
_LARGEST_RATIO = 1100


class _UnsoundError(Exception):
    """A tag that no sound file has."""


def check_matlab5(path: Path) -> None:
    """DataError unless all elements of the file are sound."""
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            _check_file(content)
    except (_UnsoundError, zlib.error) as error:
        raise DataError(f"{path.name} is damaged or truncated: expected a MATLAB file; export it again") from error


@dataclass(frozen=True)
class _Element:
    """One tagged element: its data lie at start to stop, the next element begins at `end`."""

    kind: int
    start: int
    stop: int
    end: int


@dataclass
class _Walk:
    """Bytes of the file, or of one inflated variable."""

    content: bytes | mmap.mmap
    order: Literal["little", "big"]

    def number(self, at: int, n_bytes: int = 4) -> int:
        return int.from_bytes(self.content[at : at + n_bytes], self.order)

    def element(self, at: int, stop: int) -> _Element:
        """The element at `at`, which must end before `stop`."""
        if at + 8 > stop:
            raise _UnsoundError
        word = self.number(at)
        if word >> 16:  # a small element has its size in the upper half of the type, and its data in the next 4 bytes
            kind, size, start, end = word & 0xFFFF, word >> 16, at + 4, at + 8
            if size > 4:
                raise _UnsoundError
        else:
            kind, size, start = word, self.number(at + 4), at + 8
            end = start + size + (-size % 8 if kind != _COMPRESSED else 0)
        if start + size > stop:
            raise _UnsoundError
        return _Element(kind, start, start + size, min(end, stop))

    def plain(self, at: int, stop: int) -> _Element:
        element = self.element(at, stop)
        if element.kind not in _PLAIN:
            raise _UnsoundError
        return element

    def matrix(self, at: int, stop: int, depth: int) -> int:
        """Check the matrix at `at`; returns where the next element begins."""
        whole = self.element(at, stop)
        if whole.kind != _MATRIX or depth > _DEEPEST:
            raise _UnsoundError
        if whole.start == whole.stop:  # an empty cell member
            return whole.end
        flags = self.plain(whole.start, whole.stop)
        if flags.stop - flags.start != 8:
            raise _UnsoundError
        word = self.number(flags.start)
        if word & 0xFF == _OPAQUE:
            self.members(self.plains(flags.end, whole.stop, 3), whole.stop, 1, depth)
            return whole.end
        sizes = self.plain(flags.end, whole.stop)
        count = self.count(sizes)
        name = self.plain(sizes.end, whole.stop)
        self.body(word, count, name.end, whole.stop, depth)
        return whole.end

    def count(self, sizes: _Element) -> int:
        """Number of elements from the sizes along the axes."""
        if (sizes.stop - sizes.start) % 4 or sizes.stop == sizes.start:
            raise _UnsoundError
        count = 1
        for at in range(sizes.start, sizes.stop, 4):
            count *= self.number(at)
        return count

    def body(self, flags: int, count: int, at: int, stop: int, depth: int) -> None:
        """Check what follows the name, by the class of the matrix."""
        kind, has_imaginary = flags & 0xFF, bool(flags >> 8 & _COMPLEX_FLAG)
        if kind in _NUMERIC:
            self.plains(at, stop, 1 + has_imaginary)
        elif kind == _SPARSE:
            self.plains(at, stop, 3 + has_imaginary)
        elif kind == _CELL:
            self.members(at, stop, count, depth)
        elif kind in (_STRUCT, _OBJECT):
            at = self.plain(at, stop).end if kind == _OBJECT else at
            length = self.plain(at, stop)
            names = self.plain(length.end, stop)
            longest = self.number(length.start)
            if not longest or length.stop - length.start != 4:
                raise _UnsoundError
            self.members(names.end, stop, count * ((names.stop - names.start) // longest), depth)
        elif kind == _FUNCTION:
            self.members(at, stop, 1, depth)
        else:
            raise _UnsoundError

    def plains(self, at: int, stop: int, n: int) -> int:
        for _ in range(n):
            at = self.plain(at, stop).end
        return at

    def members(self, at: int, stop: int, n: int, depth: int) -> None:
        if n > (stop - at) // 8:
            raise _UnsoundError
        for _ in range(n):
            at = self.matrix(at, stop, depth + 1)


def _check_file(content: mmap.mmap) -> None:
    order: Literal["little", "big"] = "little" if content[126:128] == b"IM" else "big"
    walk, at = _Walk(content, order), 128
    while at < len(content):
        element = walk.element(at, len(content))
        if element.kind == _COMPRESSED:
            stored = content[element.start : element.stop]
            inflater = zlib.decompressobj()
            inner = _Walk(inflater.decompress(stored, _LARGEST_RATIO * len(stored)), order)
            inner.matrix(0, len(inner.content), 0)
        else:
            walk.matrix(at, len(content), 0)
        at = element.end
