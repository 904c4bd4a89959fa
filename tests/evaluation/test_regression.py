"""Errors and correlations against scikit-learn, SciPy and a second formula."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from sonometry.evaluation.estimate import estimate
from sonometry.evaluation.regression import concordance, regression


@pytest.fixture
def pairs(rng):
    reference = rng.normal(-0.18, 0.03, 80)
    return reference + rng.normal(-0.006, 0.016, 80), reference


def test_errors_and_correlations_agree_with_other_libraries(pairs):
    estimated, reference = pairs
    result = regression(estimated, reference, n_resamples=50)
    assert result.mae.value == pytest.approx(metrics.mean_absolute_error(reference, estimated))
    assert result.rmse.value == pytest.approx(metrics.root_mean_squared_error(reference, estimated))
    assert result.bias.value == pytest.approx(np.mean(estimated - reference))
    assert result.pearson.value == pytest.approx(stats.pearsonr(estimated, reference).statistic)
    assert result.spearman.value == pytest.approx(stats.spearmanr(estimated, reference).statistic)
    line = stats.linregress(reference, estimated)
    assert (result.slope, result.intercept) == pytest.approx((line.slope, line.intercept))


def test_concordance_is_correlation_times_accuracy(pairs):
    """Lin 1989 gives it as r times a bias factor of scale and location shift."""
    estimated, reference = pairs
    scale = np.std(estimated) / np.std(reference)
    shift = (np.mean(estimated) - np.mean(reference)) / np.sqrt(np.std(estimated) * np.std(reference))
    accuracy = 2 / (scale + 1 / scale + shift**2)
    assert concordance(estimated, reference) == pytest.approx(stats.pearsonr(estimated, reference)[0] * accuracy)


def test_concordance_sees_a_bias_that_correlation_does_not(pairs):
    _, reference = pairs
    result = regression(reference + 0.05, reference, n_resamples=20)
    assert result.pearson.value == pytest.approx(1)
    assert result.concordance.value < 0.5


def test_pairs_that_are_not_finite_are_counted_and_left_out(pairs):
    estimated, reference = pairs
    with_gap = estimated.copy()
    with_gap[:3] = np.nan
    result = regression(with_gap, reference, n_resamples=20)
    assert (result.n, result.n_left_out) == (77, 3)
    assert result.mae.value == regression(estimated[3:], reference[3:], n_resamples=20).mae.value


def test_the_interval_by_patient_is_wider_where_patients_differ(rng):
    patient = np.repeat(np.arange(12), 30)
    reference = rng.normal(0, 1, 360)
    estimated = reference + rng.normal(0, 0.5, 12)[patient] + rng.normal(0, 0.1, 360)
    single = regression(estimated, reference, n_resamples=300).bias.interval
    grouped = regression(estimated, reference, groups=patient, n_resamples=300).bias.interval
    assert grouped.high - grouped.low > 2.5 * (single.high - single.low)


def test_the_interval_holds_the_true_error_as_often_as_it_says(rng):
    """95 % intervals of a mean of 25 normal values hold it in 85 to 99 % of 120 repetitions."""
    held = 0
    for seed in range(120):
        values = rng.normal(1.0, 1.0, 25)
        interval = estimate(values, lambda v: float(v.mean()), n_resamples=200, seed=seed).interval
        held += interval.low <= 1.0 <= interval.high
    assert 0.85 <= held / 120 <= 0.99


def test_few_patients_give_no_interval():
    assert regression([1.0, 2, 3], [1.1, 2, 3.2]).mae.interval is None


def test_a_constant_reference_has_no_correlation():
    result = regression([1.0, 2, 3, 4, 5, 6], [2.0] * 6, n_resamples=20)
    assert np.isnan(result.pearson.value)
    assert np.isnan(result.slope)


@pytest.mark.parametrize(
    ("estimated", "reference", "said"),
    [([1.0], [1.0, 2.0], "alike"), ([1.0, np.nan], [1.0, 2.0], "two pairs of finite"), ([[1.0]], [[1.0]], "alike")],
)
def test_pairs_that_cannot_be_compared_are_refused(estimated, reference, said):
    with pytest.raises(ValueError, match=said):
        regression(estimated, reference)
