"""What ultrasound sees of the heart: echo strength, blood, structure and texture coordinate of every beam sample.

Echo strength is in dB relative to normal muscle. Every structure has its own, drawn once a clip from wide ranges,
because real walls differ more by echogenicity than by anything else: dark inner layers, weak lateral walls, bright
pericardium. Muscle is brighter where its fibres lie across the beam; their angle turns from +60 degrees at the
endocardium to -60 at the epicardium (Streeter et al. 1969, doi:10.1161/01.RES.24.3.339).
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from sonometry.simulation.echo.arrays import Array, clip, like, namespace, part, step
from sonometry.simulation.echo.beams import Sector
from sonometry.simulation.echo.speckle import smooth_noise
from sonometry.simulation.phantoms.heart.chambers import Distances
from sonometry.simulation.phantoms.heart.coarse import Coarse
from sonometry.simulation.phantoms.heart.motion import HeartMotion, Material, MotionState
from sonometry.simulation.phantoms.heart.poses import Pose
from sonometry.simulation.phantoms.heart.solids import Points
from sonometry.simulation.phantoms.heart.valves import Valves


class Structure(IntEnum):
    """Values of the structure map; the first four are those of `mask`."""

    BACKGROUND = 0
    LEFT_VENTRICLE = 1
    MYOCARDIUM = 2
    LEFT_ATRIUM = 3
    RIGHT_VENTRICLE = 4
    RIGHT_ATRIUM = 5
    AORTA = 6
    PULMONARY_ARTERY = 7
    RIGHT_WALL = 8
    CONNECTIVE = 9


#: The structures that hold blood.
BLOOD = (
    Structure.LEFT_VENTRICLE,
    Structure.LEFT_ATRIUM,
    Structure.RIGHT_VENTRICLE,
    Structure.RIGHT_ATRIUM,
    Structure.AORTA,
    Structure.PULMONARY_ARTERY,
)
#: Range of the slow variations of brightness in tissue.
_PATCH_M = 14e-3
_BROAD_PATCH_M = 48e-3
_CHEST_PATCH_M = 45e-3
_CHEST_GRAIN_M = 13e-3
_DROPOUT_M = 24e-3
_ROUGH_M = 6e-3
#: What is nearer than this to both atria is the septum between them.
_BETWEEN_ATRIA_M = 6e-3
#: How far the fibrous body spreads around the meeting of the septa, and the fat along the groove around the base.
_CRUX_M, _GROOVE_M = 9e-3, 16e-3
#: Fall of the fat's strength over its depth.
_FAT_FALL_DB = 16.0
#: Levels between which the valves lie, opened ones of dilated hearts too.
_VALVES_M = (-34e-3, 52e-3)
_MAX_HELIX = math.sin(math.radians(60))
#: Half width of the transition from blood to tissue.
_SOFT_M = 0.5e-3
#: Elevation of one texture voxel: the slice is about two of them thick.
_SLICE_VOXEL_M = 2.2e-3


@dataclass(frozen=True)
class Echogenicity:
    """Echo strengths in dB relative to normal muscle, and what modulates them; one clip.

    inner_depth : share of the wall that is darker by `inner_drop`. lateral_drop : loss of the wall on the lateral
    side of the image plane, from `lateral_middle_m` on. fibre : difference between fibres across and along the
    beam. sheen : how much weaker walls and pericardium are along the beam than across it. dropout : loss of
    stretches of all walls, where slow noise is above `dropout_above`. patches : standard deviation of slow
    variations, `broad` the share of the slowest. chest_* : around the heart, falling with distance; posterior_* :
    brighter behind it; near_chest : between probe and heart. chest_grain : standard deviation of finer
    patches around the heart. fat : strength of the fat around the right heart and in the grooves between atria and
    ventricles, None where there is none to see; fat_m : its depth. crux : how much brighter the fibrous body is where
    the septa and the valves between them meet, and crux_m how far it reaches. septal_gain : a stretch of the
    septum that is brighter than the rest, about the share septal_middle of the length, septal_reach wide; apical_drop :
    loss of the apical third of the wall. septum_loss : of the middle of the interatrial septum, which lies along the
    beam; membranous_loss : of the upper end of the septum between the ventricles. roughness_m : unevenness of the
    visible blood border, softness_m : half its width.
    """

    blood: float
    chambers: tuple[float, float, float, float]
    connective: float
    right_wall: float
    atrial_wall: float
    pericardium: float
    sheen: float
    valve: float
    papillary: float
    trabeculae: float
    patches: float
    broad: float
    inner_drop: float
    inner_depth: float
    lateral_drop: float
    lateral_middle_m: float
    fibre: float
    dropout: float
    dropout_above: float
    chest: float
    chest_fall_db_m: float
    chest_floor: float
    chest_patches: float
    posterior_gain: float
    posterior_from: float
    near_chest: float
    chest_grain: float
    fat: float | None
    fat_m: float
    crux: float
    crux_m: float
    septal_gain: float
    septal_middle: float
    septal_reach: float
    apical_drop: float
    septum_loss: float
    membranous_loss: float
    roughness_m: float
    softness_m: float
    liver: float | None
    noise_offset: tuple[float, float, float]


def sample_echogenicity(rng: np.random.Generator, *, is_subcostal: bool = False) -> Echogenicity:
    """Echo strengths of one clip."""
    u = rng.uniform
    blood, chest = -u(20, 48), u(-30, 0)
    return Echogenicity(
        blood=blood,
        chambers=tuple(float(v) for v in u(-4, 6, 4)),  # type: ignore[arg-type]
        connective=u(-3, 11),
        right_wall=u(-8, 5),
        atrial_wall=u(-4, 8),
        pericardium=u(-7, 8),
        sheen=u(3, 18),
        valve=u(-10, 7),
        papillary=u(-16, -1),
        trabeculae=u(-16, -3) if rng.random() < 0.5 else -40.0,
        patches=u(1.5, 5),
        broad=u(0.3, 1.6),
        inner_drop=u(2, 16) if rng.random() < 0.7 else 0.0,
        inner_depth=u(0.2, 0.8),
        lateral_drop=u(2, 15) if rng.random() < 0.6 else 0.0,
        lateral_middle_m=u(-10e-3, 20e-3),
        fibre=u(2, 13),
        dropout=u(4, 24),
        dropout_above=u(0.2, 1.8),
        chest=chest,
        chest_fall_db_m=u(300, 2200),
        chest_floor=-u(25, 60),
        chest_patches=u(2, 8),
        posterior_gain=min(u(4, 26), 7 - chest),
        posterior_from=u(0.25, 0.6),
        near_chest=u(-14, 3),
        chest_grain=u(0, 7),
        fat=u(-14, 9) if rng.random() < 0.65 else None,
        fat_m=u(3e-3, 14e-3),
        crux=u(3, 20) if rng.random() < 0.65 else 0.0,
        crux_m=u(7e-3, 22e-3),
        septal_gain=u(3, 13) if rng.random() < 0.5 else 0.0,
        septal_middle=u(0.1, 0.55),
        septal_reach=u(0.2, 0.5),
        apical_drop=u(3, 16) if rng.random() < 0.35 else 0.0,
        septum_loss=u(6, 40) if rng.random() < 0.4 else 0.0,
        membranous_loss=u(5, 30) if rng.random() < 0.15 else 0.0,
        roughness_m=u(0.3e-3, 2.0e-3),
        softness_m=u(0.4e-3, 2e-3),
        liver=u(-9, 0) if is_subcostal else None,
        noise_offset=tuple(float(v) for v in u(0, 64, 3)),  # type: ignore[arg-type]
    )


@dataclass(frozen=True)
class Scene:
    """One frame in beam coordinates, arrays (sample, beam).

    tissue, blood : amplitudes. edges : amplitude of the smooth surfaces that mirror sound.
    structure : uint8 of `Structure`. texture : coordinates of the speckle in voxels.
    material : the points themselves.
    """

    tissue: Array
    blood: Array
    structure: np.ndarray
    texture: tuple[Array, Array, Array]
    material: Material

    def frame(self, index: int) -> SingleScene:
        """One of several frames, as the engine needs it."""
        texture = tuple(t[index, ...] for t in self.texture)
        return SingleScene(self.tissue[index, ...], self.blood[index, ...], self.structure[index], texture)  # type: ignore[arg-type]


@dataclass(frozen=True)
class SingleScene:
    """What the engine needs of one frame, and its structures."""

    tissue: Array
    blood: Array
    structure: np.ndarray
    texture: tuple[Array, Array, Array]


class Imagined:
    """A heart under a probe: turns states of the motion into scenes."""

    def __init__(self, valves: Valves, echogenicity: Echogenicity, sector: Sector, reference: Pose) -> None:
        self.valves = valves
        self.chambers = valves.chambers
        self.motion: HeartMotion = valves.chambers.motion
        self.echo = echogenicity
        self.sector = sector
        self.reference = reference
        self.lateral_m, self.axial_m = sector.points_m()
        self._chest_patches = smooth_noise(
            (self.lateral_m, self.axial_m, 0 * self.axial_m), _CHEST_PATCH_M, echogenicity.noise_offset
        ) + (echogenicity.chest_grain / echogenicity.chest_patches) * smooth_noise(
            (self.lateral_m, 1.6 * self.axial_m, 0 * self.axial_m), _CHEST_GRAIN_M, echogenicity.noise_offset[::-1]
        )

    def on(self, array: Array) -> Imagined:
        """The same with its grids in the library and on the device of `array`, for batches on a GPU."""
        moved = copy(self)
        for name in ("lateral_m", "axial_m", "_chest_patches"):
            setattr(moved, name, like(getattr(self, name), array))
        return moved

    def scene(self, state: MotionState, pose: Pose, *, mitral: Array, aortic: Array) -> Scene:
        """The scene of one state seen from a pose. mitral, aortic : opening of the valves, 0 to 1.

        Stacked states and poses (`MotionState.stacked`, `stack_poses`), with openings (T, 1, 1), give stacked scenes.
        """
        points = pose.to_heart(self.lateral_m, self.axial_m)
        m = self.motion.to_material_grid(points, state)
        straight = m.points
        grid = Coarse.of(straight[2])
        d = self.chambers.distances_on_grid(m, straight, grid)
        strength = self._tissue(m, straight, d, pose, grid)
        blood, blood_strength, strength = self._blood(m, straight, d, strength, mitral, aortic, grid)
        amplitude = 10.0 ** (strength / 20)
        return Scene(
            tissue=amplitude * (1 - blood),
            blood=10.0 ** (blood_strength / 20) * blood,
            structure=_structures(m, d),
            texture=self._texture(straight, d),
            material=m,
        )

    def _tissue(self, m: Material, straight: Points, d: Distances, pose: Pose, grid: Coarse) -> Array:
        """Echo strength of everything that is not blood."""
        e, xp = self.echo, namespace(m.z)
        few = grid.pick_all(straight)
        patches = 0.7 * smooth_noise(few, _PATCH_M, e.noise_offset)
        patches = patches + e.broad * smooth_noise(few, _BROAD_PATCH_M, e.noise_offset)
        patches, lost = grid.spread_all([patches, self._dropout(few)], m.z)
        strength = self._chest(m, d, patches)
        strength = xp.where(d.envelope < 0, e.connective + e.patches * patches, strength)
        thin = xp.minimum(xp.minimum(d.left_atrium, d.right_atrium), xp.minimum(d.aorta, d.pulmonary))
        facing = self._facing(thin)
        wall = e.atrial_wall - e.sheen * (1 - facing) + 0.7 * e.patches * patches
        if e.septum_loss:
            between = xp.maximum(d.left_atrium, d.right_atrium) < _BETWEEN_ATRIA_M
            wall = wall - e.septum_loss * between * step((-m.z - max(0.6 * e.crux_m, 5e-3)) / 5e-3)
        strength = xp.where((thin < 2.5e-3) & (d.envelope < 0), wall, strength)
        strength = xp.where((d.right_wall < 0) & (d.epicardium > 0), e.right_wall + e.patches * patches, strength)
        muscle = self._muscle(m, d, pose) + e.patches * patches
        strength = xp.where((d.epicardium < 0) & (m.z > 0), muscle, strength)
        if e.crux:
            level = (m.z + 0.35 * e.crux_m) / e.crux_m
            near = clip(1.3 - xp.maximum(d.left_atrium, d.right_atrium) / _CRUX_M, 0.0, 1.0)
            strength = strength + e.crux * near * clip(1.4 - 1.4 * level * level, 0.0, 1.0)
        strength = xp.where(d.envelope < 3e-3, strength - lost, strength)
        lining = 1 - ((d.envelope - 0.8e-3) / 1.5e-3) ** 2
        sac = e.pericardium - e.sheen * (1 - self._facing(d.envelope)) + 1.3 * e.patches * patches - 6 + 6 * lining
        sac = sac - 1.3 * lost
        return xp.where(lining > 0, xp.maximum(strength, sac), strength)

    def _dropout(self, straight: Points) -> Array:
        """Loss of stretches of wall, dB: no real outline is complete."""
        noise = smooth_noise(straight, _DROPOUT_M, self.echo.noise_offset[::-1])
        return self.echo.dropout * clip(1.2 * (noise - self.echo.dropout_above) + 0.5, 0.0, 1.0)

    def _facing(self, distance: Array) -> Array:
        """Squared cosine between the beam and the normal of the surface that a distance belongs to."""
        slope = (distance[..., 2:, :] - distance[..., :-2, :]) / (2 * self.sector.range_step_m)
        slope = namespace(distance).concat([slope[..., :1, :], slope, slope[..., -1:, :]], axis=-2)
        return clip(slope * slope, 0.0, 1.0)

    def _muscle(self, m: Material, d: Distances, pose: Pose) -> Array:
        """Left ventricular wall: dark inner layer, weak side, fibre angle to the beam."""
        e, xp = self.echo, namespace(m.z)
        depth = clip(d.endocardium / (d.endocardium - d.epicardium + 1e-6), 0.0, 1.0)
        helix = _MAX_HELIX * (1 - 2 * depth)
        beam = self._beams(pose)
        across = beam[1] * m.d.c1 - beam[0] * m.d.s1
        along_fibre = (1 - 0.5 * helix * helix) * across + helix * beam[2]
        strength = -e.fibre * along_fibre * along_fibre
        if e.inner_drop:
            strength = strength - e.inner_drop * clip((e.inner_depth - depth) * 6 + 0.5, 0.0, 1.0)
        if e.septal_gain:
            level = (m.z / self.motion.shape.length_m - e.septal_middle) / e.septal_reach
            septal = clip(-1.5 * m.d.c1 - 0.2, 0.0, 1.0)
            strength = strength + e.septal_gain * septal * clip(1 - level * level, 0.0, 1.0)
        if e.apical_drop:
            strength = strength - e.apical_drop * clip((m.z / self.motion.shape.length_m - 0.5) / 0.3, 0.0, 1.0)
        if e.membranous_loss:
            upper = clip(1 - m.z / 14e-3, 0.0, 1.0) * clip(-m.d.c1, 0.0, 1.0)
            strength = strength - e.membranous_loss * upper * upper
        if e.lateral_drop:
            strength = strength - e.lateral_drop / (1 + xp.exp(-(self.lateral_m - e.lateral_middle_m) / 7e-3))
        return strength

    def _beams(self, pose: Pose) -> tuple[Array, ...]:
        """Direction of the beams in heart coordinates, one row a component, (1, beam)."""
        s, c = (like(f(self.sector.angles_rad)[None], self.axial_m) for f in (np.sin, np.cos))
        return tuple(part(pose.axes, (0, i), c) * s + part(pose.axes, (1, i), c) * c for i in range(3))

    def _chest(self, m: Material, d: Distances, patches: Array) -> Array:
        """Around the heart: fat and lung that fade with distance; liver on the near side of subcostal views."""
        e, xp = self.echo, namespace(patches)
        deep = step((self.axial_m / self.sector.depth_m - e.posterior_from) / 0.3)
        fading = e.chest - e.chest_fall_db_m * clip(d.envelope, 0.0, None) + e.posterior_gain * deep
        around = (
            xp.maximum(fading + e.chest_patches * self._chest_patches, e.chest_floor + 0 * fading) + e.patches * patches
        )
        if e.fat is not None:
            groove = (m.z + 3e-3) / _GROOVE_M
            where = xp.maximum(clip(1 - groove * groove, 0.0, 1.0), clip(0.6 - 1.5 * m.d.c1, 0.0, 1.0) * (m.z > 0))
            layer = e.fat - _FAT_FALL_DB * (1 - where + clip(d.envelope, 0.0, None) / e.fat_m) + e.patches * patches
            around = xp.maximum(around, layer)
        near = step(1.6 - self.axial_m / (0.12 * self.sector.depth_m))
        around = around + near * (e.near_chest + 0.5 * e.chest_patches * self._chest_patches - around)
        if e.liver is None:
            return around
        vessel = clip((patches - 1.75) * 8, 0.0, 1.0)
        liver = e.liver + 0.3 * e.patches * patches - 22 * vessel
        return xp.where(self.axial_m < 0.5 * self.sector.depth_m, liver, around)

    def _blood(
        self, m: Material, straight: Points, d: Distances, strength: Array, mitral: Array, aortic: Array, grid: Coarse
    ) -> tuple[Array, Array, Array]:
        """Share of blood, its echo strength, and the tissue with leaflets and muscles inside the cavities."""
        e, xp = self.echo, namespace(m.z)
        vessels = xp.minimum(d.aorta, d.pulmonary)
        right = xp.minimum(d.right_ventricle, d.right_atrium)
        level = e.blood + e.chambers[0]
        level = xp.where(d.left_atrium < 0, e.blood + e.chambers[1] + 0 * m.z, level)
        level = xp.where(right < 0, e.blood + e.chambers[2], level)
        level = xp.where(vessels < 0, e.blood + e.chambers[3], level)
        cavity = xp.minimum(xp.minimum(d.endocardium, d.left_atrium), xp.minimum(vessels, right))
        rough = smooth_noise(straight, _ROUGH_M, e.noise_offset)
        blood = _soft(cavity + e.roughness_m * rough, e.softness_m)
        strength, blood = self._subvalvular(straight, d, strength, blood, rough, grid)
        rows = _rows_near_base(straight[2])
        at = tuple(p[..., rows, :] for p in straight)
        leaflets = xp.minimum(
            self.valves.atrioventricular(at, mitral),
            xp.maximum(self.valves.aortic(at, aortic), d.aorta[..., rows, :]),
        )
        sheet = _soft(leaflets)
        near = strength[..., rows, :]
        strength[..., rows, :] = xp.where(sheet > 0, e.valve * sheet + near * (1 - sheet), near)
        blood[..., rows, :] *= 1 - sheet
        return blood, level, strength

    def _subvalvular(
        self, straight: Points, d: Distances, strength: Array, blood: Array, rough: Array, grid: Coarse
    ) -> tuple[Array, Array]:
        """Papillary muscles, moderator band and trabeculae of the apical halves."""
        e, xp = self.echo, namespace(blood)
        few = grid.pick_all(straight)
        muscles, band = grid.spread_all([self.valves.papillary_muscles(few), self.valves.band.distance(few)], blood)
        if self.valves.tendon is not None:
            muscles = xp.minimum(muscles, self.valves.tendon.distance(straight))
        papillary, band = xp.maximum(muscles, d.endocardium), xp.maximum(band, d.right_ventricle)
        solid = _soft(xp.minimum(papillary, band))
        strength = xp.where(solid > 0, e.papillary * solid + strength * (1 - solid), strength)
        blood = blood * (1 - solid)
        if e.trabeculae <= -40:
            return strength, blood
        low = clip((straight[2] - 0.25 * self.motion.shape.length_m) / 20e-3, 0.0, 1.0)
        depth = xp.where(d.endocardium < 0, d.endocardium, d.right_ventricle)
        near = clip(1 + depth / 4e-3, 0.0, 1.0)
        inside = (d.endocardium < 0) | (d.right_ventricle < 0)
        trabecula = xp.where(inside, clip((rough + 2.2 * near - 2.0) * 1.5, 0.0, 1.0) * low * (near > 0), 0 * rough)
        strength = xp.where(trabecula > 0, e.trabeculae, strength)
        return strength, blood * (1 - trabecula)

    def _texture(self, straight: Points, d: Distances) -> tuple[Array, Array, Array]:
        """Speckle coordinates: where the material was in the beams at end-diastole; the chest stays where it is."""
        xp = namespace(straight[0])
        sector = self.sector
        lateral, axial, elevation = self.reference.from_heart(self.motion.shape.unstraighten(straight))
        in_heart = d.envelope < 1.5e-3
        lateral = xp.where(in_heart, lateral, self.lateral_m)
        axial = xp.where(in_heart, axial, self.axial_m) + sector.apex_m
        tangent = lateral / clip(axial, 1e-3, None)
        angle = tangent / (1 + 0.28 * tangent * tangent)  # the arctangent within 0.005 rad up to 45 degrees
        reach = xp.sqrt(lateral * lateral + axial * axial)
        elevation = xp.where(in_heart, elevation, 0 * elevation)
        return reach / sector.range_step_m, angle / sector.angle_step_rad, elevation / _SLICE_VOXEL_M


def _rows_near_base(level: Array) -> slice:
    """The rows of the grid that may meet a valve; all of them on a GPU."""
    if not isinstance(level, np.ndarray):
        return slice(None)
    near = ((level > _VALVES_M[0]) & (level < _VALVES_M[1])).any(axis=-1)
    rows = np.flatnonzero(near.reshape(-1, near.shape[-1]).any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0, 1)


def _soft(distance: Array, width_m: float = _SOFT_M) -> Array:
    """1 inside, 0 outside, linear across a boundary of twice the width."""
    return clip(0.5 - distance / (2 * width_m), 0.0, 1.0)


def _structures(m: Material, d: Distances) -> np.ndarray:
    """Structure of every point; later ones lie over earlier ones."""
    xp = namespace(m.z)
    labels = xp.astype(xp.zeros_like(m.z), xp.uint8)
    layers = (
        (d.envelope < 0, Structure.CONNECTIVE),
        ((d.right_wall < 0) & (d.epicardium > 0), Structure.RIGHT_WALL),
        (d.right_ventricle < 0, Structure.RIGHT_VENTRICLE),
        (d.pulmonary < 0, Structure.PULMONARY_ARTERY),
        (d.right_atrium < 0, Structure.RIGHT_ATRIUM),
        (d.left_atrium < 0, Structure.LEFT_ATRIUM),
        (d.aorta < 0, Structure.AORTA),
        *left_ventricle(m),
    )
    for where, structure in layers:
        labels[where] = int(structure)
    return labels


def left_ventricle(m: Material) -> tuple[tuple[Array, Structure], tuple[Array, Structure]]:
    """Muscle and cavity of the left ventricle, the regions whose volumes are exact."""
    in_cavity = (m.square < m.inner) & (m.z >= 0)
    in_wall = (m.square >= m.inner) & (m.square < m.outer) & (m.z >= 0)
    return (in_wall, Structure.MYOCARDIUM), (in_cavity, Structure.LEFT_VENTRICLE)
