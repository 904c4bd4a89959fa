"""Views as probe poses on the same heart.

A pose is an origin (middle of the probe's face) and three axes in anatomical heart coordinates: lateral (to the right
of the image), axial (into the body) and elevation. Nominal poses follow the usual windows: apical ones look along the
long axis with the anterolateral (A4C), anterior (A2C) or anteroseptal (A3C) wall on the right; the parasternal ones
look from the anteroseptal side, base (PLAX) or lateral wall (short axis) on the right; the subcostal one looks
through the liver at the right ventricle first, apex on the right. Source of the windows: Mitchell et al. 2019,
doi:10.1016/j.echo.2018.06.004.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from sonometry.core.echo_views import EchoView as View
from sonometry.simulation.echo.arrays import Array, part
from sonometry.simulation.phantoms.heart.chambers import AORTIC_DEG, Chambers
from sonometry.simulation.phantoms.heart.motion import HeartMotion
from sonometry.simulation.phantoms.heart.shape import direction_at
from sonometry.simulation.phantoms.heart.solids import Points, around, unit


class OtherView(StrEnum):
    """Sections of the same body that are none of the eight views."""

    SAXAPEX = "SAXAPEX"
    IVC = "IVC"


APICAL = (View.A2C, View.A3C, View.A4C, View.A5C)

#: Views that differ by whether the aortic valve is cut.
_TOLD_BY_AORTA = (View.A4C, View.A5C)
#: Distance of the plane behind the middle of the aortic valve, relative to the radius of its annulus: an A4C lies
#: beyond the first, where no outflow tract is seen; an A5C between the other two, where it is wide open.
_CLOSED, _ANTERIOR, _OPENED = 0.95, -0.3, 0.62
#: Draws of a pose before the best of them is taken.
_TRIES = 20
#: Distance of an A5C from the middle of the left atrium, share of its extent.
_ATRIUM_CUT = 0.7
#: Share of apical clips that show the ventricle and only the beginning of the atria; never of A5C.
_FOCUSED = 0.12
#: Share of apical clips taken from beside the apex.
_FORESHORTENED = 0.15

#: Angle about the long axis of the wall on the right of each apical view.
RIGHT_WALL_DEG = {View.A2C: 90.0, View.A3C: 150.0, View.A4C: 30.0, View.A5C: 30.0}


@dataclass(frozen=True)
class Pose:
    """Where the probe stands. origin_m : (3,). axes : rows lateral, axial, elevation. depth_m : of the sector.

    outflow : for A4C and A5C, where the plane passes from the middle of the mitral valve (0) to the middle of the
    aortic valve (1); below 0 it passes behind the mitral valve; else nan.
    """

    view: View | OtherView
    origin_m: np.ndarray
    axes: np.ndarray
    depth_m: float
    outflow: float = math.nan

    def to_heart(self, lateral: Array, axial: Array) -> Points:
        """Anatomical coordinates of points of the image plane; of a stack of poses, (stack, row, column)."""
        x, y, z = (
            part(self.origin_m, (i,), axial)
            + part(self.axes, (0, i), axial) * lateral
            + part(self.axes, (1, i), axial) * axial
            for i in range(3)
        )
        return x, y, z

    def from_heart(self, points: Points) -> Points:
        """Lateral, axial and elevation coordinates of anatomical points."""
        offset = [p - part(self.origin_m, (i,), p) for i, p in enumerate(points)]
        lateral, axial, elevation = (
            sum(part(self.axes, (k, i), offset[i]) * offset[i] for i in range(3)) for k in range(3)
        )
        return lateral, axial, elevation

    def elevation_of(self, point_m: np.ndarray) -> float:
        """Distance of an anatomical point across the plane."""
        return float((point_m - self.origin_m) @ self.axes[2])

    def moved(self, rotation: np.ndarray, translation_m: np.ndarray) -> Pose:
        """The pose seen from a heart that has turned (3, 3) and moved (3,) in its own coordinates."""
        back = rotation.T
        return replace(self, origin_m=back @ (self.origin_m - translation_m), axes=self.axes @ back.T)


def stack_poses(poses: Sequence[Pose]) -> Pose:
    """Poses of several frames as one; its origin is (T, 3) and its axes (T, 3, 3)."""
    origin, axes = np.stack([p.origin_m for p in poses]), np.stack([p.axes for p in poses])
    return replace(poses[0], origin_m=origin, axes=axes)


@dataclass(frozen=True)
class PoseVariation:
    """Standard deviations of what differs from the nominal pose, and its share of 1.

    turn_rad : about the beam. rock_rad : within the image plane. tilt_m : of the aim across the plane.
    slide_m : of the probe within the plane. offset_m : of the probe across the plane (foreshortening).
    """

    turn_rad: float = math.radians(7)
    rock_rad: float = math.radians(8)
    tilt_m: float = 3e-3
    slide_m: float = 8e-3
    offset_m: float = 4e-3

    def scaled(self, share: float) -> PoseVariation:
        """All deviations times `share`; 0 gives the nominal pose."""
        return PoseVariation(*(share * getattr(self, name) for name in self.__dataclass_fields__))


NOMINAL = PoseVariation().scaled(0.0)


def place_probe(
    view: View | OtherView,
    chambers: Chambers,
    rng: np.random.Generator,
    *,
    variation: PoseVariation | None = None,
    outflow: float | None = None,
) -> Pose:
    """A pose of `view` on one heart.

    variation : spread around the nominal pose. outflow : fixes the tilt between A4C and A5C (0 to 1); else the pose is
    drawn until it shows what the view is called after, see `_misnamed`.
    """
    variation = PoseVariation() if variation is None else variation
    best, least = None, math.inf
    for _ in range(_TRIES):
        pose = _place_once(view, chambers, rng, variation, outflow)
        is_drawn = outflow is None and variation.turn_rad > 0 and view in _TOLD_BY_AORTA
        wrong = _misnamed(pose, chambers) if is_drawn else 0.0
        if wrong < least:
            best, least = pose, wrong
        if wrong == 0.0:
            break
    assert best is not None
    return best


def _misnamed(pose: Pose, chambers: Chambers) -> float:
    """How wrong the name of a four- or five-chamber pose is, 0 if right: the aortic valve counts, not the tilt.

    In A5C the plane cuts the annulus well inside and reaches the left atrium too; in A4C it passes behind the annulus.
    """
    aortic, mitral, atrium = (pose.elevation_of(p) for p in chambers.middles_m.values())
    behind = (aortic if aortic > mitral else -aortic) / chambers.aorta.annulus_m
    if pose.view is View.A4C:
        return max(_CLOSED - behind, 0.0)
    body = chambers.left_atrium
    reach = float(np.linalg.norm((body.frame.axes @ pose.axes[2]) * np.asarray(body.semi_axes_m)))
    missed = abs(atrium) / reach - _ATRIUM_CUT
    return max(_ANTERIOR - behind, 0.0) + max(behind - _OPENED, 0.0) + max(missed, 0.0)


def _passes(pose: Pose, chambers: Chambers) -> float:
    """Where the plane passes from the middle of the mitral (0) to that of the aortic valve (1)."""
    aortic, mitral, _ = (pose.elevation_of(p) for p in chambers.middles_m.values())
    return mitral / (mitral - aortic)


def _place_once(
    view: View | OtherView,
    chambers: Chambers,
    rng: np.random.Generator,
    variation: PoseVariation,
    outflow: float | None,
) -> Pose:
    """One draw of a pose."""
    place = _PLACES[view]
    origin, aim, right, depth, tilt = place(chambers, rng, variation, outflow)
    axial = unit(aim - origin)
    lateral = unit(right - (right @ axial) * axial)
    elevation = np.cross(lateral, axial)
    origin = origin + rng.normal(0, variation.slide_m) * lateral + rng.normal(0, variation.offset_m) * elevation
    aim = aim + rng.normal(0, variation.tilt_m) * elevation
    axial = unit(aim - origin)
    lateral = _rotate(unit(right - (right @ axial) * axial), axial, rng.normal(0, variation.turn_rad))
    elevation = np.cross(lateral, axial)
    rock = float(np.clip(rng.normal(0, variation.rock_rad), -0.5, 0.5))
    axes = np.stack([_rotate(lateral, elevation, rock), _rotate(axial, elevation, rock), elevation])
    if variation.turn_rad:
        depth *= _depth_setting(rng)
    pose = Pose(view, origin, axes, float(depth), tilt)
    if view in _TOLD_BY_AORTA and variation.turn_rad and outflow is None:
        return replace(pose, outflow=_passes(pose, chambers))
    return pose


def _depth_setting(rng: np.random.Generator) -> float:
    """Depth relative to what shows the whole section: mostly about right, sometimes far too deep or a little short."""
    kind = rng.random()
    if kind < 0.12:
        return float(rng.uniform(1.15, 1.75))
    if kind < 0.2:
        return float(rng.uniform(0.84, 0.92))
    return 1 + float(np.clip(rng.normal(0, 0.06), -0.1, 0.2))


def _rotate(vector: np.ndarray, axis: np.ndarray, angle_rad: float) -> np.ndarray:
    """Rodrigues rotation of a vector about a unit axis."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return vector * c + np.cross(axis, vector) * s + axis * (axis @ vector) * (1 - c)


