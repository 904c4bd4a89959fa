"""Data and smoothness terms of the global motion system, linearised about the present motion.

The data term compares complex baseband echoes: b1 of the earlier frame and b2 of the later one, both with the carrier
exp(i w row) removed. Where the motion is u = (axial a, lateral l), the later frame warped back to the grid of the
earlier one is

    v = b2(row + a, line + l) exp(i w a),

read by cubic B-splines. Its derivatives along a and l give the normal equations of sum |b1 - v|^2. Unlike the real RF,
whose gradient vanishes twice a period, |dv/da| follows the envelope, so every sample says something about its motion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from sonometry.numerics.threads import in_threads

Array = npt.NDArray[np.float32]
ComplexArray = npt.NDArray[np.complex64]


@dataclass(frozen=True, eq=False)
class DataTerms:
    """Unweighted normal equations in every pixel, 0 where the warp leaves the later frame.

    matrix : (3, axial, line) |va|^2, Re(va* vl), |vl|^2. right_side : (2, axial, line) Re(va* e), Re(vl* e).
    residual_power : (axial, line) |e|^2 with e = b1 - v. inside : (axial, line) bool, whether the warp stays inside.
    """

    matrix: Array
    right_side: Array
    residual_power: Array
    inside: npt.NDArray[np.bool_]


def data_terms(earlier: ComplexArray, coefficients: ComplexArray, motion: Array, carrier_rad: float) -> DataTerms:
    """Normal equations of the data term about `motion`.

    earlier : complex64 (axial, line) baseband. coefficients : cubic B-spline coefficients of the later baseband.
    motion : float32 (2, axial, line) samples and lines. carrier_rad : phase of the carrier per sample.
    """
    grid = earlier.shape
    if coefficients.shape != grid or motion.shape != (2, *grid):
        raise ValueError(f"expected frames and motion of one shape, got {grid}, {coefficients.shape}, {motion.shape}")
    terms = DataTerms(
        np.zeros((3, *grid), np.float32),
        np.zeros((2, *grid), np.float32),
        np.zeros(grid, np.float32),
        np.zeros(grid, np.bool_),
    )
    arrays = terms.matrix, terms.right_side, terms.residual_power, terms.inside
    in_threads(_accumulate, grid[0], earlier, coefficients, motion, np.float32(carrier_rad), *arrays)
    return terms


def subtract_smoothness(
    right_side: Array,
    motion: Array,
    expected: tuple[Array, Array],
    axial_weights: tuple[float, float],
    lateral_weights: tuple[float, float],
) -> None:
    """Take the gradient of the smoothness terms at `motion` off `right_side` (2, axial, line), in place.

    expected : differences that cost nothing, each (2, axial, line): the motion of a pixel minus that of the pixel above
    it, and minus that of the pixel to its left; row 0 of the one and line 0 of the other are not read.
    """
    axial, lateral = np.array(axial_weights, np.float32), np.array(lateral_weights, np.float32)
    in_threads(_subtract, motion.shape[1], right_side, motion, *expected, axial, lateral)


@njit(cache=True, nogil=True)
def _subtract(  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    start, stop, right_side, motion, axial_step, lateral_step, axial, lateral
):
    _, n_rows, n_lines = motion.shape
    for c in range(2):
        for i in range(start, stop):
            for j in range(n_lines):
                here = motion[c, i, j]
                force = np.float32(0)
                if i > 0:
                    force += axial[c] * (here - motion[c, i - 1, j] - axial_step[c, i, j])
                if i < n_rows - 1:
                    force -= axial[c] * (motion[c, i + 1, j] - here - axial_step[c, i + 1, j])
                if j > 0:
                    force += lateral[c] * (here - motion[c, i, j - 1] - lateral_step[c, i, j])
                if j < n_lines - 1:
                    force -= lateral[c] * (motion[c, i, j + 1] - here - lateral_step[c, i, j + 1])
                right_side[c, i, j] -= force


@njit(cache=True, nogil=True)
def _values(t):  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    """Weights of the four neighbours in a cubic B-spline at fraction t from the second to the third."""
    s = 1 - t
    return s * s * s / 6, 2 / 3 + (t / 2 - 1) * t * t, 2 / 3 + (s / 2 - 1) * s * s, t * t * t / 6


@njit(cache=True, nogil=True)
def _slopes(t):  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    """Derivatives of `_values`."""
    s = 1 - t
    return -s * s / 2, (1.5 * t - 2) * t, -(1.5 * s - 2) * s, t * t / 2


@njit(cache=True, nogil=True, fastmath=True)
def _accumulate(  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    start, stop, earlier, coefficients, motion, carrier, matrix, right_side, power, inside
):
    n_rows, n_lines = earlier.shape
    for i in range(start, stop):
        for j in range(n_lines):
            y, x = i + motion[0, i, j], j + motion[1, i, j]
            if not (0 <= y <= n_rows - 1 and 0 <= x <= n_lines - 1):
                continue
            inside[i, j] = True
            top, left = int(y), int(x)
            weights_y, slopes_y = _values(y - top), _slopes(y - top)
            weights_x, slopes_x = _values(x - left), _slopes(x - left)
            v, along, across = np.complex64(0), np.complex64(0), np.complex64(0)
            for p in range(4):
                row = _mirror(top - 1 + p, n_rows)
                value, slope = np.complex64(0), np.complex64(0)
                for q in range(4):
                    c = coefficients[row, _mirror(left - 1 + q, n_lines)]
                    value += np.float32(weights_x[q]) * c
                    slope += np.float32(slopes_x[q]) * c
                v += np.float32(weights_y[p]) * value
                along += np.float32(slopes_y[p]) * value
                across += np.float32(weights_y[p]) * slope
            angle = carrier * motion[0, i, j]
            turn = complex(np.cos(angle), np.sin(angle))
            va, vl = (along + 1j * carrier * v) * turn, across * turn
            error = earlier[i, j] - v * turn
            matrix[0, i, j] = va.real * va.real + va.imag * va.imag
            matrix[1, i, j] = va.real * vl.real + va.imag * vl.imag
            matrix[2, i, j] = vl.real * vl.real + vl.imag * vl.imag
            right_side[0, i, j] = va.real * error.real + va.imag * error.imag
            right_side[1, i, j] = vl.real * error.real + vl.imag * error.imag
            power[i, j] = error.real * error.real + error.imag * error.imag


@njit(cache=True, nogil=True)
def _mirror(index, n):  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    """Index reflected about the first and the last element."""
    index = abs(index)
    return index if index < n else 2 * (n - 1) - index
