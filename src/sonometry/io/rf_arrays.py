"""RF from files of named arrays (MATLAB, HDF5, NumPy): which array it is, and what the file says about it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from sonometry.core.errors import DataError
from sonometry.io.named_arrays import ArrayEntry, NamedArrays, open_named_arrays
from sonometry.io.rf_layouts import KNOWN_RF_NAMES, file_facts
from sonometry.io.rf_recording import MATLAB_ORDER, PYTHON_ORDER, StoredRF

#: An array smaller than this share of the largest is not an alternative to it.
TINY_SHARE = 0.02
#: Samples and lines below which an array is a table (such as marker positions) unless it is named.
SHORTEST_FRAME = (16, 4)
#: Names listed in an error; the rest is counted.
MOST_LISTED = 8


def read_named_rf(path: Path, variable: str | None) -> tuple[StoredRF, ...]:
    """The RF of a file: one array, or those named by `variable` ("pre,post" for a sequence) in that order.

    DataError where none is RF, several could be, they are complex (IQ), or the named one is missing.
    """
    arrays = open_named_arrays(path)
    chosen, notes = (_named(path, arrays, variable), ()) if variable else _only(path, arrays)
    return tuple(_stored(path, arrays, entry, notes) for entry in chosen)


def rf_candidates(arrays: NamedArrays) -> tuple[ArrayEntry, ...]:
    """Arrays that could be RF frames: real, two or three axes, not 8-bit images or short tables."""
    return tuple(e for e in arrays.arrays if e.dtype not in ("complex", "uint8", "bool") and _has_rf_shape(e))


def _has_rf_shape(entry: ArrayEntry) -> bool:
    long_axes = sorted((n for n in entry.shape if n > 1), reverse=True)
    return len(long_axes) in (2, 3) and long_axes[0] >= SHORTEST_FRAME[0] and long_axes[1] >= SHORTEST_FRAME[1]


def _listed(entries: tuple[ArrayEntry, ...] | list[ArrayEntry]) -> str:
    more = f" and {len(entries) - MOST_LISTED} more" if len(entries) > MOST_LISTED else ""
    return ", ".join(map(str, entries[:MOST_LISTED])) + more


def _named(path: Path, arrays: NamedArrays, variable: str) -> tuple[ArrayEntry, ...]:
    found = []
    for name in (part.strip() for part in variable.split(",")):
        entry = arrays.get(name)
        if entry is None:
            large = [e for e in arrays.arrays if _has_rf_shape(e)] or list(arrays.arrays)
            has = f"it has {_listed(large)}" if large else "it has no arrays of numbers"
            raise DataError(f"{path.name} has no single array called {name}; {has}; choose with --variable NAME")
        if entry.dtype == "complex":
            raise DataError(_iq_message(path, entry))
        found.append(entry)
    return tuple(found)


def _only(path: Path, arrays: NamedArrays) -> tuple[tuple[ArrayEntry, ...], tuple[str, ...]]:
    """The one array that is RF, with a note where others were passed over."""
    candidates = rf_candidates(arrays)
    complex_ones = [e for e in arrays.arrays if e.dtype == "complex" and _has_rf_shape(e)]
    if not candidates:
        if complex_ones:
            raise DataError(_iq_message(path, complex_ones[0]))
        all_arrays = [entry for entry in arrays.arrays if entry.size > 1]
        has = f"it has {_listed(all_arrays)}" if all_arrays else "it has no arrays of numbers"
        raise DataError(f"{path.name} has no array of RF frames (axial, line) or (axial, line, frame); {has}")
    largest = max(entry.size for entry in candidates)
    rivals = [entry for entry in candidates if entry.size >= TINY_SHARE * largest]
    if len(rivals) == 1:
        return (rivals[0],), ()
    for name in KNOWN_RF_NAMES:
        known = [entry for entry in rivals if entry.leaf == name]
        if len(known) == 1:
            others = ", ".join(entry.name for entry in rivals if entry is not known[0])
            return (known[0],), (f"RF was read from {known[0].name}; the file also has {others} (--variable NAME).",)
    raise DataError(
        f"{path.name} has several arrays that could be RF: {_listed(rivals)}; choose with --variable NAME "
        "(NAME,NAME for a sequence)"
    )


def _iq_message(path: Path, entry: ArrayEntry) -> str:
    shape = " x ".join(map(str, entry.shape))
    return (
        f"{path.name} holds complex (IQ) samples in {entry.name} ({shape}); expected real RF: export RF, "
        "or modulate IQ up to its centre frequency first"
    )


def _stored(path: Path, arrays: NamedArrays, entry: ArrayEntry, notes: tuple[str, ...]) -> StoredRF:
    is_matlab = arrays.format.startswith("MATLAB")
    samples = _three_axes(path, entry, is_matlab=is_matlab)
    usual = MATLAB_ORDER if is_matlab else PYTHON_ORDER
    samples, cropped = _without_alignment(arrays, entry, samples)
    stated, device = file_facts(arrays, entry.name, samples.shape[usual[2]])
    stated = replace(stated, notes=(*notes, *cropped, *stated.notes))
    return StoredRF(samples, usual, stated, arrays.format, (path,), device)


def _three_axes(path: Path, entry: ArrayEntry, *, is_matlab: bool) -> np.ndarray:
    """The array with exactly three axes, the time axis added where the format has it."""
    shape = entry.shape
    if len([n for n in shape if n > 1]) > 3:
        raise DataError(
            f"{path.name}: {entry.name} has {len(shape)} axes ({' x '.join(map(str, shape))}); expected beam-formed "
            "lines (axial, line) or (axial, line, frame)"
        )
    array = entry.load()
    if array.dtype.kind == "c":  # a v5 file tells only when it is read
        raise DataError(_iq_message(path, entry))
    if entry.dtype == "bool" or array.dtype.kind not in "iuf":
        raise DataError(f"{path.name}: {entry.name} holds {entry.dtype} values; expected RF samples")
    if array.ndim > 3:
        kept = [i for i, n in enumerate(shape) if n > 1]
        while len(kept) < 3:
            kept.append(next(i for i in range(array.ndim) if i not in kept))
        array = array.reshape([shape[i] for i in sorted(kept)])
    while array.ndim < 3:
        array = array[..., np.newaxis] if is_matlab or array.ndim == 1 else array[np.newaxis]
    if array.size == 0:
        raise DataError(f"{path.name}: {entry.name} is empty; expected RF samples")
    return array


def _without_alignment(
    arrays: NamedArrays, entry: ArrayEntry, samples: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Alpinion pads every line to `AlignedSampleNum`; only the first `SampleNum` samples were recorded."""
    aligned, recorded = arrays.number("AlignedSampleNum"), arrays.number("SampleNum")
    if entry.leaf != "BfData" or aligned is None or recorded is None or not 16 <= recorded < aligned:
        return samples, ()
    if samples.shape[0] != aligned:
        return samples, ()
    note = f"Of {aligned:g} samples a line, the {recorded:g} that the scanner recorded are used."
    return samples[: int(recorded)], (note,)
