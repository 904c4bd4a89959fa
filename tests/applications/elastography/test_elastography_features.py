"""What the refinement network sees has the sign and the size that its units say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sonometry.applications.elastography.displacement import Displacement, TrackingSetup
from sonometry.applications.elastography.features import (
    AXIAL_UNIT_RAD,
    CHANNELS,
    LATERAL_UNIT_LINES,
    block_centres,
    block_mean,
    refinement_features,
    to_samples,
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


def prior(axial: float | np.ndarray = 0.0, lateral: float = 0.0) -> Displacement:
    one = np.ones(SHAPE, np.float32)
    return Displacement((axial * one).astype(np.float32), lateral * one, one, np.ones(SHAPE, np.bool_))


def channel(features: np.ndarray, name: str) -> float:
    """Median of one channel away from the edges."""
    return float(np.median(features[CHANNELS.index(name)][10:-10, 6:-6]))


@pytest.fixture(scope="module")
def earlier() -> np.ndarray:
    return speckle()


def test_a_perfect_prior_leaves_no_phase_and_full_coherence(earlier: np.ndarray) -> None:
    features, _ = refinement_features(earlier, speckle(shift=3.3), prior(3.3), context=SETUP)
    assert abs(channel(features, "phase_mid")) < 0.02
    assert channel(features, "coherence_mid") < 0.02


@pytest.mark.parametrize("residual", [0.2, -0.3])
def test_the_phase_is_the_axial_residual(earlier: np.ndarray, residual: float) -> None:
    """2 pi 0.15 rad a sample; the mean frequency of a pulse differs from its carrier by about 1 %."""
    features, _ = refinement_features(earlier, speckle(shift=2 + residual), prior(2.0), context=SETUP)
    assert channel(features, "phase_mid") * 0.05 == pytest.approx(2 * np.pi * 0.15 * residual, rel=0.05)


def test_the_axial_unit_turns_phase_into_samples(earlier: np.ndarray) -> None:
    _, grid = refinement_features(earlier, earlier, prior(), context=SETUP)
    assert np.median(grid.axial_unit) == pytest.approx(AXIAL_UNIT_RAD / (2 * np.pi * 0.15), rel=0.03)


@pytest.mark.parametrize("residual", [0.15, -0.15])
def test_the_lateral_image_has_the_sign_and_size_of_the_residual(earlier: np.ndarray, residual: float) -> None:
    """First order in the residual, central differences over two lines: a tenth is lost, so half is asked for."""
    features, _ = refinement_features(earlier, speckle(lateral=residual), prior(), context=SETUP)
    seen = channel(features, "lateral_coarse") * LATERAL_UNIT_LINES
    assert 0.5 < seen / residual < 1.5


def test_stretching_looks_like_compression_in_reverse(earlier: np.ndarray) -> None:
    """The sign of the applied strain is divided out of strain and phase."""
    rows = np.arange(SHAPE[0], dtype=np.float32)[:, None]
    squeezed, grid = refinement_features(earlier, speckle(strain=-0.01), prior(-0.01 * rows), context=SETUP)
    stretched, other = refinement_features(earlier, speckle(strain=0.01), prior(0.01 * rows), context=SETUP)
    assert (grid.sign, other.sign) == (1.0, -1.0)
    assert channel(squeezed, "prior_strain") == pytest.approx(-1, abs=0.05)
    assert channel(stretched, "prior_strain") == pytest.approx(-1, abs=0.05)


def test_half_the_sampling_rate_gives_the_same_images(earlier: np.ndarray) -> None:
    """Everything is per carrier period, so a decimated recording looks alike."""
    later = speckle(shift=0.2)
    full, _ = refinement_features(earlier, later, prior(), context=SETUP)
    half_setup = replace(SETUP, sampling_rate_hz=20e6, axial_step_m=2 * SETUP.axial_step_m)
    small = prior()
    half_prior = Displacement(
        *(getattr(small, n)[::2] for n in ("axial_samples", "lateral_lines", "correlation", "has_lock"))
    )
    half, _ = refinement_features(earlier[::2], later[::2], half_prior, context=half_setup)
    for name in ("phase_mid", "phase_coarse"):
        assert channel(half, name) == pytest.approx(channel(full, name), rel=0.05)


def test_blocks_return_to_samples_exactly_for_a_straight_line() -> None:
    line = np.linspace(0, 7, 203)[:, None] * np.ones((1, 3))
    again = to_samples(block_mean(line, 7), 7, 203)
    np.testing.assert_allclose(again, line, atol=1e-5)


def test_block_centres_lie_in_the_middle_of_their_samples() -> None:
    assert block_centres(2, 7).tolist() == [3.0, 10.0]
