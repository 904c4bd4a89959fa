"""Metrics of strain images against hand calculations, and what they must not reward."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sonometry.evaluation.elastography import (
    cnr_e,
    cnr_e_paper_db,
    inclusion_regions,
    judged_window,
    rmse,
    snr_d,
    snr_d_paper_db,
    snr_e,
    snr_e_paper_db,
    strain_ratio,
)

DEPTH_M = np.linspace(0, 0.05, 501)
LATERAL_M = np.linspace(-0.015, 0.015, 61)


@pytest.fixture
def image(rng):
    """1 % everywhere but 0.5 % in a disc, with noise of 0.05 %."""
    distance = np.hypot(DEPTH_M[:, None] - 0.025, LATERAL_M)
    return np.where(distance < 0.005, -0.005, -0.01) + 5e-4 * rng.standard_normal((501, 61))


@pytest.fixture
def regions():
    return inclusion_regions(DEPTH_M, LATERAL_M, centre_m=(0.025, 0.0), radius_m=0.005)


def test_rmse_equals_a_hand_calculation():
    assert rmse(np.array([1.0, 2.0, 5.0]), np.array([1.0, 0.0, 1.0])) == pytest.approx(math.sqrt(20 / 3))


def test_rmse_of_a_masked_image_sees_only_the_mask(image):
    mask = np.zeros(image.shape, bool)
    mask[3, 4] = True
    assert rmse(image, image + 2 * ~mask, mask) == 0


def test_missing_pixels_inside_the_mask_are_not_hidden():
    assert math.isnan(rmse(np.array([1.0, np.nan]), np.array([1.0, 1.0])))


def test_empty_mask_is_an_error(image):
    with pytest.raises(ValueError, match="leaves no pixel"):
        rmse(image, image, np.zeros(image.shape, bool))


def test_snr_and_cnr_equal_a_hand_calculation():
    strain = np.array([[1.0, 3.0, 4.0, 8.0]])
    inside, background = np.array([[True, True, False, False]]), np.array([[False, False, True, True]])
    assert snr_e(strain, background) == pytest.approx(6 / 2)
    assert cnr_e(strain, inside, background) == pytest.approx(math.sqrt(2 * (2 - 6) ** 2 / (1 + 4)))
    assert strain_ratio(strain, inside, background) == pytest.approx(3.0)


def test_snr_of_known_noise_is_mean_over_sd(image, regions):
    # 20 within 4 %: four standard errors of a standard deviation over 8,000 pixels.
    assert snr_e(image, regions.background) == pytest.approx(20, rel=0.04)


def test_ratios_do_not_depend_on_the_sign_or_scale_of_strain(image, regions):
    for scaled in (-image, 1e3 * image):
        assert snr_e(scaled, regions.background) == pytest.approx(snr_e(image, regions.background))
        assert cnr_e(scaled, regions.inside, regions.background) == pytest.approx(
            cnr_e(image, regions.inside, regions.background)
        )


def test_flat_image_has_boundless_snr_and_no_contrast(regions):
    flat = np.full((501, 61), -0.01)
    assert snr_e(flat, regions.background) > 1e6
    assert not cnr_e(flat + 1e-4 * DEPTH_M[:, None], regions.inside, regions.background) > 0.5


def test_papers_decibels_are_ten_times_the_natural_logarithm(image, regions):
    inside, background = regions.inside, regions.background
    assert snr_e_paper_db(image, inside) == pytest.approx(10 * math.log(snr_e(image, inside)))
    contrast = 2 * (image[inside].mean() - image[background].mean()) ** 2
    spread = image[inside].var() + image[background].var()
    assert cnr_e_paper_db(image, inside, background) == pytest.approx(10 * math.log(contrast / spread))


def test_papers_displacement_decibels_fit_its_printed_error():
    """PEERS: SNRd 96 with an RMSE of 0.245 samples means about 30 samples RMS under 10 ln of the power ratio."""
    truth = np.full(1000, 30.0)
    estimate = truth + 0.245 * np.tile([1.0, -1.0], 500)
    assert snr_d(estimate, truth) == pytest.approx(30 / 0.245)
    assert snr_d_paper_db(estimate, truth) == pytest.approx(96, abs=0.5)


def test_window_leaves_out_the_edges():
    window = judged_window(DEPTH_M, LATERAL_M)
    rows, columns = np.flatnonzero(window.any(axis=1)), np.flatnonzero(window.any(axis=0))
    # To one pixel: whether the edge itself belongs to the window is a matter of rounding.
    assert DEPTH_M[rows[[0, -1]]] == pytest.approx([0.003, 0.047], abs=1.01e-4)
    assert LATERAL_M[columns[[0, -1]]] == pytest.approx([-0.014, 0.014], abs=5.01e-4)


def test_regions_leave_out_the_transition(regions):
    distance = np.hypot(DEPTH_M[:, None] - 0.025, LATERAL_M)
    assert distance[regions.inside].max() <= 0.7 * 0.005
    assert distance[regions.background].min() >= 1.5 * 0.005
    assert np.abs(np.broadcast_to(DEPTH_M[:, None], distance.shape)[regions.background] - 0.025).max() <= 0.005 + 1e-12


def test_regions_stay_within_what_is_allowed():
    within = judged_window(DEPTH_M, LATERAL_M, half_width_m=0.01)
    regions = inclusion_regions(DEPTH_M, LATERAL_M, centre_m=(0.025, 0.0), radius_m=0.005, within=within)
    assert not (regions.background & ~within).any()
