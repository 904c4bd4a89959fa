"""Quadratic systems of smooth two-component motion, solved line by line with coarser and coarser spacing of lines.

Unknown is an update u = (a, l) on a grid (line, row) that minimises

    sum  D11 a^2 + 2 D12 a l + D22 l^2 - 2 (r1 a + r2 l)
       + sum  q_aa (d2k (A + a))^2 + q_al (d2j (A + a))^2 + q_la (d2k (L + l))^2 + q_ll (d2j (L + l))^2

with d2k, d2j second differences along the line and across lines and (A, L) the motion so far; q_aa and q_la may
differ from pixel to pixel, which lets a slip plane be one.

A line is solved exactly: with unknowns interleaved (a_0, l_0, a_1, ...) its matrix is symmetric with four
sub-diagonals. Second differences reach two lines away, so every third line may be visited at once; three such colours
are one sweep. What sweeps are slow at is motion that is smooth across lines; that is found first on a grid with every
second line, and so on down (semi-coarsening), where few lines are left to be solved at once. Such a cycle costs about
two sweeps and leaves a tenth to a third of the error, which suits a caller that linearises anew between cycles.
Conjugate gradients around it take care of what is left where data are scarce, and of divergence.
Source: Briggs, Henson & McCormick, A Multigrid Tutorial, chapters 3 and 7.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.linalg
from numba import njit

from sonometry.numerics.threads import in_threads

Real = npt.NDArray[np.float32]

#: Sub-diagonals of the matrix of a line, and lines that are eliminated side by side.
_BAND, _LANES = 4, 8
#: Coarsening ends below this number of lines, where the system is solved exactly.
_FEWEST_LINES = 8


@dataclass(frozen=True, eq=False)
class Smoothness:
    """Precision (inverse variance) of second differences.

    along : float32 (2, line, row), of the axial and the lateral component along the line, at the middle of the three
        pixels; the first and last row have none and are taken as 0.
    across : of the axial and the lateral component across lines.
    """

    along: Real
    across: tuple[float, float]

    @classmethod
    def uniform(cls, along: tuple[float, float], across: tuple[float, float], shape: tuple[int, int]) -> Smoothness:
        """The same precision in every pixel of a (line, row) grid."""
        field = np.empty((2, *shape), np.float32)
        field[0], field[1] = along
        return cls.of(field, across)

    @classmethod
    def of(cls, along: Real, across: tuple[float, float]) -> Smoothness:
        """With the precision of the first and last row, where no second difference is centred, set to 0."""
        along[:, :, 0] = along[:, :, -1] = 0
        return cls(along, across)

    @property
    def across_lines(self) -> npt.NDArray[np.float64]:
        """The two numbers as the compiled loops take them."""
        return np.array(self.across, dtype=np.float64)

    def coarser(self) -> Smoothness:
        """The same prior for lines twice as far apart: half as many second differences, each four times as large."""
        return Smoothness(restrict(self.along, lumped=True), (self.across[0] / 8, self.across[1] / 8))


def solve_update(
    data: Real, right: Real, motion: Real, smoothness: Smoothness, *, coarsen: int = 0, cycles: int = 1
) -> Real:
    """Update (2, line, row) that minimises the quadratic, by conjugate gradients with a grid cycle as preconditioner.

    data : float32 (3, line, row) D11, D12, D22. right : (2, line, row) r1, r2. motion : (2, line, row) A, L.
    coarsen : number of halvings of the lines before the finest grid that is solved; the update is then smooth across
        lines and costs 2^-coarsen of the time.
    cycles : iterations; each takes the best step along its direction, so none makes the quadratic larger.
    Source of the flexible variant: Notay 2000, doi:10.1137/S1064827599362314.
    """
    residual = right.copy()
    in_threads(_subtract_prior, right.shape[1], residual, motion, smoothness.along, smoothness.across_lines)
    update = np.zeros_like(right)
    direction, image, curvature = update, update, 0.0
    for cycle in range(cycles):
        proposal = _cycle(data, residual, smoothness, coarsen)
        if cycle:
            proposal = proposal - np.float32(_dot(proposal, image) / curvature) * direction
        direction = proposal
        image = -_without_system(np.zeros_like(right), data, direction, smoothness)
        curvature = _dot(direction, image)
        if not curvature > 0:
            break
        step = np.float32(_dot(residual, direction) / curvature)
        update += step * direction
        residual -= step * image
    return update


def _dot(one: Real, other: Real) -> float:
    return float(np.dot(one.ravel(), other.ravel()))


def _without_system(right: Real, data: Real, update: Real, smoothness: Smoothness) -> Real:
    """`right`, in place, less the matrix of the quadratic times an update."""
    in_threads(_subtract_prior, right.shape[1], right, update, smoothness.along, smoothness.across_lines)
    in_threads(_subtract_product, right.shape[1], right, data, update)
    return right


def _cycle(data: Real, right: Real, smoothness: Smoothness, skip: int) -> Real:
    """Update from zero, coarse grid first; the `skip` finest grids are passed over without a sweep."""
    if right.shape[1] < _FEWEST_LINES:
        return solve_exactly(data, right, smoothness)
    update = np.zeros_like(right)
    coarse = restrict(data, lumped=True), restrict(right, lumped=False)
    prolong(_cycle(*coarse, smoothness.coarser(), max(skip - 1, 0)), update)
    if skip == 0:
        sweep(data, right, update, smoothness)
    return update


def sweep(data: Real, right: Real, update: Real, smoothness: Smoothness) -> None:
    """Solve every line once for `update`, in place, with its neighbours held."""
    for colour in range(3):
        lines = np.arange(colour, right.shape[1], 3)
        n_blocks = (lines.size + _LANES - 1) // _LANES
        in_threads(
            _visit_lines, n_blocks, lines, data, right, update, smoothness.along, smoothness.across_lines, least=1
        )


def solve_exactly(data: Real, right: Real, smoothness: Smoothness) -> Real:
    """Update (2, line, row) by banded Cholesky; the band is as wide as four lines' worth of unknowns."""
    _, n_lines, n_rows = right.shape
    row_step, size = 2 * n_lines, 2 * n_lines * n_rows
    band = np.zeros((2 * row_step + 1, n_rows, n_lines, 2))
    band[0, :, :, 0], band[0, :, :, 1], band[1, :, :, 0] = data[0].T, data[2].T, data[1].T
    across = _squared_differences(np.append(0, np.append(np.ones(max(n_lines - 2, 0)), 0))[:n_lines])
    for component in range(2):
        along = _squared_differences(smoothness.along[component].T.astype(np.float64))
        for offset in range(3):
            band[offset * row_step, :, :, component] += along[offset]
            band[2 * offset, :, :, component] += smoothness.across[component] * across[offset][None, :]
    flat = right.transpose(2, 1, 0).reshape(size).astype(np.float64)
    solution = _solve_definite(band.reshape(-1, size), flat)
    return np.ascontiguousarray(solution.reshape(n_rows, n_lines, 2).transpose(2, 1, 0), dtype=np.float32)


