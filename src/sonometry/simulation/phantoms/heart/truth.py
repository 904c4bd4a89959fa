"""Exact truth of one view: masks, segments, displacement, centreline and strain.

Masks are evaluated at the pixels by the inverse map, displacement by mapping the same material points forwards again,
so both are as exact as the closed form. A displacement is the part within the image plane; what moves out of it
leaves the plane as it does on a scanner. Strain of a view is the change of length of its centreline: the mid-wall
points that lie in the plane at end-diastole, followed as material points and seen in the plane.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from skimage.measure import find_contours

from sonometry.simulation.echo.beams import Raster
from sonometry.simulation.phantoms.heart.chambers import Chambers
from sonometry.simulation.phantoms.heart.motion import END_DIASTOLE, HeartMotion, Material, MotionState
from sonometry.simulation.phantoms.heart.poses import Pose
from sonometry.simulation.phantoms.heart.shape import direction_at
from sonometry.simulation.phantoms.heart.tissue import Structure

N_CENTRELINE = 120
N_VIEW_SEGMENTS = 6

#: Mask values, as `strain` names them in fields.npz.
MASK_VALUES = {
    Structure.BACKGROUND: 0,
    Structure.LEFT_VENTRICLE: 1,
    Structure.MYOCARDIUM: 2,
    Structure.LEFT_ATRIUM: 3,
}
_MUSCLE = MASK_VALUES[Structure.MYOCARDIUM]
#: Pixels worked on at once: what fits into the processor's cache is several times quicker than a whole screen.
_BLOCK = 1 << 14


@dataclass(frozen=True)
class PixelTruth:
    """One frame. mask : uint8, see MASK_VALUES. segments : uint8, AHA segment 1 to 17 in muscle, else 0.

    in_heart : where displacement means something. materials : points of the pixels of the sector at end-diastole, in
    blocks that stay in the processor's cache; places : their positions in the flattened picture.
    """

    mask: np.ndarray
    segments: np.ndarray
    in_heart: np.ndarray
    materials: tuple[Material, ...]
    places: tuple[np.ndarray, ...]


def pixel_truth(chambers: Chambers, state: MotionState, pose: Pose, raster: Raster, inside: np.ndarray) -> PixelTruth:
    """Truth at the pixels of a raster. inside : pixels within the sector; outside everything is background."""
    lateral, axial = (points.ravel() for points in raster.points_m())
    mask, segments = np.zeros(inside.size, np.uint8), np.zeros(inside.size, np.uint8)
    in_heart = np.zeros(inside.size, bool)
    sector = np.flatnonzero(inside)
    places = tuple(sector[start : start + _BLOCK] for start in range(0, len(sector), _BLOCK))
    materials = []
    for at in places:
        material = chambers.motion.to_material(pose.to_heart(lateral[at], axial[at]), state)
        mask[at], in_heart[at] = _labels(chambers, material)
        segments[at] = np.where(mask[at] == _MUSCLE, segment_numbers(chambers.motion, material), 0)
        materials.append(material)
    shown = (array.reshape(raster.shape) for array in (mask, segments, in_heart))
    return PixelTruth(*shown, tuple(materials), places)


def _labels(chambers: Chambers, material: Material) -> tuple[np.ndarray, np.ndarray]:
    """Mask values of material points, and whether they belong to the heart."""
    distances = chambers.distances(material)
    mask = np.zeros(material.z.shape, np.uint8)
    mask[(distances.left_atrium < 0) & (distances.aorta >= 0)] = MASK_VALUES[Structure.LEFT_ATRIUM]
    is_ventricle = material.z >= 0
    mask[is_ventricle & (material.square < material.outer)] = _MUSCLE
    mask[is_ventricle & (material.square < material.inner)] = MASK_VALUES[Structure.LEFT_VENTRICLE]
    return mask, (distances.envelope < 0) | (mask > 0)


def segment_numbers(motion: HeartMotion, material: Material) -> np.ndarray:
    """AHA segment (1 to 17) of points of the left ventricular wall."""
    angle = np.degrees(np.arctan2(material.d.s1, material.d.c1))
    six = np.floor(((angle - 60) % 360) / 60).astype(int) % 6
    four = np.floor(((angle - 45) % 360) / 90).astype(int) % 4
    share = material.z / motion.shape.length_m
    numbers = np.where(share < 1 / 3, 1 + six, 7 + six)
    numbers = np.where(share >= 2 / 3, 13 + four, numbers)
    return np.where(share >= 1, 17, numbers)


def displacement_mm(
    motion: HeartMotion, truth: PixelTruth, raster: Raster, state: MotionState, pose: Pose, *, forwards: bool
) -> np.ndarray:
    """(H, W, 2) float32 displacement along rows and columns in mm, NaN outside the heart.

    state, pose : of the other moment. forwards : from the pixel to that moment (next frame), else from that moment to
    the pixel (from end-diastole).
    """
    here_lateral, here_axial = (points.ravel() for points in raster.points_m())
    field = np.full((truth.mask.size, 2), np.nan, np.float32)
    sign = 1e3 if forwards else -1e3
    for material, at in zip(truth.materials, truth.places, strict=True):
        lateral, axial, _ = pose.from_heart(motion.to_space(material, state))
        field[at, 0], field[at, 1] = sign * (axial - here_axial[at]), sign * (lateral - here_lateral[at])
    field[~truth.in_heart.ravel()] = np.nan
    return field.reshape(*truth.mask.shape, 2)


@dataclass(frozen=True)
class Centreline:
    """Mid-wall of one view as 120 material points, from the left base in the image over the apex to the right."""

    material: Material

    def positions_m(self, motion: HeartMotion, state: MotionState, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
        """Lateral and axial position of the points (120,) at a state, seen from a pose."""
        lateral, axial, _ = pose.from_heart(motion.to_space(self.material, state))
        return lateral, axial


def find_centreline(motion: HeartMotion, pose: Pose) -> Centreline | None:
    """The centreline of a view that cuts the ventricle along its length; None where the plane does not do so.

    The mid-wall surface is a grid of share of length and angle; its intersection with the plane is the zero contour of
    the elevation, found between grid nodes by linear interpolation and then polished on the surface.
    """
    shares = np.sin(np.linspace(0, np.pi / 2, 121))
    seam = np.arctan2(pose.axes[2][1], pose.axes[2][0])  # across the plane, where it never cuts the wall
    angles = np.linspace(seam, seam + 2 * np.pi, 361)
    share, angle = np.meshgrid(shares, angles, indexing="ij")
    elevation = _elevation(motion, pose, share, angle)
    lines = [line for line in find_contours(elevation, 0.0) if np.ptp(line[:, 0]) > 30]
    if not lines:
        return None
    joined = _join(lines, len(angles))
    if joined is None:
        return None
    share = np.interp(joined[:, 0], np.arange(len(shares)), shares)
    angle = angles[0] + joined[:, 1] * (angles[1] - angles[0])
    share, angle = _equidistant(motion, pose, share, angle)
    centreline = Centreline(motion.midwall(direction_at(angle), share))
    lateral, _ = centreline.positions_m(motion, END_DIASTOLE, pose)
    if lateral[0] > lateral[-1]:
        centreline = Centreline(motion.midwall(direction_at(angle[::-1]), share[::-1]))
    return centreline


def _elevation(motion: HeartMotion, pose: Pose, share: np.ndarray, angle: np.ndarray) -> np.ndarray:
    points = motion.shape.unstraighten(motion.midwall(direction_at(angle), share).points)
    return np.asarray(pose.from_heart(points)[2])


def _join(lines: list[np.ndarray], n_angles: int) -> np.ndarray | None:
    """One line from base to base: either one contour that turns below the apex, or two that meet in it."""
    lines = sorted(lines, key=lambda line: -np.ptp(line[:, 0]))
    whole = [line for line in lines if line[0, 0] < 1 and line[-1, 0] < 1]
    if whole:
        return whole[0]
    sides = [line if line[0, 0] < line[-1, 0] else line[::-1] for line in lines if min(line[0, 0], line[-1, 0]) < 1]
    if len(sides) < 2:
        return None
    first, second = sides[:2]
    return np.concatenate([first, second[::-1]])


def _equidistant(
    motion: HeartMotion, pose: Pose, share: np.ndarray, angle: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """120 points at equal distances along the line at end-diastole."""
    lateral, axial, _ = pose.from_heart(motion.shape.unstraighten(motion.midwall(direction_at(angle), share).points))
    steps = np.hypot(np.diff(lateral), np.diff(axial))
    arc = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.linspace(0, arc[-1], N_CENTRELINE)
    unwrapped = np.unwrap(angle)
    return np.interp(at, arc, share), np.interp(at, arc, unwrapped)


def strain_of(lateral: np.ndarray, axial: np.ndarray) -> np.ndarray:
    """(T,) change of the length of lines (T, points) against the first of them, fraction."""
    length = np.hypot(np.diff(lateral), np.diff(axial)).sum(-1)
    return np.asarray(length / length[0] - 1)


def segment_strain_of(lateral: np.ndarray, axial: np.ndarray) -> np.ndarray:
    """(T, 6) strain of the six equal parts of the line (basal, mid, apical left; apical, mid, basal right)."""
    steps = np.hypot(np.diff(lateral), np.diff(axial))
    bounds = np.round(np.linspace(0, steps.shape[-1], N_VIEW_SEGMENTS + 1)).astype(int)
    parts = np.stack([steps[:, a:b].sum(-1) for a, b in itertools.pairwise(bounds)], axis=-1)
    return parts / parts[0] - 1
