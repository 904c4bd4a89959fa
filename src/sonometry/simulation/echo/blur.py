"""Point spread function in beam coordinates: a pulse along the beam, a beam profile across it that depends on depth."""

from __future__ import annotations

import cv2
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
    if _is_picture(field) and np.ptp(sigma) == 0:
        return _filtered(field, np.ones(1), taps[:, 0])
    first, last = field[..., :, :1], field[..., :, -1:]
    padded = xp.concat([first] * reach + [field] + [last] * reach, axis=-1)
    n = field.shape[-1]
    if _is_picture(field) and _is_complex(field):  # real and imaginary parts side by side: half the arithmetic
        parts = padded.view(padded.real.dtype)
        return np.ascontiguousarray(_weighed(parts, taps, 2 * n, 2)).view(field.dtype)
    return _weighed(padded, taps, n, 1)


def _weighed(padded: Array, taps: np.ndarray, n: int, stride: int) -> Array:
    """Sum over taps of `n` columns of the padded rows, each `stride` further on, times the tap of the row."""
    xp = namespace(padded)
    weights = like(taps, xp.real(padded) if _is_complex(padded) else padded)
    total = padded[..., :, :n] * weights[0, :][:, None]
    for k in range(1, len(taps)):
        part = padded[..., :, k * stride : k * stride + n] * weights[k, :][:, None]
        total += part
    return total


def blur_along(field: Array, sigma: float) -> Array:
    """Blur along the beams with one standard deviation (in samples); edges are repeated."""
    xp = namespace(field)
    taps = gaussian_taps(np.array([sigma]))[:, 0]
    if _is_picture(field):
        return _filtered(field, taps, np.ones(1))
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
    if _is_picture(field) and not _is_complex(field):
        size = (1, 2 * reach + 1) if axis == 0 else (2 * reach + 1, 1)
        return cv2.blur(np.ascontiguousarray(field), size, borderType=cv2.BORDER_REPLICATE)
    first, last = _slice(field, axis, 0, 1), _slice(field, axis, field.shape[axis] - 1, field.shape[axis])
    padded = xp.concat([first] * (reach + 1) + [field] + [last] * reach, axis=axis)
    total = xp.cumulative_sum(padded, axis=axis)
    width = 2 * reach + 1
    n = field.shape[axis]
    return (_slice(total, axis, width, width + n) - _slice(total, axis, 0, n)) / width


def _is_picture(field: Array) -> bool:
    """Whether OpenCV, which is quicker, can filter it: one frame of NumPy's."""
    return isinstance(field, np.ndarray) and field.ndim == 2 and field.dtype.char in "fdFD"


def _filtered(field: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Separable filter of one frame, real or complex, edges repeated."""
    field = np.ascontiguousarray(field)
    parts = field.view(field.real.dtype).reshape(*field.shape, 2) if _is_complex(field) else field
    done = cv2.sepFilter2D(parts, -1, across, down, borderType=cv2.BORDER_REPLICATE)
    return done.view(field.dtype)[..., 0] if _is_complex(field) else done


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
    return array.dtype.kind == "c" if isinstance(array, np.ndarray) else "complex" in str(array.dtype)