def _solve_definite(band: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Solution of a banded system that may be singular where nothing was observed: then with a small ridge."""
    largest = float(band[0].max(initial=0.0))
    for ridge in (0.0, 1e-9, 1e-6, 1e-3):
        try:
            band[0] += ridge * largest
            solution: npt.NDArray[np.float64] = scipy.linalg.solveh_banded(band, right, lower=True, check_finite=False)
        except scipy.linalg.LinAlgError:
            continue
        return solution
    return np.zeros_like(right)


def _squared_differences(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(3, n, ...) diagonals 0, 1, 2 of the weighted sum of squared second differences along the first axis.

    weights : (n, ...) of the difference centred at each position, 0 at both ends. The element that couples n and
    n + d stands in column n of diagonal d.
    """
    diagonals = np.zeros((3, *weights.shape))
    here = weights[1:-1]
    if here.size:
        diagonals[0, :-2] += here
        diagonals[0, 1:-1] += 4 * here
        diagonals[0, 2:] += here
        diagonals[1, :-2] -= 2 * here
        diagonals[1, 1:-1] -= 2 * here
        diagonals[2, :-2] += here
    return diagonals


def restrict(fields: Real, *, lumped: bool) -> Real:
    """Fields (n, line, row) on every second line: the transpose of `prolong`, or with `lumped` of its linear form.

    Lumping keeps the data term positive.
    """
    coarse = np.zeros((fields.shape[0], (fields.shape[1] + 1) // 2, fields.shape[2]), np.float32)
    in_threads(_gather, coarse.shape[1], fields, coarse, _parents(fields.shape[1], coarse.shape[1], lumped))
    return coarse


def prolong(coarse: Real, fine: Real) -> None:
    """Add (n, line, row) on every second line to `fine`: cubic across lines, linear beyond the last."""
    in_threads(_scatter, fine.shape[1], coarse, fine, _parents(fine.shape[1], coarse.shape[1], False))


def _parents(n_fine: int, n_coarse: int, is_linear: bool) -> Real:
    """(fine line, 4) weights of the coarse lines j // 2 - 1 ... j // 2 + 2 that fine line j is interpolated from."""
    weights = np.zeros((n_fine, 4), np.float32)
    weights[::2, 1] = 1.0
    for j in range(1, n_fine, 2):
        k = j // 2
        if k + 1 >= n_coarse:
            weights[j] = (0.0, 1.0, 0.0, 0.0) if is_linear else (-0.5, 1.5, 0.0, 0.0)
        elif is_linear or k == 0 or k + 2 >= n_coarse:
            weights[j] = (0.0, 0.5, 0.5, 0.0)
        else:
            weights[j] = (-0.0625, 0.5625, 0.5625, -0.0625)
    return weights


@njit(cache=True, nogil=True)
def _gather(start, stop, fine, coarse, weights):  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    """coarse += transpose of the interpolation of `weights` applied to `fine`."""
    n_fields, _, n_rows = coarse.shape
    for k in range(start, stop):
        for j in range(max(2 * k - 4, 0), min(2 * k + 4, weights.shape[0])):
            position = k - j // 2 + 1
            if 0 <= position < 4 and weights[j, position] != 0:
                weight = weights[j, position]
                for field in range(n_fields):
                    for row in range(n_rows):
                        coarse[field, k, row] += weight * fine[field, j, row]


@njit(cache=True, nogil=True)
def _scatter(start, stop, coarse, fine, weights):  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    """fine += interpolation of `coarse` by `weights`."""
    n_fields, _, n_rows = fine.shape
    for j in range(start, stop):
        for position in range(4):
            weight = weights[j, position]
            if weight != 0:
                for field in range(n_fields):
                    for row in range(n_rows):
                        fine[field, j, row] += weight * coarse[field, j // 2 - 1 + position, row]


@njit(cache=True, nogil=True)
def _subtract_product(start, stop, right, data, update):  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    """right -= D update, pixel by pixel."""
    for line in range(start, stop):
        for k in range(update.shape[2]):
            a, b = update[0, line, k], update[1, line, k]
            right[0, line, k] -= data[0, line, k] * a + data[1, line, k] * b
            right[1, line, k] -= data[1, line, k] * a + data[2, line, k] * b


@njit(cache=True, nogil=True)
def _subtract_prior(start, stop, right, motion, along, across_lines):  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    """right -= gradient of the prior at a motion (half of it, as everywhere here)."""
    n_lines, n_rows = motion.shape[1:]
    for line in range(start, stop):
        for component in range(2):
            across = across_lines[component]
            precision = along[component, line]
            here = motion[component, line]
            out = right[component, line]
            for k in range(1, n_rows - 1):
                bend = precision[k] * (here[k - 1] - 2 * here[k] + here[k + 1])
                out[k - 1] -= bend
                out[k] += 2 * bend
                out[k + 1] -= bend
            for centre in range(max(line - 1, 1), min(line + 1, n_lines - 2) + 1):
                factor = across * (-2.0 if centre == line else 1.0)
                one, two, three = (
                    motion[component, centre - 1],
                    motion[component, centre],
                    motion[component, centre + 1],
                )
                for k in range(n_rows):
                    out[k] -= factor * (one[k] - 2 * two[k] + three[k])


@njit(cache=True, nogil=True)
def _visit_lines(  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    start, stop, lines, data, right, update, along, across_lines
):
    """Solve the listed lines exactly with the others held; no two of them may be nearer than three lines.

    Eight lines are eliminated side by side in vector registers.
    """
    n_lines, n_rows = update.shape[1:]
    stencils = _across_stencils(n_lines)
    for block in range(start, stop):
        band = np.zeros((2 * n_rows + _BAND, _BAND + 1, _LANES))
        solution = np.zeros((2 * n_rows + _BAND, _LANES))
        n_used = min(_LANES, lines.size - block * _LANES)
        own = np.empty(_LANES, np.int64)
        for lane in range(_LANES):
            own[lane] = lines[block * _LANES + min(lane, n_used - 1)]
        for component in range(2):
            _fill(
                band[_BAND:], solution[_BAND:], data, right, update, own, stencils, component, along[component],
                across_lines[component],
            )  # fmt: skip
        eliminate(band, solution)
        for k in range(n_rows):
            for lane in range(n_used):
                update[0, own[lane], k] = solution[_BAND + 2 * k, lane]
                update[1, own[lane], k] = solution[_BAND + 2 * k + 1, lane]


@njit(cache=True)
def _across_stencils(n_lines):  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    """(line, 5) row of the sum of squared second differences across lines, for the lines -2 ... +2 about each."""
    stencils = np.zeros((n_lines, 5))
    for centre in range(1, n_lines - 1):
        for one in range(-1, 2):
            for other in range(-1, 2):
                factor = (-2.0 if one == 0 else 1.0) * (-2.0 if other == 0 else 1.0)
                stencils[centre + one, other - one + 2] += factor
    return stencils


@njit(cache=True)
def _fill(  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    band, solution, data, right, update, own, stencils, component, along, across
):
    """Matrices and right sides of one component of the lines `own`."""
    n_lines, n_rows = update.shape[1:]
    neighbours = np.zeros((4, _LANES), np.int64)
    factors = np.zeros((4, _LANES), np.float32)
    for n, offset in enumerate((-2, -1, 1, 2)):
        for lane in range(_LANES):
            neighbours[n, lane] = min(max(own[lane] + offset, 0), n_lines - 1)
            factors[n, lane] = across * stencils[own[lane], offset + 2]
    for k in range(n_rows):
        i = 2 * k + component
        above, below = max(k - 1, 0), min(k + 1, n_rows - 1)
        for lane in range(_LANES):
            line = own[lane]
            before, here, after = along[line, above], along[line, k], along[line, below]
            band[i, 0, lane] = data[2 * component, line, k] + across * stencils[line, 2] + before + 4 * here + after
            band[i, 2, lane] = -2 * (before + here)
            band[i, 4, lane] = before
            value = right[component, line, k]
            for n in range(4):
                value -= factors[n, lane] * update[component, neighbours[n, lane], k]
            solution[i, lane] = value
        if component == 1:
            for lane in range(_LANES):
                band[i, 1, lane] = data[1, own[lane], k]


@njit(cache=True, fastmath=True)
def eliminate(band, solution):  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    """Solve symmetric positive definite systems side by side, in place, by L D L^T.

    band : (4 + n, 5, lane) float64; band[4 + i, d] is the element (i, i - d), the first four rows are 0.
        Overwritten by L and, in place of the diagonal, by 1 / D.
    solution : (4 + n, lane) right sides, the first four rows 0; overwritten by the solutions.
    """
    size = solution.shape[0]
    for i in range(_BAND, size):
        here, one, two, three, four = band[i], band[i - 1], band[i - 2], band[i - 3], band[i - 4]
        value = solution[i]
        for v in range(_LANES):
            r4 = here[4, v]
            l4 = r4 * four[0, v]
            r3 = here[3, v] - r4 * three[1, v]
            l3 = r3 * three[0, v]
            r2 = here[2, v] - r4 * two[2, v] - r3 * two[1, v]
            l2 = r2 * two[0, v]
            r1 = here[1, v] - r4 * one[3, v] - r3 * one[2, v] - r2 * one[1, v]
            l1 = r1 * one[0, v]
            here[0, v] = 1.0 / (here[0, v] - r4 * l4 - r3 * l3 - r2 * l2 - r1 * l1)
            here[1, v], here[2, v], here[3, v], here[4, v] = l1, l2, l3, l4
            value[v] -= (
                l4 * solution[i - 4, v] + l3 * solution[i - 3, v] + l2 * solution[i - 2, v] + l1 * solution[i - 1, v]
            )
    for i in range(size - 1, _BAND - 1, -1):
        for v in range(_LANES):
            solution[i, v] *= band[i, 0, v]
        for d in range(1, min(size - 1 - i, _BAND) + 1):
            for v in range(_LANES):
                solution[i, v] -= band[i + d, d, v] * solution[i + d, v]
