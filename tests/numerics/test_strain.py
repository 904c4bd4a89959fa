"""Strain as the derivative of displacement: known slopes, scipy's Savitzky-Golay filter, holes and edges."""

import numpy as np
import pytest
from scipy.signal import savgol_filter

from sonometry.numerics.strain import least_squares_strain, odd_window

STEP_M = 2e-5


@pytest.fixture
def displacement_m(rng):
    return rng.normal(scale=1e-6, size=(300, 70)).cumsum(axis=0)


@pytest.mark.parametrize("window", [3, 43, 299])
def test_linear_displacement_has_its_exact_strain_up_to_both_edges(window):
    displacement_m = -0.01 * STEP_M * np.arange(300)[:, None] + np.linspace(0, 1e-3, 4)
    strain = least_squares_strain(displacement_m, STEP_M, window=window)
    np.testing.assert_allclose(strain, -0.01, rtol=1e-8)


def test_interior_equals_the_savitzky_golay_derivative(displacement_m):
    strain = least_squares_strain(displacement_m, STEP_M, window=43)
    reference = savgol_filter(displacement_m, 43, 1, deriv=1, delta=STEP_M, axis=0)
    np.testing.assert_allclose(strain[21:-21], reference[21:-21], atol=1e-11)


def test_weights_equal_numpys_weighted_line_fit(displacement_m, rng):
    weights = rng.random(displacement_m.shape)
    strain = least_squares_strain(displacement_m, STEP_M, window=11, weights=weights)
    rows = slice(95, 106)
    slope = np.polyfit(np.arange(11), displacement_m[rows, 7], 1, w=np.sqrt(weights[rows, 7]))[0]
    assert strain[100, 7] == pytest.approx(slope / STEP_M, rel=1e-8)


def test_samples_without_weight_are_as_good_as_missing(displacement_m):
    hole = np.zeros(displacement_m.shape, bool)
    hole[100:110, 20:30] = True
    missing = least_squares_strain(np.where(hole, np.nan, displacement_m), STEP_M, window=21)
    weightless = least_squares_strain(np.where(hole, 1e3, displacement_m), STEP_M, window=21, weights=1.0 - hole)
    np.testing.assert_allclose(missing, weightless, rtol=1e-6, atol=1e-9)


def test_window_with_too_few_samples_gives_nan_and_its_neighbours_do_not(displacement_m):
    displacement_m[100:160, 5] = np.nan
    strain = least_squares_strain(displacement_m, STEP_M, window=21, minimum_support=0.5)
    assert np.isnan(strain[115:145, 5]).all()
    assert np.isfinite(strain[:, 4]).all()
    assert np.isfinite(strain[:95, 5]).all()


def test_scaling_displacement_and_step_alike_changes_nothing(displacement_m):
    once = least_squares_strain(displacement_m, STEP_M, window=21)
    doubled = least_squares_strain(2 * displacement_m, 2 * STEP_M, window=21)
    np.testing.assert_allclose(doubled, once, rtol=1e-12)


def test_even_window_is_refused(displacement_m):
    with pytest.raises(ValueError, match="window must be odd and at least 3, got 10"):
        least_squares_strain(displacement_m, STEP_M, window=10)


@pytest.mark.parametrize(("length_m", "window"), [(0.86e-3, 43), (1e-6, 3), (1.0, 299)])
def test_window_in_metres_becomes_an_odd_number_within_the_image(length_m, window):
    assert odd_window(length_m, STEP_M, n_available=300) == window


def test_window_without_length_is_refused():
    with pytest.raises(ValueError, match="window and step must be positive"):
        odd_window(0.0, STEP_M, n_available=300)
