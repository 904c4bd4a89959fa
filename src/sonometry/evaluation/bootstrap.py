"""Percentile bootstrap intervals that resample whole groups (subjects, clips, cells), never single correlated values.

Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from sonometry.core.measurement import Interval

Array = npt.NDArray[np.float64]


def bootstrap_interval(
    samples: Sequence[Array],
    statistic: Callable[..., float],
    *,
    groups: Sequence[npt.NDArray[np.generic]] | None = None,
    level: float = 0.95,
    n_resamples: int = 2000,
    rng: np.random.Generator,
) -> Interval:
    """Interval of `statistic(*samples)` by resampling the groups of every sample with replacement.

    samples : one or more (N_k,) or (N_k, ...) arrays, resampled independently of one another.
    groups : for each sample the (N_k,) group of every value; by default each value is a group of its own.
    level : probability that the interval shall hold. Resamples whose statistic is not finite are left out.
    Raises ValueError with fewer than two groups in a sample or when no resample has a finite statistic.
    """
    members = [_members(s, None if groups is None else groups[k]) for k, s in enumerate(samples)]
    drawn = np.empty(n_resamples)
    for i in range(n_resamples):
        drawn[i] = statistic(*(_resample(s, m, rng) for s, m in zip(samples, members, strict=True)))
    finite = drawn[np.isfinite(drawn)]
    if finite.size == 0:
        raise ValueError("no resample gave a finite statistic")
    tail = (1 - level) / 2
    low, high = np.quantile(finite, [tail, 1 - tail])
    return Interval(float(low), float(high), level)


def weighted_intervals(
    statistic: Callable[[Array], Array],
    groups: npt.NDArray[np.generic],
    *,
    level: float = 0.95,
    n_resamples: int = 1000,
    rng: np.random.Generator,
) -> list[Interval | None]:
    """Intervals of many statistics of the same items at once, by resampling their groups with replacement.

    statistic : weights (N,) of the items -> (K,) values; an item weighs as often as its group was drawn.
    groups : (N,) group of every item. Returns K intervals; None with fewer than two groups, or where fewer than half
    of the resamples give a finite value.
    """
    _, inverse = np.unique(groups, return_inverse=True)
    n_groups = int(inverse.max()) + 1
    n_statistics = len(statistic(np.ones(len(inverse))))
    if n_groups < 2:
        return [None] * n_statistics
    drawn = np.empty((n_resamples, n_statistics))
    for i in range(n_resamples):
        times = np.bincount(rng.integers(n_groups, size=n_groups), minlength=n_groups)
        drawn[i] = statistic(times[inverse].astype(np.float64))
    return [_percentiles(values[np.isfinite(values)], n_resamples, level) for values in drawn.T]


def _percentiles(finite: Array, n_resamples: int, level: float) -> Interval | None:
    if finite.size < n_resamples / 2:
        return None
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level)


def _members(sample: Array, groups: npt.NDArray[np.generic] | None) -> list[npt.NDArray[np.intp]] | None:
    """Indices of the values of every group; None where each value is a group of its own."""
    if groups is None:
        _at_least_two(len(sample))
        return None
    if len(groups) != len(sample):
        raise ValueError(f"{len(sample)} values need as many groups, got {len(groups)}")
    _, inverse = np.unique(groups, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    counts = np.bincount(inverse)
    _at_least_two(len(counts))
    return np.split(order, np.cumsum(counts)[:-1])


def _at_least_two(n_groups: int) -> None:
    if n_groups < 2:
        raise ValueError(f"a bootstrap needs at least two groups, got {n_groups}")


def _resample(sample: Array, members: list[npt.NDArray[np.intp]] | None, rng: np.random.Generator) -> Array:
    """Values of as many groups as there are, drawn with replacement."""
    n_groups = len(sample) if members is None else len(members)
    drawn = rng.integers(n_groups, size=n_groups)
    values: Array = sample[drawn if members is None else np.concatenate([members[i] for i in drawn])]
    return values
