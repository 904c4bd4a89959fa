"""Differences between two methods or readers, and how well one reader repeats himself.

Source: Bland & Altman 1999, doi:10.1177/096228029900800204 (limits and their intervals), 2007,
doi:10.1080/10543400701329422 (several pairs of one patient).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from sonometry.core.measurement import Interval

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BlandAltman:
    """Bias and limits of agreement, in the unit of the values.

    bias : mean of first minus second. sd : standard deviation of one difference (between and within patients).
    lower, upper : bias -+ z sd, which hold 95 % of differences when `level` is 0.95. Each has an interval.
    n : pairs, n_groups : patients. slope : of the difference against the mean, with the p value of no slope: where it
    is not zero, one pair of limits does not fit all sizes.
    """

    bias: float
    sd: float
    lower: float
    upper: float
    bias_interval: Interval
    lower_interval: Interval
    upper_interval: Interval
    n: int
    n_groups: int
    slope: float
    slope_p: float


@dataclass(frozen=True)
class Repeatability:
    """How much repeated readings of the same thing differ, in the unit of the values.

    within_sd : standard deviation of one reading, with its interval. coefficient : 1.96 sqrt(2) within_sd, which 95 %
    of differences between two readings stay below. n : things, n_readings : all readings.
    """

    within_sd: float
    within_sd_interval: Interval
    coefficient: float
    coefficient_interval: Interval
    n: int
    n_readings: int


def bland_altman(
    first: npt.ArrayLike, second: npt.ArrayLike, *, groups: npt.ArrayLike | None = None, level: float = 0.95
) -> BlandAltman:
    """Limits of agreement of `first` minus `second`, both (N,).

    groups : (N,) patient of every pair. With several pairs of a patient the variance is the sum of that between and
    within patients (one-way analysis of variance, Bland & Altman 2007, the true value varies), and intervals rest on
    the number of patients. Raises ValueError for other shapes, values that are not finite, fewer than three pairs or
    fewer than two patients.
    """
    a, b = _pair(first, second)
    difference, mean = a - b, (a + b) / 2
    members = np.arange(len(a)) if groups is None else np.asarray(groups)
    if members.shape != a.shape:
        raise ValueError(f"{len(a)} pairs need as many groups, got {members.shape}")
    centre, variance, mean_variance, n_groups = _components(difference, members)
    if n_groups < 2:
        raise ValueError("limits of agreement need pairs of at least two patients")
    sd = math.sqrt(variance)
    z = float(stats.norm.ppf((1 + level) / 2))
    t = float(stats.t.ppf((1 + level) / 2, n_groups - 1))
    error_of_bias = math.sqrt(mean_variance)
    error_of_limit = math.sqrt(mean_variance + z**2 * variance / (2 * (n_groups - 1)))
    slope, slope_p = _slope(mean, difference)

    def around(value: float, error: float) -> Interval:
        return Interval(value - t * error, value + t * error, level)

    lower, upper = centre - z * sd, centre + z * sd
    return BlandAltman(
        bias=centre,
        sd=sd,
        lower=lower,
        upper=upper,
        bias_interval=around(centre, error_of_bias),
        lower_interval=around(lower, error_of_limit),
        upper_interval=around(upper, error_of_limit),
        n=len(a),
        n_groups=n_groups,
        slope=slope,
        slope_p=slope_p,
    )


def repeatability(readings: npt.ArrayLike, *, level: float = 0.95) -> Repeatability:
    """Within-thing standard deviation and repeatability coefficient.

    readings : (things, repeats), NaN where a reading is missing; things with fewer than two readings are left out.
    Intervals are those of a variance (chi squared). Raises ValueError where no thing was read twice.
    """
    table = np.asarray(readings, np.float64)
    if table.ndim != 2:
        raise ValueError(f"readings must be (things, repeats), got {table.shape}")
    counts = np.isfinite(table).sum(axis=1)
    table, counts = table[counts >= 2], counts[counts >= 2]
    freedom = int((counts - 1).sum())
    if freedom < 1:
        raise ValueError("repeatability needs at least one thing that was read twice")
    residual = table - np.nanmean(table, axis=1, keepdims=True)
    square_sum = float(np.nansum(residual**2))
    within_sd = math.sqrt(square_sum / freedom)
    high, low = stats.chi2.ppf([(1 - level) / 2, (1 + level) / 2], freedom)
    interval = Interval(math.sqrt(square_sum / low), math.sqrt(square_sum / high), level)
    factor = 1.96 * math.sqrt(2)
    return Repeatability(
        within_sd=within_sd,
        within_sd_interval=interval,
        coefficient=factor * within_sd,
        coefficient_interval=Interval(factor * interval.low, factor * interval.high, level),
        n=len(table),
        n_readings=int(counts.sum()),
    )


def _pair(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[Array, Array]:
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"both must be (N,) alike, got {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("values must be finite; leave out pairs with a missing one")
    if len(a) < 3:
        raise ValueError(f"limits of agreement need at least three pairs, got {len(a)}")
    return a, b


def _components(difference: Array, members: npt.NDArray[np.generic]) -> tuple[float, float, float, int]:
    """Mean, variance of one difference, variance of the mean, number of groups.

    One-way analysis of variance with unequal group sizes; a negative component between groups counts as zero.
    """
    _, inverse, sizes = np.unique(members, return_inverse=True, return_counts=True)
    n, n_groups = len(difference), len(sizes)
    centre = float(difference.mean())
    if n_groups == n or n_groups < 2:
        variance = float(difference.var(ddof=1))
        return centre, variance, variance / n, n_groups
    means = np.bincount(inverse, weights=difference) / sizes
    within = float(np.sum((difference - means[inverse]) ** 2)) / (n - n_groups)
    between_square = float(np.sum(sizes * (means - centre) ** 2)) / (n_groups - 1)
    typical_size = (n - float(np.sum(sizes**2)) / n) / (n_groups - 1)
    between = max(0.0, (between_square - within) / typical_size)
    mean_variance = between * float(np.sum(sizes**2)) / n**2 + within / n
    return centre, between + within, mean_variance, n_groups


def _slope(mean: Array, difference: Array) -> tuple[float, float]:
    """Slope of the difference against the mean and its p value; zero and one where the mean does not vary."""
    if np.ptp(mean) <= 1e-12 * max(1e-300, float(np.abs(mean).max())):
        return 0.0, 1.0
    fit = stats.linregress(mean, difference)
    return float(fit.slope), float(fit.pvalue) if math.isfinite(fit.pvalue) else 1.0
