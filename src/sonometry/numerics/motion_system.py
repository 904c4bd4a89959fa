"""The global quadratic system of two-component motion on a grid, solved by preconditioned conjugate gradients.

Unknown is an update u = (axial, lateral) in every pixel that minimises

    sum  D11 a^2 + 2 D12 a l + D22 l^2 - 2 (r1 a + r2 l)
       + sum over axial neighbours    wa1 (a - a')^2 + wa2 (l - l')^2
       + sum over lateral neighbours  wl1 (a - a')^2 + wl2 (l - l')^2,

the normal equations of GLUE (Hashemi & Rivaz 2017, doi:10.1109/TUFFC.2017.2737379). A direct factorisation of two
million unknowns takes many gigabytes; here the matrix is never formed. The preconditioner is one symmetric V-cycle:
its smoother solves every line exactly (block-tridiagonal with 2 x 2 blocks), and what is smooth across lines is left to
grids with half, a quarter, ... of the lines. Arrays are float32 (component, axial, line) and rows are contiguous, so
that the lines of a block advance together in vector registers.
Source of the cycle: Briggs, Henson & McCormick 2000, A Multigrid Tutorial, chapter 7 (semi-coarsening).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from sonometry.numerics.threads import in_threads

Array = npt.NDArray[np.float32]

#: Lines that advance together, so that a row of them fits into the nearest cache.
_BLOCK_LINES = 64


@dataclass(frozen=True, eq=False)
class MotionSystem:
    """Coefficients of the quadratic.

    data : (3, axial, line) D11, D12, D22, positive semi-definite in every pixel.
    right_side : (2, axial, line) r1, r2.
    axial_weights, lateral_weights : (2,) smoothness of each component along depth and across lines, positive.
    """

    data: Array
    right_side: Array
    axial_weights: tuple[float, float]
    lateral_weights: tuple[float, float]

    def __post_init__(self) -> None:
        grid = self.data.shape[1:]
        if self.data.shape[0] != 3 or self.right_side.shape != (2, *grid):
            raise ValueError(f"expected (3, n, m) and (2, n, m), got {self.data.shape} and {self.right_side.shape}")
        if self.data.dtype != np.float32 or self.right_side.dtype != np.float32:
            raise ValueError("data and right_side must be float32")
        if min(*self.axial_weights, *self.lateral_weights) <= 0:
            raise ValueError("smoothness weights must be positive")


@dataclass(frozen=True, eq=False)
class Solution:
    """`update` (2, axial, line), the iterations it took and the residual norm over the first one."""

    update: Array
    n_iterations: int
    relative_residual: float


def solve(system: MotionSystem, *, tolerance: float = 1e-2, max_iterations: int = 30) -> Solution:
    """Minimise the quadratic, starting from zero.

    tolerance : relative norm of the residual at which to stop.
    Returns the update found after `max_iterations`, whether or not the tolerance was reached.
    """
    levels = _levels(system)
    update = np.zeros_like(system.right_side)
    residual = system.right_side.copy()
    first = norm = _dot(residual, residual)
    if first == 0:
        return Solution(update, 0, 0.0)
    direction, energy = np.zeros_like(residual), 1.0
    iteration = 0
    while iteration < max_iterations and norm > tolerance**2 * first:
        step = _cycle(levels, residual)
        energy, previous = _dot(residual, step), energy
        direction *= np.float32(energy / previous)
        direction += step
        image = levels[0].apply(direction)
        length = np.float32(energy / _dot(direction, image))
        update += length * direction
        residual -= length * image
        norm = _dot(residual, residual)
        iteration += 1
    return Solution(update, iteration, float(np.sqrt(norm / first)))


def apply(system: MotionSystem, update: Array) -> Array:
    """Left side of the normal equations for an update, (2, axial, line)."""
    axial, lateral = np.array(system.axial_weights, np.float32), np.array(system.lateral_weights, np.float32)
    return _applied(update, system.data, axial, lateral)


def _dot(x: Array, y: Array) -> float:
    """Inner product: rows in float32, their sum in float64."""
    return float(np.einsum("cij,cij->ci", x, y).sum(dtype=np.float64))


#: Share of the exact line solutions that one sweep takes: two thirds damp what oscillates across lines best.
_DAMPING = np.float32(2 / 3)
#: Lines at which coarsening ends, and the sweeps that solve what is left there.
_FEWEST_LINES, _LAST_SWEEPS = 4, 6


@dataclass(frozen=True, eq=False)
class _Level:
    """The system on a grid of fewer lines. inverse : pivots of its lines."""

    data: Array
    inverse: Array
    axial: Array
    lateral: Array

    def apply(self, x: Array) -> Array:
        """Matrix times x."""
        return _applied(x, self.data, self.axial, self.lateral)

    def sweep(self, right_side: Array) -> Array:
        """Damped solution of every line with its neighbours at rest."""
        x = np.empty_like(right_side)
        in_threads(_solve_lines, _n_blocks(x), x, right_side, self.inverse, self.axial, least=1)
        x *= _DAMPING
        return x


def _levels(system: MotionSystem) -> list[_Level]:
    """The system, and the same with ever fewer lines.

    A cell of two lines has twice their data and axial smoothness, and half the lateral one: (d / 2)^2 on two lines.
    """
    data = system.data
    axial, lateral = np.array(system.axial_weights, np.float32), np.array(system.lateral_weights, np.float32)
    levels = [_Level(data, _factored(data, axial, lateral), axial, lateral)]
    while data.shape[2] > _FEWEST_LINES:
        data = _restrict(data)
        axial, lateral = axial * np.float32(2), lateral * np.float32(0.5)
        levels.append(_Level(data, _factored(data, axial, lateral), axial, lateral))
    return levels


def _cycle(levels: list[_Level], right_side: Array) -> Array:
    """Approximate solution by one V-cycle; a symmetric positive definite function of `right_side`."""
    level = levels[0]
    x = level.sweep(right_side)
    if len(levels) == 1:
        for _ in range(_LAST_SWEEPS):
            x += level.sweep(right_side - level.apply(x))
        return x
    residual = right_side - level.apply(x)
    _prolong_add(_cycle(levels[1:], _restrict(residual)), x)
    x += level.sweep(right_side - level.apply(x))
    return x


def _n_blocks(x: Array) -> int:
    return -(-int(x.shape[2]) // _BLOCK_LINES)


def _applied(x: Array, data: Array, axial: Array, lateral: Array) -> Array:
    """Matrix times x."""
    y = np.empty_like(x)
    in_threads(_apply, x.shape[1], x, data, axial, lateral, y)
    return y


def _factored(data: Array, axial: Array, lateral: Array) -> Array:
    """Inverse pivots (3, axial, line) of the block-tridiagonal matrix of every line."""
    inverse = np.empty_like(data)
    in_threads(_factor_lines, _n_blocks(data), data, axial, lateral, inverse, least=1)
    return inverse


def _restrict(fine: Array) -> Array:
    """Sum into cells of two lines, the transpose of `_prolong_add`."""
    coarse = np.zeros((*fine.shape[:2], (fine.shape[2] + 1) // 2), np.float32)
    in_threads(_gather, fine.shape[1], fine, coarse)
    return coarse


def _prolong_add(coarse: Array, fine: Array) -> None:
    """Add the values of cells to their lines, linearly between the centres of the cells, in place."""
    in_threads(_scatter, fine.shape[1], coarse, fine)


@njit(cache=True, nogil=True, fastmath=True)
def _apply(start, stop, x, data, axial, lateral, y):  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    _, n_rows, n_lines = x.shape
    for i in range(start, stop):
        up, down = max(i - 1, 0), min(i + 1, n_rows - 1)
        for j in range(n_lines):
            left, right = max(j - 1, 0), min(j + 1, n_lines - 1)
            a, b = x[0, i, j], x[1, i, j]
            y[0, i, j] = (
                data[0, i, j] * a
                + data[1, i, j] * b
                + axial[0] * (2 * a - x[0, up, j] - x[0, down, j])
                + lateral[0] * (2 * a - x[0, i, left] - x[0, i, right])
            )
            y[1, i, j] = (
                data[1, i, j] * a
                + data[2, i, j] * b
                + axial[1] * (2 * b - x[1, up, j] - x[1, down, j])
                + lateral[1] * (2 * b - x[1, i, left] - x[1, i, right])
            )


@njit(cache=True, nogil=True, fastmath=True)
def _factor_lines(start, stop, data, axial, lateral, inverse):  # type: ignore[no-untyped-def]  # pragma: no cover
    _, n_rows, n_lines = data.shape
    for block in range(start, stop):
        first, last = block * _BLOCK_LINES, min((block + 1) * _BLOCK_LINES, n_lines)
        for i in range(n_rows):
            ends = np.float32(2 - (i == 0) - (i == n_rows - 1))
            for j in range(first, last):
                sides = np.float32(2 - (j == 0) - (j == n_lines - 1))
                p = data[0, i, j] + ends * axial[0] + sides * lateral[0]
                q = data[1, i, j]
                s = data[2, i, j] + ends * axial[1] + sides * lateral[1]
                if i > 0:
                    p -= axial[0] * axial[0] * inverse[0, i - 1, j]
                    q -= axial[0] * axial[1] * inverse[1, i - 1, j]
                    s -= axial[1] * axial[1] * inverse[2, i - 1, j]
                scale = np.float32(1.0) / (p * s - q * q)
                inverse[0, i, j] = s * scale
                inverse[1, i, j] = -q * scale
                inverse[2, i, j] = p * scale


@njit(cache=True, nogil=True, fastmath=True)
def _solve_lines(start, stop, x, rhs, inverse, axial):  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    _, n_rows, n_lines = rhs.shape
    for block in range(start, stop):
        first, last = block * _BLOCK_LINES, min((block + 1) * _BLOCK_LINES, n_lines)
        for j in range(first, last):
            x[0, 0, j] = inverse[0, 0, j] * rhs[0, 0, j] + inverse[1, 0, j] * rhs[1, 0, j]
            x[1, 0, j] = inverse[1, 0, j] * rhs[0, 0, j] + inverse[2, 0, j] * rhs[1, 0, j]
        for i in range(1, n_rows):
            for j in range(first, last):
                a = rhs[0, i, j] + axial[0] * x[0, i - 1, j]
                b = rhs[1, i, j] + axial[1] * x[1, i - 1, j]
                x[0, i, j] = inverse[0, i, j] * a + inverse[1, i, j] * b
                x[1, i, j] = inverse[1, i, j] * a + inverse[2, i, j] * b
        for i in range(n_rows - 2, -1, -1):
            for j in range(first, last):
                a = axial[0] * x[0, i + 1, j]
                b = axial[1] * x[1, i + 1, j]
                x[0, i, j] += inverse[0, i, j] * a + inverse[1, i, j] * b
                x[1, i, j] += inverse[1, i, j] * a + inverse[2, i, j] * b


@njit(cache=True, nogil=True)
def _gather(start, stop, fine, coarse):  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    n_components, _, n_lines = fine.shape
    near, far = np.float32(0.75), np.float32(0.25)
    for c in range(n_components):
        for i in range(start, stop):
            for line in range(n_lines):
                cell = line // 2
                beside = min(max(cell + 2 * (line % 2) - 1, 0), coarse.shape[2] - 1)
                coarse[c, i, cell] += near * fine[c, i, line]
                coarse[c, i, beside] += far * fine[c, i, line]


@njit(cache=True, nogil=True)
def _scatter(start, stop, coarse, fine):  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    n_components, _, n_lines = fine.shape
    near, far = np.float32(0.75), np.float32(0.25)
    for c in range(n_components):
        for i in range(start, stop):
            for line in range(n_lines):
                cell = line // 2
                beside = min(max(cell + 2 * (line % 2) - 1, 0), coarse.shape[2] - 1)
                fine[c, i, line] += near * coarse[c, i, cell] + far * coarse[c, i, beside]
