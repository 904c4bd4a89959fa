"""Baseband of echo frames: band found, envelope and phase kept, nothing wrapped around."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import hilbert

from sonometry.numerics.baseband import EchoBand, measure_band, to_baseband, to_samples

CARRIER = 0.9


def speckle(
    rng: np.random.Generator, shape: tuple[int, int], *, carrier: float = CARRIER, sigma: float = 0.2
) -> np.ndarray:
    """Gaussian-spectrum noise: RF of fully developed speckle with a known pulse."""
    omega = 2 * np.pi * np.fft.rfftfreq(shape[0])
    gain = np.exp(-0.5 * ((omega - carrier) / sigma) ** 2)
    white = np.fft.rfft(rng.standard_normal(shape), axis=0)
    return np.fft.irfft(white * gain[:, None], shape[0], axis=0).astype(np.float32)


@pytest.mark.parametrize(("carrier", "sigma"), [(0.5, 0.08), (0.9, 0.2), (1.4, 0.35)])
def test_band_of_known_pulse_is_found_through_noise(rng: np.random.Generator, carrier: float, sigma: float) -> None:
    rf = speckle(rng, (4096, 64), carrier=carrier, sigma=sigma)
    rf += 0.1 * rf.std() * rng.standard_normal(rf.shape).astype(np.float32)
    band = measure_band((rf,), 1.1 * carrier)
    assert band.carrier_rad == pytest.approx(carrier, rel=0.03)
    assert band.sigma_rad == pytest.approx(sigma, rel=0.05)  # from 64 lines the edges scatter by a few per cent


def test_step_leaves_room_for_the_whole_band(rng: np.random.Generator) -> None:
    band = measure_band((speckle(rng, (4096, 64)),), CARRIER)
    assert band.half_width_rad < np.pi / band.step
    assert band.step > 1


def test_baseband_equals_demodulated_analytic_signal(rng: np.random.Generator) -> None:
    rf = speckle(rng, (2048, 8)) * np.hanning(2048)[:, None].astype(np.float32)
    band = measure_band((rf,), CARRIER)
    reference = hilbert(rf, axis=0) * np.exp(-1j * band.carrier_rad * np.arange(2048))[:, None]
    ours = to_baseband(rf, band)
    error = np.abs(ours - reference[:: band.step].T)
    # The flanks of a Gaussian spectrum beyond the pass band hold 0.15 % of its power: 4 % of the amplitude.
    assert np.sqrt(np.mean(error**2)) < 0.04 * np.sqrt(np.mean(np.abs(reference) ** 2))


def test_delay_turns_the_phase_by_the_carrier() -> None:
    band = EchoBand(CARRIER, 0.45, 0.2, 4)
    time = np.arange(1000)[:, None]
    pulse = lambda at: (np.exp(-0.5 * ((time - at) * 0.2) ** 2) * np.cos(CARRIER * (time - at))).astype(np.float32)  # noqa: E731
    early, late = (to_baseband(pulse(at), band)[0, 125] for at in (500, 503))
    assert np.angle(late / early) == pytest.approx(-3 * CARRIER, abs=0.02)


def test_echo_at_the_end_does_not_appear_at_the_start(rng: np.random.Generator) -> None:
    rf = np.zeros((1000, 2), np.float32)
    rf[-40:] = speckle(rng, (40, 2))
    z = to_baseband(rf, EchoBand(CARRIER, 0.45, 0.2, 4))
    assert np.abs(z[:, :50]).max() < 1e-3 * np.abs(z).max()


def test_constant_frame_has_the_expected_band() -> None:
    band = measure_band((np.ones((500, 4), np.float32),), CARRIER)
    assert band.carrier_rad == CARRIER
    assert np.isfinite(to_baseband(np.ones((500, 4), np.float32), band)).all()


@pytest.mark.parametrize("n_samples", [200, 201, 203])
def test_linear_field_is_interpolated_exactly_also_beyond_the_last_row(n_samples: int) -> None:
    step = 4
    rows = np.arange((n_samples - 1) // step + 1)
    field = np.stack([0.5 * rows * step, 3 - 0.1 * rows * step]).astype(np.float32)
    samples = np.arange(n_samples)
    expected = np.stack([0.5 * samples, 3 - 0.1 * samples], axis=1)
    np.testing.assert_allclose(to_samples(field, n_samples, step), expected, atol=1e-4)
