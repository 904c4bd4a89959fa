"""What characterises speckle: envelope statistics, spectrum and lateral coherence of RF lines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sonometry.numerics.analytic import analytic_signal


@dataclass(frozen=True, eq=False)
class SpeckleStatistics:
    """First- and second-order statistics of one frame.

    envelope_snr : mean over standard deviation of the envelope; 1.913 for fully developed speckle.
    centre_hz, bandwidth_hz : centroid, and standard deviation about it, of the power spectrum.
    lateral_coherence : (n_lags,) modulus of the correlation between lines 1, 2, ... apart.
    """

    envelope_snr: float
    centre_hz: float
    bandwidth_hz: float
    lateral_coherence: np.ndarray


def speckle_statistics(rf: np.ndarray, *, sampling_rate_hz: float, n_lags: int = 4) -> SpeckleStatistics:
    """Statistics of (axial, line) RF of statistically uniform tissue."""
    analytic = analytic_signal(rf.astype(np.float64))
    amplitude = np.abs(analytic)
    power = (np.abs(np.fft.fft(analytic, axis=0)) ** 2).sum(axis=1)[: len(rf) // 2]
    frequency_hz = np.arange(power.size) * sampling_rate_hz / len(rf)
    centre_hz = (frequency_hz * power).sum() / power.sum()
    variance = ((frequency_hz - centre_hz) ** 2 * power).sum() / power.sum()
    lags = [coherence(analytic[:, :-lag], analytic[:, lag:]) for lag in range(1, n_lags + 1)]
    return SpeckleStatistics(
        float(amplitude.mean() / amplitude.std()), float(centre_hz), float(np.sqrt(variance)), np.abs(lags)
    )


def coherence(first: np.ndarray, second: np.ndarray) -> complex:
    """Normalised inner product of two analytic signals of equal shape: its modulus is 1 for equal shapes of echo."""
    energy = np.sqrt((np.abs(first) ** 2).sum() * (np.abs(second) ** 2).sum())
    return complex((first * second.conj()).sum() / energy)
