"""Analytic signals are read at displaced positions without an error of the carrier."""

import numpy as np
import pytest

from sonometry.numerics.analytic import analytic_signal
from sonometry.numerics.warp_analytic import warp_analytic


def echo(rng: np.random.Generator, delay: float = 0.0, *, seed: int = 3) -> np.ndarray:
    """Band-limited noise of 0.15 cycles a sample, delayed exactly in the frequency domain."""
    rng = np.random.default_rng(seed)
    frequency = np.fft.rfftfreq(512)
    spectrum = (
        np.exp(-0.5 * ((frequency - 0.15) / 0.02) ** 2)[:, None] * np.exp(-2j * np.pi * frequency * delay)[:, None]
    )
    phases = rng.standard_normal((len(frequency), 6)) + 1j * rng.standard_normal((len(frequency), 6))
    return np.fft.irfft(spectrum * phases, 512, axis=0).astype(np.float32)


@pytest.mark.parametrize("delay", [0.25, 0.5, -3.37])
def test_a_delayed_echo_is_brought_back(rng: np.random.Generator, delay: float) -> None:
    """Cubic convolution of the slow envelope leaves less than 0.1 % of the amplitude."""
    earlier, later = analytic_signal(echo(rng)), analytic_signal(echo(rng, delay))
    axial = np.full(later.shape, delay, np.float32)
    warped, inside = warp_analytic(later, axial, np.zeros_like(axial), carrier_rad=2 * np.pi * 0.15)
    middle = np.s_[20:-20]
    assert inside[middle].all()
    assert np.abs(warped[middle] - earlier[middle]).max() < 1e-3 * np.abs(earlier).max()


def test_the_carrier_frequency_need_not_be_exact(rng: np.random.Generator) -> None:
    earlier, later = analytic_signal(echo(rng)), analytic_signal(echo(rng, 0.5))
    axial = np.full(later.shape, 0.5, np.float32)
    warped, _ = warp_analytic(later, axial, np.zeros_like(axial), carrier_rad=2 * np.pi * 0.14)
    assert np.abs(warped[20:-20] - earlier[20:-20]).max() < 2e-3 * np.abs(earlier).max()


def test_positions_outside_are_zero_and_marked(rng: np.random.Generator) -> None:
    signal = analytic_signal(echo(rng))
    far = np.full(signal.shape, 600, np.float32)
    warped, inside = warp_analytic(signal, far, np.zeros_like(far), carrier_rad=1.0)
    assert not inside.any()
    assert not warped.any()


def test_whole_lines_are_moved_exactly(rng: np.random.Generator) -> None:
    signal = analytic_signal(echo(rng))
    one = np.ones(signal.shape, np.float32)
    warped, inside = warp_analytic(signal, 0 * one, one, carrier_rad=1.0)
    np.testing.assert_allclose(warped[:, :-1], signal[:, 1:], atol=1e-5)
    assert not inside[:, -1].any()
