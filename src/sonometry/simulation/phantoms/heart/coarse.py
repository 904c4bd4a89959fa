"""Smooth quantities worked out on every few rows and columns of a grid and interpolated between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from sonometry.simulation.echo.arrays import Array, like, namespace


def every(n: int, stride: int) -> np.ndarray:
    """Indices 0, stride, ... and the last."""
    return np.unique(np.append(np.arange(0, n, stride), n - 1))


def pick(array: Array, rows: np.ndarray, columns: np.ndarray) -> Array:
    """The rows and columns of the last two axes of an array."""
    if isinstance(array, np.ndarray):
        return array[..., rows[:, None], columns[None, :]]
    xp = namespace(array)
    rows, columns = (xp.asarray(i, device=array.device) for i in (rows, columns))
    return xp.take(xp.take(array, rows, axis=-2), columns, axis=-1)


def spread(coarse: Array, rows: np.ndarray, columns: np.ndarray, target: Array) -> Array:
    """Linear interpolation of a coarse grid to the grid of `target`."""
    down = _between(coarse, rows, target.shape[-2], axis=-2)
    return _between(down, columns, target.shape[-1], axis=-1)


def _between(array: Array, nodes: np.ndarray, n: int, *, axis: int) -> Array:
    """Values at 0 to n - 1 along an axis from those at the nodes; no matrix product, whose threads cost more."""
    low, share = _neighbours(tuple(nodes.tolist()), n)
    share = like(share[:, None] if axis == -2 else share, array)
    if isinstance(array, np.ndarray):
        first, second = array.take(low, axis=axis), array.take(low + 1, axis=axis)
    else:
        xp = namespace(array)
        first, second = (xp.take(array, xp.asarray(i, device=array.device), axis=axis) for i in (low, low + 1))
    second -= first
    second *= share
    second += first
    return second


@cache
def _neighbours(nodes: tuple[int, ...], n: int) -> tuple[np.ndarray, np.ndarray]:
    """(n,) number of the node before each of 0 to n - 1, and the share of the one after it."""
    at = np.interp(np.arange(n), nodes, np.arange(len(nodes)))
    low = np.minimum(at.astype(np.intp), len(nodes) - 2)
    return low, (at - low).astype(np.float32)


@dataclass(frozen=True)
class Coarse:
    """Every few rows and columns of one grid, the last ones among them."""

    rows: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, array: Array, *, stride: int = 2) -> Coarse:
        """The coarse grid of an array (..., row, column)."""
        return cls(every(array.shape[-2], stride), every(array.shape[-1], stride))

    def pick_all(self, arrays: Sequence[Array]) -> tuple[Any, ...]:
        """Several arrays at the points of the coarse grid."""
        return tuple(pick(a, self.rows, self.columns) for a in arrays)

    def spread_all(self, coarse: Sequence[Array], target: Array) -> list[Array]:
        """Several coarse arrays interpolated to the grid of `target`."""
        wide = spread(namespace(target).stack(list(coarse)), self.rows, self.columns, target)
        return [wide[i, ...] for i in range(len(coarse))]
