"""Axial strain from axial displacement: the derivative along depth, estimated over a window.

Arrays are (axial, line). Strain is d(displacement)/d(depth), a fraction, negative where tissue is compressed.
NaN in the displacement, or a weight of 0, means no measurement there; where a window holds too few of them the strain
is NaN. Windows are cut at the edges of the image, so a linear displacement has its exact strain in every row.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def odd_window(length_m: float, step_m: float, *, n_available: int) -> int:
    """Odd number of samples, at least 3, nearest to `length_m` and no longer than the image."""
    if not (length_m > 0 and step_m > 0):
        raise ValueError(f"window and step must be positive, got {length_m} and {step_m} m")
    half = max(1, round((length_m / step_m - 1) / 2))
    return 2 * min(half, max(1, (n_available - 1) // 2)) + 1


def least_squares_strain(
    displacement_m: npt.NDArray[np.floating],
    step_m: float,
    *,
    window: int,
    weights: npt.NDArray[np.floating] | None = None,
    minimum_support: float = 0.25,
) -> Array:
    """Slope of the straight line that fits `window` samples of displacement best.

    displacement_m : (axial, line), m; NaN where unknown. step_m : distance of two samples, m.
    weights : (axial, line), 0 or more: trust in each sample; 1 everywhere by default.
    minimum_support : share of the (cut) window that must hold samples, else NaN.
    Away from the edges and with equal weights this is the Savitzky-Golay derivative of order 1.
    Source: Kallel & Ophir 1997, doi:10.1177/016173469701900302.
    """
    if window < 3 or window % 2 == 0:
        raise ValueError(f"window must be odd and at least 3, got {window}")
    known = np.isfinite(displacement_m)
    trust = known.astype(np.float64) if weights is None else np.where(known, weights, 0.0)
    values = np.where(known, displacement_m, 0.0).astype(np.float64)
    values -= _reference(values, known)
    return _weighted_slope(values, trust, window, minimum_support) / step_m


def _reference(values: Array, known: npt.NDArray[np.bool_]) -> Array:
    """Mean of each line, taken off before products are formed so that they lose no digits."""
    counts = np.maximum(known.sum(axis=0), 1)
    reference: Array = values.sum(axis=0) / counts
    return reference


def _weighted_slope(values: Array, weights: Array, window: int, minimum_support: float) -> Array:
    """Weighted least-squares slope per sample in a sliding window, from moments over depth."""
    n_rows = values.shape[0]
    rows = (np.arange(n_rows) - (n_rows - 1) / 2)[:, None]
    weighted = weights * values
    s0, s1, s2 = (_windowed(weights * rows**k, window) for k in range(3))
    t0, t1 = _windowed(weighted, window), _windowed(weighted * rows, window)
    support = _windowed((weights > 0).astype(np.float64), window)
    available = _windowed(np.ones((n_rows, 1)), window)
    is_known = support >= np.maximum(minimum_support * available, 1.5)
    determinant = np.where(is_known, s0 * s2 - s1**2, 1.0)
    return np.where(is_known, (s0 * t1 - s1 * t0) / determinant, np.nan)


def _windowed(image: Array, window: int) -> Array:
    """Sum over `window` rows about each row, cut at the edges."""
    n_rows, half = image.shape[0], window // 2
    running = np.concatenate([np.zeros((1, *image.shape[1:])), np.cumsum(image, axis=0)])
    rows = np.arange(n_rows)
    summed: Array = running[np.minimum(rows + half + 1, n_rows)] - running[np.maximum(rows - half, 0)]
    return summed
