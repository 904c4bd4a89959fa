"""Echo frames as narrow-band complex images: the band they occupy, and their baseband with only the samples it needs.

An RF line sampled at 40 MHz carries a few MHz of echo. Filtering to that band removes the noise outside of it, and the
complex baseband needs a quarter or less of the samples, at no loss. Arrays of baseband are (line, row), so that a line
is contiguous; row k is axial sample k * step. Frequencies are in radians per axial sample.

An echo is the sum over scatterers of one pulse, and tissue motion moves the scatterers but leaves the pulse as it is.
So a frame warped by the motion still differs from the earlier one: its pulses are stretched by the strain
(`numerics.point_spread` corrects this).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy.ndimage import gaussian_filter1d

Complex = npt.NDArray[np.complex64]
Real = npt.NDArray[np.floating]

#: The band ends where the power has fallen to this share of its maximum above the noise floor.
BAND_EDGE = 0.05
#: The pass band reaches a little beyond these edges, and falls to zero over a further share of its half width.
MARGIN, ROLL_OFF = 1.15, 0.35
#: Standard deviation of the smoothing of power spectra, rad per sample.
SPECTRUM_SMOOTHING_RAD = 0.0245
#: Complex sampling rate over the width of the pass band; cubic splines then interpolate to -60 dB of the signal.
OVERSAMPLING = 1.5


@dataclass(frozen=True)
class EchoBand:
    """Where in the spectrum the echo lies, rad per sample.

    carrier_rad : middle of the band. half_width_rad : half the width of the pass band.
    sigma_rad : standard deviation of the Gaussian that fits the amplitude spectrum of the pulse best.
    step : axial samples per baseband row.
    """

    carrier_rad: float
    half_width_rad: float
    sigma_rad: float
    step: int


def measure_band(frames: tuple[Real, ...], expected_rad: float) -> EchoBand:
    """Band of the echo in one or more frames (axial, line), looked for around the expected carrier.

    expected_rad : nominal carrier, 0 to pi. The band found lies within 0.35 to 2 times it.
    Constant frames have no band; then it is 60 % of the expected carrier wide.
    """
    omega, power = _mean_spectrum(frames)
    allowed = (omega > 0.35 * expected_rad) & (omega < min(2.0 * expected_rad, 0.98 * math.pi))
    signal = np.where(allowed, np.maximum(power - np.quantile(power, 0.1), 0.0), 0.0)
    if not signal.max() > 1e-6 * max(float(power.max()), 1e-300):
        return _band(expected_rad, 0.3 * expected_rad, 0.25 * expected_rad)
    peak = int(np.argmax(signal))
    inside = signal > BAND_EDGE * signal[peak]
    low = peak - int(np.argmin(inside[peak::-1])) + 1
    high = peak + int(np.argmin(inside[peak:])) - 1
    half_width = max(float(omega[high] - omega[low]) / 2, 0.08 * expected_rad)
    band = slice(low, high + 1)
    centre = float((omega[band] * signal[band]).sum() / signal[band].sum())
    # Power of a Gaussian pulse has a variance of sigma^2 / 2. The cut at BAND_EDGE takes a known share of the variance
    # away, and the smoothing of the spectrum has added its own.
    variance = float(((omega[band] - centre) ** 2 * signal[band]).sum() / signal[band].sum()) / _TRUNCATION
    sigma = math.sqrt(2 * max(variance - SPECTRUM_SMOOTHING_RAD**2, 0.2 * variance))
    return _band(float(omega[low] + omega[high]) / 2, half_width, sigma)


def _truncated_variance(edge: float) -> float:
    """Variance of a normal density cut where it has fallen to `edge` of its maximum, over the uncut one."""
    cut = math.sqrt(-2 * math.log(edge))
    density = math.exp(-0.5 * cut**2) / math.sqrt(2 * math.pi)
    return 1 - 2 * cut * density / math.erf(cut / math.sqrt(2))


_TRUNCATION = _truncated_variance(BAND_EDGE)


def _band(centre_rad: float, half_width_rad: float, sigma_rad: float) -> EchoBand:
    half = MARGIN * half_width_rad
    step = max(1, math.floor(math.pi / (OVERSAMPLING * half)))
    return EchoBand(centre_rad, half, sigma_rad, step)


def _mean_spectrum(frames: tuple[Real, ...]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Angular frequencies and power spectrum, averaged over at most 64 lines of each frame and smoothed."""
    n_samples, n_lines = frames[0].shape
    every = max(1, n_lines // 64)
    window = np.hanning(n_samples)[:, None].astype(np.float32)
    n_fft = scipy.fft.next_fast_len(max(n_samples, 256), real=True)
    power = np.zeros(n_fft // 2 + 1)
    for frame in frames:
        lines = frame[:, ::every].astype(np.float32)
        spectrum = scipy.fft.rfft((lines - lines.mean(axis=0)) * window, n_fft, axis=0)
        power += np.mean(np.abs(spectrum).astype(np.float64) ** 2, axis=1)
    smooth = gaussian_filter1d(power, SPECTRUM_SMOOTHING_RAD * n_fft / (2 * math.pi), mode="nearest")
    return np.arange(power.size) * 2 * np.pi / n_fft, smooth


def to_baseband(frame: Real, band: EchoBand) -> Complex:
    """Complex baseband (line, row) of a frame (axial, line); row k is the echo at sample k * step.

    The modulus is the envelope. The carrier is removed with phase 0 at sample 0, so that a shift by d samples turns
    the phase by -carrier_rad * d. The record is padded with zeros: nothing wraps from one end to the other.
    """
    n_samples, n_lines = frame.shape
    n_rows = (n_samples - 1) // band.step + 1
    pad = math.ceil(4 * math.pi / band.half_width_rad)
    n_short = scipy.fft.next_fast_len(max(math.ceil((n_samples + pad) / band.step), 16))
    n_fft = n_short * band.step
    carrier_bin = round(band.carrier_rad * n_fft / (2 * math.pi))
    offsets = np.arange(n_short) - n_short // 2
    bins = carrier_bin + offsets
    gain = 2.0 * _pass_band(offsets * 2 * math.pi / n_fft, band.half_width_rad) / band.step
    usable = (bins > 0) & (bins < (n_fft + 1) // 2)
    lines = np.ascontiguousarray(frame.T, dtype=np.float32)
    spectrum = scipy.fft.rfft(lines, n_fft, axis=1, overwrite_x=True, workers=2)
    short = np.zeros((n_lines, n_short), np.complex64)
    short[:, offsets[usable]] = spectrum[:, bins[usable]] * gain[usable].astype(np.float32)
    rows = scipy.fft.ifft(short, axis=1, overwrite_x=True, workers=2)[:, :n_rows]
    # The nearest bin, not the carrier itself, was moved to zero.
    rest = carrier_bin * 2 * math.pi / n_fft - band.carrier_rad
    turn = np.exp(1j * rest * band.step * np.arange(n_rows)).astype(np.complex64)
    return np.ascontiguousarray(rows * turn)


def _pass_band(offset_rad: npt.NDArray[np.float64], half_width_rad: float) -> npt.NDArray[np.float64]:
    """Flat within the half width, then a raised cosine down to zero."""
    beyond = (np.abs(offset_rad) / half_width_rad - 1) / ROLL_OFF
    flanks: npt.NDArray[np.float64] = 0.5 * (1 + np.cos(np.pi * np.clip(beyond, 0.0, 1.0)))
    return flanks


def to_samples(field: Real, n_samples: int, step: int) -> npt.NDArray[np.float32]:
    """Real field (line, row) on every axial sample, (axial, line) float32, by cubic interpolation along depth.

    Samples beyond the last row continue linearly.
    """
    padded = np.pad(field.T.astype(np.float32), ((2, 3), (0, 0)), mode="reflect", reflect_type="odd")
    index, phase = np.divmod(np.arange(n_samples), step)
    t = (phase / step).astype(np.float32)[:, None]
    # Four neighbours of Keys' cubic convolution, doi:10.1109/TASSP.1981.1163711.
    weights = (
        ((-0.5 * t + 1.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((-1.5 * t + 2.0) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    )
    total = np.zeros((n_samples, field.shape[0]), np.float32)
    for k, weight in enumerate(weights):
        total += weight * padded[index + 1 + k]
    return total
