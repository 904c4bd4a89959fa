"""Windowed normalised cross-correlation with sub-sample peak, around the coarse motion.

The later frame is stretched back by the coarse motion, so that a window compares the same tissue and does not
decorrelate by its own strain. In overlapping windows of a few wavelengths and lines the correlation of the basebands

    c(dr, dl) = sum conj(z(k, j)) w(k + dr, j + dl) / sqrt(sum |z(k, j)|^2 sum |w(k + dr, j + dl)|^2)

is formed at lags around zero. Its modulus peaks at what the coarse motion left over, to within a fraction of a period;
its phase is that of the RF correlation, whose sub-sample peak nearest to it is where the phase is zero.
Outlying windows are replaced by the median of their neighbours, and the windows interpolated to samples.
Sources: Lubinski, Emelianov & O'Donnell 1999, doi:10.1109/58.741427 (strain by correlation, prior stretch); Pesavento
et al. 1999, doi:10.1109/58.796114 (phase root seeking on the baseband).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from scipy.ndimage import median_filter

from sonometry.applications.elastography.coarse import SearchConfig, coarse_motion, spread_from_cells
from sonometry.applications.elastography.displacement import Displacement, TrackingSetup
from sonometry.applications.elastography.echo_pair import EchoPair, prepare_pair, to_displacement
from sonometry.numerics.correlate import parabolic_peak
from sonometry.numerics.warp import Complex, Real


@dataclass(frozen=True)
class NccConfig:
    """Parameters of windowed cross-correlation.

    window_wavelengths : length of a window along depth. window_mm : its width across lines.
    overlap : share that neighbouring windows have in common, in both directions.
    passes : times the later frame is stretched back by what was found, the first time by the coarse motion.
    """

    search: SearchConfig = field(default_factory=SearchConfig)
    window_wavelengths: float = 8.0
    window_mm: float = 1.2
    overlap: float = 0.8
    passes: int = 2


def track(
    earlier: np.ndarray, later: np.ndarray, *, context: TrackingSetup, config: NccConfig | None = None
) -> Displacement:
    """Displacement of a pair of RF frames (axial, line); see `displacement` for the convention.

    Raises DataError for frames of different size, too small or not finite.
    """
    config = config or NccConfig()
    pair = prepare_pair(earlier, later, context)
    motion = coarse_motion(pair, context, config.search)
    for _ in range(config.passes):
        motion = correct(pair, motion, context, config)
    return to_displacement(pair, motion)


def correct(pair: EchoPair, motion: Real, context: TrackingSetup, config: NccConfig) -> Real:
    """Motion (2, line, row) plus the sub-sample peak of the correlation in every window."""
    window = (
        max(1, round(config.window_mm * 1e-3 / context.line_pitch_m)) | 1,
        max(3, round(config.window_wavelengths * context.samples_per_wavelength / pair.band.step)) | 1,
    )
    hop = [max(1, round((1 - config.overlap) * size)) for size in window]
    centres = [np.arange((size - 1) % h // 2, size, h) for size, h in zip(pair.shape, hop, strict=True)]
    lags, correlation = _lags_of_windows(pair, motion, window, hop, centres)
    base = np.stack([m[np.ix_(*centres)] for m in motion])
    found = _without_outliers(base + lags, correlation, pair)
    return np.stack([spread_from_cells(f, [c.astype(float) for c in centres], pair.shape) for f in found])


def _lags_of_windows(
    pair: EchoPair, motion: Real, window: tuple[int, int], hop: list[int], centres: list[np.ndarray]
) -> tuple[np.ndarray, Real]:
    """Residual motion (2, window line, window row) in samples and lines, and the peak modulus of the correlation."""
    warped = pair.warped(motion)
    grid = np.ix_(*centres)
    lines = 0.5 * (_line_lags(pair.earlier, warped, window, grid) - _line_lags(warped, pair.earlier, window, grid))
    same, before, after = (_correlation(pair.earlier, warped, (0, lag), window, grid) for lag in (0, -1, 1))
    modulus, least, most = np.abs(same), np.abs(before), np.abs(after)
    is_peak = (modulus >= least) & (modulus >= most)
    rows = np.where(is_peak, parabolic_peak(least, modulus, most), np.where(most > least, 0.5, -0.5))
    # The modulus alone, from lags a row apart, tells the period; the phase then the sample within it.
    period = 2 * math.pi / pair.band.carrier_rad
    phase_delay = -np.angle(same) / pair.band.carrier_rad
    axial = phase_delay + period * np.round((rows * pair.band.step - phase_delay) / period)
    return np.stack([axial, lines]), modulus


def _line_lags(first: Complex, second: Complex, window: tuple[int, int], grid: tuple[np.ndarray, ...]) -> np.ndarray:
    """Lag across lines at which `second` matches `first` best, from lags of -1, 0 and 1.

    The parabola is off where the speckle of the window is lopsided, by the same amount when the frames change places:
    half the difference of the two is not.
    """
    before, at, after = (np.abs(_correlation(first, second, (lag, 0), window, grid)) for lag in (-1, 0, 1))
    is_peak = (at >= before) & (at >= after)
    return np.where(is_peak, parabolic_peak(before, at, after), np.where(after > before, 0.5, -0.5))


def _correlation(
    first: Complex, second: Complex, lag: tuple[int, int], window: tuple[int, int], grid: tuple[np.ndarray, ...]
) -> Complex:
    """Normalised complex correlation of `first` with `second` ahead by a lag, in the windows of a grid."""
    moved = _shifted(second, lag)
    energy = _window_mean(_square(first), window)[grid] * _window_mean(_square(moved), window)[grid]
    return _window_mean(np.conj(first) * moved, window)[grid] / np.sqrt(np.maximum(energy, 1e-30))


def _shifted(image: np.ndarray, lag: tuple[int, int]) -> np.ndarray:
    """Image ahead by (lines, rows); edges repeat."""
    for axis, step in enumerate(lag):
        if step:
            index = np.clip(np.arange(image.shape[axis]) + step, 0, image.shape[axis] - 1)
            image = np.take(image, index, axis=axis)
    return image


def _window_mean(image: Complex | Real, window: tuple[int, int]) -> np.ndarray:
    size = window[1], window[0]
    if not np.iscomplexobj(image):
        return cv2.blur(image, size, borderType=cv2.BORDER_REFLECT_101)
    parts = np.ascontiguousarray(image).view(np.float32).reshape(*image.shape, 2)
    return cv2.blur(parts, size, borderType=cv2.BORDER_REFLECT_101).view(np.complex64)[..., 0]


def _square(z: Complex) -> Real:
    return z.real * z.real + z.imag * z.imag


def _without_outliers(found: np.ndarray, correlation: np.ndarray, pair: EchoPair) -> np.ndarray:
    """Windows that differ from the median of their neighbourhood by a quarter period or half a beam, replaced by it."""
    limits = 0.5 * math.pi / pair.band.carrier_rad, 0.5 * pair.beam_lines
    cleaned = []
    for field_, limit in zip(found, limits, strict=True):
        middle = median_filter(field_, size=(5, 5), mode="nearest")
        cleaned.append(np.where((np.abs(field_ - middle) > limit) | (correlation < 0.2), middle, field_))
    return np.stack(cleaned)
