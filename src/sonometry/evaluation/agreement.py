"""Agreement of readers: kappa of categories, intraclass correlation of scores; limits of agreement are offered too.

A reader who did not read something leaves None (labels) or NaN (scores) there; what each statistic does with it is
said at its function. Intervals of kappa resample patients; those of the intraclass correlation follow from F.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from sonometry.core.measurement import Interval
from sonometry.evaluation.bland_altman import BlandAltman, Repeatability, bland_altman, repeatability
from sonometry.evaluation.estimate import Estimate, estimate

__all__ = [
    "BlandAltman",
    "IntraclassCorrelation",
    "Repeatability",
    "bland_altman",
    "cohen_kappa",
    "cohen_kappa_estimate",
    "fleiss_kappa",
    "fleiss_kappa_estimate",
    "intraclass_correlation",
    "repeatability",
]

Array = npt.NDArray[np.float64]
Weights = Literal["linear", "quadratic"]
Label = Hashable


@dataclass(frozen=True)
class IntraclassCorrelation:
    """One form of Shrout & Fleiss with its interval.

    form : "ICC(1,1)", each thing read by other readers; "ICC(2,1)", all by the same readers, who stand for others
    (absolute agreement); "ICC(3,1)", these readers and no others (consistency); "(., k)" : of the mean of k readers.
    """

    form: str
    value: float
    interval: Interval
    n: int
    n_readers: int


def cohen_kappa(
    first: Sequence[Label],
    second: Sequence[Label],
    *,
    weights: Weights | None = None,
    order: Sequence[Label] | None = None,
) -> float:
    """Agreement of two readers beyond chance; 1 is perfect, 0 what chance gives.

    first, second : labels of the same things; pairs with a None are left out. order : all categories in order, needed
    for `weights` unless they are numbers. weights : "linear" or "quadratic" distance counts as disagreement (Cohen
    1968, doi:10.1037/h0026256). NaN where both use one and the same category only.
    Raises ValueError for lengths that differ, no pair, or a label that is not in `order`.
    """
    codes, n_categories = _codes(_pairs(first, second), order)
    return _kappa_of(_disagreement(n_categories, weights), codes)


def cohen_kappa_estimate(
    first: Sequence[Label],
    second: Sequence[Label],
    *,
    weights: Weights | None = None,
    order: Sequence[Label] | None = None,
    groups: Sequence[Hashable] | None = None,
    level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """`cohen_kappa` with an interval that resamples patients. groups : patient of every thing; None: each its own."""
    there = [i for i, (a, b) in enumerate(zip(first, second, strict=True)) if a is not None and b is not None]
    codes, n_categories = _codes(_pairs(first, second), order)
    disagreement = _disagreement(n_categories, weights)
    return estimate(
        codes.astype(np.float64),
        lambda rows: _kappa_of(disagreement, rows.astype(np.intp)),
        groups=None if groups is None else _group_numbers([groups[i] for i in there]),
        level=level,
        n_resamples=n_resamples,
        seed=seed,
    )


def fleiss_kappa(labels: Sequence[Sequence[Label]]) -> float:
    """Agreement of several readers beyond chance.

    labels : for every thing the labels that readers gave it, None for no label. Things with fewer than two labels are
    left out; where numbers of readers differ, each thing counts with its pairs of readers (Fleiss 1971,
    doi:10.1037/h0031619, for equal numbers). NaN where all use one category only. ValueError where nothing is left.
    """
    return _fleiss_of(_counts(labels)[0])


def fleiss_kappa_estimate(
    labels: Sequence[Sequence[Label]],
    *,
    groups: Sequence[Hashable] | None = None,
    level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """`fleiss_kappa` with an interval that resamples patients."""
    counts, kept = _counts(labels)
    members = None if groups is None else _group_numbers([groups[i] for i in kept])
    return estimate(counts, _fleiss_of, groups=members, level=level, n_resamples=n_resamples, seed=seed)


def intraclass_correlation(scores: npt.ArrayLike, *, level: float = 0.95) -> dict[str, IntraclassCorrelation]:
    """The six forms of Shrout & Fleiss 1979, doi:10.1037/0033-2909.86.2.420, by name.

    scores : (things, readers). Things that a reader lacks (NaN) are left out. Intervals: Shrout & Fleiss for (1,.) and
    (3,.), for (2,.) the approximation of Satterthwaite as in McGraw & Wong 1996, doi:10.1037/1082-989X.1.1.30.
    Raises ValueError with fewer than two complete things or two readers. Values are NaN, and intervals from -1 to 1,
    where all scores are equal.
    """
    table = np.asarray(scores, np.float64)
    if table.ndim != 2:
        raise ValueError(f"scores must be (things, readers), got {table.shape}")
    table = table[np.isfinite(table).all(axis=1)]
    n, k = table.shape
    if n < 2 or k < 2:
        raise ValueError(f"intraclass correlation needs at least two things and two readers, got {n} and {k}")
    squares = _mean_squares(table)
    forms: dict[str, tuple[float, tuple[float, float]]]
    if squares.between <= 0 and squares.error <= 0 and squares.readers <= 0:
        forms = {name: (math.nan, (-1.0, 1.0)) for name in _FORMS}
    else:
        forms = {**_one_way(squares, level), **_two_way_random(squares, level), **_two_way_mixed(squares, level)}
    named = {name.replace("k", str(k)) if name.endswith("k)") else name: forms[name] for name in _FORMS}
    return {
        name: IntraclassCorrelation(name, value, Interval(min(low, high), max(low, high), level), n, k)
        for name, (value, (low, high)) in named.items()
    }


_FORMS = ("ICC(1,1)", "ICC(2,1)", "ICC(3,1)", "ICC(1,k)", "ICC(2,k)", "ICC(3,k)")


@dataclass(frozen=True)
class _MeanSquares:
    """Two-way analysis of variance: between things, within things, between readers, residual."""

    between: float
    within: float
    readers: float
    error: float
    n: int
    k: int


def _mean_squares(table: Array) -> _MeanSquares:
    n, k = table.shape
    mean = table.mean()
    between = k * float(np.sum((table.mean(axis=1) - mean) ** 2))
    readers = n * float(np.sum((table.mean(axis=0) - mean) ** 2))
    within = float(np.sum((table - table.mean(axis=1, keepdims=True)) ** 2))
    residual = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0, keepdims=True) + mean
    error = float(np.sum(residual**2))
    return _MeanSquares(between / (n - 1), within / (n * (k - 1)), readers / (k - 1), error / ((n - 1) * (k - 1)), n, k)


def _one_way(s: _MeanSquares, level: float) -> dict[str, tuple[float, tuple[float, float]]]:
    return _of_f_ratio(s, s.within, s.n * (s.k - 1), level, ("ICC(1,1)", "ICC(1,k)"))


def _two_way_mixed(s: _MeanSquares, level: float) -> dict[str, tuple[float, tuple[float, float]]]:
    return _of_f_ratio(s, s.error, (s.n - 1) * (s.k - 1), level, ("ICC(3,1)", "ICC(3,k)"))


def _of_f_ratio(
    s: _MeanSquares, noise: float, freedom: int, level: float, names: tuple[str, str]
) -> dict[str, tuple[float, tuple[float, float]]]:
    """Single and average form of a ratio of two mean squares, whose interval is exact."""
    if noise <= 1e-14 * s.between:
        return {name: (1.0, (1.0, 1.0)) for name in names}
    ratio, tail = s.between / noise, (1 + level) / 2
    low = ratio / float(stats.f.ppf(tail, s.n - 1, freedom))
    high = ratio * float(stats.f.ppf(tail, freedom, s.n - 1))

    def single(f: float) -> float:
        return (f - 1) / (f + s.k - 1)

    def average(f: float) -> float:
        return 1 - 1 / f if f > 0 else -math.inf

    return {
        names[0]: (single(ratio), (single(low), single(high))),
        names[1]: (average(ratio), (average(low), average(high))),
    }


def _two_way_random(s: _MeanSquares, level: float) -> dict[str, tuple[float, tuple[float, float]]]:
    n, k = s.n, s.k
    value = (s.between - s.error) / (s.between + (k - 1) * s.error + k * (s.readers - s.error) / n)
    average = (s.between - s.error) / (s.between + (s.readers - s.error) / n)
    if s.error <= 1e-14 * s.between and s.readers <= 1e-14 * s.between:
        return {"ICC(2,1)": (1.0, (1.0, 1.0)), "ICC(2,k)": (1.0, (1.0, 1.0))}
    a, b = k * value / (n * (1 - value)), 1 + k * value * (n - 1) / (n * (1 - value))
    denominator = (a * s.readers) ** 2 / (k - 1) + (b * s.error) ** 2 / ((n - 1) * (k - 1))
    freedom = (a * s.readers + b * s.error) ** 2 / denominator if denominator > 0 else 1.0
    tail, spread = (1 + level) / 2, k * s.readers + (k * n - k - n) * s.error
    f_low = float(stats.f.ppf(tail, n - 1, freedom))
    f_high = float(stats.f.ppf(tail, freedom, n - 1))
    low = n * (s.between - f_low * s.error) / (f_low * spread + n * s.between)
    high = n * (f_high * s.between - s.error) / (spread + n * f_high * s.between)
    stepped = (_spearman_brown(low, k), _spearman_brown(high, k))
    return {"ICC(2,1)": (value, (low, high)), "ICC(2,k)": (average, stepped)}


def _spearman_brown(single: float, k: int) -> float:
    """Reliability of the mean of k readers from that of one."""
    below = 1 + (k - 1) * single
    return k * single / below if below > 0 else -math.inf


def _pairs(first: Sequence[Label], second: Sequence[Label]) -> list[tuple[Label, Label]]:
    if len(first) != len(second):
        raise ValueError(f"both readers need a label for each thing, got {len(first)} and {len(second)}")
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    if not pairs:
        raise ValueError("no thing has a label of both readers")
    return pairs


def _codes(pairs: list[tuple[Label, Label]], order: Sequence[Label] | None) -> tuple[npt.NDArray[np.intp], int]:
    """(N, 2) number of each label among the categories, and how many there are."""
    labels = {label for pair in pairs for label in pair}
    categories = list(order) if order is not None else sorted(labels, key=_sort_key)
    unknown = labels - set(categories)
    if unknown:
        raise ValueError(f"{len(unknown)} labels are not among the {len(categories)} categories in order")
    number = {label: i for i, label in enumerate(categories)}
    return np.array([[number[a], number[b]] for a, b in pairs], dtype=np.intp), len(categories)


def _sort_key(label: Label) -> tuple[int, float, str]:
    return (0, float(label), "") if isinstance(label, int | float) else (1, 0.0, str(label))


def _disagreement(n_categories: int, weights: Weights | None) -> Array:
    steps = np.abs(np.subtract.outer(np.arange(n_categories), np.arange(n_categories))).astype(np.float64)
    if weights is None:
        return (steps > 0).astype(np.float64)
    if weights not in ("linear", "quadratic"):
        raise ValueError(f'weights must be "linear", "quadratic" or None, got {weights!r}')
    result: Array = steps if weights == "linear" else steps**2
    return result


def _kappa_of(disagreement: Array, codes: npt.NDArray[np.intp]) -> float:
    n = len(disagreement)
    seen = np.bincount(codes[:, 0] * n + codes[:, 1], minlength=n * n).reshape(n, n) / len(codes)
    by_chance = float(np.sum(disagreement * np.outer(seen.sum(axis=1), seen.sum(axis=0))))
    return 1 - float(np.sum(disagreement * seen)) / by_chance if by_chance > 0 else math.nan


def _counts(labels: Sequence[Sequence[Label]]) -> tuple[Array, list[int]]:
    """(things, categories) number of readers who gave each category, and which things have at least two."""
    given = [[label for label in row if label is not None] for row in labels]
    kept = [i for i, row in enumerate(given) if len(row) >= 2]
    if not kept:
        raise ValueError("no thing has labels of two readers")
    categories = sorted({label for i in kept for label in given[i]}, key=_sort_key)
    counts = np.array([[given[i].count(category) for category in categories] for i in kept], dtype=np.float64)
    return counts, kept


def _fleiss_of(counts: Array) -> float:
    readers = counts.sum(axis=1)
    agreeing = float(np.mean((np.sum(counts**2, axis=1) - readers) / (readers * (readers - 1))))
    by_chance = float(np.sum((counts.sum(axis=0) / counts.sum()) ** 2))
    return (agreeing - by_chance) / (1 - by_chance) if by_chance < 1 else math.nan


def _group_numbers(groups: Sequence[Hashable]) -> npt.NDArray[np.intp]:
    number: dict[Hashable, int] = {}
    return np.array([number.setdefault(group, len(number)) for group in groups], dtype=np.intp)
