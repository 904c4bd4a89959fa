"""Correlation of two images in blocks over many lags, and of two aligned images in a sliding window.

Images are (line, row). A lag (dl, dr) compares pixel (line, row) of the first with (line + dl, row + dr) of the second.
Source: normalised cross-correlation, Lewis 1995, Fast normalized cross-correlation (Vision Interface).
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from sonometry.numerics.threads import in_threads

Real = npt.NDArray[np.float32]
Complex = npt.NDArray[np.complex64]

#: A block of which less than this share of the partner lies inside the second image tells nothing.
LEAST_OVERLAP = 0.4


def standardise(image: Real, window: tuple[int, int]) -> Real:
    """Image with its local mean removed and its local variance made one, in a window of (lines, rows)."""
    size = (_odd(window[1]), _odd(window[0]))
    mean = cv2.blur(image, size, borderType=cv2.BORDER_REFLECT_101)
    centred = image - mean
    variance = cv2.blur(centred * centred, size, borderType=cv2.BORDER_REFLECT_101)
    floor = 1e-6 * float(variance.max(initial=0.0)) + 1e-30
    standardised: Real = np.divide(centred, np.sqrt(variance + floor), dtype=np.float32)
    return standardised


def block_correlation(first: Real, second: Real, *, cell: tuple[int, int], line_lags: int, row_lags: int) -> Real:
    """Correlation of overlapping blocks for every lag up to +-line_lags and +-row_lags.

    first, second : standardised images of equal shape.
    cell : (lines, rows) of a cell; the image is cut into cells, the last of each axis taking the remainder, and a block
        is a cell with weight 1 and its eight neighbours with weights that fall off by one half per axis.
    Returns float32 (cell line, cell row, 2 line_lags + 1, 2 row_lags + 1), -1 to 1; 0 where less than `LEAST_OVERLAP`
    of the partner lies inside the image.
    """
    n_lines, n_rows = first.shape
    cells = max(1, n_lines // cell[0]), max(1, n_rows // cell[1])
    padded = np.pad(second, ((line_lags, line_lags), (row_lags, row_lags)))
    shape = (*cells, 2 * line_lags + 1, 2 * row_lags + 1)
    products, energy, own = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(cells, np.float32)
    in_threads(_cell_sums, cells[0], first, padded, cell[0], cell[1], products, energy, own, least=1)
    products, energy, own = (_with_neighbours(s) for s in (products, energy, own))
    reference = own[:, :, None, None]
    is_known = energy > LEAST_OVERLAP * reference
    scale = np.sqrt(np.maximum(reference * energy, 1e-12))
    correlation: Real = np.where(is_known, products / scale, 0).astype(np.float32)
    return correlation


def cell_centres(size: int, cell: int) -> npt.NDArray[np.float64]:
    """Middle of each cell along one axis, in pixels, as `block_correlation` cuts it."""
    n_cells = max(1, size // cell)
    edges = np.append(np.arange(n_cells) * cell, size)
    centres: npt.NDArray[np.float64] = (edges[:-1] + edges[1:] - 1) / 2
    return centres


def coherence(first: Complex, second: Complex, window: tuple[int, int]) -> Real:
    """Real part of the normalised correlation of two aligned baseband images in a window of (lines, rows), -1 to 1.

    Where either is zero throughout the window it is 0.
    """
    size = (_odd(window[1]), _odd(window[0]))
    product = cv2.blur(first.real * second.real + first.imag * second.imag, size, borderType=cv2.BORDER_REFLECT_101)
    one, two = (
        cv2.blur(z.real * z.real + z.imag * z.imag, size, borderType=cv2.BORDER_REFLECT_101) for z in (first, second)
    )
    floor = 1e-12 * float(one.max(initial=0.0)) * float(two.max(initial=0.0)) + 1e-35
    correlation: Real = np.clip(product / np.sqrt(np.maximum(one * two, 0) + floor), -1, 1).astype(np.float32)
    return correlation


def parabolic_peak(before: Real, at: Real, after: Real) -> Real:
    """Offset, -0.5 to 0.5, of the extremum of the parabola through three equidistant values; 0 where it is flat."""
    curvature = before - 2 * at + after
    is_curved = np.abs(curvature) > 1e-9
    offset: Real = np.where(is_curved, 0.5 * (before - after) / np.where(is_curved, curvature, 1), 0)
    return np.clip(offset, -0.5, 0.5)


def _odd(size: int) -> int:
    return max(1, size) | 1


def _with_neighbours(sums: Real) -> Real:
    """Cell sums plus half of each neighbour, along both cell axes."""
    for axis in (0, 1):
        spread = sums.copy()
        ahead = [slice(None)] * sums.ndim
        behind = [slice(None)] * sums.ndim
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        spread[tuple(ahead)] += 0.5 * sums[tuple(behind)]
        spread[tuple(behind)] += 0.5 * sums[tuple(ahead)]
        sums = spread
    return sums


@njit(cache=True, nogil=True, fastmath=True)
def _cell_sums(start, stop, first, padded, cell_lines, cell_rows, products, energy, own):  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    """Sums over cells of first * second and second^2 for all lags, and of first^2."""
    n_lines, n_rows = first.shape
    n_cells_line, n_cells_row, n_line_lags, n_row_lags = products.shape
    for c in range(start, stop):
        last_line = n_lines if c == n_cells_line - 1 else (c + 1) * cell_lines
        for line in range(c * cell_lines, last_line):
            for k in range(n_rows):
                d = min(k // cell_rows, n_cells_row - 1)
                value = first[line, k]
                own[c, d] += value * value
                for i in range(n_line_lags):
                    partner = padded[line + i, k : k + n_row_lags]
                    total, square = products[c, d, i], energy[c, d, i]
                    for j in range(n_row_lags):
                        total[j] += value * partner[j]
                        square[j] += partner[j] * partner[j]
