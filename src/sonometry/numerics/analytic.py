"""Analytic signal, envelope, baseband and log compression of RF along the axial axis.

The analytic signal keeps the positive frequencies twice and drops the negative ones (Hilbert transform by FFT), so a
record is taken as periodic: within a pulse length of either end the envelope feels the opposite end.
Source: Marple 1999, Computing the discrete-time analytic signal via FFT, doi:10.1109/78.782222.
"""

from __future__ import annotations

import numpy as np
import scipy.fft


def analytic_signal(rf: np.ndarray, *, axis: int = 0) -> np.ndarray:
    """Complex signal whose real part is `rf` and whose modulus is the envelope.

    rf : real, any shape; float32 gives complex64, all else complex128.
    axis : axis of time or depth.
    """
    samples = rf if rf.dtype in (np.float32, np.float64) else rf.astype(np.float64)
    n_samples = samples.shape[axis]
    spectrum = scipy.fft.fft(samples, axis=axis)
    gain = np.zeros(n_samples, dtype=samples.dtype)
    gain[0] = 1
    gain[1 : (n_samples + 1) // 2] = 2
    if n_samples % 2 == 0:
        gain[n_samples // 2] = 1
    shape = [1] * samples.ndim
    shape[axis] = n_samples
    analytic: np.ndarray = scipy.fft.ifft(spectrum * gain.reshape(shape), axis=axis, overwrite_x=True)
    return analytic


def envelope(rf: np.ndarray, *, axis: int = 0) -> np.ndarray:
    """Modulus of the analytic signal: same shape as `rf`, not negative."""
    modulus: np.ndarray = np.abs(analytic_signal(rf, axis=axis))
    return modulus


def baseband(
    rf: np.ndarray,
    *,
    sampling_rate_hz: float,
    centre_frequency_hz: float,
    start_time_s: float = 0.0,
    axis: int = 0,
) -> np.ndarray:
    """Analytic signal shifted from the centre frequency to zero.

    start_time_s : time of sample 0; the carrier is removed as exp(-2 pi i f t), so two records that start at
        different times keep comparable phases.
    Returns complex values of the shape of `rf`. A delay d turns the phase by -2 pi f d.
    """
    analytic = analytic_signal(rf, axis=axis)
    times_s = start_time_s + np.arange(rf.shape[axis]) / sampling_rate_hz
    carrier = np.exp(-2j * np.pi * centre_frequency_hz * times_s).astype(analytic.dtype)
    shape = [1] * rf.ndim
    shape[axis] = -1
    shifted: np.ndarray = analytic * carrier.reshape(shape)
    return shifted


def log_compress(
    amplitude: np.ndarray, *, dynamic_range_db: float = 60.0, reference: float | None = None
) -> np.ndarray:
    """Decibels below the reference, mapped to 0 (floor of the dynamic range) .. 1 (reference and above).

    amplitude : not negative, any shape.
    reference : amplitude shown as 1; the maximum when None. An image of zeros gives zeros.
    Raises ValueError if `dynamic_range_db` is not positive.
    """
    if not dynamic_range_db > 0:
        raise ValueError(f"dynamic_range_db must be positive, got {dynamic_range_db}")
    top = float(amplitude.max(initial=0.0)) if reference is None else reference
    if not top > 0:
        return np.zeros(amplitude.shape, dtype=np.float32)
    floor = 10 ** (-dynamic_range_db / 20)
    decibels = 20 * np.log10(np.maximum(amplitude / top, floor))
    grey: np.ndarray = np.clip(1 + decibels / dynamic_range_db, 0, 1).astype(np.float32)
    return grey
