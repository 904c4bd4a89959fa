"""Signals recorded beside ultrasound (EMG, torque, angle, ECG): CSV and other text tables, C3D, MATLAB, HDF5, NumPy.

Units are converted to SI where the file tells them, and the notes say which. All channels are on one even clock; time 0
is the first video frame where the file tells which sample that is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from sonometry.core.errors import DataError
from sonometry.core.signals import Signals
from sonometry.io.facts import Facts
from sonometry.io.named_arrays import named_arrays_format, open_named_arrays
from sonometry.io.signals_arrays import chosen_set, frame_rows, holds_signals, read_array_signals
from sonometry.io.signals_c3d import is_c3d, read_c3d
from sonometry.io.signals_channels import StoredSignals, signals_of
from sonometry.io.signals_table import is_text_table, read_text_table
from sonometry.io.sniff import check_readable

__all__ = ["is_signals", "read_frame_times", "read_signals"]


def is_signals(path: Path) -> bool:
    """Whether the file holds signals, by its content. DataError if it cannot be opened; a damaged one holds none."""
    path = Path(path)
    check_readable(path)
    try:
        if named_arrays_format(path) is not None:
            return holds_signals(path)
        return is_c3d(path) or is_text_table(path)
    except DataError:
        check_readable(path)
        return False


def read_signals(path: Path, facts: Facts | None = None) -> Signals:
    """All channels of a file. `facts.variable` chooses among several sets, `facts.sampling_mhz` gives the rate.

    Raises DataError for a file that holds no signals, is damaged, has several sets to choose from, or no even clock.
    """
    path, facts = Path(path), facts or Facts()
    check_readable(path)
    if named_arrays_format(path) is not None:
        return signals_of(read_array_signals(path, facts.variable), path, facts)
    readers: tuple[tuple[Callable[[Path], bool], Callable[[Path], StoredSignals]], ...] = (
        (is_c3d, read_c3d),
        (is_text_table, read_text_table),
    )
    for recognises, read in readers:
        if recognises(path):
            return signals_of(read(path), path, facts)
    if path.suffix.lower() in (".csv", ".tsv", ".txt"):
        return signals_of(read_text_table(path), path, facts)  # tells what is wrong with it
    raise DataError(f"{path.name} holds no signals; expected CSV, C3D, MATLAB, HDF5 or NumPy")


def read_frame_times(path: Path, facts: Facts | None = None) -> np.ndarray | None:
    """(T,) times of the video frames on the clock of `read_signals`, s; None where the file does not tell them."""
    path, facts = Path(path), facts or Facts()
    if named_arrays_format(path) is None:
        return None
    arrays = open_named_arrays(path)
    rows = frame_rows(arrays, chosen_set(path, arrays, facts.variable))
    if rows is None:
        return None
    signals = read_signals(path, facts)
    times: np.ndarray = signals.start_time_s + rows / signals.sampling_rate_hz
    return times
