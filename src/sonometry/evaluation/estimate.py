"""A statistic with its bootstrap interval by patient: what every table of an evaluation prints."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sonometry.core.measurement import Interval
from sonometry.evaluation.bootstrap import bootstrap_interval

Array = npt.NDArray[np.float64]

#: Below this number of groups a bootstrap interval says nothing.
FEWEST_GROUPS = 5


@dataclass(frozen=True)
class Estimate:
    """A number, and where it lies with a stated probability; interval None where there is too little for one.

    n : values it rests on. n_groups : patients (or other groups) they come from.
    """

    value: float
    interval: Interval | None
    n: int
    n_groups: int

    def __str__(self) -> str:
        """ "0.83 (0.79 to 0.86)"."""
        if self.interval is None:
            return f"{self.value:.3g}"
        return f"{self.value:.3g} ({self.interval.low:.3g} to {self.interval.high:.3g})"


def estimate(
    values: npt.ArrayLike,
    statistic: Callable[[Array], float],
    *,
    groups: npt.ArrayLike | None = None,
    level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """`statistic(values)` with an interval that resamples whole groups.

    values : (N,) or (N, columns); all columns of a row stay together. groups : (N,) patient of every row; None takes
    each row as its own. The interval is None with fewer than `FEWEST_GROUPS` groups or a statistic that is not finite.
    The same seed gives the same interval. Raises ValueError where there is no row or `groups` has another length.
    """
    rows = np.asarray(values, np.float64)
    if not len(rows):
        raise ValueError("there is no value to make an estimate from")
    members = None if groups is None else np.asarray(groups)
    if members is not None and len(members) != len(rows):
        raise ValueError(f"{len(rows)} values need as many groups, got {len(members)}")
    n_groups = len(rows) if members is None else len(np.unique(members))
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(statistic(rows))
        interval = None
        if n_groups >= FEWEST_GROUPS and math.isfinite(value):
            interval = bootstrap_interval(
                [rows],
                statistic,
                groups=None if members is None else [members],
                level=level,
                n_resamples=n_resamples,
                rng=np.random.default_rng(seed),
            )
    return Estimate(value, interval, len(rows), n_groups)
