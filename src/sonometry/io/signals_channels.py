"""Channels of any origin to `Signals`: one clock, SI units, different names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sonometry.core.errors import DataError
from sonometry.core.signals import Signals
from sonometry.core.source import Device, Source, digest_files
from sonometry.io.facts import Facts
from sonometry.io.signals_clock import Clock, clock_of
from sonometry.io.signals_units import si_unit


@dataclass(frozen=True, eq=False)
class Channel:
    """One column: name, unit as the file writes it ("" if unknown), and (N,) values."""

    name: str
    unit: str
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class StoredSignals:
    """Channels as a file has them, with times or a rate where it states them.

    first_frame_row : 1-based sample of the first video frame, where the file tells it; then time 0 is that frame.
    """

    channels: tuple[Channel, ...]
    format: str
    times_s: np.ndarray | None = None
    rate_hz: float | None = None
    first_frame_row: int | None = None
    notes: tuple[str, ...] = ()
    device: Device = field(default_factory=Device)


def signals_of(stored: StoredSignals, path: Path, facts: Facts) -> Signals:
    """Signals in SI units on one clock. Raises DataError where there is no clock, naming the flag."""
    clock, notes = _clock(stored, path, facts)
    values = np.stack([channel.values for channel in stored.channels], axis=1).astype(np.float64)
    units, factors, converted = _units(stored.channels)
    start_s = clock.start_s
    if stored.first_frame_row is not None:
        start_s = -(stored.first_frame_row - 1) / clock.rate_hz
        notes = (*notes, "Time 0 is the first video frame, as the file tells.")
    with np.errstate(invalid="ignore"):  # infinite values are refused by Signals
        values = clock.on_grid(values) * factors
    return Signals(
        names=_different([channel.name for channel in stored.channels]),
        units=units,
        values=values,
        sampling_rate_hz=clock.rate_hz,
        start_time_s=start_s,
        source=Source(
            name="signals",
            format=stored.format,
            sha256=digest_files((path,)),
            paths=(path,),
            device=stored.device,
            notes=(*stored.notes, *notes, *converted),
        ),
    )


def _clock(stored: StoredSignals, path: Path, facts: Facts) -> tuple[Clock, tuple[str, ...]]:
    """The clock of the file, or of the flag, which overrides it with a note."""
    n = len(stored.channels[0].values)
    given = None if facts.sampling_mhz is None else facts.sampling_mhz * 1e6
    if stored.times_s is not None:
        clock = clock_of(stored.times_s, path.name)
        stated: float | None = clock.rate_hz
    else:
        clock, stated = Clock(stored.rate_hz or given or 1.0, 0.0, np.arange(n)), stored.rate_hz
    if given is None and stated is None:
        raise DataError(
            f"{path.name} has no column of times and no sampling rate; add a column time (s), or pass --sampling-mhz F "
            "(0.001 for 1 kHz)"
        )
    notes = (clock.note,) if clock.note else ()
    if given is None or (stated is not None and np.isclose(given, stated, rtol=1e-4)):
        return clock, notes
    if stated is not None:
        notes = (
            *notes,
            f"The sampling rate of the file, {stated:g} Hz, was overridden by --sampling-mhz: {given:g} Hz.",
        )
    return Clock(given, clock.start_s, clock.rows), notes


def _units(channels: Sequence[Channel]) -> tuple[tuple[str, ...], np.ndarray, tuple[str, ...]]:
    """SI units, the factors to them, and notes of what was converted and what has no unit."""
    units, factors, converted, without = [], [], [], []
    for channel in channels:
        si = si_unit(channel.unit) if channel.unit else None
        units.append(si.code if si else channel.unit)
        factors.append(si.factor if si else 1.0)
        if si and si.factor != 1:
            converted.append(f"{channel.name} from {channel.unit} to {si.code}")
        if not channel.unit:
            without.append(channel.name)
    notes = [f"Converted to SI: {', '.join(converted)}."] if converted else []
    notes += [f"The file has no unit for {', '.join(without)}."] if without else []
    return tuple(units), np.array(factors), tuple(notes)


def _different(names: list[str]) -> tuple[str, ...]:
    """The names, a number added where one repeats or is empty."""
    used: set[str] = set()
    counts: dict[str, int] = {}
    unique = []
    for i, name in enumerate(names, start=1):
        base = candidate = name.strip() or f"channel_{i}"
        while candidate in used:
            counts[base] = counts.get(base, 1) + 1
            candidate = f"{base}_{counts[base]}"
        used.add(candidate)
        unique.append(candidate)
    return tuple(unique)
