"""Standard deviations mean what they say after calibration, and corrections in doubt are taken in part."""

from __future__ import annotations

import numpy as np
import pytest

from sonometry.applications.elastography import calibrate
from sonometry.applications.elastography.believed_share import DOUBT, believed_share
from sonometry.applications.elastography.refine import calibrated_deviation


def pixels(rng: np.random.Generator, applied_strain: float, true_factor: float) -> calibrate._Pixels:
    """Normal errors whose standard deviation is `true_factor` times the stated one, which spreads over a decade."""
    deviation = 10 ** rng.uniform(-1, 0, (3, 4000))
    error = np.abs(rng.standard_normal(deviation.shape)) * true_factor * deviation
    return calibrate._Pixels(error, deviation, applied_strain)


@pytest.mark.parametrize(("applied_strain", "true_factor"), [(0.002, 3.0), (0.03, 0.5)])
def test_deviations_are_mended_apart_for_small_and_large_strain(applied_strain, true_factor):
    rng = np.random.default_rng(1)
    found = [pixels(rng, 0.002, 3.0) for _ in range(8)] + [pixels(rng, 0.03, 0.5) for _ in range(8)]
    curves = calibrate._curves(calibrate._classes(found), 0)
    new = pixels(rng, applied_strain, true_factor)
    sd = calibrated_deviation(2 * np.log(new.deviation[0]), curves, applied_strain)
    assert np.median(sd / (true_factor * new.deviation[0])) == pytest.approx(1.0, rel=0.03)
    assert np.mean(new.error[0] < 1.96 * sd) == pytest.approx(0.95, abs=0.01)


def test_between_two_classes_of_strain_the_factor_lies_between_theirs():
    curves = {"applied": [-3.0, -1.0], "log_sd": [[-2.0, 2.0], [-2.0, 2.0]], "factor": [[1.0, 1.0], [2.0, 4.0]]}
    log_variance = np.array([-4.0, 0.0, 4.0])
    found = calibrated_deviation(log_variance, curves, 0.01) / np.exp(log_variance / 2)
    np.testing.assert_allclose(found, [1.5, 2.0, 2.5])
    outside = calibrated_deviation(log_variance, curves, 0.5) / np.exp(log_variance / 2)
    np.testing.assert_allclose(outside, [2.0, 3.0, 4.0])


def test_few_pairs_make_one_class():
    rng = np.random.default_rng(2)
    found = [pixels(rng, strain, 1.0) for strain in (0.01, 0.001, 0.1)]
    assert [[p.applied_strain for p in group] for group in calibrate._classes(found)] == [[0.001, 0.01, 0.1]]


def test_a_small_correction_in_doubt_is_refused_and_a_large_one_taken():
    change = np.full((80, 60), 0.1, np.float32)
    change[:, 30:] = 10.0
    share = believed_share(change, np.ones_like(change))
    assert share[:, :10].max() == 0.0
    assert share[:, 50:].min() == pytest.approx(1 - DOUBT / 100, abs=1e-4)
    assert share.min() >= 0
    assert share.max() <= 1


def test_the_share_is_that_of_the_positive_part_rule():
    """A correction as large as its standard deviation loses the doubt."""
    np.testing.assert_allclose(believed_share(np.ones((9, 7)), np.ones((9, 7))), 1 - DOUBT, atol=1e-6)


def test_the_share_does_not_depend_on_the_unit():
    rng = np.random.default_rng(3)
    change, deviation = rng.standard_normal((2, 40, 30))
    share = believed_share(change, np.abs(deviation))
    np.testing.assert_allclose(believed_share(1e-4 * change, 1e-4 * np.abs(deviation)), share, atol=1e-3)


def test_nothing_to_correct_is_no_division_by_zero():
    np.testing.assert_array_equal(believed_share(np.zeros((9, 7)), np.ones((9, 7))), 0)
    assert np.isfinite(believed_share(np.zeros((9, 7)), np.zeros((9, 7)))).all()
