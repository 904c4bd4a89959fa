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
    down = like(_interpolation(rows, target.shape[-2]), target)
    right = like(_interpolation(columns, target.shape[-1]).T, target)
    return down @ coarse @ right


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


@cache
def _interpolation_matrix(nodes: tuple[int, ...], n: int) -> np.ndarray:
    """(n, nodes) weights of linear interpolation from the nodes to 0 ... n - 1."""
    identity = np.eye(len(nodes))
    return np.stack([np.interp(np.arange(n), nodes, row) for row in identity], axis=1).astype(np.float32)


def _interpolation(nodes: np.ndarray, n: int) -> np.ndarray:
    return _interpolation_matrix(tuple(nodes.tolist()), n)
