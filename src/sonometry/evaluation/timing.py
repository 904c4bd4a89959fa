"""How long a computation takes: the median of repeated calls, after some that only warm up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Timing:
    """Median and quartiles of the duration of one call, s."""

    median_s: float
    lower_s: float
    upper_s: float
    n: int

    def __str__(self) -> str:
        """ "12.1 ms (11.8 to 13.0)"."""
        return f"{1e3 * self.median_s:.3g} ms ({1e3 * self.lower_s:.3g} to {1e3 * self.upper_s:.3g})"


def duration(call: Callable[[], object], *, repeats: int = 20, warm_up: int = 3) -> Timing:
    """Time `call` that often."""
    for _ in range(warm_up):
        call()
    taken = np.empty(repeats)
    for i in range(repeats):
        start = time.perf_counter()
        call()
        taken[i] = time.perf_counter() - start
    lower, median, upper = np.quantile(taken, [0.25, 0.5, 0.75])
    return Timing(float(median), float(lower), float(upper), repeats)
