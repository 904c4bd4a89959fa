"""Axial strain from axial displacement: the derivative along depth, estimated over a window.

Arrays are (axial, line). Strain is d(displacement)/d(depth), a fraction, negative where tissue is compressed.
NaN in the displacement, or a weight of 0, means no measurement there; where a window holds too few of them the strain
is NaN. Windows are cut at the edges of the image, so a linear displacement has its exact strain in every row.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from sonometry.numerics.threads import in_threads

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
    known = np.isfinite(displacement_m) if weights is None else np.isfinite(displacement_m) & (weights > 0)
    trust = known.astype(np.float64) if weights is None else np.where(known, weights, 0.0)
    values = np.where(known, displacement_m, 0.0).astype(np.float64)
    values -= values.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    slope = np.empty_like(values)
    n_blocks = -(-values.shape[1] // _BLOCK_LINES)
    in_threads(_sliding_slope, n_blocks, values, trust, window // 2, float(minimum_support), slope, least=1)
    return slope / step_m


#: Lines that advance together, so that their sums stay in registers.
_BLOCK_LINES = 64


@njit(cache=True, nogil=True)
def _sliding_slope(  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    start, stop, values, weights, half, minimum_support, slope
):
    """Weighted least-squares slope per sample; moments about the window's centre are carried from row to row."""
    n_rows, n_lines = values.shape
    for block in range(start, stop):
        first, last = block * _BLOCK_LINES, min((block + 1) * _BLOCK_LINES, n_lines)
        # s0 s1 s2: sums of weight x offset^k; t0 t1: of weight x value x offset^k; then the number of samples.
        moments = np.zeros((6, last - first))
        for row in range(-half, n_rows):
            _shift(moments)
            if row + half < n_rows:
                _add(moments, values[row + half, first:last], weights[row + half, first:last], half, 1)
            if row - half - 1 >= 0:
                _add(moments, values[row - half - 1, first:last], weights[row - half - 1, first:last], -half - 1, -1)
            if row >= 0:
                available = min(row + half, n_rows - 1) - max(row - half, 0) + 1
                _slopes(moments, max(minimum_support * available, 2.0), slope[row, first:last])


@njit(cache=True, nogil=True)
def _shift(moments):  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    """Move the centre by one sample: every offset becomes one smaller."""
    for j in range(moments.shape[1]):
        moments[2, j] += moments[0, j] - 2 * moments[1, j]
        moments[1, j] -= moments[0, j]
        moments[4, j] -= moments[3, j]


@njit(cache=True, nogil=True)
def _add(moments, values, weights, offset, sign):  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    """Take one row into the window (sign 1) or out of it (sign -1)."""
    for j in range(moments.shape[1]):
        weight = sign * weights[j]
        moments[0, j] += weight
        moments[1, j] += weight * offset
        moments[2, j] += weight * offset * offset
        moments[3, j] += weight * values[j]
        moments[4, j] += weight * values[j] * offset
        moments[5, j] += sign * (weights[j] > 0)


@njit(cache=True, nogil=True)
def _slopes(moments, least, slope):  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    """Slope of every line, NaN where the window holds fewer than `least` samples."""
    for j in range(moments.shape[1]):
        s0, s1, s2, t0, t1 = moments[0, j], moments[1, j], moments[2, j], moments[3, j], moments[4, j]
        if moments[5, j] >= least:
            slope[j] = (s0 * t1 - s1 * t0) / (s0 * s2 - s1 * s1)
        else:
            slope[j] = np.nan
