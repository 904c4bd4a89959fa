"""The few array operations that must be fast on small NumPy arrays and still run on any array-API library.

`array_namespace` and the compatibility wrapper of `clip` cost more than the arithmetic on a block of a few thousand
points; a type check and the method, which NumPy arrays and torch tensors both have, cost almost nothing.
"""

from __future__ import annotations

from typing import Any

import array_api_compat.numpy as numpy_namespace
import numpy as np
from array_api_compat import array_namespace

Array = Any


def namespace(array: Array) -> Any:
    """Array-API namespace of an array; immediate for NumPy."""
    return numpy_namespace if isinstance(array, np.ndarray | np.generic) else array_namespace(array)


def clip(array: Array, low: float | None, high: float | None) -> Array:
    """Values held between low and high."""
    return array.clip(low, high)


def step(x: Array) -> Array:
    """0 below 0, 1 above 1, cubic with zero slope at both between."""
    x = x.clip(0.0, 1.0)
    return x * x * (3 - 2 * x)


def like(values: np.ndarray, array: Array) -> Array:
    """NumPy values as an array of the library, type and device of another."""
    if isinstance(array, np.ndarray):
        return np.asarray(values, dtype=array.dtype)
    from array_api_compat import device

    xp = array_namespace(array)
    return xp.asarray(np.ascontiguousarray(values), dtype=array.dtype, device=device(array))


def part(values: np.ndarray, index: tuple[int, ...], array: Array) -> Array:
    """One component of a vector or matrix; of a stack of them, shaped to broadcast against (stack, row, column)."""
    chosen = values[(..., *index)]
    return float(chosen) if chosen.ndim == 0 else like(chosen[:, None, None], array)
