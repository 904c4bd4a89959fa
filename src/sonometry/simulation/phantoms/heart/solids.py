"""Signed distances of simple solids and how they join; negative inside, in m.

Points are tuples (x, y, z) of arrays. Distances are exact for capsules and first-order for ellipsoids.
Source of the ellipsoid bound: I. Quilez, "Ellipsoid SDF" (k0 (k0 - 1) / k1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sonometry.simulation.echo.arrays import clip, namespace

Array = Any
Points = tuple[Array, Array, Array]


@dataclass(frozen=True)
class Frame:
    """An origin and three orthonormal axes (rows)."""

    origin_m: np.ndarray
    axes: np.ndarray

    def local(self, points: Points) -> Points:
        """Coordinates of points along the axes."""
        x, y, z = (p - float(o) for p, o in zip(points, self.origin_m, strict=True))
        return tuple(float(a[0]) * x + float(a[1]) * y + float(a[2]) * z for a in self.axes)  # type: ignore[return-value]


@dataclass(frozen=True)
class Ellipsoid:
    """Semi-axes along the axes of a frame. boxiness : 0 ellipsoid to 1 superellipsoid of the fourth power."""

    frame: Frame
    semi_axes_m: tuple[float, float, float]
    boxiness: float = 0.0

    def distance(self, points: Points) -> Array:
        """Signed distance, first order near the surface."""
        u, v, w = (p / s for p, s in zip(self.frame.local(points), self.semi_axes_m, strict=True))
        a, b, c = (1 / s for s in self.semi_axes_m)
        sqrt = namespace(u).sqrt
        u2, v2, w2 = u * u, v * v, w * w
        radius = sqrt(u2 + v2 + w2 + 1e-9)
        gradient = sqrt(u2 * (a * a) + v2 * (b * b) + w2 * (c * c) + 1e-9) / radius
        if self.boxiness:
            radius = radius + self.boxiness * (sqrt(sqrt(u2 * u2 + v2 * v2 + w2 * w2 + 1e-9)) - radius)
        return (radius - 1) / gradient


@dataclass(frozen=True)
class Capsule:
    """Segment from start to end with a radius that changes linearly."""

    start_m: np.ndarray
    end_m: np.ndarray
    radius_m: float
    end_radius_m: float | None = None

    def distance(self, points: Points) -> Array:
        """Signed distance to the surface."""
        along = self.end_m - self.start_m
        square = float(along @ along)
        x, y, z = (p - float(o) for p, o in zip(points, self.start_m, strict=True))
        share = clip((x * float(along[0]) + y * float(along[1]) + z * float(along[2])) / square, 0.0, 1.0)
        x, y, z = x - share * float(along[0]), y - share * float(along[1]), z - share * float(along[2])
        end = self.radius_m if self.end_radius_m is None else self.end_radius_m
        radius = self.radius_m + (end - self.radius_m) * share
        return namespace(x).sqrt(x * x + y * y + z * z + 1e-12) - radius


def union(first: Array, second: Array, *, blend_m: float = 0.0) -> Array:
    """Distance to either solid; the seam is rounded over `blend_m`."""
    xp = namespace(first)
    smaller = xp.minimum(first, second)
    if not blend_m:
        return smaller
    near = clip(1 - xp.abs(first - second) / blend_m, 0.0, None)
    return smaller - near * near * (blend_m / 4)


def unit(vector: np.ndarray) -> np.ndarray:
    """The vector with length 1."""
    return np.asarray(vector, float) / np.linalg.norm(vector)


def around(theta_deg: float) -> np.ndarray:
    """Unit vector perpendicular to the long axis at an angle about it."""
    angle = np.radians(theta_deg)
    return np.array([np.cos(angle), np.sin(angle), 0.0])
