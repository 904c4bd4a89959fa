"""Calibration error, temperature and abstention: known answers, and agreement with scikit-learn and torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from sklearn import metrics

from sonometry.evaluation.abstention import (
    error_when_answered,
    risk_coverage,
    threshold_for_abstention,
    threshold_for_error,
)
from sonometry.evaluation.calibration import (
    as_logits,
    at_temperature,
    binned,
    calibrated,
    calibration_curve,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
)
from sonometry.evaluation.predictions import Predictions


def drawn(rng: np.random.Generator, n: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels that are drawn from their softmax: calibrated by construction."""
    logits = 2 * rng.standard_normal((n, 4))
    truth = (softmax(logits, axis=1).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return logits, truth


def predictions(probabilities: np.ndarray, truth: np.ndarray) -> Predictions:
    keys = np.array([f"c{i}" for i in range(len(truth))])
    return Predictions(("a", "b", "c", "d"), probabilities, truth, keys, keys, keys)


def test_overconfident_logits_get_their_temperature_back(rng: np.random.Generator) -> None:
    """Labels follow the logits at temperature 1, so logits times 2.5 need 2.5; 5 % is twice the sampling error."""
    logits, truth = drawn(rng)
    assert fit_temperature(2.5 * logits, truth) == pytest.approx(2.5, rel=0.05)


def test_the_temperature_is_the_minimum_of_the_likelihood(rng: np.random.Generator) -> None:
    logits, truth = drawn(rng)
    best = fit_temperature(3 * logits, truth)
    at_best = negative_log_likelihood(3 * logits / best, truth)
    assert at_best == pytest.approx(metrics.log_loss(truth, at_temperature(3 * logits, best)))
    for other in (0.98 * best, 1.02 * best):
        assert negative_log_likelihood(3 * logits / other, truth) > at_best


def test_calibration_lowers_the_error_and_changes_no_label(rng: np.random.Generator) -> None:
    logits, truth = drawn(rng)
    sure = predictions(at_temperature(3 * logits, 1), truth)
    better = calibrated(sure, fit_temperature(as_logits(sure.probabilities), truth))
    assert expected_calibration_error(binned(sure)) > 0.1
    assert expected_calibration_error(binned(better)) < 0.03
    np.testing.assert_array_equal(sure.predicted, better.predicted)


def test_calibration_error_by_hand() -> None:
    """Two bins: mean confidence 0.9 with half right, 0.6 with all right; half of the items each."""
    probabilities = np.array([[0.95, 0.05, 0, 0], [0.85, 0.15, 0, 0], [0.6, 0.4, 0, 0], [0.6, 0.4, 0, 0]])
    held = binned(predictions(probabilities, np.array([0, 1, 0, 0])), n_bins=4)
    assert expected_calibration_error(held) == pytest.approx(0.5 * 0.4 + 0.5 * 0.4)
    curve = calibration_curve(held)
    np.testing.assert_allclose(curve.confidence, [0.6, 0.9])
    np.testing.assert_allclose(curve.accuracy, [1.0, 0.5])
    np.testing.assert_array_equal(curve.count, [2, 2])


def test_a_weight_of_two_counts_an_item_twice(rng: np.random.Generator) -> None:
    logits, truth = drawn(rng, 200)
    probabilities, times = at_temperature(logits, 0.5), rng.integers(0, 3, 200)
    repeated = predictions(np.repeat(probabilities, times, axis=0), np.repeat(truth, times))
    weighted = expected_calibration_error(binned(predictions(probabilities, truth)), times.astype(float))
    assert weighted == pytest.approx(expected_calibration_error(binned(repeated)))


@pytest.mark.slow
def test_calibration_error_agrees_with_torchmetrics(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    from torchmetrics.classification import MulticlassCalibrationError

    logits, truth = drawn(rng)
    probabilities = at_temperature(logits, 0.4)
    theirs = MulticlassCalibrationError(num_classes=4, n_bins=15, norm="l1")
    expected = float(theirs(torch.tensor(probabilities), torch.tensor(truth)))
    assert expected_calibration_error(binned(predictions(probabilities, truth))) == pytest.approx(expected, abs=1e-6)


def test_risk_falls_with_coverage_for_an_informative_confidence() -> None:
    curve = risk_coverage(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, True]))
    np.testing.assert_allclose(curve.coverage, [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(curve.risk, [0, 0, 1 / 3, 1 / 4])
    assert curve.area == pytest.approx((1 / 3 + 1 / 4) / 4)


def test_items_of_equal_confidence_are_answered_together() -> None:
    curve = risk_coverage(np.array([0.5, 0.9, 0.5]), np.array([True, True, False]))
    np.testing.assert_allclose(curve.coverage, [1 / 3, 1])
    np.testing.assert_allclose(curve.risk, [0, 1 / 3])


def test_a_threshold_abstains_from_the_share_that_was_asked(rng: np.random.Generator) -> None:
    confidence = rng.random(200)
    threshold = threshold_for_abstention(confidence, 0.05)
    assert (confidence < threshold).sum() == 10
    assert threshold_for_abstention(confidence, 0.0) == confidence.min()
    with pytest.raises(ValueError, match=r"lie in \[0, 1\)"):
        threshold_for_abstention(confidence, 1.0)


def test_a_threshold_keeps_the_error_that_was_asked() -> None:
    confidence, is_right = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, False])
    threshold = threshold_for_error(confidence, is_right, 0.34)
    assert threshold == pytest.approx(0.7)
    assert error_when_answered(confidence, is_right, threshold) == pytest.approx((1 / 3, 0.75))
    assert threshold_for_error(confidence, ~is_right, 0.1) == float("inf")
