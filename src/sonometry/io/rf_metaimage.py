"""RF in MetaImage files (.mhd with a data file, .mha): a text header of `Key = value` lines, then the samples.

The header is read here rather than by SimpleITK, so that raw samples stay on disk until used, a truncated file is told
in one line instead of on the error stream, and a header cannot name a data file outside its own folder. Tests compare
both.
Source: https://itk.org/Wiki/ITK/MetaIO/Documentation.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.core.errors import DataError
from sonometry.io.named_arrays import reading
from sonometry.io.rf_fact_names import facts_from_numbers
from sonometry.io.rf_facts import StatedFacts
from sonometry.io.rf_recording import PYTHON_ORDER, StoredRF
from sonometry.io.sniff import check_readable, read_head

#: No header is longer; Plus writes a line per frame and transform.
LONGEST_HEADER = 1 << 22
#: zlib cannot compress further.
LARGEST_RATIO = 1100

_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}


@dataclass(frozen=True)
class MetaHeader:
    """The header of one MetaImage. Shape and spacing are slowest axis first, as NumPy has them."""

    path: Path
    fields: Mapping[str, str]
    data_start: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    spacing_mm: tuple[float, ...] | None
    offset_mm: tuple[float, ...] | None

    @property
    def n_bytes(self) -> int:
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize

    def is_true(self, *keys: str) -> bool:
        return any(self.fields.get(key, "").lower() in ("true", "1") for key in keys)


def is_metaimage(path: Path) -> bool:
    """Whether the file begins as a MetaImage header does."""
    head = read_head(path, 4096)
    return bool(re.match(rb"\s*(ObjectType|NDims|Comment|ObjectSubType|BinaryData)\s*=", head)) and b"DimSize" in head


def read_header(path: Path) -> MetaHeader:
    """Parse and check the header. DataError where a field is missing or makes no sense."""
    with reading(path, "MetaImage"):
        head = read_head(path, LONGEST_HEADER)
        end = re.search(rb"(?m)^ElementDataFile[ \t]*=[^\r\n]*\r?\n?", head)
        if end is None:
            raise DataError(f"{path.name} has no ElementDataFile; expected a MetaImage header; export it again")
        lines = head[: end.end()].decode("utf-8", "replace").replace("\r", "").split("\n")
        fields = {key.strip(): value.strip() for key, found, value in (line.partition("=") for line in lines) if found}
        shape = tuple(int(n) for n in reversed(_words(fields, "DimSize")))
    if not shape or min(shape) < 1 or max(shape) >= 1 << 31 or str(len(shape)) != fields.get("NDims", str(len(shape))):
        raise DataError(
            f"{path.name} has DimSize {fields.get('DimSize', '(none)')}, which is no image; export it again"
        )
    type_name = fields.get("ElementType", "")
    if type_name not in _TYPES:
        raise DataError(f"{path.name} has ElementType {type_name or '(none)'}; expected one of {', '.join(_TYPES)}")
    is_big = any(fields.get(k, "").lower() == "true" for k in ("BinaryDataByteOrderMSB", "ElementByteOrderMSB"))
    dtype = np.dtype((">" if is_big else "<") + _TYPES[type_name])
    spacing = _numbers(fields, len(shape), "ElementSpacing", "ElementSize")
    offset = _numbers(fields, len(shape), "Offset", "Position", "Origin")
    return MetaHeader(path, fields, end.end(), shape, dtype, spacing, offset)


def read_metaimage_rf(path: Path) -> StoredRF:
    """RF of a MetaImage. Axial and lateral spacing count if they are plausible; other facts come from extra fields."""
    header = read_header(path)
    channels = header.fields.get("ElementNumberOfChannels", "1")
    if channels != "1":
        raise DataError(f"{path.name} has {channels} values per sample (IQ or colour); expected one, real RF")
    long_axes = [axis for axis, n in enumerate(header.shape) if n > 1]
    if len(long_axes) > 3:
        raise DataError(f"{path.name} has {len(long_axes)} axes; expected (axial, line) or (axial, line, frame)")
    samples, paths = _samples(header)
    kept = _three(header.shape, long_axes)
    spacing = None
    if header.spacing_mm is not None and set(header.spacing_mm) != {1.0}:  # 1 is what writers put for "unknown"
        spacing = tuple(header.spacing_mm[axis] * 1e-3 if axis is not None else 0.0 for axis in kept)
    shape = tuple(header.shape[axis] if axis is not None else 1 for axis in kept)
    stated = _stated(header)
    return StoredRF(
        samples.reshape(shape),
        PYTHON_ORDER,
        stated,
        "MetaImage",
        paths,
        axis_spacing_m=spacing,  # type: ignore[arg-type]
    )


def _three(shape: tuple[int, ...], long_axes: list[int]) -> list[int | None]:
    """Positions of the three axes that are kept, None for a time axis that is added in front."""
    kept: list[int] = list(long_axes)
    for axis in reversed(range(len(shape))):
        if len(kept) < 3 and axis not in kept:
            kept.append(axis)
    kept.sort()
    return [*[None] * (3 - len(kept)), *kept]


def _stated(header: MetaHeader) -> StatedFacts:
    numbers = []
    for key, text in header.fields.items():
        if re.fullmatch(r"[+-]?[0-9.]+([eE][+-]?[0-9]+)?", text):
            try:
                numbers.append((key, float(text)))
            except ValueError:  # "1.2.3"
                continue
    stated = facts_from_numbers(numbers)
    times = header.fields.get("frame_times_s", "").split()
    if len(times) > 1:
        with reading(header.path, "MetaImage"):
            stated = replace(stated, frame_times_s=np.array([float(t) for t in times]))
    return stated


def _words(fields: Mapping[str, str], *keys: str) -> list[str]:
    return next((fields[key].split() for key in keys if key in fields), [])


def _numbers(fields: Mapping[str, str], n: int, *keys: str) -> tuple[float, ...] | None:
    """`n` numbers of the first of the fields, slowest axis first; None where absent or malformed."""
    try:
        values = tuple(float(word) for word in reversed(_words(fields, *keys)))
    except ValueError:
        return None
    return values if len(values) == n and np.isfinite(values).all() else None


def _samples(header: MetaHeader) -> tuple[np.ndarray, tuple[Path, ...]]:
    """Samples in the shape of the header, and the files they were read from."""
    files = _data_files(header)
    if not header.is_true("BinaryData") and "BinaryData" in header.fields:
        return _text_samples(header, files[0]), _with_header(header, files)
    if header.is_true("CompressedData"):
        return _inflated(header, files[0]), _with_header(header, files)
    share, rest = divmod(header.n_bytes, len(files))
    if rest:
        raise DataError(f"{header.path.name} spreads its samples unevenly over {len(files)} files; export it again")
    parts = [_mapped(header, file, share) for file in files]
    samples = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return samples.reshape(header.shape), _with_header(header, files)


def _with_header(header: MetaHeader, files: list[Path]) -> tuple[Path, ...]:
    return (header.path, *(file for file in files if file != header.path))


def _data_files(header: MetaHeader) -> list[Path]:
    """The files that hold the samples: this one, the one it names, a numbered series, or a list."""
    named = header.fields["ElementDataFile"]
    words = named.split()
    if named.upper() in ("LOCAL", ""):
        return [header.path]
    if words[0].upper() == "LIST":
        text = read_head(header.path, LONGEST_HEADER)[header.data_start :].decode("utf-8", "replace")
        names = [line.strip() for line in text.splitlines() if line.strip()]
    elif "%" in words[0] and 3 <= len(words) <= 4:
        with reading(header.path, "MetaImage"):
            first, last, step = int(words[1]), int(words[2]), int(words[3]) if len(words) == 4 else 1
            count = min(len(range(first, last + 1, step)), 100_000)
            names = [words[0] % number for number in range(first, last + 1, step)[:count]]
    else:
        names = [named]
    if not names:
        raise DataError(f"{header.path.name} lists no data files; export it again")
    return [_beside(header.path, name) for name in names]


def _beside(header: Path, name: str) -> Path:
    """The data file called `name`; DataError where it is missing or outside the folder of the header."""
    with reading(header, "MetaImage"):
        folder = header.parent.resolve()
        file = header.parent / name
        is_inside = file.resolve().is_relative_to(folder)
        is_there = is_inside and file.is_file()
    if not is_inside:
        raise DataError(f"{header.name} names a data file outside its folder; put both into one folder")
    if not is_there:
        raise DataError(
            f"{header.name} names the data file {Path(name).name}, which is not beside it; copy both together"
        )
    check_readable(file)
    return file


def _start(header: MetaHeader, file: Path, n_bytes: int) -> int:
    """Where the samples begin in `file`; DataError where fewer than `n_bytes` follow."""
    size = file.stat().st_size
    skipped = header.data_start if file == header.path else 0
    stated = header.fields.get("HeaderSize", "0")
    if stated.lstrip("-").isdigit() and int(stated) != 0:
        skipped = size - n_bytes if int(stated) < 0 else int(stated)
    if skipped < 0 or size - skipped < n_bytes:
        there = max(0, size - max(0, skipped))
        raise DataError(
            f"{file.name} is truncated: {header.path.name} promises {n_bytes} bytes of samples, {there} are there; "
            "copy it again"
        )
    return skipped


def _mapped(header: MetaHeader, file: Path, n_bytes: int) -> np.ndarray:
    """Raw samples as a flat memory map."""
    start = _start(header, file, n_bytes)
    with reading(file, "MetaImage"):
        return np.memmap(file, header.dtype, "r", offset=start, shape=(n_bytes // header.dtype.itemsize,))


def _inflated(header: MetaHeader, file: Path) -> np.ndarray:
    start = header.data_start if file == header.path else 0
    stored = file.stat().st_size - start
    if header.n_bytes > stored * LARGEST_RATIO:
        raise DataError(
            f"{file.name} is truncated: {stored} compressed bytes cannot hold {header.n_bytes}; copy it again"
        )
    with reading(file, "MetaImage"), file.open("rb") as stream:
        stream.seek(start)
        content = zlib.decompressobj().decompress(stream.read(), header.n_bytes)
    if len(content) < header.n_bytes:
        raise DataError(
            f"{file.name} is truncated: its header promises {header.n_bytes} bytes of samples, "
            f"{len(content)} are there; copy it again"
        )
    return np.frombuffer(content, header.dtype).reshape(header.shape)


def _text_samples(header: MetaHeader, file: Path) -> np.ndarray:
    """Samples written as decimal numbers."""
    start = header.data_start if file == header.path else 0
    with reading(file, "MetaImage"):
        words = file.read_bytes()[start:].split()
        values = np.array(words[: int(np.prod(header.shape, dtype=object))], dtype=np.float64)
    if values.size < int(np.prod(header.shape, dtype=object)):
        raise DataError(f"{file.name} is truncated: it has {values.size} numbers of {header.shape}; copy it again")
    return values.reshape(header.shape)
