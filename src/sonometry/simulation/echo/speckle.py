"""Speckle that moves with tissue: complex noise attached to material points.

A periodic volume of complex Gaussian noise is read at the coordinates that a material point had in the beams at
end-diastole (range, angle, elevation), in units near the resolution cell. So the pattern follows the tissue, is
stretched by strain, and fades as tissue leaves the slice across its thickness; after the point spread function the
envelope is Rayleigh distributed. Smooth noise for slow variations of brightness is read the same way.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from sonometry.simulation.echo.arrays import Array, namespace
from sonometry.simulation.echo.blur import blur_across, blur_along, power_after_blur

_SHAPE = (211, 97, 24)
_SMOOTH_SHAPE = (64, 64, 64)
_FLAT_SHAPE = (1024, 512)
#: Correlation of the moving noise between neighbouring voxels along an axis, lags 0, 1, 2.
VOXEL_CORRELATION = (1.0, 2 / 3, 1 / 6)


@cache
def noise_volume() -> np.ndarray:
    """Complex64 noise of unit power after interpolation, (range, angle, elevation), periodic; the same for everyone."""
    rng = np.random.default_rng(20180907)
    volume = rng.standard_normal(_SHAPE, np.float32) + 1j * rng.standard_normal(_SHAPE, np.float32)
    for axis in (0, 1, 2):  # so that interpolation between voxels does not modulate the variance
        volume = volume + 0.5 * (np.roll(volume, 1, axis) + np.roll(volume, -1, axis))
    middle = 0.25 * sum(np.roll(volume, shift, (0, 1)) for shift in ((0, 0), (1, 0), (0, 1), (1, 1)))
    power = 0.5 * (np.mean(np.abs(volume) ** 2) + np.mean(np.abs(middle) ** 2))
    return np.ascontiguousarray(volume / np.sqrt(power), np.complex64)


@cache
def smooth_volume() -> np.ndarray:
    """Real float32 noise of unit variance, smooth over six voxels, periodic."""
    rng = np.random.default_rng(20180908)
    frequency = [np.fft.fftfreq(n) for n in _SMOOTH_SHAPE]
    square = sum(f * f for f in np.meshgrid(*frequency, indexing="ij"))
    spectrum = np.fft.fftn(rng.standard_normal(_SMOOTH_SHAPE)) * np.exp(-2 * (np.pi * 3.0) ** 2 * square)
    volume = np.fft.ifftn(spectrum).real
    return np.ascontiguousarray(volume / volume.std(), np.float32)


@cache
def noise_sheet() -> np.ndarray:
    """Complex64 white noise of unit power, for what does not belong to tissue."""
    rng = np.random.default_rng(20180909)
    sheet = rng.standard_normal(_FLAT_SHAPE, np.float32) + 1j * rng.standard_normal(_FLAT_SHAPE, np.float32)
    return (sheet / np.sqrt(2)).astype(np.complex64)


@cache
def grainy_sheet() -> np.ndarray:
    """Complex64 noise of unit power that is correlated as the speckle of a clutter is."""
    across = np.full(_FLAT_SHAPE[0], 1.2)
    sheet = blur_along(blur_across(noise_sheet(), across), 0.8)
    return np.ascontiguousarray(sheet / np.sqrt(power_after_blur(0.8, across)[0]), np.complex64)


def crop_noise(shape: tuple[int, int], rng: np.random.Generator, *, is_grainy: bool = False) -> np.ndarray:
    """A piece of the sheet of white noise (or of the grainy one), mirrored at random."""
    sheet = grainy_sheet() if is_grainy else noise_sheet()
    row, column = rng.integers(0, sheet.shape[0] - shape[0] + 1), rng.integers(0, sheet.shape[1] - shape[1] + 1)
    piece = sheet[row : row + shape[0], column : column + shape[1]]
    piece = piece[::-1] if rng.random() < 0.5 else piece
    return piece[:, ::-1] if rng.random() < 0.5 else piece


def material_noise(coordinates: tuple[Array, Array, Array], offset: tuple[float, float, float]) -> Array:
    """Complex noise at coordinates in voxels (trilinear, periodic), same shape as they have."""
    xp = namespace(coordinates[0])
    volume = _on_device(noise_volume(), coordinates[0])
    lows, fractions = [], []
    for coordinate, start, size in zip(coordinates, offset, _SHAPE, strict=True):
        position = coordinate + start
        low = xp.floor(position)
        fractions.append(position - low)
        lows.append(_wrap(xp, low, size))
    strides = (_SHAPE[1] * _SHAPE[2], _SHAPE[2], 1)
    flat = [(low * s, _next(xp, low, n) * s) for low, s, n in zip(lows, strides, _SHAPE, strict=True)]
    total = None
    for i in (0, 1):
        wi = fractions[0] if i else 1 - fractions[0]
        for j in (0, 1):
            wij = wi * (fractions[1] if j else 1 - fractions[1])
            row = flat[0][i] + flat[1][j]
            for k in (0, 1):
                weight = wij * (fractions[2] if k else 1 - fractions[2])
                value = _take(xp, volume, row + flat[2][k]) * weight
                total = value if total is None else total + value
    return total


def smooth_noise(points: tuple[Array, Array, Array], scale_m: float, offset: tuple[float, float, float]) -> Array:
    """Slow noise of unit variance at points in m; it varies over about `scale_m`."""
    xp = namespace(points[0])
    volume = _on_device(smooth_volume(), points[0])
    voxel = scale_m / 6
    index = None
    for point, start, size in zip(points, offset, _SMOOTH_SHAPE, strict=True):
        part = _wrap(xp, xp.floor(point / voxel + start), size)
        index = part if index is None else index * size + part
    return _take(xp, volume, index)


def _wrap(xp: Any, low: Array, size: int) -> Array:
    return xp.astype(low, xp.int32) % size


def _next(xp: Any, low: Array, size: int) -> Array:
    following = low + 1
    return xp.where(following == size, 0 * following, following)


def _take(xp: Any, volume: Array, index: Array) -> Array:
    values = xp.take(xp.reshape(volume, (-1,)), xp.reshape(index, (-1,)))
    return xp.reshape(values, index.shape)


def _on_device(volume: np.ndarray, array: Array) -> Array:
    if isinstance(array, np.ndarray):
        return volume
    return namespace(array).asarray(volume, device=array.device)
