"""MATLAB files of versions 4 to 7, through scipy: structures and cells become names, large arrays stay unread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.io.named_arrays import SMALL, ArrayEntry, NamedArrays, reading
from sonometry.io.named_arrays_matlab_check import check_matlab5

#: Elements of a structure array or cell that are looked into; longer ones hold data rather than facts.
MOST_ELEMENTS = 1024

#: Classes that hold no recording.
_UNREAD = ("function", "sparse", "opaque")
_NUMERIC = {"double": "float64", "single": "float32", "logical": "bool"} | {
    f"{u}int{bits}": f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64)
}


def open_matlab(path: Path, kind: str) -> NamedArrays:
    """All numeric arrays of a .mat file; small ones and structures are read at once, large plain arrays when asked."""
    import scipy.io

    with reading(path, "MATLAB"):
        if kind == "MATLAB v5":
            check_matlab5(path)
        described = scipy.io.whosmat(path)
        large = {
            name: (shape, _NUMERIC[type_name])
            for name, shape, type_name in described
            if type_name in _NUMERIC and np.prod(shape, dtype=np.int64) > SMALL
        }
        read_now = [name for name, _, type_name in described if name not in large and type_name not in _UNREAD]
        values = scipy.io.loadmat(path, variable_names=read_now, chars_as_strings=True) if read_now else {}
        entries = [ArrayEntry(name, shape, dtype, _loader(path, name)) for name, (shape, dtype) in large.items()]
        texts: dict[str, str] = {}
        for name in read_now:
            for full_name, value in _leaves(name, values.get(name)):
                if isinstance(value, str):
                    texts[full_name] = value
                else:
                    entries.append(_entry(full_name, value))
    order = {name: i for i, (name, _, _) in enumerate(described)}
    entries.sort(key=lambda entry: order[entry.name.split(".")[0].split("(")[0].split("{")[0]])
    return NamedArrays(kind, tuple(entries), texts)


def _entry(name: str, value: np.ndarray) -> ArrayEntry:
    dtype = "complex" if value.dtype.kind == "c" else value.dtype.newbyteorder("=").name
    return ArrayEntry(name, value.shape, dtype, lambda: value)


def _loader(path: Path, name: str) -> Callable[[], np.ndarray]:
    def load() -> np.ndarray:
        import scipy.io

        with reading(path, "MATLAB"):
            array: np.ndarray = scipy.io.loadmat(path, variable_names=[name])[name]
            return array

    return load


def _leaves(name: str, value: Any, depth: int = 0) -> Iterator[tuple[str, np.ndarray | str]]:
    """Numbers and texts below `value`, each with its full name."""
    if not isinstance(value, np.ndarray) or depth > 12 or type(value).__name__ in ("MatlabOpaque", "MatlabFunction"):
        return
    kind = value.dtype.kind
    if value.dtype.names is not None:
        elements = value.reshape(-1, order="F")[:MOST_ELEMENTS]
        for i, element in enumerate(elements, start=1):
            owner = name if value.size == 1 else f"{name}({i})"
            for member in value.dtype.names:
                yield from _leaves(f"{owner}.{member}", element[member], depth + 1)
    elif kind == "O":
        for i, element in enumerate(value.reshape(-1, order="F")[:MOST_ELEMENTS], start=1):
            yield from _leaves(f"{name}{{{i}}}", element, depth + 1)
    elif kind == "U":
        if value.size == 1:
            yield name, str(value.reshape(-1)[0])
    elif kind in "biufc" and value.size:
        yield name, value
