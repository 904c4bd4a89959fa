"""Leaflets of the valves: thin sheets that hinge on their annulus and swing with the opening.

Distances are signed, negative inside the sheet, in m; points are straightened end-diastolic coordinates, so the hinges
follow the annulus through the motion of the heart and only the swing is added here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sonometry.simulation.echo.arrays import Array, clip, namespace
from sonometry.simulation.phantoms.heart.chambers import Annulus, AorticRoot, Chambers
from sonometry.simulation.phantoms.heart.shape import Direction, direction_at
from sonometry.simulation.phantoms.heart.solids import Capsule, Points, around

#: Opening from which the cusps of the aortic valve no longer meet.
_SEAMS_OPEN = 0.35


@dataclass(frozen=True)
class Leaflet:
    """One leaflet of an atrioventricular valve.

    side : 1 for the hinge on the positive side of the annulus' first axis, -1 for the other.
    length : relative to the half width of the annulus. closed_rad, open_rad : angle out of the plane of the annulus,
    towards the ventricle. bow : arching towards the atrium side, share of the length. thickness_m : whole.
    """

    side: int
    length: float
    closed_rad: float
    open_rad: float
    bow: float
    thickness_m: float

    def distance(self, annulus: Annulus, local: Points, opening: Array) -> Array:
        """Signed distance; local : points in the frame of the annulus. opening : 0 closed, 1 open."""
        u, v, w = local
        xp = namespace(u)
        half, wide = annulus.semi_axes_m
        narrowing = xp.sqrt(clip(1 - (v / wide) ** 2, 0.0, None))
        angle = self.closed_rad + (self.open_rad - self.closed_rad) * opening
        c, s = (math.cos(angle), math.sin(angle)) if isinstance(angle, float) else (xp.cos(angle), xp.sin(angle))
        inward = half * narrowing - self.side * u
        reach = self.length * half * (0.25 + 0.75 * narrowing)
        along = inward * c + w * s
        bow = self.bow * (0.3 + 0.7 * opening)
        normal = -inward * s + w * c + bow * along * (1 - clip(along / (reach + 1e-4), 0.0, 1.0))
        sheet = xp.abs(normal) - self.thickness_m / 2
        edge = xp.maximum(-along - 1e-3, along - reach)
        return xp.maximum(xp.maximum(sheet, edge), xp.abs(v) - wide)


@dataclass(frozen=True)
class Valves:
    """All valves of one heart, with papillary muscles and chordae of the mitral one."""

    chambers: Chambers
    mitral: tuple[Leaflet, Leaflet]
    tricuspid: tuple[Leaflet, Leaflet]
    cusp_thickness_m: float
    cusp_height: float
    papillary: tuple[Capsule, Capsule]
    band: Capsule
    tendon: Capsule | None

    def atrioventricular(self, points: Points, opening: Array) -> Array:
        """Distance to the nearest leaflet of the mitral and tricuspid valves."""
        xp = namespace(points[0])
        nearest = None
        for annulus, leaflets in ((self.chambers.mitral, self.mitral), (self.chambers.tricuspid, self.tricuspid)):
            local = annulus.frame.local(points)
            for leaflet in leaflets:
                distance = leaflet.distance(annulus, local, opening)
                nearest = distance if nearest is None else xp.minimum(nearest, distance)
        return nearest

    def aortic(self, points: Points, opening: Array) -> Array:
        """Distance to the three cusps: a funnel that opens to a tube, and the lines where closed cusps meet."""
        root: AorticRoot = self.chambers.aorta
        along, radius, across, aside = root.coordinates(points)
        xp = namespace(along)
        height = self.cusp_height * root.annulus_m
        share = clip(along / height, 0.0, 1.0)
        closed = root.annulus_m * (1 - share * (2 - share))
        wall = closed + opening * (0.9 * root.radius(along) - closed)
        half = self.cusp_thickness_m / 2
        cusp = xp.maximum(xp.abs(radius - wall) * 0.8 - half, xp.maximum(-along, along - height))
        if isinstance(opening, float) and opening > _SEAMS_OPEN:
            return cusp
        seams = None
        for angle in (math.pi / 3, math.pi, -math.pi / 3):
            c, s = math.cos(angle), math.sin(angle)
            seam = xp.maximum(xp.abs(aside * c - across * s) - half, -(across * c + aside * s))
            seams = seam if seams is None else xp.minimum(seams, seam)
        extent = xp.maximum(xp.maximum(0.45 * height - along, along - 1.25 * height), radius - 0.95 * root.sinus_m)
        seams = xp.maximum(seams, extent)
        if not isinstance(opening, float):
            seams = xp.where(opening > _SEAMS_OPEN, cusp, seams)
        return xp.minimum(cusp, seams)

    def papillary_muscles(self, points: Points) -> Array:
        """Distance to the nearer of the papillary muscles."""
        return namespace(points[0]).minimum(self.papillary[0].distance(points), self.papillary[1].distance(points))


def build_valves(chambers: Chambers) -> Valves:
    """Valves of one heart; individual traits come from its `shape_seed`."""
    parameters = chambers.motion.parameters
    rng = np.random.default_rng([parameters.shape_seed, 3])
    thickness = float(rng.uniform(1.6e-3, 3.2e-3))
    tent = math.radians(rng.uniform(4, 20))
    wide = math.radians(rng.uniform(58, 88))
    mitral = (
        Leaflet(1, float(rng.uniform(1.2, 1.5)), tent, wide, float(rng.uniform(-0.1, 0.35)), thickness),
        Leaflet(-1, float(rng.uniform(0.65, 0.95)), tent * 1.2, wide * 0.95, float(rng.uniform(0, 0.25)), thickness),
    )
    tricuspid = (
        Leaflet(1, float(rng.uniform(1.0, 1.4)), tent, wide, float(rng.uniform(0, 0.3)), thickness),
        Leaflet(-1, float(rng.uniform(0.7, 1.0)), tent, wide * 0.9, float(rng.uniform(0, 0.2)), thickness),
    )
    return Valves(
        chambers=chambers,
        mitral=mitral,
        tricuspid=tricuspid,
        cusp_thickness_m=float(rng.uniform(1.3e-3, 2.2e-3)),
        cusp_height=float(rng.uniform(0.95, 1.2)),
        papillary=_papillary(chambers, rng),
        band=_moderator_band(chambers, rng),
        tendon=_false_tendon(chambers, rng) if rng.random() < 0.2 else None,
    )


def _inside(chambers: Chambers, theta_deg: float, share: float, depth: float) -> np.ndarray:
    """A point of the left ventricle at an angle, a share of the length and of the inner radius."""
    shape = chambers.motion.shape
    profile = max(float(shape.inner_square(_here(theta_deg), np.array([share * shape.length_m]))[0]), 0.0)
    return around(theta_deg) * math.sqrt(profile) * depth + np.array([0.0, 0.0, share * shape.length_m])


def _here(theta_deg: float) -> Direction:
    return direction_at(np.radians([theta_deg]))


def _papillary(chambers: Chambers, rng: np.random.Generator) -> tuple[Capsule, Capsule]:
    """Anterolateral and posteromedial papillary muscles."""
    muscles = []
    for middle in (18.0, 255.0):
        angle = middle + rng.uniform(-12, 12)
        root = _inside(chambers, angle, rng.uniform(0.58, 0.7), 0.95)
        tip = _inside(chambers, angle, rng.uniform(0.36, 0.46), rng.uniform(0.6, 0.78))
        radius = chambers.motion.shape.radius_m * float(rng.uniform(0.13, 0.21))
        muscles.append(Capsule(root, tip, radius, radius * 0.7))
    return muscles[0], muscles[1]


def _moderator_band(chambers: Chambers, rng: np.random.Generator) -> Capsule:
    shape = chambers.motion.shape
    level = shape.right_length_m * float(rng.uniform(0.55, 0.75))
    here, z = _here(rng.uniform(175, 195)), np.array([level])
    inside = shape.outer_square(here, z)
    septum, free = math.sqrt(float(inside[0])), math.sqrt(float(shape.right_outer_square(here, z, inside)[0]))
    towards = np.array([float(here.c1[0]), float(here.s1[0]), 0.0])
    start = towards * septum + np.array([0, 0, level - 6e-3])
    end = towards * free + np.array([0, 0, level + 4e-3]) + around(270) * 8e-3
    return Capsule(start, end, float(rng.uniform(1.5e-3, 3e-3)))


def _false_tendon(chambers: Chambers, rng: np.random.Generator) -> Capsule:
    angle = rng.uniform(0, 360)
    start = _inside(chambers, angle, rng.uniform(0.45, 0.85), 1.0)
    end = _inside(chambers, angle + rng.uniform(130, 230), rng.uniform(0.5, 0.9), 1.0)
    return Capsule(start, end, float(rng.uniform(0.6e-3, 1.2e-3)))
