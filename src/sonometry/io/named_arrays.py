"""Named arrays of MATLAB, HDF5 and NumPy files, seen the same way and loaded only when asked for.

A name is the path inside the file, as its owner would type it: `FileHeader.rfsd(1).TxFrequencyMhz` in MATLAB
(structures with dots, structure arrays with round and cells with curly brackets, counted from 1), `group/set` in HDF5
(`group/set@rate` for an attribute), the plain name in NumPy files. A MATLAB array has MATLAB's axis order, whatever the
version of the file.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from sonometry.core.errors import DataError, SonometryError
from sonometry.io.sniff import read_head

#: Arrays up to this many elements are loaded when the file is opened: facts about the recording are among them.
SMALL = 4096

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
NPY_SIGNATURE = b"\x93NUMPY"
#: v4 files have no signature but a type number 'MOPT' (M: byte order, O: 0, P: precision, T: full, text or sparse).
_MATLAB4_TYPES = {m * 1000 + p * 10 + t for m in (0, 1) for p in range(6) for t in range(3)}


@dataclass(frozen=True)
class ArrayEntry:
    """One array of a file. `dtype` is "complex" for complex numbers, else a NumPy name; `load` reads it."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], np.ndarray]

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    def number(self) -> float | None:
        """The value, if this is one finite real number."""
        if self.size != 1 or self.dtype == "complex":
            return None
        value = float(self.load().reshape(-1)[0])
        return value if np.isfinite(value) else None

    @property
    def leaf(self) -> str:
        """The last part of the name."""
        return self.name.replace("@", "/").replace(".", "/").rsplit("/", 1)[-1]

    def __str__(self) -> str:
        return f"{self.name} ({' x '.join(map(str, self.shape))} {self.dtype})"


@dataclass(frozen=True)
class NamedArrays:
    """All numeric arrays of one file, and its texts."""

    format: str
    arrays: tuple[ArrayEntry, ...]
    texts: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str) -> ArrayEntry | None:
        """The array called `name`, or whose name ends so; None where there is none or more than one."""
        exact = [entry for entry in self.arrays if entry.name == name]
        ends = [e for e in self.arrays if e.name.endswith(("." + name, "/" + name, "@" + name))]
        found = exact or ends
        return found[0] if len(found) == 1 else None

    def number(self, name: str) -> float | None:
        """The single finite number called `name`, or None."""
        entry = self.get(name)
        return None if entry is None else entry.number()

    def numbers(self) -> Iterator[tuple[str, float]]:
        """Names and values of all arrays that are one finite number."""
        for entry in self.arrays:
            value = entry.number()
            if value is not None:
                yield entry.name, value


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a library raises on a damaged file into one line of DataError, and silence its warnings.

    The libraries behind raise nearly any exception on damaged bytes (zlib.error, IndexError, MemoryError,
    RecursionError); their texts may name folders, so they stay in the cause.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except SonometryError:
        raise
    except Exception as error:
        raise DataError(f"{path.name} is damaged or truncated: expected a {what} file; export it again") from error


def named_arrays_format(path: Path) -> str | None:
    """Which of the formats a file has, by its content: "MATLAB v4", "MATLAB v5", "MATLAB v7.3", "HDF5", "npz" or "npy".

    None where it is something else. DataError where it cannot be opened.
    """
    head = read_head(path, 1024)
    size = path.stat().st_size
    hdf5_at = next((at for at in (0, 512) if head[at : at + 8] == HDF5_SIGNATURE), None)
    if hdf5_at is not None:
        return "MATLAB v7.3" if head.startswith(b"MATLAB 7") else "HDF5"
    if head.startswith(b"MATLAB 5.0") or (head[124:128] in (b"\x00\x01IM", b"\x01\x00MI") and size > 128):
        return "MATLAB v5"
    if head.startswith(NPY_SIGNATURE):
        return "npy"
    if head.startswith(b"PK\x03\x04") and b".npy" in head:
        return "npz"
    return "MATLAB v4" if _is_matlab4(head, size) else None