_Place = tuple[np.ndarray, np.ndarray, np.ndarray, float, float]


def _outer_radius(motion: HeartMotion, theta_deg: float, level_m: float) -> float:
    """Distance of the heart's surface from the long axis."""
    here, z = direction_at(np.radians([theta_deg])), np.array([level_m])
    outer = motion.shape.right_outer_square(here, z, motion.shape.outer_square(here, z))
    return float(np.sqrt(outer[0])) + motion.shape.right_wall_m


def _apical(view: View) -> object:
    def place(chambers: Chambers, rng: np.random.Generator, variation: PoseVariation, outflow: float | None) -> _Place:
        motion = chambers.motion
        top = motion.shape.epi_length_m + motion.parameters.chest_wall_m
        origin = np.array([*motion.shape.bend_m, top])
        if variation.turn_rad and rng.random() < _FORESHORTENED:
            # a window too high or too far in front: the beam meets the wall beside the apex
            aside = rng.uniform(6e-3, 20e-3)
            origin = origin + around(rng.uniform(30, 150)) * aside - np.array([0.0, 0.0, 0.4 * aside])
        right = around(RIGHT_WALL_DEG[view])
        tilt = math.nan
        # the septum, not the cavity, stands in the middle of four- and five-chamber views
        aim = np.zeros(3)
        if view in (View.A4C, View.A5C):
            aim = aim - right * (rng.normal(9e-3, 7e-3) if variation.turn_rad else 9e-3)
            # a large right ventricle is brought into the picture too
            beyond = max(motion.shape.right_width_m - 34e-3, 0.0) * (
                rng.uniform(0.1, 0.9) if variation.turn_rad else 0.5
            )
            aim, origin = aim - right * beyond, origin - 0.6 * right * beyond
        if view in (View.A4C, View.A5C):
            tilt = _outflow_tilt(view, rng, variation) if outflow is None else outflow
            across = np.cross(right, -np.array([0.0, 0.0, 1.0]))
            root = chambers.aorta.frame
            aim = aim + across * float((root.origin_m + 6e-3 * root.axes[0]) @ across) * tilt
        body = chambers.left_atrium
        margin = rng.uniform(2e-3, 20e-3) if variation.turn_rad else 10e-3
        atrium = float(body.semi_axes_m[2] - body.frame.origin_m[2]) + margin
        if variation.turn_rad and rng.random() < _FOCUSED and view is not View.A5C:
            atrium *= rng.uniform(0.25, 0.7)
        return origin, aim, right, top + atrium, tilt

    return place


