"""Limits of agreement on the data of Bland & Altman, and repeatability."""

from __future__ import annotations

import numpy as np
import pytest

from sonometry.evaluation.agreement import bland_altman, repeatability

#: Peak expiratory flow, l/min, by two meters (Bland & Altman 1986, doi:10.1016/S0140-6736(86)90837-8, table).
LARGE_1 = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
LARGE_2 = [490, 397, 512, 401, 470, 611, 415, 431, 638, 429, 420, 633, 275, 492, 165, 372, 421]
MINI_1 = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]


def test_the_published_example_of_two_flow_meters():
    """They state bias -2.1, sd 38.8, and with 1.96 instead of their 2: -78.1 and 73.9; interval of the bias to 17.8."""
    result = bland_altman(LARGE_1, MINI_1)
    assert result.bias == pytest.approx(-2.1, abs=0.05)
    assert result.sd == pytest.approx(38.8, abs=0.05)
    assert (result.lower, result.upper) == pytest.approx((-78.1, 73.9), abs=0.1)
    assert (result.bias_interval.low, result.bias_interval.high) == pytest.approx((-22.0, 17.8), abs=0.1)


def test_the_published_repeatability_of_a_flow_meter():
    """The within-subject sd of the large meter follows from its two columns: sqrt(mean d^2 / 2), 15.3 l/min."""
    result = repeatability(np.transpose([LARGE_1, LARGE_2]))
    assert result.within_sd == pytest.approx(15.3, abs=0.05)
    assert result.coefficient == pytest.approx(2.77 * result.within_sd, rel=1e-3)
    assert result.within_sd_interval.low < result.within_sd < result.within_sd_interval.high


def test_limits_hold_the_stated_share_of_new_differences(rng):
    result = bland_altman(rng.normal(0.5, 1, 4000), np.zeros(4000))
    new = rng.normal(0.5, 1, 20_000)
    assert np.mean((new > result.lower) & (new < result.upper)) == pytest.approx(0.95, abs=0.01)


def test_several_pairs_of_a_patient_give_the_true_spread_and_wider_intervals(rng):
    patient = np.repeat(np.arange(200), 5)
    difference = rng.normal(0, 1, 200)[patient] + rng.normal(0, 0.5, 1000)
    grouped = bland_altman(difference, np.zeros(1000), groups=patient)
    assert grouped.sd == pytest.approx(np.hypot(1, 0.5), rel=0.06)
    single = bland_altman(difference, np.zeros(1000))
    assert np.ptp([grouped.bias_interval.low, grouped.bias_interval.high]) > 1.8 * np.ptp(
        [single.bias_interval.low, single.bias_interval.high]
    )


def test_unequal_numbers_of_pairs_agree_with_the_mixed_model_of_statsmodels(rng):
    from statsmodels.regression.mixed_linear_model import MixedLM

    patient = np.repeat(np.arange(60), rng.integers(2, 7, 60))
    difference = rng.normal(0, 1, 60)[patient] + rng.normal(0, 0.6, len(patient))
    fit = MixedLM(difference, np.ones((len(patient), 1)), groups=patient).fit()
    sd = np.sqrt(float(fit.cov_re[0, 0]) + fit.scale)
    assert bland_altman(difference, np.zeros(len(patient)), groups=patient).sd == pytest.approx(sd, rel=0.03)


def test_a_difference_that_grows_with_size_is_told():
    mean = np.linspace(1, 10, 30)
    result = bland_altman(mean * 1.1, mean * 0.9)
    assert result.slope == pytest.approx(0.2)
    assert result.slope_p < 1e-6


def test_repeatability_leaves_out_missing_readings():
    table = [[1.0, 1.2, np.nan], [2.0, np.nan, np.nan], [3.0, 2.8, 3.1]]
    assert repeatability(table).n == 2
    assert repeatability(table).n_readings == 5


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [([1.0, 2, 3], [1.0, 2], "alike"), ([1.0, np.nan, 2], [1.0, 2, 3], "finite"), ([1.0, 2], [1.0, 2], "three")],
)
def test_differences_that_mean_nothing_are_refused(first, second, said):
    with pytest.raises(ValueError, match=said):
        bland_altman(first, second)
