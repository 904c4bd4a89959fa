"""Point spread function in beam coordinates: a pulse along the beam, a beam profile across it that depends on depth."""

from __future__ import annotations

import numpy as np

from sonometry.simulation.echo.arrays import Array, like, namespace

#: Gaussian kernels are cut at this many standard deviations.
_CUT = 2.4


def gaussian_taps(sigma: np.ndarray) -> np.ndarray:
    """(taps, rows) unit-sum kernels for a standard deviation per row, in samples; odd number of taps."""
    sigma = np.atleast_1d(np.asarray(sigma, float))
    reach = max(1, int(np.ceil(_CUT * sigma.max())))
    offset = np.arange(-reach, reach + 1)[:, None]
    taps = np.exp(-0.5 * (offset / np.maximum(sigma, 0.15)[None]) ** 2)
    return taps / taps.sum(0)


def blur_across(field: Array, sigma: np.ndarray) -> Array:
    """Blur along beams' index, with one standard deviation a row (in beams); edges are repeated.

    field : (..., sample, beam). sigma : (sample,).
    """
    xp = namespace(field)
    taps = gaussian_taps(sigma)
    reach = len(taps) // 2
    first, last = field[..., :, :1], field[..., :, -1:]
    padded = xp.concat([first] * reach + [field] + [last] * reach, axis=-1)
    n = field.shape[-1]
    total = None
    for k in range(len(taps)):
        weight = like(taps[k], xp.real(field) if _is_complex(field) else field)[:, None]
        part = padded[..., :, k : k + n] * weight
        total = part if total is None else total + part
    return total


def blur_along(field: Array, sigma: float) -> Array:
    """Blur along the beams with one standard deviation (in samples); edges are repeated."""
    xp = namespace(field)
    taps = gaussian_taps(np.array([sigma]))[:, 0]
    reach = len(taps) // 2
    first, last = field[..., :1, :], field[..., -1:, :]
    padded = xp.concat([first] * reach + [field] + [last] * reach, axis=-2)
    n = field.shape[-2]
    total = None
    for k in range(len(taps)):
        part = padded[..., k : k + n, :] * float(taps[k])
        total = part if total is None else total + part
    return total


def box_blur(field: Array, reach: int, axis: int) -> Array:
    """Mean over `reach` neighbours to both sides along an axis, edges repeated; costs the same for any reach."""
    xp = namespace(field)
    axis %= field.ndim
    first, last = _slice(field, axis, 0, 1), _slice(field, axis, field.shape[axis] - 1, field.shape[axis])
    padded = xp.concat([first] * (reach + 1) + [field] + [last] * reach, axis=axis)
    total = xp.cumulative_sum(padded, axis=axis)
    width = 2 * reach + 1
    n = field.shape[axis]
    return (_slice(total, axis, width, width + n) - _slice(total, axis, 0, n)) / width


def _slice(field: Array, axis: int, start: int, stop: int) -> Array:
    index = [slice(None)] * field.ndim
    index[axis] = slice(start, stop)
    return field[tuple(index)]


def power_after_blur(
    along_sigma: float, across_sigma: np.ndarray, *, correlation: tuple[float, ...] = (1.0,)
) -> np.ndarray:
    """(sample,) power that noise of unit power keeps after both blurs.

    correlation : of the noise at lags 0, 1, 2 ... along and across; white by default.
    """
    along = _kept(gaussian_taps(np.array([along_sigma])), correlation)[0]
    return np.asarray(along * _kept(gaussian_taps(across_sigma), correlation))


def _kept(taps: np.ndarray, correlation: tuple[float, ...]) -> np.ndarray:
    """(row,) sum over pairs of taps of their product and the correlation at their lag."""
    total = correlation[0] * (taps**2).sum(0)
    for lag, share in enumerate(correlation[1:], start=1):
        if lag < len(taps):
            total = total + 2 * share * (taps[lag:] * taps[:-lag]).sum(0)
    return np.asarray(total)


def _is_complex(array: Array) -> bool:
    return "complex" in str(array.dtype)
