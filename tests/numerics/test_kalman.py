"""The Kalman filter of strain: less noise, no lost step, no preferred direction."""

import numpy as np
import pytest

from sonometry.numerics.kalman import kalman_strain, measurement_variance

NOISE = 1e-3


@pytest.fixture
def step_image(rng):
    """1 % and 2 % side by side along the lines, with white noise."""
    truth = np.where(np.arange(60) < 30, -0.01, -0.02) * np.ones((400, 1))
    return truth, truth + rng.normal(scale=NOISE, size=truth.shape)


def test_noise_is_at_least_halved_in_even_tissue(step_image):
    truth, measured = step_image
    error = (kalman_strain(measured) - truth)[:, 5:25]
    assert error.std() < 0.5 * NOISE


def test_step_between_tissues_stays_within_three_lines(step_image):
    profile = kalman_strain(step_image[1]).mean(axis=0)
    # A moving average of the same noise reduction (7 lines) would reach four lines to either side.
    np.testing.assert_allclose(profile[:27], -0.01, atol=5e-4)
    np.testing.assert_allclose(profile[33:], -0.02, atol=5e-4)


def test_mirrored_image_gives_the_mirrored_result(step_image):
    measured = step_image[1]
    np.testing.assert_allclose(kalman_strain(measured[:, ::-1])[:, ::-1], kalman_strain(measured), rtol=1e-12)


def test_noise_free_image_is_returned_as_it_is():
    image = np.tile(np.linspace(-0.02, -0.01, 30), (50, 1))
    np.testing.assert_allclose(kalman_strain(image), image, atol=1e-12)


def test_noise_is_measured_from_neighbouring_lines(step_image):
    # 5 % is four standard errors of the median over 11,200 (overlapping) second differences.
    assert np.sqrt(measurement_variance(step_image[1][:, :30])) == pytest.approx(NOISE, rel=0.05)


def test_unknown_pixels_stay_unknown_and_harm_nobody(step_image):
    measured = step_image[1].copy()
    measured[100:120, 10:15] = np.nan
    filtered = kalman_strain(measured)
    np.testing.assert_array_equal(np.isnan(filtered), np.isnan(measured))
    np.testing.assert_allclose(filtered[:, 20:28].mean(), -0.01, atol=2e-4)


def test_image_without_any_strain_stays_empty():
    assert np.isnan(kalman_strain(np.full((10, 5), np.nan))).all()


def test_even_block_is_refused(step_image):
    with pytest.raises(ValueError, match="odd block"):
        kalman_strain(step_image[1], block=4)
