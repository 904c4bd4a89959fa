"""Atria, great vessels, right ventricle and their walls, placed about the left ventricle.

All in the straightened end-diastolic coordinates of `shape`; distances are signed, negative inside, in m. Sizes are
those of Lang et al. 2015, doi:10.1016/j.echo.2014.10.003 (atria about 40 x 45 x 50 mm, aortic annulus 21, sinus 32,
sinotubular junction 27 mm), times the scales of the parameters; positions follow the usual four-chamber, parasternal
and short-axis sections. The aorta leaves the base on its anteroseptal side (150 degrees), the mitral orifice lies
opposite, the right atrium septal and inferior, the outflow tract of the right ventricle wraps the aorta in front.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from sonometry.simulation.echo.arrays import Array, clip, namespace
from sonometry.simulation.echo.speckle import smooth_noise
from sonometry.simulation.phantoms.heart.coarse import Coarse
from sonometry.simulation.phantoms.heart.motion import HeartMotion, Material
from sonometry.simulation.phantoms.heart.parameters import HeartParameters
from sonometry.simulation.phantoms.heart.shape import Direction, direction_at
from sonometry.simulation.phantoms.heart.solids import Capsule, Ellipsoid, Frame, Points, around, union, unit

AORTIC_DEG = 150.0
#: Direction from the left to the right atrium.
_SEPTAL_DEG = 207.0
_AXIS = np.array([0.0, 0.0, 1.0])
#: Share of hearts with a hole in the interatrial septum: of all, of those with a large right side; and with a wide
#: coronary sinus.
_DEFECTS, _DEFECTS_LARGE, _SINUSES = 0.05, 0.4, 0.12
#: Share of hearts whose interatrial septum is a club that is thick at the valves.
_LIMBUS = 0.6
#: Scale of the unevenness of thin-walled chambers.
_UNEVEN_M = 26e-3


@dataclass(frozen=True)
class AorticRoot:
    """A tube with sinuses. frame : origin in the annulus, first axis downstream, second towards 150 degrees."""

    frame: Frame
    annulus_m: float
    sinus_m: float
    junction_m: float
    length_m: float

    def coordinates(self, points: Points) -> tuple[Array, Array, Array, Array]:
        """Downstream position, radius, and the two cross coordinates."""
        along, across, aside = self.frame.local(points)
        return along, namespace(along).sqrt(across * across + aside * aside + 1e-12), across, aside

    def radius(self, along: Array) -> Array:
        """Inner radius downstream: annulus, sinuses, junction, ascending aorta."""
        share = along / self.sinus_m
        bulge = clip(1 - (share - 0.75) * (share - 0.75) / 0.65, 0.0, 1.0)
        beyond = clip(share - 1.0, 0.0, 1.0)
        return self.annulus_m + (self.sinus_m - self.annulus_m) * bulge + (self.junction_m - self.annulus_m) * beyond

    def distance(self, points: Points) -> Array:
        """Signed distance to the lumen, from the annulus on."""
        along, radius, _, _ = self.coordinates(points)
        xp = namespace(along)
        return xp.maximum(xp.maximum(radius - self.radius(along), -along - 2e-3), along - self.length_m)


@dataclass(frozen=True)
class Annulus:
    """Opening between an atrium and its ventricle: axes towards hinge, commissure and apex; its two semi-axes."""

    frame: Frame
    semi_axes_m: tuple[float, float]


@dataclass(frozen=True)
class Distances:
    """Signed distances to the chambers at some material points."""

    endocardium: Array
    epicardium: Array
    right_ventricle: Array
    right_wall: Array
    left_atrium: Array
    right_atrium: Array
    aorta: Array
    pulmonary: Array
    envelope: Array


@dataclass(frozen=True)
class Chambers:
    """Everything of the heart besides the left ventricle.

    atrial_wall_m, vessel_wall_m : thickness. unevenness_m : how far thin-walled chambers depart from smooth solids.
    septum_m, septum_at_m : thickness and place of the interatrial septum; limbus_m : how much thicker it is at the
    valves, and over which length. defect : middle and radius of a hole in it,
    m. sinus : a widened coronary sinus, which opens into the right atrium.
    """

    motion: HeartMotion
    left_atrium: Ellipsoid
    right_atrium: Ellipsoid
    veins: tuple[Capsule, ...]
    cavae: tuple[Capsule, ...]
    aorta: AorticRoot
    pulmonary: tuple[Capsule, ...]
    mitral: Annulus
    tricuspid: Annulus
    atrial_wall_m: float
    vessel_wall_m: float
    unevenness_m: float
    septum_m: float
    septum_at_m: float
    limbus_m: tuple[float, float]
    noise_offset: tuple[float, float, float]
    defect: tuple[np.ndarray, float] | None = None
    sinus: Capsule | None = None

    @cached_property
    def middles_m(self) -> dict[str, np.ndarray]:
        """Anatomical end-diastolic positions of the middles of the aortic and mitral valves and the left atrium."""
        frames = {"aortic": self.aorta.frame, "mitral": self.mitral.frame, "atrium": self.left_atrium.frame}
        unstraighten = self.motion.shape.unstraighten
        return {name: np.array(unstraighten(tuple(f.origin_m))) for name, f in frames.items()}

    def distances(self, m: Material, points: Points | None = None) -> Distances:
        """Distances to all chambers of material points. points : `m.points` if the caller has them."""
        points = m.points if points is None else points
        xp = namespace(m.z)
        endocardium, epicardium = self._ventricle(m)
        uneven = self.unevenness_m * smooth_noise(points, _UNEVEN_M, self.noise_offset)
        left = self._atrium(self.left_atrium, self.mitral, self.veins, points, 0.0, uneven)
        right = self._atrium(self.right_atrium, self.tricuspid, self.cavae, points, self.tricuspid_level_m, uneven)
        septum = self._septum(points) + 0.4 * uneven
        half = self._half_septum(m.z)
        if self.defect is not None:
            hole = xp.maximum(self._hole(points), m.z + 1e-3)
            left, right = xp.minimum(left, hole), xp.minimum(right, hole)
            half = clip(0.5 * hole, -0.4e-3, half)  # less than nothing: there the atria are one
        left = xp.maximum(left, septum + half)
        right = xp.maximum(right, half - septum)
        if self.sinus is not None:
            sinus = xp.maximum(self.sinus.distance(points), m.z + 1e-3)
            left = xp.maximum(left, self.atrial_wall_m - sinus)
            right = xp.minimum(right, sinus)
        ventricle, free_wall = self._right_ventricle(m, uneven)
        aorta = self.aorta.distance(points)
        pulmonary = union(self.pulmonary[0].distance(points), self.pulmonary[1].distance(points), blend_m=4e-3)
        root = self.vessel_wall_m - aorta  # the wall of the aorta lies in none of its neighbours
        left, right, ventricle = xp.maximum(left, root), xp.maximum(right, root), xp.maximum(ventricle, root)
        pulmonary = xp.maximum(xp.maximum(pulmonary, root), self.atrial_wall_m - left)
        wall = self.atrial_wall_m
        envelope = union(epicardium, free_wall, blend_m=6e-3)
        envelope = union(envelope, left - wall, blend_m=14e-3)
        envelope = union(envelope, right - wall, blend_m=14e-3)
        envelope = union(envelope, aorta - self.vessel_wall_m, blend_m=8e-3)
        envelope = union(envelope, pulmonary - self.vessel_wall_m, blend_m=6e-3)
        return Distances(endocardium, epicardium, ventricle, free_wall, left, right, aorta, pulmonary, envelope)

    def _septum(self, points: Points) -> Array:
        """Distance from the middle of the interatrial septum, positive on the right atrial side."""
        towards = around(_SEPTAL_DEG)
        return points[0] * float(towards[0]) + points[1] * float(towards[1]) - self.septum_at_m

    def _half_septum(self, z: Array) -> Array:
        """Half the thickness of the interatrial septum, largest at the valves."""
        more, length = self.limbus_m
        share = clip(-z / length, 0.0, 1.0)
        return self.septum_m / 2 + (0.5 * more) * (1 - share * share)

    def distances_on_grid(self, m: Material, points: Points, grid: Coarse) -> Distances:
        """`distances` of points (row, column): those to the left ventricle at every point, the others, which change as
        slowly as the points do, on the coarse `grid` and interpolated between."""
        square, z, *walls = grid.pick_all((m.square, m.z, m.inner, m.outer, m.right_outer))
        around_axis = Direction(*grid.pick_all((m.d.c1, m.d.s1, m.d.c2, m.d.s2)))
        d = self.distances(Material(square, around_axis, z, *walls), grid.pick_all(points))
        others = [getattr(d, f.name) for f in fields(Distances)[2:]]
        return Distances(*self._ventricle(m), *grid.spread_all(others, m.z))

    def _ventricle(self, m: Material) -> tuple[Array, Array]:
        """Distances to endocardium and epicardium of the left ventricle, which ends at the base."""
        xp, shape = namespace(m.z), self.motion.shape
        endocardium = xp.maximum(shape.endocardial_distance(m.square, m.inner, m.z), -m.z)
        return endocardium, xp.maximum(shape.epicardial_distance(m.square, m.d, m.z), -m.z - 1e-3)

    def _hole(self, points: Points) -> Array:
        """Distance to a ball of blood in the interatrial septum."""
        assert self.defect is not None
        x, y, z = (p - float(o) for p, o in zip(points, self.defect[0], strict=True))
        return namespace(x).sqrt(x * x + y * y + z * z + 1e-12) - self.defect[1]

    @property
    def tricuspid_level_m(self) -> float:
        return float(self.tricuspid.frame.origin_m[2])

    def _atrium(
        self,
        body: Ellipsoid,
        annulus: Annulus,
        veins: tuple[Capsule, ...],
        points: Points,
        level_m: float,
        uneven_m: Array,
    ) -> Array:
        """Body with a funnel to its valve and the veins that enter it, cut off at the level of the valve."""
        xp = namespace(points[2])
        u, v, w = annulus.frame.local(points)
        a, b = annulus.semi_axes_m
        ring = (xp.sqrt((u / a) ** 2 + (v / b) ** 2 + 1e-9) - 1) * min(a, b)
        funnel = xp.maximum(ring, -w - 12e-3)
        distance = union(body.distance(points) + uneven_m, funnel, blend_m=9e-3)
        for vein in veins:
            distance = union(distance, vein.distance(points), blend_m=4e-3)
        return xp.maximum(distance, points[2] - level_m)

    def _right_ventricle(self, m: Material, uneven_m: Array) -> tuple[Array, Array]:
        """Distances to the cavity and to the outside of the free wall."""
        xp = namespace(m.z)
        shape = self.motion.shape
        radius, inside, outside = m.radius, xp.sqrt(m.outer), xp.sqrt(m.right_outer)
        front = math.radians(118.0)
        along = m.d.c1 * math.cos(front) + m.d.s1 * math.sin(front)
        tract = clip((along - 0.55) / 0.35, 0.0, 1.0)
        level = self.tricuspid_level_m - (26e-3 * self.motion.parameters.right_heart_scale) * tract
        beyond = xp.maximum(level - m.z, m.z - shape.right_length_m)
        thin = clip((outside - inside) / 3e-3, 0.0, 1.0)
        cavity = xp.maximum(xp.maximum(inside - radius, radius - outside + uneven_m * thin), beyond)
        wall = xp.maximum(radius - outside - shape.right_wall_m * thin, level - 4e-3 - m.z)
        return cavity, xp.maximum(wall, m.z - shape.epi_length_m)


def build_chambers(motion: HeartMotion) -> Chambers:
    """Chambers of one heart; individual traits come from its `shape_seed`."""
    parameters, shape = motion.parameters, motion.shape
    rng = np.random.default_rng([parameters.shape_seed, 2])
    zero = np.zeros(1)
    base = float(np.sqrt(shape.inner_square(direction_at(zero), zero)[0]))
    aorta = _aorta(parameters, base, rng)
    mitral = _mitral(base, rng)
    tricuspid, right = _right_side(motion, rng)
    left = _left_atrium(parameters, rng)
    disease = np.random.default_rng([parameters.shape_seed, 6])
    septum_at = float(rng.uniform(17e-3, 22e-3)) * parameters.left_atrial_scale**0.5
    return Chambers(
        motion=motion,
        left_atrium=left,
        right_atrium=right,
        veins=_veins(left),
        cavae=_cavae(right),
        aorta=aorta,
        pulmonary=_pulmonary(motion, aorta),
        mitral=mitral,
        tricuspid=tricuspid,
        atrial_wall_m=float(rng.uniform(1.8e-3, 3e-3)),
        vessel_wall_m=float(rng.uniform(1.5e-3, 2.5e-3)),
        unevenness_m=float(rng.uniform(1.2e-3, 4.2e-3)),
        septum_m=float(rng.uniform(2.2e-3, 5e-3)),
        septum_at_m=septum_at,
        limbus_m=_limbus(np.random.default_rng([parameters.shape_seed, 8])),
        noise_offset=tuple(float(v) for v in rng.uniform(0, 64, 3)),  # type: ignore[arg-type]
        defect=_septal_defect(parameters, septum_at, disease),
        sinus=_coronary_sinus(base, disease),
    )


def _limbus(rng: np.random.Generator) -> tuple[float, float]:
    """Fat and fibrous tissue that thicken the interatrial septum at the valves: how much, over which length."""
    more = float(rng.uniform(2e-3, 8e-3)) if rng.random() < _LIMBUS else 0.0
    return more, float(rng.uniform(8e-3, 24e-3))


def _septal_defect(
    parameters: HeartParameters, septum_at_m: float, rng: np.random.Generator
) -> tuple[np.ndarray, float] | None:
    """A hole in the middle of the interatrial septum, sometimes low at the valves; often beside a large right heart."""
    share = _DEFECTS_LARGE if parameters.right_heart_scale > 1.3 else _DEFECTS
    if rng.random() > share:
        return None
    level = -rng.uniform(16e-3, 30e-3) if rng.random() < 0.75 else -rng.uniform(3e-3, 9e-3)
    aside = np.cross(_AXIS, around(_SEPTAL_DEG)) * rng.uniform(-6e-3, 6e-3)
    return around(_SEPTAL_DEG) * septum_at_m + aside + _AXIS * level, float(rng.uniform(5e-3, 15e-3))


def _coronary_sinus(base_m: float, rng: np.random.Generator) -> Capsule | None:
    """A wide coronary sinus in the groove behind the left atrium; a normal one is too thin to be a chamber."""
    if rng.random() > _SINUSES:
        return None
    radius = float(rng.uniform(4e-3, 8e-3))
    level = -_AXIS * (radius + 1.5e-3)
    start = around(rng.uniform(228, 240)) * (base_m + 2e-3) + level
    end = around(rng.uniform(285, 320)) * (base_m + radius) + level
    return Capsule(start, end, radius, 0.6 * radius)


def _aorta(parameters: HeartParameters, base_m: float, rng: np.random.Generator) -> AorticRoot:
    scale = parameters.aortic_root_scale
    annulus = float(rng.uniform(9.5e-3, 11.5e-3)) * scale
    slant = math.radians(rng.uniform(16, 34))
    downstream = unit(-_AXIS * math.cos(slant) + around(AORTIC_DEG + rng.uniform(-8, 8)) * math.sin(slant))
    across = unit(around(AORTIC_DEG) - (around(AORTIC_DEG) @ downstream) * downstream)
    origin = around(AORTIC_DEG) * max(base_m - 0.5 * annulus, 8e-3) + _AXIS * 1e-3
    return AorticRoot(
        frame=Frame(origin, np.stack([downstream, across, np.cross(downstream, across)])),
        annulus_m=annulus,
        sinus_m=annulus * float(rng.uniform(1.4, 1.6)),
        junction_m=annulus * float(rng.uniform(1.2, 1.35)),
        length_m=float(rng.uniform(60e-3, 75e-3)),
    )


def _mitral(base_m: float, rng: np.random.Generator) -> Annulus:
    towards = around(AORTIC_DEG)
    height = base_m * float(rng.uniform(0.62, 0.72))
    origin = -towards * (base_m - height) * 0.85
    return Annulus(
        Frame(origin, np.stack([towards, np.cross(_AXIS, towards), _AXIS])),
        (height, min(base_m * 0.86, height * 1.3)),
    )


def _left_atrium(parameters: HeartParameters, rng: np.random.Generator) -> Ellipsoid:
    scale = parameters.left_atrial_scale
    towards = around(AORTIC_DEG)
    semi = (
        float(rng.uniform(16.5e-3, 20e-3)) * scale,
        float(rng.uniform(20e-3, 25e-3)) * scale,
        float(rng.uniform(22e-3, 29e-3)) * scale * _shortness(parameters),
    )
    origin = -towards * float(rng.uniform(5e-3, 9e-3)) - _AXIS * (semi[2] - 1e-3)
    frame = Frame(origin, np.stack([towards, np.cross(_AXIS, towards), _AXIS]))
    return Ellipsoid(frame, semi, boxiness=float(rng.uniform(0.2, 0.9)))


def _shortness(parameters: HeartParameters) -> float:
    """Height of both atria relative to their width: it goes with the chest."""
    return float(np.random.default_rng([parameters.shape_seed, 10]).uniform(0.72, 1.05))


def _right_side(motion: HeartMotion, rng: np.random.Generator) -> tuple[Annulus, Ellipsoid]:
    """Tricuspid annulus, a little nearer the apex than the mitral one, and the right atrium below it."""
    shape, scale = motion.shape, motion.parameters.right_heart_scale
    angle = float(rng.uniform(203, 216))
    level = float(rng.uniform(2e-3, 9e-3))
    towards = around(angle)
    here, z = direction_at(np.radians([angle])), np.array([level])
    inside = shape.outer_square(here, z)
    outside = float(np.sqrt(shape.right_outer_square(here, z, inside)[0]))
    septum = float(np.sqrt(inside[0]))
    half = 0.47 * (outside - septum)
    frame = Frame(
        towards * (septum + outside) / 2 + _AXIS * level, np.stack([towards, np.cross(_AXIS, towards), _AXIS])
    )
    semi = (
        max(half + 4e-3, float(rng.uniform(20e-3, 26e-3)) * scale),
        float(rng.uniform(21e-3, 27e-3)) * scale,
        float(rng.uniform(22e-3, 29e-3)) * scale,
    )
    own = float(np.random.default_rng([motion.parameters.shape_seed, 7]).uniform(0.88, 1.22))
    own_length = own * _shortness(motion.parameters)
    semi = (max(half + 4e-3, own * semi[0]), own * semi[1], own_length * semi[2])
    centre = towards * (max(septum - 13e-3, 16e-3) + semi[0]) + _AXIS * (level + 3e-3 - semi[2])
    return Annulus(frame, (half, half * 1.25)), Ellipsoid(
        Frame(centre, frame.axes), semi, boxiness=float(rng.uniform(0.2, 0.9))
    )


def _veins(left: Ellipsoid) -> tuple[Capsule, ...]:
    """Two pulmonary veins at the far corners of the left atrium."""
    a, b, c = left.semi_axes_m
    axes = left.frame.axes
    veins = []
    for side in (-1, 1):
        mouth = left.frame.origin_m + side * 0.62 * b * axes[1] - 0.6 * c * axes[2] - 0.1 * a * axes[0]
        away = unit(side * 0.75 * axes[1] - 0.6 * axes[2] - 0.2 * axes[0])
        veins.append(Capsule(mouth, mouth + 24e-3 * away, 5e-3, 4.5e-3))
    return tuple(veins)


def _cavae(right: Ellipsoid) -> tuple[Capsule, ...]:
    """Inferior vena cava, towards the liver."""
    a, b, c = right.semi_axes_m
    axes = right.frame.axes
    mouth = right.frame.origin_m + 0.5 * b * around(270) - 0.5 * c * axes[2] + 0.1 * a * axes[0]
    away = unit(around(265) * 0.9 - 0.25 * axes[2] + 0.2 * axes[0])
    return (Capsule(mouth, mouth + 55e-3 * away, 9e-3, 9e-3),)


def _pulmonary(motion: HeartMotion, aorta: AorticRoot) -> tuple[Capsule, Capsule]:
    """Main pulmonary artery around the left of the aorta, and its left branch away from the heart."""
    clear = aorta.sinus_m + 13e-3
    centre = aorta.frame.origin_m + 14e-3 * aorta.frame.axes[0]
    start = centre + around(100) * clear - _AXIS * 2e-3
    bend = centre + around(35) * clear - _AXIS * 14e-3
    end = bend + around(10) * 22e-3 - _AXIS * 16e-3
    scale = motion.parameters.right_heart_scale
    return Capsule(start, bend, 10.5e-3 * scale), Capsule(bend, end, 10e-3 * scale, 8e-3 * scale)
