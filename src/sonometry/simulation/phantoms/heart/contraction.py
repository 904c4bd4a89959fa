"""How contraction is spread over the left ventricle: levels along the axis, harmonics around it.

The base follows the apex by the integral of a shortening density e(Z, theta) = sum over levels of B(Z) h(theta).
The levels base, middle, apex and cap blend by cubic steps, so the integral is closed form; h are Fourier series up to
2 theta through the segment values (the highest harmonic of six segments is left out, which keeps deficits smooth).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from sonometry.simulation.echo.arrays import clip, like, namespace
from sonometry.simulation.phantoms.heart.parameters import HeartParameters
from sonometry.simulation.phantoms.heart.shape import Direction, HeartShape

Array = Any

#: Middle of the six basal and mid segments (anterior, anteroseptal, ... anterolateral), and of the four apical ones.
SIX_MIDDLES_RAD = np.radians([90.0, 150.0, 210.0, 270.0, 330.0, 30.0])
FOUR_MIDDLES_RAD = np.radians([90.0, 180.0, 270.0, 0.0])

#: Longitudinal shortening density of base, middle and apex relative to each other.
_GRADIENT = (0.92, 1.0, 1.1)
#: The cap of the apex thickens along the axis while the walls shorten along it.
_CAP = -1.3


@dataclass(frozen=True)
class AxialWork:
    """Integral of the shortening density from Z to the apex and its derivatives, m per unit of amplitude.

    mean : the part without theta. varying : the part with theta. turning : derivative of that by theta.
    density : e itself, with its mean in `density_mean`.
    """

    mean: Array
    varying: Array
    turning: Array
    density_mean: Array
    density_varying: Array


@dataclass(frozen=True)
class Contraction:
    """Fourier rows (mean, cos, sin, cos 2, sin 2) of the increments from level to level.

    longitudinal : (4, 5) base, middle - base, apex - middle, cap - apex. radial : (3, 5) without the cap.
    steps_m : (start, width) of the three steps between levels. apex_m : epicardial apex.
    """

    longitudinal: np.ndarray
    radial: np.ndarray
    steps_m: tuple[tuple[float, float], ...]
    apex_m: float

    def damped(self, share: float) -> Contraction:
        """The same with radial differences between segments reduced to `share`."""
        radial = self.radial.copy()
        radial[1:, 0] *= share
        radial[:, 1:] *= share
        return replace(self, radial=radial)

    def axial(self, d: Direction, z: Array) -> AxialWork:
        """Axial work at levels z (clipped to base and apex)."""
        z = clip(z, 0.0, self.apex_m)
        lead = (-1, *(1,) * z.ndim)
        start, width, whole = (like(v.reshape(lead), z) for v in self._steps)
        x = (z[None, ...] - start) / width
        inside = clip(x, 0.0, 1.0)
        square = inside * inside
        steps = square * (3 - 2 * inside)
        integrals = width * (whole - square * inside * (1 - 0.5 * inside) - clip(x - 1, 0.0, None))
        density, work = self._mixed(steps, 1.0), self._mixed(integrals, self.apex_m - z)
        if not self.is_regional:
            return AxialWork(work[0], 0.0, 0.0, density[0], 0.0)
        mean, *k = work
        density_mean, *e = density
        varying = k[0] * d.c1 + k[1] * d.s1 + k[2] * d.c2 + k[3] * d.s2
        turning = k[1] * d.c1 - k[0] * d.s1 + 2 * (k[3] * d.c2 - k[2] * d.s2)
        density_varying = e[0] * d.c1 + e[1] * d.s1 + e[2] * d.c2 + e[3] * d.s2
        return AxialWork(mean, varying, turning, density_mean, density_varying)

    @cached_property
    def _steps(self) -> np.ndarray:
        """(3, step) start and width of the steps, and their integral up to the apex."""
        rows = [(a, w, _step_integral((self.apex_m - a) / w)) for a, w in self.steps_m]
        return np.array(rows).T

    @cached_property
    def is_regional(self) -> bool:
        """Whether anything depends on theta."""
        return bool(np.any(self.longitudinal[:, 1:]) or np.any(self.radial[:, 1:]))

    def _mixed(self, terms: Array, first: Array) -> list[Array]:
        """Fourier coefficients of `first` (base) and of terms (step, ...) weighed by the rows; only the mean of a
        heart whose segments are alike."""
        weights = self.longitudinal.T if self.is_regional else self.longitudinal.T[:1]
        xp = namespace(terms)
        flat = like(np.ascontiguousarray(weights[:, 1:]), terms) @ xp.reshape(terms, (terms.shape[0], -1))
        return [
            xp.reshape(flat[i, ...], tuple(terms.shape[1:])) + float(row[0]) * first for i, row in enumerate(weights)
        ]

    def radial_work(self, d: Direction, z: Array) -> Array:
        """Radial contraction relative to a normal heart, 1 where all segments are normal."""
        rows = self.radial
        if not np.any(rows[:, 1:]) and not np.any(rows[1:]):
            return float(rows[0, 0])
        steps = []
        for start, width in self.steps_m[:2]:
            inside = clip((z - start) / width, 0.0, 1.0)
            steps.append(inside * inside * (3 - 2 * inside))
        k = [float(rows[0, i]) + _weigh(rows[1:, i], steps) for i in range(5)]
        return k[0] + k[1] * d.c1 + k[2] * d.s1 + k[3] * d.c2 + k[4] * d.s2


def build_contraction(parameters: HeartParameters, shape: HeartShape) -> Contraction:
    """Spread of the segment function over one heart."""
    function = np.array(parameters.segment_function)
    levels = np.stack(
        [
            _fourier(function[:6], SIX_MIDDLES_RAD),
            _fourier(function[6:12], SIX_MIDDLES_RAD),
            _fourier(function[12:16], FOUR_MIDDLES_RAD),
        ]
    )
    cap = np.zeros(5)
    cap[0] = _CAP * (0.5 + 0.5 * function[16])
    longitudinal = np.concatenate([levels * np.array(_GRADIENT)[:, None], cap[None]])
    length = shape.length_m
    width = 0.24 * length
    cap_width = 0.07 * length + 0.5 * (shape.epi_length_m - length)
    steps = (
        (length / 3 - width / 2, width),
        (2 * length / 3 - width / 2, width),
        (0.95 * length, cap_width),
    )
    return Contraction(
        longitudinal=np.concatenate([longitudinal[:1], np.diff(longitudinal, axis=0)]),
        radial=np.concatenate([levels[:1], np.diff(levels, axis=0)]),
        steps_m=steps,
        apex_m=shape.epi_length_m,
    )


def _fourier(values: np.ndarray, angles_rad: np.ndarray) -> np.ndarray:
    """Mean, cos, sin, cos 2, sin 2 of values at equally spaced angles."""
    n = len(values)
    waves = [np.cos(angles_rad), np.sin(angles_rad), np.cos(2 * angles_rad), np.sin(2 * angles_rad)]
    norms = [2 / n, 2 / n, 1 / n, 0.0] if n == 4 else [2 / n] * 4  # with four, 2 theta is at its Nyquist limit
    return np.array([values.mean(), *(norm * float(values @ wave) for norm, wave in zip(norms, waves, strict=True))])


def _step_integral(x: float) -> float:
    """Integral from 0 to x of the cubic step."""
    inside = min(max(x, 0.0), 1.0)
    return inside**3 * (1 - 0.5 * inside) + max(x - 1, 0.0)


def _weigh(weights: np.ndarray, arrays: list[Array]) -> Array:
    total = float(weights[0]) * arrays[0]
    for weight, array in zip(weights[1:], arrays[1:], strict=True):
        total = total + float(weight) * array
    return total
