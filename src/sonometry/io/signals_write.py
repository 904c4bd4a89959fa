"""Write signals as other programs export them: CSV with units in the header, or HDF5."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from sonometry.core.errors import UsageError
from sonometry.core.signals import Signals
from sonometry.io.atomic import atomic_file, write_atomic


def write_signals(signals: Signals, path: Path) -> Path:
    """Write all channels and their times to a .csv, .h5 or .hdf5 file, so that `read_signals` gives them back.

    Values are exact; the rate, which CSV keeps only in its times, to 1e-9. Raises UsageError for another ending,
    OutputError where writing fails.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending == ".csv":
        write_atomic(path, _csv(signals))
    elif ending in (".h5", ".hdf5"):
        _write_hdf5(signals, path)
    else:
        raise UsageError(f"signals cannot be written as {path.name}; choose one of the endings .csv, .h5, .hdf5")
    return path


def _csv(signals: Signals) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    pairs = zip(signals.names, signals.units, strict=True)
    writer.writerow(["time (s)", *(f"{name} ({unit})" if unit else name for name, unit in pairs)])
    for time, row in zip(signals.times_s, signals.values, strict=True):
        writer.writerow([repr(float(time)), *("" if np.isnan(value) else repr(float(value)) for value in row)])
    return text.getvalue()


def _write_hdf5(signals: Signals, path: Path) -> None:
    import h5py

    with atomic_file(path) as partial, h5py.File(partial, "w", track_order=True) as file:
        file.attrs["sampling_rate_hz"] = signals.sampling_rate_hz
        file.create_dataset("time", data=signals.times_s).attrs["unit"] = "s"
        for i, (name, unit) in enumerate(zip(signals.names, signals.units, strict=True)):
            file.create_dataset(name.replace("/", "_"), data=signals.values[:, i]).attrs["unit"] = unit
