"""Kalman filter across the lines of a strain image.

The least-squares strain of every line is a noisy measurement z of the strain s, which changes little to the next line:

    s(i, j) = mean of s(i-1, j-1), s(i, j-1), s(i+1, j-1)  +  r(i, j),    z(i, j) = s(i, j) + v(i, j).

The variance of r is the squared step between the local means of neighbouring lines, so the filter follows a boundary
and smooths an even region; the variance of v comes from the differences between neighbouring lines.
Here the filter runs from both sides and the two are averaged, since one pass drags the image along its direction.
Source: Rivaz et al. 2011, doi:10.1109/TMI.2010.2091966.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter

Array = npt.NDArray[np.float64]


def kalman_strain(measured: npt.NDArray[np.floating], *, block: int = 3, noise_sd: float | None = None) -> Array:
    """Strain smoothed across lines, keeping steps between tissues.

    measured : (axial, line) least-squares strain; NaN where unknown, and then predicted from the neighbouring line and
    returned as NaN. block : samples and lines (odd) of the local means. noise_sd : standard deviation of `measured`;
    estimated from the image by default.
    """
    if measured.ndim != 2 or block < 1 or block % 2 == 0:
        raise ValueError(f"expected a 2-D strain image and an odd block, got {measured.ndim} dimensions and {block}")
    known = np.isfinite(measured)
    if not known.any():
        return np.full(measured.shape, np.nan)
    values = np.where(known, measured, 0.0).astype(np.float64)
    mean = _local_mean(values, known, (block, block))
    noise = measurement_variance(measured) if noise_sd is None else noise_sd**2
    forward = _pass(values, known, mean, noise)
    backward = _pass(values[:, ::-1], known[:, ::-1], mean[:, ::-1], noise)[:, ::-1]
    return np.where(known, (forward + backward) / 2, np.nan)


def measurement_variance(measured: npt.NDArray[np.floating]) -> float:
    """Variance of the noise from line to line: the robust spread of second differences across lines.

    A strain that is linear across three lines adds nothing to it. 0 with fewer than three lines.
    """
    if measured.shape[1] < 3:
        return 0.0
    second = measured[:, 2:] - 2 * measured[:, 1:-1] + measured[:, :-2]
    second = second[np.isfinite(second)]
    if second.size == 0:
        return 0.0
    # A normal variable has a median absolute value of 0.6745 sd; a second difference of white noise 6 variances.
    return float((np.median(np.abs(second)) / 0.6745) ** 2 / 6)


def _local_mean(values: Array, known: npt.NDArray[np.bool_], size: tuple[int, int]) -> Array:
    """Mean of the known values in a block about each pixel; 0 where there is none."""
    weight = uniform_filter(known.astype(np.float64), size, mode="nearest")
    total: Array = uniform_filter(values, size, mode="nearest") / np.maximum(weight, 1e-12)
    return np.where(weight > 1e-12, total, 0.0)


def _pass(values: Array, known: npt.NDArray[np.bool_], mean: Array, noise: float) -> Array:
    """Filter from the first line to the last."""
    filtered = np.empty_like(values)
    filtered[:, 0] = np.where(known[:, 0], values[:, 0], mean[:, 0])
    variance = np.full(values.shape[0], noise)
    for line in range(1, values.shape[1]):
        predicted = _smooth3(filtered[:, line - 1])
        variance = _smooth3(variance) + (mean[:, line] - mean[:, line - 1]) ** 2
        gain = np.where(known[:, line], variance / np.maximum(variance + noise, 1e-300), 0.0)
        filtered[:, line] = predicted + gain * (values[:, line] - predicted)
        variance = (1 - gain) * variance
    return filtered


def _smooth3(column: Array) -> Array:
    """Mean of each sample and its two neighbours along depth, edge samples repeated."""
    padded = np.concatenate([column[:1], column, column[-1:]])
    smoothed: Array = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    return smoothed
