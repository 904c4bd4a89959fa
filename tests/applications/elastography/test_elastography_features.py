"""What the refinement network sees has the sign and the size that its units say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sonometry.applications.elastography.displacement import TrackingSetup
from sonometry.applications.elastography.echo_pair import prepare_pair
from sonometry.applications.elastography.features import (
    AXIAL_UNIT_RAD,
    CHANNELS,
    LATERAL_UNIT_LINES,
    RefinementGrid,
    interpolation,
    pixel_mean,
    refinement_features,
)

SETUP = TrackingSetup(40e6, 6e6, 1540 / 80e6, 0.235e-3)
SHAPE = (700, 48)


def speckle(*, strain: float = 0.0, shift: float = 0.0, lateral: float = 0.0, seed: int = 1) -> np.ndarray:
    """Echo of scatterers at (row, line), displaced by shift + strain * row and by `lateral` lines."""
    rng = np.random.default_rng(seed)
    rows, lines = rng.uniform(-20, SHAPE[0] + 20, 6000), rng.uniform(-4, SHAPE[1] + 4, 6000)
    amplitude = rng.standard_normal(6000)
    centre, across = rows + shift + strain * rows, lines + lateral
    image = np.zeros(SHAPE)
    grid = np.arange(SHAPE[0])[:, None]
    for line in range(SHAPE[1]):
        near = np.abs(across - line) < 5
        weight = amplitude[near] * np.exp(-0.5 * ((across[near] - line) / 1.3) ** 2)
        distance = grid - centre[near]
        image[:, line] = (weight * np.exp(-0.5 * (distance / 6) ** 2) * np.cos(2 * np.pi * 0.15 * distance)).sum(axis=1)
    return image.astype(np.float32)


def seen(
    earlier: np.ndarray, later: np.ndarray, *, shift: float = 0.0, strain: float = 0.0, setup: TrackingSetup = SETUP
) -> tuple[np.ndarray, RefinementGrid, float]:
    """Features of a pair about a motion of shift + strain * sample, their grid and the carrier in rad a sample."""
    pair = prepare_pair(earlier, later, setup)
    samples = np.arange(pair.shape[1]) * pair.band.step
    motion = np.zeros((2, *pair.shape), np.float32)
    motion[0] = shift + strain * samples
    features, grid = refinement_features(pair, motion, context=setup)
    return features, grid, pair.band.carrier_rad


def channel(features: np.ndarray, name: str) -> float:
    """Median of one channel away from the edges."""
    return float(np.median(features[CHANNELS.index(name)][10:-10, 6:-6]))


@pytest.fixture(scope="module")
def earlier() -> np.ndarray:
    return speckle()


def test_a_perfect_motion_leaves_no_phase_and_no_decorrelation(earlier: np.ndarray) -> None:
    features, _, _ = seen(earlier, speckle(shift=3.3), shift=3.3)
    assert abs(channel(features, "phase_mid")) * 0.05 < 0.005
    assert channel(features, "decorrelation_fine") < -0.5  # below 3 % of the echo power


@pytest.mark.parametrize("residual", [0.2, -0.3])
def test_the_phase_is_the_axial_residual(earlier: np.ndarray, residual: float) -> None:
    """Robust weights and the linearisation take a few per cent of a fifth of a radian."""
    features, _, carrier = seen(earlier, speckle(shift=2 + residual), shift=2.0)
    assert channel(features, "phase_mid") * 0.05 == pytest.approx(carrier * residual, rel=0.1)


def test_the_axial_unit_turns_phase_into_samples(earlier: np.ndarray) -> None:
    _, grid, _ = seen(earlier, earlier)
    assert grid.axial_unit == pytest.approx(AXIAL_UNIT_RAD / (2 * np.pi * 0.15), rel=0.03)


@pytest.mark.parametrize("residual", [0.15, -0.15])
def test_the_lateral_image_has_the_sign_and_size_of_the_residual(earlier: np.ndarray, residual: float) -> None:
    features, _, _ = seen(earlier, speckle(lateral=residual))
    assert 0.6 < channel(features, "lateral_coarse") * LATERAL_UNIT_LINES / residual < 1.4


def test_stretching_looks_like_compression_in_reverse(earlier: np.ndarray) -> None:
    """The sign of the applied strain is divided out of strain and phase."""
    squeezed, grid, _ = seen(earlier, speckle(strain=-0.01), strain=-0.01)
    stretched, other, _ = seen(earlier, speckle(strain=0.01), strain=0.01)
    assert (grid.sign, other.sign) == (1.0, -1.0)
    assert channel(squeezed, "prior_strain") == pytest.approx(-1, abs=0.01)
    assert channel(stretched, "prior_strain") == pytest.approx(-1, abs=0.01)


def test_half_the_sampling_rate_gives_the_same_phase(earlier: np.ndarray) -> None:
    later = speckle(shift=0.2)
    full, _, _ = seen(earlier, later)
    half_setup = replace(SETUP, sampling_rate_hz=20e6, axial_step_m=2 * SETUP.axial_step_m)
    half, _, _ = seen(earlier[::2], later[::2], setup=half_setup)
    assert channel(half, "phase_mid") == pytest.approx(channel(full, "phase_mid"), rel=0.1)


def test_narrow_lines_share_a_pixel(earlier: np.ndarray) -> None:
    """Lines of 0.075 mm are averaged by threes."""
    _, grid, _ = seen(earlier, earlier, setup=replace(SETUP, line_pitch_m=0.075e-3))
    assert (grid.lines_per_pixel, grid.shape[1]) == (3, 16)


def test_pixels_return_to_the_baseband_exactly_for_a_plane() -> None:
    lines, rows = np.indices((20, 91), dtype=np.float32)
    plane = 0.3 * lines - 0.7 * rows + 2
    grid = RefinementGrid(3, 2, (30, 10), (20, 91), 1.0, 0.01, 0.01, np.zeros((30, 10)))
    np.testing.assert_allclose(grid.to_baseband(grid.from_baseband(plane)), plane, atol=1e-4)


def test_means_leave_out_what_fills_no_pixel() -> None:
    assert pixel_mean(np.ones((7, 10)), 2, 3).shape == (3, 3)


def test_a_single_pixel_is_repeated() -> None:
    assert (interpolation(1, 4, 6) @ np.array([[2.0]])).ravel().tolist() == [2.0] * 6
