"""Sampled signals on the clock of the recording they belong to (ECG, EMG, torque, angle)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sonometry.core.errors import DataError
from sonometry.core.source import Source


@dataclass(frozen=True, eq=False)
class Signals:
    """Named channels sampled at one rate.

    names, units : one of each per channel; units as the file gives them, SI where it was converted.
    values : (N, C) float64; NaN where nothing was recorded.
    sampling_rate_hz : samples per second.
    start_time_s : time of sample 0 on the clock of the cine.
    lag_s : known delay of these signals behind the cine, already contained in `start_time_s`.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    values: np.ndarray
    sampling_rate_hz: float
    start_time_s: float = 0.0
    lag_s: float = 0.0
    source: Source = field(default_factory=Source)

    kind = "signals"

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[0] < 1:
            raise DataError(f"signals need values of shape (N, channels), got {self.values.shape}")
        if not len(self.names) == len(self.units) == self.values.shape[1]:
            raise DataError(
                f"{self.values.shape[1]} channels need as many names and units, "
                f"got {len(self.names)} and {len(self.units)}"
            )
        if len(set(self.names)) != len(self.names):
            raise DataError(f"channel names must differ, got {', '.join(self.names)}")
        if not self.sampling_rate_hz > 0:
            raise DataError(f"sampling rate must be positive, got {self.sampling_rate_hz} Hz")
        if np.isinf(self.values).any():
            raise DataError("signals contain infinite values; mark missing samples with NaN")

    @property
    def times_s(self) -> np.ndarray:
        """(N,) time of every sample, s."""
        times: np.ndarray = self.start_time_s + np.arange(len(self.values)) / self.sampling_rate_hz
        return times

    def __getitem__(self, name: str) -> np.ndarray:
        """(N,) values of one channel. KeyError names the channels there are."""
        if name not in self.names:
            raise KeyError(f"no channel {name!r}; there are: {', '.join(self.names)}")
        channel: np.ndarray = self.values[:, self.names.index(name)]
        return channel
