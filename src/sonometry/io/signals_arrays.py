"""Signals in MATLAB, HDF5 and NumPy files: vectors of one length that lie together, with a time or a rate.

A set is a structure, a group, or the top of the file. Vectors of another length in it (events, frame numbers) are left
out. `frameInds`, the 1-based sample of every video frame, puts the signals on the clock of the video.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sonometry.core.errors import DataError
from sonometry.io.named_arrays import ArrayEntry, NamedArrays, open_named_arrays
from sonometry.io.signals_channels import Channel, StoredSignals
from sonometry.io.signals_clock import TIME_NAME
from sonometry.io.signals_units import si_unit, split_unit

#: Shorter vectors are settings, not signals.
SHORTEST_SIGNAL = 8
#: More columns are frames, not channels.
MOST_CHANNELS = 512
#: Choices listed in an error; the rest is counted.
MOST_LISTED = 6

_RATE_NAME = re.compile(
    r"(fs|rate|srate|samp(le|ling)?_?(rate|freq(uency)?)|frequency|freq|analog_?rate)_?(?P<unit>k?hz)?",
    re.IGNORECASE,
)
_Rates = dict[str, float]
_FRAME_NAME = re.compile(r"frame_?ind(s|ex|ices)?|video_?frame_?samples?", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class SignalSet:
    """Vectors that lie together. `owner` is their structure or group, "" for the top of the file."""

    owner: str
    vectors: tuple[ArrayEntry, ...]
    time: ArrayEntry | None
    rate_hz: float | None
    frames: ArrayEntry | None

    @property
    def has_clock(self) -> bool:
        return self.time is not None or self.rate_hz is not None


def holds_signals(path: Path) -> bool:
    """Whether a file of named arrays has vectors of one length with a clock. DataError where it cannot be read."""
    return any(each.has_clock for each in _sets(open_named_arrays(path)))


def read_array_signals(path: Path, variable: str | None) -> StoredSignals:
    """The one set of signals, or the one that `variable` names; DataError that lists them where there are several."""
    arrays = open_named_arrays(path)
    chosen = chosen_set(path, arrays, variable)
    n_samples = _length(chosen.time or chosen.vectors[0])
    channels = [channel for entry in chosen.vectors for channel in _channels(arrays, entry, n_samples)]
    return StoredSignals(
        tuple(channels),
        arrays.format,
        times_s=None if chosen.time is None else _times(arrays, chosen.time),
        rate_hz=chosen.rate_hz,
        first_frame_row=None if chosen.frames is None else _first_row(arrays, chosen.frames),
    )


def chosen_set(path: Path, arrays: NamedArrays, variable: str | None) -> SignalSet:
    """The set that `variable` names (the end of its name suffices), else the only one."""
    sets = _sets(arrays)
    if variable:
        vector = arrays.get(variable)
        if vector is not None and _is_vector(vector):
            beside = [e for e in arrays.arrays if _is_vector(e) and _owner(e) == _owner(vector)]
            return _set_of(_rates(arrays), _owner(vector), [vector], beside)
        named = [each for each in sets if _plain(each.owner).endswith(_plain(variable)) and each.owner]
        exact = [each for each in named if _plain(each.owner) == _plain(variable)]
        found = exact or [each for each in named if each.has_clock] or named
        if len(found) == 1:
            return found[0]
        choices = _listed(each.owner or "(the top of the file)" for each in found or _timed(sets))
        how = "names several sets of signals" if found else "is no set of signals"
        raise DataError(f"--variable {variable} {how} in {path.name}; there are: {choices}")
    timed = _timed(sets)
    if not timed:
        raise DataError(f"{path.name} has no signals (vectors of one length of at least {SHORTEST_SIGNAL} samples)")
    if len(timed) > 1:
        choices = _listed(each.owner or "(the top of the file)" for each in timed)
        raise DataError(f"{path.name} has several sets of signals: {choices}; choose with --variable NAME")
    return timed[0]


def _timed(sets: list[SignalSet]) -> list[SignalSet]:
    """The sets with a clock, or all where none has one."""
    return [each for each in sets if each.has_clock] or sets


def frame_rows(arrays: NamedArrays, chosen: SignalSet) -> np.ndarray | None:
    """(T,) 0-based sample of every video frame, or None where the file does not tell."""
    if chosen.frames is None:
        return None
    return np.asarray(chosen.frames.load(), np.float64).reshape(-1) - _base(arrays, chosen.frames)


def _sets(arrays: NamedArrays) -> list[SignalSet]:
    owners: dict[str, list[ArrayEntry]] = {}
    for entry in arrays.arrays:
        if _is_vector(entry):
            owners.setdefault(_owner(entry), []).append(entry)
    rates = _rates(arrays)
    return [_set_of(rates, owner, entries, entries) for owner, entries in owners.items()]


def _set_of(rates: _Rates, owner: str, wanted: list[ArrayEntry], beside: list[ArrayEntry]) -> SignalSet:
    """The wanted vectors with the time, rate and frame numbers that lie beside them."""
    time = next((e for e in beside if TIME_NAME.fullmatch(split_unit(e.leaf)[0].lower()) and _length(e) > 1), None)
    frames = next((e for e in beside if _FRAME_NAME.fullmatch(e.leaf)), None)
    signals = [e for e in wanted if e is not time and e is not frames]
    usual = Counter(map(_length, signals)).most_common(1)[0][0] if signals else 0
    vectors = tuple(e for e in signals if time is not None and _length(e) == _length(time))
    if not vectors:
        time, vectors = None, tuple(e for e in signals if _length(e) == usual) or tuple(wanted)
    return SignalSet(owner, vectors, time, _rate(rates, owner, vectors), frames)


def _is_vector(entry: ArrayEntry) -> bool:
    """One channel (N,), or a few of them (N, C) or (C, N)."""
    if "@" in entry.name or entry.dtype in ("complex", "bool"):
        return False
    long_axes = [n for n in entry.shape if n > 1]
    if len(long_axes) == 1:
        return long_axes[0] >= SHORTEST_SIGNAL
    return len(long_axes) == 2 and min(long_axes) <= MOST_CHANNELS and max(long_axes) >= 8 * min(long_axes)


def _length(entry: ArrayEntry) -> int:
    return max(entry.shape)


def _owner(entry: ArrayEntry) -> str:
    """Name of the structure or group that holds the array, with the separators of its format."""
    return re.sub(r"[./][^./]*$|^[^./]*$", "", entry.name)


def _plain(name: str) -> str:
    """The name without separators, so that the name of a clip's file finds its structure."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - MOST_LISTED} more" if len(every) > MOST_LISTED else ""
    return ", ".join(every[:MOST_LISTED]) + more


