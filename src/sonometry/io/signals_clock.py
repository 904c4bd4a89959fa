"""One clock for all channels: the sampling rate from a column of times, and what to do where it is not even."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from sonometry.core.errors import DataError

#: Names of a column of times, in lower case, without their unit.
TIME_NAME = re.compile(
    r"(time|times|t|timestamp|time ?stamp|elapsed( ?time)?|zeit|temps|tiempo|sec|seconds|secs|ms|x ?time)"
)
#: Names of a running number, which is no time.
INDEX_NAME = re.compile(r"(frame|frames|sample|samples|index|no|nr|n|#|row|item|)")
#: Shares of the sampling interval: noise of the clock that needs no word, that is tolerated, and of a missing sample.
UNNOTICED, TOLERATED, GRID = 0.01, 0.5, 0.1


@dataclass(frozen=True, eq=False)
class Clock:
    """Even sampling. `rows` are the positions of the file's rows on the even grid; `note` tells what was done."""

    rate_hz: float
    start_s: float
    rows: np.ndarray
    note: str | None = None

    @property
    def n_samples(self) -> int:
        return int(self.rows[-1]) + 1

    def on_grid(self, values: np.ndarray) -> np.ndarray:
        """(N, C) values on the even grid, NaN where the file has no row."""
        if self.n_samples == len(values):
            return values
        filled = np.full((self.n_samples, values.shape[1]), np.nan)
        filled[self.rows] = values
        return filled


def clock_of(times_s: np.ndarray, name: str) -> Clock:
    """The even clock behind a column of times (s).

    Times may wander by half an interval (rounding in the file, jitter of the recorder); single rows may be missing.
    Raises DataError, with `name` of the file, where times are missing, go back, or are not even.
    """
    n = len(times_s)
    if n < 2:
        raise DataError(f"{name} has one row of signals; expected at least two")
    if not np.isfinite(times_s).all():
        raise DataError(f"{name} has no time in row {int(np.argmin(np.isfinite(times_s))) + 1} of its data; fill it in")
    steps = np.diff(times_s)
    if (steps < 0).any() or times_s[-1] <= times_s[0]:
        row = int(np.argmax(steps < 0)) + 2 if (steps < 0).any() else n
        raise DataError(f"{name} has times that go back or stand still (row {row} of its data); sort or split the file")
    step = float(times_s[-1] - times_s[0]) / (n - 1)
    wander = float(np.abs(times_s - (times_s[0] + np.arange(n) * step)).max())
    quantum = float(steps[steps > 0].min())
    if wander <= TOLERATED * step or (quantum >= step * 0.5 and wander <= quantum and not _has_gap(steps)):
        note = None if wander <= UNNOTICED * step else f"Times wander by up to {wander:.2g} s around an even clock."
        return Clock(_rate(step), float(times_s[0]), np.arange(n), note)
    return _with_gaps(times_s, steps, name)


def _rate(step_s: float) -> float:
    """Samples per second without the last digits, which are those of the times' binary form."""
    return float(f"{1 / step_s:.12g}")


def _has_gap(steps: np.ndarray) -> bool:
    return bool(steps.max() > 2.5 * max(float(np.median(steps)), float(steps.mean())))


def _with_gaps(times_s: np.ndarray, steps: np.ndarray, name: str) -> Clock:
    """Rows are missing from an otherwise even grid."""
    step = float(np.median(steps))
    rows = np.round((times_s - times_s[0]) / step) if step > 0 else np.zeros_like(times_s)
    if step > 0 and rows[-1] < 2 * len(rows):
        step = float(np.polyfit(rows, times_s, 1)[0])
        rows = np.round((times_s - times_s[0]) / step)
        off = np.abs(times_s - times_s[0] - rows * step).max()
        if off <= GRID * step and (np.diff(rows) > 0).all() and rows[-1] < 2 * len(rows):
            n_missing = int(rows[-1]) + 1 - len(rows)
            note = f"{n_missing} samples that are missing in the file are left empty."
            return Clock(_rate(step), float(times_s[0]), rows.astype(np.intp), note)
    worst = int(np.argmax(np.abs(steps - np.median(steps))))
    raise DataError(
        f"{name} is not sampled evenly: steps of {steps.min():.4g} to {steps.max():.4g} s "
        f"(row {worst + 2} of its data); resample it to one rate"
    )
