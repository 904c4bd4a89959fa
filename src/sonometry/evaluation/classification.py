"""Measures of a classifier: accuracy, confusion, precision and recall, ROC and PR with their areas, with intervals.

Every measure takes weights, as scikit-learn does; an interval resamples whole patients by weighting them. A class that
does not occur in the truth has no recall (NaN) and is left out of means over classes.
Source: Fawcett 2006, doi:10.1016/j.patrec.2005.10.010; Davis & Goadrich 2006, doi:10.1145/1143844.1143874.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sonometry.core.measurement import Interval
from sonometry.evaluation.bootstrap import weighted_intervals
from sonometry.evaluation.calibration import binned, expected_calibration_error
from sonometry.evaluation.estimate import FEWEST_GROUPS, Estimate
from sonometry.evaluation.predictions import Array, Integers, Predictions


@dataclass(frozen=True, eq=False)
class ClassMeasures:
    """Precision, recall and F1 of every class, (C,) each; NaN where the class occurs nowhere."""

    precision: Array
    recall: Array
    f1: Array


@dataclass(frozen=True, eq=False)
class Curve:
    """A curve over falling thresholds. ROC: x false and y true positive rate; PR: x recall and y precision."""

    x: Array
    y: Array
    thresholds: Array
    area: float


@dataclass(frozen=True, eq=False)
class Scores:
    """All measures of one set of predictions.

    overall : accuracy, balanced_accuracy, precision, recall, f1, roc_area, average_precision (means over classes),
    expected_calibration_error. by_class : precision, recall, f1, roc_area, average_precision of every class.
    confusion : (C, C) counts, rows true and columns predicted.
    """

    class_names: tuple[str, ...]
    n_items: int
    n_subjects: int
    overall: Mapping[str, Estimate]
    by_class: Mapping[str, Mapping[str, Estimate]]
    confusion: Array

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "n_items": self.n_items,
            "n_subjects": self.n_subjects,
            "overall": {name: _plain(estimate) for name, estimate in self.overall.items()},
            "by_class": {
                label: {name: _plain(estimate) for name, estimate in own.items()}
                for label, own in self.by_class.items()
            },
            "class_names": list(self.class_names),
            "confusion": self.confusion.astype(int).tolist(),
        }


def _plain(estimate: Estimate) -> dict[str, Any]:
    """Plain types; None where the number is not defined."""
    interval = estimate.interval
    bounds = None if interval is None else [interval.low, interval.high, interval.level]
    return {"value": estimate.value if np.isfinite(estimate.value) else None, "interval": bounds}


def accuracy(truth: Integers, predicted: Integers, weights: Array | None = None) -> float:
    """Share of items whose class is right."""
    return float(np.average(truth == predicted, weights=weights))


def confusion_matrix(truth: Integers, predicted: Integers, n_classes: int, weights: Array | None = None) -> Array:
    """(C, C) counts (or sums of weights), rows true and columns predicted."""
    cells = np.bincount(truth * n_classes + predicted, weights=weights, minlength=n_classes**2)
    return cells.reshape(n_classes, n_classes).astype(np.float64)


def class_measures(confusion: Array) -> ClassMeasures:
    """Precision, recall and F1 from a confusion matrix.

    A class that occurs but is never predicted has precision 0; one that is predicted but does not occur recall NaN.
    """
    right, true, named = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    occurs = (true > 0) | (named > 0)
    precision = np.where(occurs, right / np.where(named > 0, named, 1), np.nan)
    recall = np.where(true > 0, right / np.where(true > 0, true, 1), np.nan)
    f1 = np.where(occurs, 2 * right / np.where(occurs, true + named, 1), np.nan)
    return ClassMeasures(precision, recall, f1)


def mean_over_classes(values: Array, confusion: Array) -> float:
    """Mean over the classes that occur in the truth."""
    occurs = confusion.sum(axis=1) > 0
    return float(values[occurs].mean()) if occurs.any() else float("nan")


class Ranking:
    """Items ordered by the score of one class, so that areas under new weights cost no sorting.

    is_positive : (N,) bool. score : (N,), higher means more probably positive.
    """

    def __init__(self, is_positive: npt.NDArray[np.bool_], score: Array) -> None:
        self.order = np.argsort(-score, kind="stable")
        self.positive = is_positive[self.order].astype(np.float64)
        self.score = score[self.order]
        #: Last item of every run of equal scores: a threshold cannot stand within a run.
        self.ends = np.append(np.flatnonzero(np.diff(self.score)), len(score) - 1)

    def _counts(self, weights: Array | None) -> tuple[Array, Array]:
        """True and false positives at every threshold."""
        own = np.ones(len(self.order)) if weights is None else weights[self.order]
        return np.cumsum(own * self.positive)[self.ends], np.cumsum(own * (1 - self.positive))[self.ends]

    def roc_area(self, weights: Array | None = None) -> float:
        """Area under the ROC curve; NaN where all items are positive or none is."""
        hits, alarms = self._counts(weights)
        if hits[-1] <= 0 or alarms[-1] <= 0:
            return float("nan")
        rate, false_rate = np.append(0.0, hits / hits[-1]), np.append(0.0, alarms / alarms[-1])
        return float(np.trapezoid(rate, false_rate))

    def average_precision(self, weights: Array | None = None) -> float:
        """Area under the PR curve as the sum of steps; NaN where no item is positive."""
        hits, alarms = self._counts(weights)
        if hits[-1] <= 0:
            return float("nan")
        named = hits + alarms
        precision = hits / np.where(named > 0, named, 1)
        return float(np.sum(np.diff(hits / hits[-1], prepend=0.0) * precision))

    def roc(self) -> Curve:
        """The ROC curve, from (0, 0) to (1, 1)."""
        hits, alarms = self._counts(None)
        false_rate, rate = (np.append(0.0, n / max(n[-1], 1)) for n in (alarms, hits))
        return Curve(false_rate, rate, np.append(np.inf, self.score[self.ends]), self.roc_area())

    def pr(self) -> Curve:
        """The PR curve with recall rising."""
        hits, alarms = self._counts(None)
        return Curve(hits / max(hits[-1], 1), hits / (hits + alarms), self.score[self.ends], self.average_precision())


def rankings(predictions: Predictions) -> tuple[Ranking, ...]:
    """One class against all others, for every class."""
    return tuple(
        Ranking(predictions.truth == k, predictions.probabilities[:, k]) for k in range(len(predictions.class_names))
    )


def evaluate(
    predictions: Predictions, *, rng: np.random.Generator, n_resamples: int = 1000, level: float = 0.95, bins: int = 15
) -> Scores:
    """Every measure with its bootstrap interval by subject."""
    n_classes = len(predictions.class_names)
    predicted, ranked, held = predictions.predicted, rankings(predictions), binned(predictions, bins)

    def measure(weights: Array) -> Array:
        confusion = confusion_matrix(predictions.truth, predicted, n_classes, weights)
        own = class_measures(confusion)
        areas = [
            np.array([r.roc_area(weights) for r in ranked]),
            np.array([r.average_precision(weights) for r in ranked]),
        ]
        by_class = [own.precision, own.recall, own.f1, *areas]
        overall = [
            np.trace(confusion) / confusion.sum(),
            mean_over_classes(own.recall, confusion),
            *(mean_over_classes(values, confusion) for values in by_class),
            expected_calibration_error(held, weights),
        ]
        return np.concatenate([np.array(overall), *by_class])

    values = measure(np.ones(len(predictions)))
    n_subjects = len(np.unique(predictions.subjects))
    intervals: list[Interval | None] = [None] * len(values)
    if n_subjects >= FEWEST_GROUPS:
        intervals = weighted_intervals(measure, predictions.subjects, level=level, n_resamples=n_resamples, rng=rng)
    estimates = [Estimate(float(v), i, len(predictions), n_subjects) for v, i in zip(values, intervals, strict=True)]
    by_class_start = len(OVERALL)
    return Scores(
        predictions.class_names,
        len(predictions),
        n_subjects,
        dict(zip(OVERALL, estimates[:by_class_start], strict=True)),
        {
            label: {name: estimates[by_class_start + j * n_classes + k] for j, name in enumerate(BY_CLASS)}
            for k, label in enumerate(predictions.class_names)
        },
        confusion_matrix(predictions.truth, predicted, n_classes),
    )


def accuracy_estimate(predictions: Predictions, *, rng: np.random.Generator, n_resamples: int = 1000) -> Estimate:
    """The accuracy alone, with its interval by subject."""
    right = predictions.is_right.astype(np.float64)
    n_subjects = len(np.unique(predictions.subjects))
    interval: Interval | None = None
    if n_subjects >= FEWEST_GROUPS:
        (interval,) = weighted_intervals(
            lambda weights: np.array([np.average(right, weights=weights)]),
            predictions.subjects,
            n_resamples=n_resamples,
            rng=rng,
        )
    return Estimate(float(right.mean()), interval, len(predictions), n_subjects)


#: Names of the measures, in the order in which `evaluate` computes them.
BY_CLASS = ("precision", "recall", "f1", "roc_area", "average_precision")
OVERALL = ("accuracy", "balanced_accuracy", *BY_CLASS, "expected_calibration_error")
