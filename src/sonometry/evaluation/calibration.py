"""Whether a probability means what it says, and how to make it so: calibration curve, its error, temperature scaling.

Source: Guo et al. 2017, On Calibration of Modern Neural Networks, arXiv:1706.04599.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from sonometry.evaluation.predictions import Array, Integers, Predictions

#: Temperatures that are considered: beyond them a classifier says nothing.
_LOWEST, _HIGHEST = 0.05, 50.0
_SMALLEST_PROBABILITY = 1e-12


@dataclass(frozen=True, eq=False)
class Binned:
    """Items in bins of equal width of their confidence. bin : (N,) index; confidence, is_right : (N,)."""

    bin: Integers
    confidence: Array
    is_right: npt.NDArray[np.bool_]
    n_bins: int


@dataclass(frozen=True, eq=False)
class CalibrationCurve:
    """Mean confidence, share of right items and number of items, for every bin that holds any."""

    confidence: Array
    accuracy: Array
    count: Integers


def binned(predictions: Predictions, n_bins: int = 15) -> Binned:
    """Bins (i / n, (i + 1) / n] of the confidence."""
    confidence = predictions.confidence
    edges = np.linspace(0, 1, n_bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, n_bins - 1)
    return Binned(place, confidence, predictions.is_right, n_bins)


def expected_calibration_error(held: Binned, weights: Array | None = None) -> float:
    """Mean distance of confidence and accuracy over the bins, weighted by their items; a fraction."""
    own = np.ones(len(held.bin)) if weights is None else weights
    difference = np.bincount(held.bin, own * (held.is_right - held.confidence), minlength=held.n_bins)
    return float(np.abs(difference).sum() / own.sum())


def calibration_curve(held: Binned) -> CalibrationCurve:
    """The reliability diagram."""
    count = np.bincount(held.bin, minlength=held.n_bins)
    filled = count > 0
    confidence, right = (
        np.bincount(held.bin, v, minlength=held.n_bins)[filled] / count[filled]
        for v in (held.confidence, held.is_right)
    )
    return CalibrationCurve(confidence, right, count[filled])


def negative_log_likelihood(logits: Array, truth: Integers) -> float:
    """Mean over items, nat. logits : (N, C) unnormalised log-probabilities."""
    return float(-log_softmax(logits, axis=1)[np.arange(len(truth)), truth].mean())


def fit_temperature(logits: Array, truth: Integers) -> float:
    """The temperature by which logits are divided so that held-out labels become most likely.

    Fit it on validation data, never on the data that are reported. It changes no label.
    """

    def loss(log_temperature: float) -> float:
        return negative_log_likelihood(logits / np.exp(log_temperature), truth)

    bounds = (np.log(_LOWEST), np.log(_HIGHEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def at_temperature(logits: Array, temperature: float) -> Array:
    """(N, C) probabilities of logits divided by the temperature."""
    probabilities: Array = softmax(logits / temperature, axis=1)
    return probabilities


def as_logits(probabilities: Array) -> Array:
    """Logits whose softmax gives the probabilities back; zeros become 1e-12."""
    logits: Array = np.log(np.maximum(probabilities, _SMALLEST_PROBABILITY))
    return logits


def calibrated(predictions: Predictions, temperature: float) -> Predictions:
    """The same predictions at another temperature."""
    return replace(predictions, probabilities=at_temperature(as_logits(predictions.probabilities), temperature))
