"""Read an analytic signal at displaced positions, without the interpolation error that the carrier would cause.

The carrier is taken off before interpolating and put back at the displaced position, so the cubic kernel only has to
follow the slow complex envelope. Cubic convolution: Keys 1981, doi:10.1109/TASSP.1981.1163711.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange


def warp_analytic(
    signal: np.ndarray, axial: np.ndarray, lateral: np.ndarray, *, carrier_rad: float
) -> tuple[np.ndarray, np.ndarray]:
    """Value of `signal` at (row + axial, line + lateral) for every pixel.

    signal : complex (axial, line). axial, lateral : float32 of the same shape, samples and lines.
    carrier_rad : phase advance of the carrier in one sample, rad.
    Returns complex64 values and a bool mask that is False where the position lies outside; there the value is 0.
    """
    slow = signal * np.exp(-1j * carrier_rad * np.arange(signal.shape[0]))[:, None]
    return _warp(  # type: ignore[no-any-return]
        np.ascontiguousarray(slow.astype(np.complex64)),
        np.ascontiguousarray(axial, dtype=np.float32),
        np.ascontiguousarray(lateral, dtype=np.float32),
        carrier_rad,
    )


@njit(cache=True, inline="always")
def _keys(t: float) -> tuple[float, float, float, float]:  # pragma: no cover (compiled)
    """Weights of the four neighbours at fraction t of the way from the second to the third."""
    return (
        ((-0.5 * t + 1.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((-1.5 * t + 2.0) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    )


@njit(cache=True, parallel=True)
def _warp(slow, axial, lateral, carrier_rad):  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    n_rows, n_lines = slow.shape
    values = np.zeros((n_rows, n_lines), np.complex64)
    inside = np.zeros((n_rows, n_lines), np.bool_)
    for row in prange(n_rows):
        for line in range(n_lines):
            y, x = row + axial[row, line], line + lateral[row, line]
            if not (0 <= y <= n_rows - 1 and 0 <= x <= n_lines - 1):
                continue
            inside[row, line] = True
            top, left = int(y), int(x)
            weights_y, weights_x = _keys(y - top), _keys(x - left)
            total = 0j
            for i in range(4):
                r = min(max(top - 1 + i, 0), n_rows - 1)
                across = 0j
                for j in range(4):
                    across += weights_x[j] * slow[r, min(max(left - 1 + j, 0), n_lines - 1)]
                total += weights_y[i] * across
            values[row, line] = total * np.exp(1j * carrier_rad * y)
    return values, inside
