"""HDF5 files, and MATLAB files of version 7.3, which are HDF5 with all axes reversed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.core.errors import DataError
from sonometry.io.named_arrays import SMALL, ArrayEntry, NamedArrays, reading

#: Groups and references are followed this deep; a file may point back at itself.
DEEPEST = 12
#: A set larger than this must be stored; deflate cannot compress further than the ratio.
LARGEST_UNSTORED, LARGEST_RATIO = 1 << 30, 1100
#: Elements of a structure array or cell that are looked into.
MOST_ELEMENTS = 1024


def open_hdf5(path: Path, *, is_matlab: bool) -> NamedArrays:
    """All numeric sets and attributes of an HDF5 file; sets are read when asked for.

    Links to other files and sets stored outside are not followed.
    """
    import h5py

    found: list[ArrayEntry | tuple[str, str]] = []
    with reading(path, "MATLAB v7.3" if is_matlab else "HDF5"), h5py.File(path, "r") as file:
        walk = _matlab_members(path, "", file, 0) if is_matlab else _members(path, "", file, 0)
        found.extend(walk)
    entries = tuple(item for item in found if isinstance(item, ArrayEntry))
    texts = dict(item for item in found if isinstance(item, tuple))
    return NamedArrays("MATLAB v7.3" if is_matlab else "HDF5", entries, texts)


def _members(path: Path, prefix: str, group: Any, depth: int) -> Iterator[ArrayEntry | tuple[str, str]]:
    """Sets and attributes below `group` of a plain HDF5 file."""
    yield from _attributes(prefix.rstrip("/"), group)
    for name, item in _items(group, depth):
        if hasattr(item, "items"):
            yield from _members(path, f"{prefix}{name}/", item, depth + 1)
        else:
            yield from _attributes(prefix + name, item)
            yield from _set(path, prefix + name, item, is_matlab=False)


def _matlab_members(path: Path, prefix: str, group: Any, depth: int) -> Iterator[ArrayEntry | tuple[str, str]]:
    """Variables below `group` of a MATLAB v7.3 file."""
    for name, item in _items(group, depth):
        if not name.startswith("#"):  # #refs# and #subsystem# are MATLAB's own
            yield from _matlab_value(path, prefix + name, item, depth)


def _matlab_value(path: Path, name: str, item: Any, depth: int) -> Iterator[ArrayEntry | tuple[str, str]]:
    import h5py

    if depth > DEEPEST:
        return
    if hasattr(item, "items"):
        yield from _matlab_members(path, name + ".", item, depth + 1)
    elif h5py.check_ref_dtype(item.dtype) is not None:
        # A cell refers to its elements; a member of a structure array refers to one value per structure.
        is_cell = _text(item.attrs.get("MATLAB_class")) == "cell"
        owner, _, member = name.rpartition(".")
        references = np.asarray(item[()]).T.reshape(-1, order="F")[:MOST_ELEMENTS]
        for i, reference in enumerate(references, start=1):
            full_name = f"{name}{{{i}}}" if is_cell or not owner else f"{owner}({i}).{member}"
            if reference:
                yield from _matlab_value(path, full_name, item.file[reference], depth + 1)
    elif _text(item.attrs.get("MATLAB_class")) == "char":
        if item.size <= SMALL and item.dtype.kind in "ui" and "MATLAB_empty" not in item.attrs:
            yield name, "".join(map(chr, np.asarray(item[()]).T.reshape(-1, order="F")))
    elif "MATLAB_empty" not in item.attrs:
        yield from _set(path, name, item, is_matlab=True)


def _items(group: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """Named members that lie in this file."""
    import h5py

    if depth > DEEPEST:
        return
    for name in group:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            continue
        item = group.get(name)
        is_set = isinstance(item, h5py.Dataset)
        if isinstance(item, h5py.Group) or (is_set and item.external is None and not item.is_virtual):
            yield name, item


def _set(path: Path, name: str, item: Any, *, is_matlab: bool) -> Iterator[ArrayEntry | tuple[str, str]]:
    """One set as an entry, or as text where it is one."""
    if item.shape is None:
        return
    if item.dtype.kind in "OS" and item.size == 1:
        yield name, _text(np.asarray(item[()]).reshape(-1)[0])
        return
    is_complex = item.dtype.kind == "c" or set(item.dtype.names or ()) == {"real", "imag"}
    if not is_complex and item.dtype.kind not in "biuf":
        return
    shape = tuple(reversed(item.shape)) if is_matlab else tuple(item.shape)
    dtype = "complex" if is_complex else item.dtype.newbyteorder("=").name
    value = np.asarray(item[()]) if 0 < item.size <= SMALL else None
    yield ArrayEntry(name, shape, dtype, _loader(path, item.name, value, is_matlab=is_matlab))


def _loader(path: Path, inner: str, value: np.ndarray | None, *, is_matlab: bool) -> Callable[[], np.ndarray]:
    def load() -> np.ndarray:
        import h5py

        array = value
        if array is None:
            with reading(path, "HDF5"), h5py.File(path, "r") as file:
                stored = file[inner]
                if stored.nbytes > LARGEST_UNSTORED and stored.nbytes > LARGEST_RATIO * stored.id.get_storage_size():
                    raise DataError(f"{path.name} promises {stored.nbytes} bytes in {inner} that it does not hold")
                array = np.asarray(stored[()])
        if array.dtype.names is not None:
            array = array["real"] + 1j * array["imag"]
        return array.T if is_matlab else array

    return load


def _attributes(name: str, item: Any) -> Iterator[ArrayEntry | tuple[str, str]]:
    for key in item.attrs:
        value = item.attrs[key]
        full_name = f"{name}@{key}" if name else key
        if isinstance(value, str | bytes):
            yield full_name, _text(value)
        elif np.asarray(value).dtype.kind in "biuf" and np.size(value):
            array = np.asarray(value)
            yield ArrayEntry(full_name, array.shape, array.dtype.name, lambda array=array: array)  # type: ignore[misc]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""
