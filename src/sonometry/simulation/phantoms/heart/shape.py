"""Shape of the ventricles at end-diastole, in closed form.

Heart coordinates: origin in the middle of the left ventricular base, z along its long axis towards the apex, y to the
anterior wall, x to the lateral wall; so seen from the apex (x to the right, y up) the septum lies left. The angle theta
runs from x to y: anterolateral 30, anterior 90, anteroseptal 150, inferoseptal 210, inferior 270, inferolateral 330
degrees (Cerqueira et al. 2002, doi:10.1161/hc0402.102975).

Surfaces are radii R(theta, Z) about that axis, given as squares because motion acts on squares (see `motion`).
The axis itself may be bent and the base oblique: `straighten` and `unstraighten` are a shear and a bend, both of unit
Jacobian, between anatomical coordinates and those in which the axis is straight.

Arrays may be of any library of the array API; angles enter as cosine and sine so that no trigonometry is needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from sonometry.simulation.echo.arrays import clip, namespace
from sonometry.simulation.phantoms.heart.parameters import HeartParameters

Array = Any
Points = tuple[Array, Array, Array]

#: Level of the widest section, share of the length from the base.
WIDEST = 0.25
#: Share of hearts whose basal septum bulges into the outflow tract.
_BULGES = 0.2
#: Share of hearts with a dead apex in which it bulges.
_ANEURYSMS = 0.7


@dataclass(frozen=True)
class Direction:
    """A point about the axis: cosine and sine of theta and of 2 theta."""

    c1: Array
    s1: Array
    c2: Array
    s2: Array


def direction(c1: Array, s1: Array) -> Direction:
    """Double-angle terms from cosine and sine."""
    return Direction(c1, s1, 2 * c1 * c1 - 1, 2 * s1 * c1)


def direction_at(theta_rad: Array) -> Direction:
    """Direction of an angle (NumPy only)."""
    return direction(np.cos(theta_rad), np.sin(theta_rad))


@dataclass(frozen=True)
class HeartShape:
    """Ventricles of one heart at end-diastole; lengths in m.

    length_m : base to endocardial apex; epi_length_m : base to epicardial apex. radius_m : largest inner radius.
    bulletness : 0 ellipsoid, 0.6 bullet, to 2.2 aneurysm. base_narrowing : loss of squared radius from the
    widest level to the base.
    oval : cosine and sine of 2 theta in the inner radius. thickness_m : mean wall; septal_excess : first harmonic of
    the wall towards the septum. sigmoid_m : extra thickness of the basal septum.
    right_* : width, wall, half opening angle, middle and length of the right ventricle.
    tilt : (x, y) slope of the base; bend_m : (x, y) offset of the apex from the straight axis.
    uneven : how far the wall is thicker in the basal half and thinner in the apical one, or the reverse, as shares of
    `thickness_m`: the same all around, then cosine, sine, cosine and sine of 2 theta.
    """

    length_m: float
    epi_length_m: float
    radius_m: float
    bulletness: float
    base_narrowing: float
    oval: tuple[float, float]
    thickness_m: float
    septal_excess: float
    sigmoid_m: float
    right_width_m: float
    right_wall_m: float
    right_half_angle_rad: float
    right_middle_rad: float
    right_length_m: float
    tilt: tuple[float, float]
    bend_m: tuple[float, float]
    uneven: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)

    @property
    def widest_m(self) -> float:
        return WIDEST * self.length_m

    def inner_square(self, d: Direction, z: Array) -> Array:
        """Squared endocardial radius; constant below the base (z < 0), negative beyond the apex."""
        radius = self.radius_m * (1 + self.oval[0] * d.c2 + self.oval[1] * d.s2)
        return radius * radius * self._profile(z, self.length_m)

    def outer_square(self, d: Direction, z: Array) -> Array:
        """Squared epicardial radius (the right ventricular face of the septum included), 0 beyond the apex."""
        radius = self.radius_m * (1 + self.oval[0] * d.c2 + self.oval[1] * d.s2) + self._thickness(d, z)
        return clip(radius * radius * self._profile(z, self.epi_length_m), 0.0, None)

    def right_outer_square(self, d: Direction, z: Array, outer_square: Array) -> Array:
        """Squared radius of the inner face of the right ventricular free wall; the epicardium where there is none."""
        radius = namespace(z).sqrt(outer_square) + self._right_width(d, z)
        return radius * radius

    def endocardial_distance(self, square: Array, inner: Array, z: Array) -> Array:
        """Approximate signed distance to the endocardium, negative in the cavity, m."""
        return self._distance(square, inner, z, self.length_m, self.radius_m)

    def epicardial_distance(self, square: Array, d: Direction, z: Array) -> Array:
        """Approximate signed distance to the epicardium, negative inside, m."""
        radius = self.radius_m * (1 + self.oval[0] * d.c2 + self.oval[1] * d.s2) + self._thickness(d, z)
        outer = radius * radius * self._profile(z, self.epi_length_m)
        return self._distance(square, outer, z, self.epi_length_m, self.radius_m + self.thickness_m)

    def straighten(self, points: Points) -> Points:
        """Anatomical coordinates -> those with a straight axis and a level base."""
        x, y, z = points
        bend_x, bend_y = self._bend(z)
        x, y = x - bend_x, y - bend_y
        return x, y, z - self.tilt[0] * x - self.tilt[1] * y

    def unstraighten(self, points: Points) -> Points:
        """Inverse of `straighten`."""
        x, y, z = points
        z = z + self.tilt[0] * x + self.tilt[1] * y
        bend_x, bend_y = self._bend(z)
        return x + bend_x, y + bend_y, z

    def cavity_volume_m3(self) -> float:
        """Volume between base and endocardium, in closed form."""
        above = 1 - (1 - self.bulletness) / 3 - self.bulletness / 4
        profile = WIDEST * (1 - self.base_narrowing / 3) + (1 - WIDEST) * above
        roundness = 1 + 0.5 * (self.oval[0] ** 2 + self.oval[1] ** 2)
        return math.pi * self.radius_m**2 * roundness * profile * self.length_m

    def _profile(self, z: Array, apex_m: float) -> Array:
        """Squared radius relative to the widest level: parabola below it, cubic above, negative beyond the apex."""
        widest = self.widest_m
        above = clip((z - widest) / (apex_m - widest), 0.0, 2.0)
        below = clip((widest - z) / widest, 0.0, 1.0)
        w = self.bulletness
        return 1 - above * above * (1 - w + w * above) - self.base_narrowing * below * below

    def _distance(self, square: Array, surface: Array, z: Array, apex_m: float, radius_m: float) -> Array:
        """(R^2 - S(Z)) / |gradient|: exact to first order at the surface."""
        widest = self.widest_m
        above = clip((z - widest) / (apex_m - widest), 0.0, 2.0)
        w = self.bulletness
        slope = radius_m**2 / (apex_m - widest) * above * (2 - 2 * w + 3 * w * above)
        return (square - surface) / namespace(z).sqrt(4 * square + slope * slope + 1e-8)

    def _thickness(self, d: Direction, z: Array) -> Array:
        thickness = self.thickness_m * (1 - self.septal_excess * d.c1)
        if any(self.uneven):
            share = clip(z / self.length_m, 0.0, 1.0)
            wave = (10 * self.thickness_m) * share * (1 - share) * (1 - 2 * share)
            mean, c1, s1, c2, s2 = self.uneven
            thickness = thickness + wave * (mean + c1 * d.c1 + s1 * d.s1 + c2 * d.c2 + s2 * d.s2)
        if self.sigmoid_m:
            level = (z - 0.12 * self.length_m) / (0.16 * self.length_m)
            septal = clip(-d.c1, 0.0, 1.0)
            thickness = thickness + self.sigmoid_m * septal * septal / (1 + level * level) ** 2
        return thickness

    def _right_width(self, d: Direction, z: Array) -> Array:
        """Width of the right ventricle: a crescent about its middle, tapering to its apex."""
        xp = namespace(z)
        middle, half = self.right_middle_rad, math.cos(self.right_half_angle_rad)
        along = d.c1 * math.cos(middle) + d.s1 * math.sin(middle)
        crescent = xp.sqrt(clip((along - half) / (1 - half), 0.0, 1.0))
        taper = clip(z / self.right_length_m, 0.0, 1.0)
        return self.right_width_m * crescent * xp.sqrt(1 - taper * taper)

    def _bend(self, z: Array) -> tuple[Array, Array]:
        share = clip(z / self.length_m, 0.0, 1.5)
        square = share * share
        return self.bend_m[0] * square, self.bend_m[1] * square


def build_shape(parameters: HeartParameters) -> HeartShape:
    """Shape with the prescribed volume, sphericity and thickness; what has no clinical name comes from `shape_seed`."""
    rng = np.random.default_rng([parameters.shape_seed, 1])
    disease = np.random.default_rng([parameters.shape_seed, 5])
    load = min(max((parameters.right_heart_scale - 1.1) / 0.5, 0.0), 1.0)
    bulletness = _blunted(float(rng.uniform(0.0, 0.6)), parameters, disease)
    narrowing = float(rng.uniform(0.12, 0.34))
    # a loaded right ventricle flattens the septum, reaches further around, and may form the apex
    flattened = load * float(disease.uniform(0.0, 0.17))
    oval = (float(rng.normal(0, 0.02)) - flattened, float(rng.normal(0, 0.02)))
    unit = HeartShape(
        length_m=1.0, epi_length_m=1.0, radius_m=parameters.sphericity / 2, bulletness=bulletness,
        base_narrowing=narrowing, oval=oval, thickness_m=0, septal_excess=0, sigmoid_m=0, right_width_m=0,
        right_wall_m=0, right_half_angle_rad=1, right_middle_rad=0, right_length_m=1, tilt=(0, 0), bend_m=(0, 0),
    )  # fmt: skip
    length = (parameters.end_diastolic_volume_m3 / unit.cavity_volume_m3()) ** (1 / 3)
    thickness = parameters.wall_thickness_m
    ratio = parameters.septal_thickness_ratio
    right = parameters.right_heart_scale
    epi_length = length + thickness * _apical_thickness(parameters, disease)
    longer, wider = 1 + load * float(disease.uniform(0.0, 0.35)), load * float(disease.uniform(0.0, 14.0))
    return HeartShape(
        length_m=length,
        epi_length_m=epi_length,
        radius_m=length * parameters.sphericity / 2,
        bulletness=bulletness,
        base_narrowing=narrowing,
        oval=oval,
        thickness_m=thickness,
        septal_excess=(ratio - 1) / (ratio + 1),
        sigmoid_m=float(max(rng.normal(-0.5e-3, 1.5e-3), 0.0)) + _bulge(parameters),
        right_width_m=float(rng.uniform(27e-3, 38e-3)) * right,
        right_wall_m=float(rng.uniform(3.5e-3, 6.5e-3)),
        right_half_angle_rad=math.radians(rng.uniform(62, 78) + wider),
        right_middle_rad=math.radians(rng.uniform(172, 186)),
        right_length_m=min(length * float(rng.uniform(0.72, 0.98)) * longer, 0.99 * epi_length),
        tilt=(float(rng.normal(0, 0.06)), float(rng.normal(0, 0.06))),
        bend_m=(float(rng.normal(0, 2.5e-3)), float(rng.normal(0, 2.5e-3))),
        uneven=tuple(float(v) for v in np.clip(disease.normal(0, 0.06, 5), -0.14, 0.14)),  # type: ignore[arg-type]
    )


def _bulge(parameters: HeartParameters) -> float:
    """Some septa bulge into the outflow tract, more in hypertrophy and age than the spread of the rest."""
    rng = np.random.default_rng([parameters.shape_seed, 9])
    return float(rng.uniform(1.5e-3, 5.5e-3)) if rng.random() < _BULGES else 0.0


def _apical_loss(parameters: HeartParameters) -> float:
    """0 for an apex that works, 1 for one that has stopped."""
    apical = sum(parameters.segment_function[12:17]) / 5
    return min(max((0.85 - apical) / 0.45, 0.0), 1.0)


def _blunted(bulletness: float, parameters: HeartParameters, rng: np.random.Generator) -> float:
    """Above 1 the ventricle is widest near its apex: an aneurysm, in some hearts whose apex has stopped."""
    bulge = float(rng.uniform(0.3, 1.6))
    return bulletness + _apical_loss(parameters) * bulge if rng.random() < _ANEURYSMS else bulletness


def _apical_thickness(parameters: HeartParameters, rng: np.random.Generator) -> float:
    """Thickness of the apex relative to the mean: a dead one thins."""
    return parameters.apical_thickness_ratio * (1 - _apical_loss(parameters) * float(rng.uniform(0.0, 0.55)))
