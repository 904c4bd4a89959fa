"""How far an estimated number lies from its reference: errors, correlation and concordance, with intervals by patient.

Differences are estimate minus reference. Pearson's and Spearman's correlation do not see a bias or a wrong scale;
Lin's concordance does: it is 1 only where both are equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from sonometry.evaluation.estimate import Estimate, estimate

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Regression:
    """All numbers of one estimate against its reference, in the unit of the values where they have one.

    slope, intercept : of the least-squares line reference -> estimate. n : pairs; n_left_out : pairs with a value
    that is not finite (a withheld measurement), which count nowhere else.
    """

    mae: Estimate
    rmse: Estimate
    bias: Estimate
    pearson: Estimate
    spearman: Estimate
    concordance: Estimate
    slope: float
    intercept: float
    n: int
    n_left_out: int


def regression(
    estimated: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    groups: npt.ArrayLike | None = None,
    level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Regression:
    """Compare `estimated` with `reference`, both (N,); groups : (N,) patient of every pair.

    Pairs with a NaN are left out and counted. Raises ValueError for other shapes and where fewer than two pairs remain.
    """
    pairs, kept_groups, n_left_out = _finite_pairs(estimated, reference, groups)

    def of(name: str) -> Estimate:
        measure = _PAIRED[name]
        return estimate(
            pairs,
            lambda rows: measure(rows[:, 0], rows[:, 1]),
            groups=kept_groups,
            level=level,
            n_resamples=n_resamples,
            seed=seed,
        )

    slope, intercept = _line(pairs[:, 0], pairs[:, 1])
    return Regression(
        mae=of("mae"),
        rmse=of("rmse"),
        bias=of("bias"),
        pearson=of("pearson"),
        spearman=of("spearman"),
        concordance=of("concordance"),
        slope=slope,
        intercept=intercept,
        n=len(pairs),
        n_left_out=n_left_out,
    )


def mean_absolute_error(estimated: Array, reference: Array) -> float:
    """Mean of |estimate - reference|."""
    return float(np.mean(np.abs(estimated - reference)))


def root_mean_square_error(estimated: Array, reference: Array) -> float:
    """Square root of the mean of (estimate - reference)^2."""
    return float(np.sqrt(np.mean((estimated - reference) ** 2)))


def bias(estimated: Array, reference: Array) -> float:
    """Mean of estimate - reference."""
    return float(np.mean(estimated - reference))


def pearson(estimated: Array, reference: Array) -> float:
    """Pearson's correlation; NaN where one of the two does not vary."""
    if _is_constant(estimated) or _is_constant(reference):
        return float("nan")
    return float(np.corrcoef(estimated, reference)[0, 1])


def spearman(estimated: Array, reference: Array) -> float:
    """Spearman's correlation of ranks, ties shared; NaN where one of the two does not vary."""
    return pearson(stats.rankdata(estimated), stats.rankdata(reference))


def concordance(estimated: Array, reference: Array) -> float:
    """Lin's concordance correlation coefficient; NaN where neither varies and both are equal.

    Moments are taken over N, as in Lin 1989, doi:10.2307/2532051.
    """
    difference = float(np.mean(estimated) - np.mean(reference))
    covariance = float(np.mean((estimated - estimated.mean()) * (reference - reference.mean())))
    spread = float(np.var(estimated) + np.var(reference)) + difference**2
    return 2 * covariance / spread if spread > 0 else float("nan")


_PAIRED = {
    "mae": mean_absolute_error,
    "rmse": root_mean_square_error,
    "bias": bias,
    "pearson": pearson,
    "spearman": spearman,
    "concordance": concordance,
}


def _finite_pairs(
    estimated: npt.ArrayLike, reference: npt.ArrayLike, groups: npt.ArrayLike | None
) -> tuple[Array, npt.NDArray[np.generic] | None, int]:
    first, second = np.asarray(estimated, np.float64), np.asarray(reference, np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"estimate and reference must be (N,) alike, got {first.shape} and {second.shape}")
    pairs = np.stack([first, second], axis=1)
    members = None if groups is None else np.asarray(groups)
    if members is not None and members.shape != first.shape:
        raise ValueError(f"{len(first)} pairs need as many groups, got {members.shape}")
    is_finite = np.isfinite(pairs).all(axis=1)
    if is_finite.sum() < 2:
        raise ValueError(f"a comparison needs at least two pairs of finite numbers, got {int(is_finite.sum())}")
    return pairs[is_finite], None if members is None else members[is_finite], int((~is_finite).sum())


def _line(estimated: Array, reference: Array) -> tuple[float, float]:
    """Slope and intercept by least squares; NaN where the reference does not vary."""
    if _is_constant(reference):
        return float("nan"), float("nan")
    slope, intercept = np.polyfit(reference, estimated, 1)
    return float(slope), float(intercept)


def _is_constant(values: Array) -> bool:
    """Whether all values are equal within rounding."""
    return bool(np.ptp(values) <= 1e-12 * max(1e-300, float(np.abs(values).max())))