def _rates(arrays: NamedArrays) -> _Rates:
    """Holder (what stands before the last part of the name, with its separator) -> sampling rate, Hz."""
    rates: _Rates = {}
    for name, value in arrays.numbers():
        holder, leaf = re.fullmatch(r"(.*[./@])?([^./@]*)", name, re.DOTALL).groups()  # type: ignore[union-attr]
        found = _RATE_NAME.fullmatch(leaf)
        if found and value > 0:
            rates.setdefault(holder or "", value * (1e3 if (found["unit"] or "").lower() == "khz" else 1.0))
    return rates


def _rate(rates: _Rates, owner: str, vectors: tuple[ArrayEntry, ...]) -> float | None:
    """A sampling rate that is an attribute of the vectors, beside them, or further up."""
    holders = [vector.name + "@" for vector in vectors]
    while owner:
        holders += [owner + "@", owner + "/", owner + "."]
        owner = re.sub(r"(^|[./])[^./]*$", "", owner)
    return next((rates[holder] for holder in (*holders, "") if holder in rates), None)


def _channels(arrays: NamedArrays, entry: ArrayEntry, n_samples: int) -> Iterable[Channel]:
    """The channels of one array, one per column."""
    stated = _unit_text(arrays, entry)
    name, unit = split_unit(entry.leaf) if stated is None else (entry.leaf, stated)
    values = np.asarray(entry.load(), np.float64).squeeze()
    if values.ndim == 1:
        yield Channel(name, unit, values)
        return
    columns = values if values.shape[0] == n_samples else values.T
    for i in range(columns.shape[1]):
        yield Channel(f"{name}_{i + 1}", unit, columns[:, i])


def _unit_text(arrays: NamedArrays, entry: ArrayEntry) -> str | None:
    """The unit stored as an attribute, or as a text beside the array; None where there is none."""
    owner, leaf = _owner(entry), entry.leaf
    separator = "/" if "/" in entry.name else "."
    prefix = owner + separator if owner else ""
    names = [f"{entry.name}@{key}" for key in ("unit", "units", "Units", "Unit")]
    names += [f"{prefix}{leaf}_{key}" for key in ("unit", "units")] + [
        f"{prefix}{k}{separator}{leaf}" for k in ("units",)
    ]
    return next((arrays.texts[name].strip() for name in names if name in arrays.texts), None)


def _times(arrays: NamedArrays, entry: ArrayEntry) -> np.ndarray:
    unit = si_unit(_unit_text(arrays, entry) or split_unit(entry.leaf)[1] or ("ms" if entry.leaf == "ms" else "s"))
    factor = unit.factor if unit is not None and unit.code == "s" else 1.0
    return np.asarray(entry.load(), np.float64).reshape(-1) * factor


def _base(arrays: NamedArrays, entry: ArrayEntry) -> int:
    """1 where samples are counted from 1, as MATLAB does, 0 elsewhere and where a 0 occurs."""
    return int(arrays.format.startswith("MATLAB") and float(np.min(entry.load())) >= 1)


def _first_row(arrays: NamedArrays, entry: ArrayEntry) -> int:
    return int(np.asarray(entry.load()).reshape(-1)[0]) + 1 - _base(arrays, entry)
