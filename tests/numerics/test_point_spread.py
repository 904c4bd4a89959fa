"""Pulse and beam measured from speckle whose point-spread function is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from sonometry.numerics.baseband import EchoBand
from sonometry.numerics.point_spread import measure_pulse

BAND = EchoBand(0.9, 0.45, 0.2, 4)


def speckle(rng: np.random.Generator, *, beam: float, offset_rad: float = 0.0) -> np.ndarray:
    """Complex baseband (line, row) of a beam with Gaussian amplitude profile, off the carrier by `offset_rad`."""
    white = rng.standard_normal((400, 600)) + 1j * rng.standard_normal((400, 600))
    smooth = gaussian_filter1d(gaussian_filter1d(white, beam, axis=0), 1.2, axis=1)
    return (smooth * np.exp(1j * offset_rad * BAND.step * np.arange(600))).astype(np.complex64)


@pytest.mark.parametrize("beam", [0.9, 1.5, 3.0])
def test_beam_variance_is_that_of_the_profile(rng: np.random.Generator, beam: float) -> None:
    model = measure_pulse((speckle(rng, beam=beam),), BAND)
    # 400 lines hold about 130 independent beams of width 3: lags scatter by a few per cent.
    assert np.median(model.beam_variance) == pytest.approx(beam**2, rel=0.12)


def test_noise_does_not_narrow_the_beam(rng: np.random.Generator) -> None:
    z = speckle(rng, beam=1.5)
    noise = rng.standard_normal(z.shape) + 1j * rng.standard_normal(z.shape)
    noisy = (z + 0.3 * np.abs(z).std() * noise).astype(np.complex64)
    clean, disturbed = (np.median(measure_pulse((f,), BAND).beam_variance) for f in (z, noisy))
    assert disturbed == pytest.approx(clean, rel=0.1)


def test_centre_of_the_pulse_follows_the_spectrum(rng: np.random.Generator) -> None:
    model = measure_pulse((speckle(rng, beam=1.5, offset_rad=-0.05),), BAND)
    np.testing.assert_allclose(model.centre_rad, 0.85, atol=0.01)


def test_frames_without_echo_give_a_finite_model() -> None:
    model = measure_pulse((np.zeros((8, 50), np.complex64),), BAND)
    assert np.isfinite(model.beam_variance).all()
    assert np.isfinite(model.centre_rad).all()
