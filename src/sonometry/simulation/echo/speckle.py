"""Speckle that moves with tissue: complex noise attached to material points.

A periodic volume of complex Gaussian noise is read at the coordinates that a material point had in the beams at
end-diastole (range, angle, elevation), in units near the resolution cell. So the pattern follows the tissue, is
stretched by strain, and fades as tissue leaves the slice across its thickness; after the point spread function the
envelope is Rayleigh distributed. Smooth noise for slow variations of brightness is read the same way.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from sonometry.simulation.echo.arrays import Array, namespace
from sonometry.simulation.echo.blur import blur_across, blur_along, power_after_blur

_SHAPE = (211, 97, 24)
#: Of the padded noise, flat.
_STRIDES = ((_SHAPE[1] + 1) * (_SHAPE[2] + 1), _SHAPE[2] + 1, 1)
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
    volume = _on_device(_padded_volume(), coordinates[0])
    index, fractions = None, []
    for coordinate, start, size, stride in zip(coordinates, offset, _SHAPE, _STRIDES, strict=True):
        position = xp.reshape(coordinate, (-1,)) + start
        low = xp.floor(position)
        fractions.append(xp.astype(position - low, xp.complex64))
        low = xp.astype(low, xp.int32) % size * stride
        index = low if index is None else index + low
    index = xp.astype(index, xp.int64)
    edges = []
    for corner in (0, _STRIDES[1], _STRIDES[0], _STRIDES[0] + _STRIDES[1]):
        near, far = (_read(volume[corner + k :], index) for k in (0, 1))
        edges.append(_between(near, far, fractions[2]))
    faces = [_between(edges[i], edges[i + 1], fractions[1]) for i in (0, 2)]
    return xp.reshape(_between(*faces, fractions[0]), coordinates[0].shape)


@cache
def _padded_volume() -> np.ndarray:
    """The noise, flat, with its first layer once more behind its last one along every axis."""
    return np.pad(noise_volume(), (0, 1), mode="wrap").ravel()


def _between(first: Array, second: Array, share: Array) -> Array:
    """first + share (second - first), in the memory of `second`."""
    second -= first
    second *= share
    second += first
    return second


def smooth_noise(points: tuple[Array, Array, Array], scale_m: float, offset: tuple[float, float, float]) -> Array:
    """Slow noise of unit variance at points in m; it varies over about `scale_m`."""
    xp = namespace(points[0])
    volume = _on_device(_flat_smooth(), points[0])
    voxel = scale_m / 6
    index = None
    for point, start, size in zip(points, offset, _SMOOTH_SHAPE, strict=True):
        # far from zero, where leaving out the fraction is rounding down; the size is a power of two
        part = xp.astype(point * (1 / voxel) + (start + 64 * size), xp.int32) & (size - 1)
        index = part if index is None else index * size + part
    return xp.reshape(_read(volume, xp.reshape(index, (-1,))), index.shape)


@cache
def _flat_smooth() -> np.ndarray:
    return smooth_volume().ravel()


def _read(values: Array, index: Array) -> Array:
    """Values (n,) at an index within them."""
    if isinstance(values, np.ndarray):
        return values.take(index, mode="clip")  # without the check of bounds, in half the time
    return namespace(values).take(values, index)


def _on_device(volume: np.ndarray, array: Array) -> Array:
    if isinstance(array, np.ndarray):
        return volume
    return namespace(array).asarray(volume, device=array.device)