def open_named_arrays(path: Path) -> NamedArrays:
    """The arrays of a file, large ones not yet loaded. DataError where it is none of the formats or damaged."""
    kind = named_arrays_format(path)
    if kind is None:
        raise DataError(f"{path.name} is not a MATLAB, HDF5 or NumPy file, by its content; export it again")
    if kind == "npy":
        return NamedArrays("NumPy npy", (_npy_entry(path),))
    if kind == "npz":
        return _open_npz(path)
    if kind in ("MATLAB v7.3", "HDF5"):
        from sonometry.io.named_arrays_hdf5 import open_hdf5

        return open_hdf5(path, is_matlab=kind == "MATLAB v7.3")
    from sonometry.io.named_arrays_matlab import open_matlab

    return open_matlab(path, kind)


def _is_matlab4(head: bytes, size: int) -> bool:
    """Whether the first matrix header of a v4 file is sound: 20 bytes, then the name, then the numbers.

    Source: MAT-File Format, The MathWorks, "Level 4 MAT-File Format".
    """
    if len(head) < 21:
        return False
    for order in ("<", ">"):
        kind, rows, columns, is_complex, name_length = np.frombuffer(head, dtype=order + "i4", count=5).tolist()
        if (
            kind not in _MATLAB4_TYPES
            or min(rows, columns) < 1
            or is_complex not in (0, 1)
            or not 2 <= name_length < 65
        ):
            continue
        item = (8, 4, 4, 2, 2, 1)[kind // 10 % 10] * (1 + is_complex)
        name = head[20 : 19 + name_length]
        if rows * columns * item + 20 + name_length <= size and name.isascii() and name[:1].isalpha():
            return True
    return False


def _header_of(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, Fortran order and type from the header of an npy stream."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(stream)


def _type_name(dtype: np.dtype[Any]) -> str:
    return "complex" if dtype.kind == "c" else dtype.name


def _npy_entry(path: Path) -> ArrayEntry:
    with reading(path, "NumPy npy"):
        with path.open("rb") as stream:
            shape, _, dtype = _header_of(stream)
            rest = path.stat().st_size - stream.tell()
        if dtype.kind not in "biufc":
            raise DataError(f"{path.name} holds {dtype.name} values; expected an array of numbers")
        needed = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if rest < needed:
            raise DataError(f"{path.name} is truncated: its header promises {needed} bytes, {rest} are there")

    def load() -> np.ndarray:
        with reading(path, "NumPy npy"):
            array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
            return array

    return ArrayEntry(path.stem, shape, _type_name(dtype), load)


def _open_npz(path: Path) -> NamedArrays:
    entries, texts = [], {}
    with reading(path, "NumPy npz"), zipfile.ZipFile(path) as archive:
        for item in archive.infolist():
            if not item.filename.endswith(".npy"):
                continue
            name = item.filename[:-4]
            with archive.open(item) as stream:
                shape, _, dtype = _header_of(stream)
            if dtype.kind in "biufc":
                _check_member(path, name, item, shape, dtype)
                entries.append(ArrayEntry(name, shape, _type_name(dtype), _npz_loader(path, name)))
            elif dtype.kind == "U" and shape == () and item.file_size < SMALL:
                texts[name] = str(_npz_loader(path, name)())
    return NamedArrays("NumPy npz", tuple(entries), texts)


def _check_member(path: Path, name: str, item: zipfile.ZipInfo, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if item.file_size < int(np.prod(shape, dtype=np.int64)) * dtype.itemsize:
        raise DataError(f"{path.name} is truncated: its array {name} is shorter than its header says; export it again")


def _npz_loader(path: Path, name: str) -> Callable[[], np.ndarray]:
    def load() -> np.ndarray:
        with reading(path, "NumPy npz"), np.load(path, allow_pickle=False) as archive:
            array: np.ndarray = archive[name]
            return array

    return load