def _outflow_tilt(view: View, rng: np.random.Generator, variation: PoseVariation) -> float:
    """Mostly clear cases; with variation, some of each label reach towards the other, and A4C behind the valve too."""
    if not variation.turn_rad:
        return 0.0 if view is View.A4C else 0.95
    if view is View.A4C:
        return float(np.clip(rng.normal(-0.05, 0.22), -0.6, 0.45))
    return max(0.95 - abs(float(rng.normal(0, 0.17))), 0.55)


def _long_axis(chambers: Chambers, rng: np.random.Generator, variation: PoseVariation, _: float | None) -> _Place:
    motion = chambers.motion
    level = 0.22 * motion.shape.length_m
    reach = _outer_radius(motion, AORTIC_DEG, level) + motion.parameters.chest_wall_m
    axis = np.array([0.0, 0.0, 1.0])
    origin = around(AORTIC_DEG) * reach + axis * level
    depth = reach + _outer_radius(motion, AORTIC_DEG + 180, level) + 26e-3
    return origin, axis * level, -axis, depth, math.nan


def _short_axis(low: float, high: float, tilt_m: float) -> object:
    """Short axis with its aim between two shares of the length; `tilt_m` is how much further up the probe stands."""

    def place(chambers: Chambers, rng: np.random.Generator, variation: PoseVariation, _: float | None) -> _Place:
        motion = chambers.motion
        share = rng.uniform(low, high) if variation.turn_rad else (low + high) / 2
        level = share * motion.shape.length_m
        side = 125.0 + (rng.uniform(-15, 20) if variation.turn_rad else 0.0)
        reach = _outer_radius(motion, side, max(level, 0.0)) + motion.parameters.chest_wall_m
        axis = np.array([0.0, 0.0, 1.0])
        origin = around(side) * reach + axis * (level + tilt_m)
        depth = reach + _outer_radius(motion, side + 180, max(level, 0.0)) + 20e-3
        return origin, axis * level, around(side - 90), depth, math.nan

    return place


