"""Displacement on integer lags by dynamic programming: the correlation of blocks against steps between neighbours.

Costs are (cell line, cell row, line lag, row lag). A path through cells pays the cost of its lags and, from cell to
cell, a penalty that grows linearly with the step and saturates, so that a slip plane stays possible:

    C(cell, d) = cost(cell, d) + min( min_d' C(previous, d') + p_l |dl - dl'| + p_r |dr - dr'|,  min_d' C + jump )

The minimum over d' is a distance transform, linear in the number of lags. `best_path` follows one line of cells (the
seed of the published method), `aggregate` sums the costs of the paths that reach a cell from four directions, which
propagates a seed from wherever the match is unique to the whole image instead of from one line.
Sources: Rivaz et al. 2008, doi:10.1109/TMI.2008.917243; Hirschmueller 2008, doi:10.1109/TPAMI.2007.1166;
Felzenszwalb & Huttenlocher 2012, doi:10.4086/toc.2012.v008a019.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from sonometry.numerics.threads import in_threads

Real = npt.NDArray[np.float32]


@dataclass(frozen=True)
class StepPenalty:
    """Price of a step between neighbouring cells: per lag along lines and rows, and of any step at most `jump`."""

    per_line: float
    per_row: float
    jump: float


def aggregate(costs: Real, penalty: StepPenalty) -> Real:
    """Sum over four directions of the cheapest path that ends in each cell with each lag; same shape as `costs`.

    The lag of least aggregated cost is the displacement of the cell.
    """
    total = np.zeros_like(costs)
    for axis in (0, 1):
        ordered = costs if axis == 1 else np.ascontiguousarray(costs.transpose(1, 0, 2, 3))
        for is_reversed in (False, True):
            part = _all_paths(ordered, penalty, is_reversed)
            total += part if axis == 1 else part.transpose(1, 0, 2, 3)
    return total


def best_path(costs: Real, penalty: StepPenalty) -> npt.NDArray[np.intp]:
    """Indices (n, 2) of the line and row lag of the cheapest path along one line of cells.

    costs : float32 (n, line lag, row lag).
    """
    forward = _all_paths(costs[None], penalty, False)[0]
    backward = _all_paths(costs[None], penalty, True)[0]
    # Both hold the cost of the cell itself; their sum less that is the cost of the best path through it.
    through = (forward + backward - costs).reshape(len(costs), -1)
    return np.stack(np.unravel_index(np.argmin(through, axis=1), costs.shape[1:]), axis=1)


def _all_paths(costs: Real, penalty: StepPenalty, is_reversed: bool) -> Real:
    """Cheapest path along axis 1 that ends in each cell and lag, less its minimum so far."""
    result = np.empty_like(costs)
    price = penalty.per_line, penalty.per_row, penalty.jump
    in_threads(_path_costs, costs.shape[0], costs, *price, is_reversed, result, least=1)
    return result


@njit(cache=True, nogil=True)
def _path_costs(  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    start, stop, costs, per_line, per_row, jump, is_reversed, result
):
    n_cells, n_line_lags, n_row_lags = costs.shape[1:]
    for path in range(start, stop):
        reached = np.zeros((n_line_lags, n_row_lags), np.float32)
        for n in range(n_cells):
            cell = n_cells - 1 - n if is_reversed else n
            for i in range(n_line_lags):
                for j in range(n_row_lags):
                    reached[i, j] += costs[path, cell, i, j]
                    result[path, cell, i, j] = reached[i, j]
            _cheapest_arrival(reached, per_line, per_row, jump)


@njit(cache=True)
def _cheapest_arrival(reached, per_line, per_row, jump):  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    """In place: least of reached[d'] + penalty(d - d') over d', less the least of all (so that sums stay small)."""
    n_line_lags, n_row_lags = reached.shape
    least = reached[0, 0]
    for i in range(n_line_lags):
        for j in range(n_row_lags):
            least = min(least, reached[i, j])
    for i in range(n_line_lags):
        for j in range(1, n_row_lags):
            reached[i, j] = min(reached[i, j], reached[i, j - 1] + per_row)
        for j in range(n_row_lags - 2, -1, -1):
            reached[i, j] = min(reached[i, j], reached[i, j + 1] + per_row)
    for i in range(1, n_line_lags):
        for j in range(n_row_lags):
            reached[i, j] = min(reached[i, j], reached[i - 1, j] + per_line)
    for i in range(n_line_lags - 2, -1, -1):
        for j in range(n_row_lags):
            reached[i, j] = min(reached[i, j], reached[i + 1, j] + per_line)
    for i in range(n_line_lags):
        for j in range(n_row_lags):
            reached[i, j] = min(reached[i, j], least + jump) - least
