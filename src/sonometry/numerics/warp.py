"""Read a baseband frame at displaced positions by cubic B-spline interpolation.

Arrays are (line, row) complex64 as `numerics.baseband` makes them. A cubic B-spline through the samples follows a
signal of the band used here to about 0.1 %, where cubic convolution is off by several per cent.
Source: Unser 1999, Splines: a perfect fit for signal and image processing, doi:10.1109/79.799930.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from sonometry.numerics.threads import in_threads

Complex = npt.NDArray[np.complex64]
Real = npt.NDArray[np.float32]

#: Pole of the recursive filter that turns samples into cubic B-spline coefficients, and its gain.
_POLE = math.sqrt(3) - 2
_GAIN = (1 - _POLE) * (1 - 1 / _POLE)
#: Rows that are filtered across lines together.
_BLOCK = 64
#: Terms of the sum that starts the recursion: |pole|^14 is 1e-8.
_HORIZON = 14


def spline_coefficients(image: Complex) -> Complex:
    """Coefficients of the cubic B-spline through the samples of `image`, mirrored at its edges."""
    coefficients = image.astype(np.complex64, copy=True, order="C")
    if image.shape[1] > 1:
        in_threads(_filter_rows, image.shape[0], coefficients)
    if image.shape[0] > 1:
        in_threads(_filter_lines, (image.shape[1] + _BLOCK - 1) // _BLOCK, coefficients, least=1)
    return coefficients


def warp(coefficients: Complex, axial_rows: Real, lateral_lines: Real) -> tuple[Complex, npt.NDArray[np.bool_]]:
    """Values at (line + lateral, row + axial) of every pixel, and where that lies inside the frame.

    axial_rows, lateral_lines : float32 of the shape of the coefficients, in rows and lines. Values more
        than half a pixel outside are 0.
    """
    values = np.zeros(coefficients.shape, np.complex64)
    inside = np.zeros(coefficients.shape, np.bool_)
    in_threads(_warp, coefficients.shape[0], coefficients, axial_rows, lateral_lines, values, inside)
    return values, inside


@njit(cache=True, nogil=True)
def _filter_rows(start: int, stop: int, image: Complex) -> None:  # pragma: no cover (compiled)
    n_rows = image.shape[1]
    for line in range(start, stop):
        row = image[line]
        start = row[0]
        factor = _POLE
        for k in range(1, min(_HORIZON, n_rows)):
            start += factor * row[k]
            factor *= _POLE
        row[0] = start
        for k in range(1, n_rows):
            row[k] += _POLE * row[k - 1]
        row[n_rows - 1] = (_POLE / (_POLE * _POLE - 1)) * (row[n_rows - 1] + _POLE * row[n_rows - 2])
        for k in range(n_rows - 2, -1, -1):
            row[k] = _POLE * (row[k + 1] - row[k])
        for k in range(n_rows):
            row[k] *= _GAIN


@njit(cache=True, nogil=True)
def _filter_lines(start: int, stop: int, image: Complex) -> None:  # pragma: no cover (compiled)
    n_lines, n_rows = image.shape
    for b in range(start, stop):
        part = image[:, b * _BLOCK : min((b + 1) * _BLOCK, n_rows)]
        width = part.shape[1]
        factor = _POLE
        for line in range(1, min(_HORIZON, n_lines)):
            for k in range(width):
                part[0, k] += factor * part[line, k]
            factor *= _POLE
        for line in range(1, n_lines):
            for k in range(width):
                part[line, k] += _POLE * part[line - 1, k]
        for k in range(width):
            last = part[n_lines - 1, k] + _POLE * part[n_lines - 2, k]
            part[n_lines - 1, k] = (_POLE / (_POLE * _POLE - 1)) * last
        for line in range(n_lines - 2, -1, -1):
            for k in range(width):
                part[line, k] = _POLE * (part[line + 1, k] - part[line, k])
        for line in range(n_lines):
            for k in range(width):
                part[line, k] *= _GAIN


@njit(cache=True, inline="always")
def _weights(t: float) -> tuple[float, float, float, float]:  # pragma: no cover (compiled)
    """Cubic B-spline weights of the four neighbours at fraction t from the second to the third."""
    s = 1.0 - t
    third = 1.0 / 6.0
    return s * s * s * third, (4 - 3 * t * t * (2 - t)) * third, (4 - 3 * s * s * (2 - s)) * third, t * t * t * third


@njit(cache=True, inline="always")
def mirrored(index: int, size: int) -> int:  # pragma: no cover (compiled)
    """Index reflected once at either end."""
    if index < 0:
        index = -index
    if index >= size:
        index = 2 * size - 2 - index
    return min(max(index, 0), size - 1)


@njit(cache=True, fastmath=True)
def read_spline(coefficients: Complex, line: float, row: float) -> complex:  # pragma: no cover (compiled)
    """Value at a position (line, row) that lies within the image, or at most half a pixel beyond: there at its edge."""
    n_lines, n_rows = coefficients.shape
    line, row = min(max(line, 0.0), n_lines - 1.0), min(max(row, 0.0), n_rows - 1.0)
    left, top = min(int(line), n_lines - 2), min(int(row), n_rows - 2)
    across, down = _weights(line - left), _weights(row - top)
    real, imaginary = 0.0, 0.0
    if 1 <= left < n_lines - 2 and 1 <= top < n_rows - 2:
        for i in range(4):
            c0 = coefficients[left - 1 + i, top - 1]
            c1 = coefficients[left - 1 + i, top]
            c2 = coefficients[left - 1 + i, top + 1]
            c3 = coefficients[left - 1 + i, top + 2]
            real += across[i] * (down[0] * c0.real + down[1] * c1.real + down[2] * c2.real + down[3] * c3.real)
            imaginary += across[i] * (down[0] * c0.imag + down[1] * c1.imag + down[2] * c2.imag + down[3] * c3.imag)
        return complex(real, imaginary)
    for i in range(4):
        near = mirrored(left - 1 + i, n_lines)
        for k in range(4):
            c = coefficients[near, mirrored(top - 1 + k, n_rows)]
            real += across[i] * down[k] * c.real
            imaginary += across[i] * down[k] * c.imag
    return complex(real, imaginary)


@njit(cache=True, nogil=True)
def _warp(  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    start, stop, coefficients, axial_rows, lateral_lines, values, inside
):
    n_lines, n_rows = coefficients.shape
    for line in range(start, stop):
        for row in range(n_rows):
            y = row + axial_rows[line, row]
            x = line + lateral_lines[line, row]
            if -0.5 <= y <= n_rows - 0.5 and -0.5 <= x <= n_lines - 0.5:
                inside[line, row] = True
                values[line, row] = read_spline(coefficients, x, y)