def _base(chambers: Chambers, rng: np.random.Generator, variation: PoseVariation, _: float | None) -> _Place:
    """Short axis at the aortic valve (two in three), else at the mitral valve."""
    if variation.turn_rad and rng.random() > 0.65:
        return _short_axis(0.04, 0.17, 2e-3)(chambers, rng, variation, None)
    motion, root = chambers.motion, chambers.aorta.frame
    aim = root.origin_m + (rng.uniform(3e-3, 12e-3) if variation.turn_rad else 8e-3) * root.axes[0]
    side = 125.0 + (rng.uniform(-12, 15) if variation.turn_rad else 0.0)
    towards = around(side)
    towards = unit(towards - 0.7 * (towards @ root.axes[0]) * root.axes[0])  # nearly across the root
    reach = _outer_radius(motion, side, 0.0) + motion.parameters.chest_wall_m - float(aim @ around(side))
    right = np.cross(towards, -root.axes[0])
    return aim + towards * reach, aim, right, reach + 75e-3, math.nan


def _subcostal(chambers: Chambers, rng: np.random.Generator, variation: PoseVariation, _: float | None) -> _Place:
    motion = chambers.motion
    axis = np.array([0.0, 0.0, 1.0])
    side = 222.0 + (rng.uniform(-10, 12) if variation.turn_rad else 0.0)
    level = 0.5 * motion.shape.length_m
    reach = _outer_radius(motion, side, level) + motion.parameters.chest_wall_m + 22e-3
    origin = around(side) * reach + axis * (level + 12e-3)
    depth = reach + _outer_radius(motion, side + 180, level) + 30e-3
    return origin, axis * 0.15 * motion.shape.length_m, axis, depth, math.nan


def _vena_cava(chambers: Chambers, rng: np.random.Generator, variation: PoseVariation, _: float | None) -> _Place:
    cava = chambers.cavae[0]
    along = unit(cava.end_m - cava.start_m)
    middle = 0.45 * cava.start_m + 0.55 * cava.end_m
    towards = unit(np.cross(along, np.cross(around(225) + np.array([0.0, 0.0, 0.6]), along)))
    origin = middle + towards * (55e-3 + chambers.motion.parameters.chest_wall_m)
    return origin, middle, -along, 135e-3, math.nan


_PLACES = {
    **{view: _apical(view) for view in APICAL},
    View.PLAX: _long_axis,
    View.SAXBASAL: _base,
    View.SAXMID: _short_axis(0.32, 0.58, 0.0),
    View.SUB4C: _subcostal,
    OtherView.SAXAPEX: _short_axis(0.8, 0.93, 0.0),
    OtherView.IVC: _vena_cava,
}
