"""Analytic signal, envelope and log compression."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import hilbert

from sonometry.numerics.analytic import analytic_signal, baseband, envelope, log_compress


@pytest.mark.parametrize("n", [64, 65])
@pytest.mark.parametrize("axis", [0, 1])
def test_analytic_signal_agrees_with_scipy(n, axis, rng):
    rf = rng.standard_normal((n, n))
    np.testing.assert_allclose(analytic_signal(rf, axis=axis), hilbert(rf, axis=axis), atol=1e-12)


def test_single_precision_stays_single(rng):
    assert analytic_signal(rng.standard_normal(32).astype(np.float32)).dtype == np.complex64
    assert analytic_signal(np.arange(32, dtype=np.int16)).dtype == np.complex128


def test_envelope_of_a_modulated_carrier_is_its_modulation():
    times_s = np.arange(1000) / 40e6
    modulation = np.exp(-(((times_s - 12e-6) / 3e-6) ** 2))
    np.testing.assert_allclose(envelope(modulation * np.cos(2 * np.pi * 6e6 * times_s)), modulation, atol=1e-4)


def test_baseband_of_its_own_carrier_is_constant():
    times_s = 1e-6 + np.arange(400) / 40e6
    found = baseband(
        np.cos(2 * np.pi * 6e6 * times_s), sampling_rate_hz=40e6, centre_frequency_hz=6e6, start_time_s=1e-6
    )
    np.testing.assert_allclose(found, 1.0, atol=1e-9)


def test_log_compression_maps_decibels_linearly():
    grey = log_compress(np.array([1.0, 0.1, 0.01, 1e-9]), dynamic_range_db=40)
    np.testing.assert_allclose(grey, [1, 0.5, 0, 0], atol=1e-6)
    np.testing.assert_allclose(log_compress(np.array([2.0, 0.1]), dynamic_range_db=40, reference=1.0), [1, 0.5])


def test_log_compression_of_nothing_is_black():
    assert not log_compress(np.zeros((3, 3))).any()
    with pytest.raises(ValueError, match="dynamic_range_db must be positive"):
        log_compress(np.ones(3), dynamic_range_db=0)
