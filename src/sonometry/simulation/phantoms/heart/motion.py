"""Motion of the whole heart over the beat: one continuous map x(X, t), closed form forwards, quick to invert.

In coordinates (R, theta, Z) about the straightened axis (see `shape`) at end-diastole:

    z     = Z + s E(Z, theta)                 the base follows the apex, see `contraction`
    theta = Theta + tau(Z)                    twist
    r^2   = (R^2 + c(Theta, Z)) / J           J = d(z, theta) / d(Z, Theta)

In the muscle of the left ventricle the determinant of this map is 1 whatever s, tau and c are: it is exactly
incompressible. With c = -sigma C(Z) k(Theta, Z) R_in^2 the volume of the cavity falls linearly with sigma, so ejection
fraction is met in closed form; s is then found so that the mean length of the mid-wall meridians follows the prescribed
longitudinal strain. Circumferential and radial strain follow.

Beyond the left ventricle the same columns continue: the right ventricle is a layer whose squared thickness is scaled by
its own ejection, the atria stretch with the descent of the base (their far ends stand still) and widen in their
reservoir phase. In the cavity r/r_in = (R/R_in)^k with k such that the slope is continuous, so papillary muscles and
trabeculae next to the wall keep their volume.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sonometry.core.errors import DataError
from sonometry.simulation.echo.arrays import clip, like, namespace, step
from sonometry.simulation.phantoms.heart.coarse import every, pick, spread
from sonometry.simulation.phantoms.heart.contraction import SIX_MIDDLES_RAD, AxialWork, build_contraction
from sonometry.simulation.phantoms.heart.parameters import HeartParameters
from sonometry.simulation.phantoms.heart.shape import (
    Direction,
    HeartShape,
    Points,
    build_shape,
    direction,
    direction_at,
)
from sonometry.simulation.phantoms.heart.timing import Rhythm

Array = Any

#: Distance from the base to the part of the atria that does not move, for a normal atrium.
ATRIAL_LENGTH_M = 58e-3
#: Below the base the radial terms of the ventricle fade over this length.
_FADE_M = 14e-3
#: Share of twist taken by the base, against the apex.
_BASAL_SHARE = 0.3
#: Gain of the squared radius of the atria in their reservoir phase.
_ATRIAL_GAIN = 0.30
_N_LEVELS, _N_ANGLES = 240, 24
#: Inner radius, relative to the largest, below which radial contraction fades, so that it is smooth at the apex.
_APEX_BLUR = 0.2
#: Slack of the prescribed longitudinal strain.
_STRAIN_TOLERANCE = 1e-6
#: Largest share of the squared radius that any point of the endocardium may lose.
_MOST_EMPTIED = 0.93
#: Newton steps for the level on a grid.
_GRID_STEPS = 3
_TINY = 1e-12
#: Added to squared radii (m2) before the root, so that the axis has a direction.
_ON_AXIS = 1e-16


@dataclass(frozen=True)
class MotionState:
    """Amplitudes at one moment (floats) or at several (arrays that broadcast against the points).

    shortening : s. ejection : sigma. base_twist_rad, apex_twist_rad : rotations. right : factor on the volume of the
    right ventricle. atrial : 0 to 1.
    """

    shortening: Array
    ejection: Array
    base_twist_rad: Array
    apex_twist_rad: Array
    right: Array
    atrial: Array

    def __getitem__(self, index: Any) -> MotionState:
        return MotionState(*(getattr(self, name)[index] for name in self.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.shortening)

    def stacked(self, array: Array) -> MotionState:
        """Several moments, shaped to broadcast against (moment, row, column) arrays like `array`."""
        return MotionState(
            *(like(np.asarray(getattr(self, n))[:, None, None], array) for n in self.__dataclass_fields__)
        )

    def frame(self, index: int) -> MotionState:
        """The state of one moment as plain floats."""
        return MotionState(*(float(getattr(self, name)[index]) for name in self.__dataclass_fields__))


END_DIASTOLE = MotionState(0.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@dataclass(frozen=True)
class Material:
    """Points of the heart at end-diastole, in the straightened coordinates.

    square : R^2. d : direction about the axis. z : level. inner, outer, right_outer : squared radii of the
    endocardium, the epicardium and the right ventricular free wall at that direction and level.
    """

    square: Array
    d: Direction
    z: Array
    inner: Array
    outer: Array
    right_outer: Array

    @property
    def radius(self) -> Array:
        xp = namespace(self.z)
        return xp.sqrt(self.square)

    @property
    def points(self) -> Points:
        """Straightened Cartesian coordinates."""
        radius = self.radius
        return radius * self.d.c1, radius * self.d.s1, self.z


@dataclass(frozen=True)
class _Column:
    """What the map needs at a direction and a level."""

    inner: Array
    outer: Array
    right_outer: Array
    slope: Array
    inner_now: Array
    outer_now: Array
    right_outer_now: Array
    power: Array


#: Jacobian of the wall, and radial contraction relative to a normal heart.
_Slow = tuple[Array, Array]


class HeartMotion:
    """Shape and motion of one heart. `to_space` and `to_material` are inverse to each other for any state."""

    def __init__(self, parameters: HeartParameters) -> None:
        self.parameters = parameters
        self.shape: HeartShape = build_shape(parameters)
        self.contraction = build_contraction(parameters, self.shape)
        self.atrial_length_m = ATRIAL_LENGTH_M * parameters.left_atrial_scale
        self._leave_room()
        self._meridians = self.midwall_meridians(SIX_MIDDLES_RAD)
        self._meridian_work = self.contraction.axial(self._meridians.d, self._meridians.z)
        self._length_m = float(self.meridian_lengths(END_DIASTOLE).mean())

    # -- states --------------------------------------------------------------------------------------------------

    def states(self, rhythm: Rhythm, times_s: np.ndarray) -> MotionState:
        """Amplitudes at `times_s` (T,): volumes and longitudinal strain are met exactly."""
        beat = rhythm.state(times_s)
        p = self.parameters
        ejection = p.stroke_volume_m3 * beat.emptying / self._expelled
        twist = p.twist_rad * beat.twisting
        partial = MotionState(
            shortening=np.zeros_like(ejection),
            ejection=ejection,
            base_twist_rad=-_BASAL_SHARE * twist,
            apex_twist_rad=(1 - _BASAL_SHARE) * twist,
            right=1 - p.right_ejection_fraction * beat.emptying,
            atrial=beat.atrial_filling,
        )
        strain = p.global_longitudinal_strain * beat.shortening
        return replace(partial, shortening=self._solve_shortening(partial, strain))

    def cavity_volume_m3(self, state: MotionState) -> Array:
        """Left ventricular cavity volume of a state, in closed form."""
        return self.parameters.end_diastolic_volume_m3 - state.ejection * self._expelled

    # -- the map -------------------------------------------------------------------------------------------------

    def material(self, straight: Points) -> Material:
        """Straightened end-diastolic coordinates with what the anatomy needs."""
        x, y, z = straight
        xp = namespace(z)
        square = x * x + y * y
        radius = xp.sqrt(square + _ON_AXIS)
        d = direction(x / radius, y / radius)
        return self._material(square, d, z)

    def _material(self, square: Array, d: Direction, z: Array) -> Material:
        outer = self.shape.outer_square(d, z)
        return Material(square, d, z, self.shape.inner_square(d, z), outer, self.shape.right_outer_square(d, z, outer))

    def to_space(self, material: Material, state: MotionState, *, work: AxialWork | None = None) -> Points:
        """Anatomical position at `state` of material points. work : `contraction.axial` of them, if it is known."""
        m = material
        xp = namespace(m.z)
        work = self.contraction.axial(m.d, m.z) if work is None else work
        column = self._column(m, state, self._slow(m, state, work))
        square = _forward(xp, m.square, column)
        z = m.z + self._descent(work, m.z, state, self._inward(xp, m))[0]
        c, s = _turn(xp, m.d.c1, m.d.s1, self._twist(m.z, state)[0])
        radius = xp.sqrt(square)
        return self.shape.unstraighten((radius * c, radius * s, z))

    def to_material(self, points: Points, state: MotionState, *, iterations: int = 4) -> Material:
        """Material points that lie at anatomical `points` at `state`; inverse of `to_space`.

        iterations : Newton steps for the level; four leave less than a micrometre in muscle and less than 50
        micrometres in blood, in any heart tried.
        """
        now, c, s, z = self._about_axis(points)
        return self._settle(now, c, s, self._level(now, c, s, z, state, iterations), state)

    def to_material_grid(self, points: Points, state: MotionState, *, stride: int = 4) -> Material:
        """`to_material` for points on a smooth grid (row, column), several times quicker.

        The level and what changes slowly are found on every `stride`-th row and column and interpolated between, which
        leaves 10 to 100 micrometres; everything else is worked out at every point.
        """
        now, c, s, z = self._about_axis(points)
        rows, columns = every(z.shape[-2], stride), every(z.shape[-1], stride)
        coarse = [pick(a, rows, columns) for a in (now, c, s, z)]
        at = self._level(*coarse, state, _GRID_STEPS)
        level = z + spread(at - coarse[3], rows, columns, z)
        d = direction(*_turn(namespace(at), coarse[1], coarse[2], -self._twist(at, state)[0]))
        slow = self._wall_jacobian(self.contraction.axial(d, at), state), self.contraction.radial_work(d, at)
        slow = tuple(spread(a + 0 * at, rows, columns, z) for a in slow)
        return self._settle(now, c, s, level, state, slow)

    def _about_axis(self, points: Points) -> tuple[Array, Array, Array, Array]:
        """Squared radius, direction and level in straightened coordinates."""
        x, y, z = self.shape.straighten(points)
        now = x * x + y * y
        radius = namespace(z).sqrt(now + _ON_AXIS)
        return now, x / radius, y / radius, z

    def _level(self, now: Array, c: Array, s: Array, z: Array, state: MotionState, iterations: int) -> Array:
        """End-diastolic level of points: Newton steps on z = Z + s E(Z, theta - tau(Z))."""
        xp = namespace(z)
        level, inward = z, 1.0
        for iteration in range(iterations):
            twist, twist_rate = self._twist(level, state)
            d = direction(*_turn(xp, c, s, -twist))
            work = self.contraction.axial(d, level)
            descent, by_level, by_angle = self._descent(work, level, state, inward)
            level = level - (level + descent - z) / (1 + by_level - twist_rate * by_angle)
            if self.contraction.is_regional and iteration >= 1:
                inward = self._inward_from_space(xp, now, d, level, state)
        return level

    def _settle(
        self, now: Array, c: Array, s: Array, level: Array, state: MotionState, slow: _Slow | None = None
    ) -> Material:
        """Material points of known level: turn back the twist, then the squared radius."""
        xp = namespace(level)
        d = direction(*_turn(xp, c, s, -self._twist(level, state)[0]))
        m = self._material(now, d, level)
        column = self._column(m, state, slow or self._slow(m, state, self.contraction.axial(d, level)))
        return Material(_backward(xp, now, column), d, level, m.inner, m.outer, m.right_outer)

    def _slow(self, m: Material, state: MotionState, work: AxialWork) -> _Slow:
        return self._wall_jacobian(work, state), self.contraction.radial_work(m.d, m.z)

    def _column(self, m: Material, state: MotionState, slow: _Slow) -> _Column:
        jacobian, radial_work = slow
        atrium = step(-m.z / _FADE_M)
        slope = (1 - atrium) / jacobian + atrium * (1 + _ATRIAL_GAIN * state.atrial)
        remaining = 1 - state.ejection * self._radial_profile(radial_work, m.z, m.inner) * (1 - atrium)
        inner_now = m.inner * remaining * slope
        outer_now = inner_now + (m.outer - m.inner) * slope
        right = slope * (1 - (1 - state.right) * (1 - atrium))
        right_now = outer_now + (m.right_outer - m.outer) * right
        return _Column(m.inner, m.outer, m.right_outer, slope, inner_now, outer_now, right_now, 1 / remaining)

    def _wall_jacobian(self, work: AxialWork, state: MotionState) -> Array:
        """d(z, theta) / d(Z, Theta) in the muscle; beyond base and apex as it is there, so that radii do not jump."""
        twist_rate = (state.apex_twist_rad - state.base_twist_rad) / self.shape.epi_length_m
        return 1 - state.shortening * (work.density_mean + work.density_varying + twist_rate * work.turning)

    def _descent(self, work: AxialWork, z: Array, state: MotionState, inward: Array) -> tuple[Array, Array, Array]:
        """Axial displacement and its derivatives by level and angle.

        inward : weight of what depends on theta, 1 in and outside the wall, 0 on the axis, where it must vanish.
        """
        xp = namespace(z)
        below = clip(1 + z / self.atrial_length_m, 0.0, 1.0)
        atrium = below * below * (3 - 2 * below)
        total = work.mean + inward * work.varying
        density = work.density_mean + inward * work.density_varying
        inside = xp.astype((z >= 0) & (z < self.shape.epi_length_m), z.dtype)
        by_level = total * (6 * below * (1 - below) / self.atrial_length_m) - density * inside
        amplitude = state.shortening
        return amplitude * total * atrium, amplitude * by_level, amplitude * inward * work.turning * atrium

    def _twist(self, z: Array, state: MotionState) -> tuple[Array, Array]:
        """Rotation at a level and its derivative; fades into the atria."""
        xp = namespace(z)
        apex = self.shape.epi_length_m
        share = clip(z / apex, 0.0, 1.0)
        below = clip(1 + z / self.atrial_length_m, 0.0, 1.0)
        fade = below * below * (3 - 2 * below)
        difference = state.apex_twist_rad - state.base_twist_rad
        inside = xp.astype((z > 0) & (z < apex), z.dtype)
        rate = difference / apex * inside + state.base_twist_rad * 6 * below * (1 - below) / self.atrial_length_m
        return (state.base_twist_rad + difference * share) * fade, rate

    def _radial_profile(self, radial_work: Array, z: Array, inner: Array) -> Array:
        """C(Z) k(Theta, Z): less at the annulus, full from a third of the length, vanishing where the cavity ends."""
        rise = step(z / (0.35 * self.shape.length_m))
        inner = clip(inner, 0.0, None)
        apex = inner / (inner + (_APEX_BLUR * self.shape.radius_m) ** 2)
        return (0.7 + 0.3 * rise) * apex * radial_work

    def _inward(self, xp: Any, m: Material) -> Array:
        if not self.contraction.is_regional:
            return 1.0
        return xp.sqrt(clip(m.square / clip(m.inner, _TINY, None), 0.0, 1.0))

    def _inward_from_space(self, xp: Any, now: Array, d: Direction, level: Array, state: MotionState) -> Array:
        m = self._material(now, d, level)
        column = self._column(m, state, self._slow(m, state, self.contraction.axial(d, level)))
        ratio = clip(now / clip(column.inner_now, _TINY, None), _TINY, 1.0)
        return ratio ** (0.5 / column.power)

    # -- prescriptions -------------------------------------------------------------------------------------------

    def _quadrature(self) -> tuple[Direction, np.ndarray, float]:
        """Midpoint rule over theta and level of the cavity."""
        length = self.shape.length_m
        z = (np.arange(_N_LEVELS) + 0.5)[:, None] / _N_LEVELS * length
        theta = np.arange(_N_ANGLES)[None] / _N_ANGLES * 2 * np.pi
        d = direction_at(np.broadcast_to(theta, (_N_LEVELS, _N_ANGLES)))
        return d, np.broadcast_to(z, d.c1.shape), length / _N_LEVELS * 2 * np.pi / _N_ANGLES

    def _leave_room(self) -> None:
        """Damp radial differences between segments where they would empty one segment completely."""
        regional = self.contraction
        d, z, cell = self._quadrature()
        inner = self.shape.inner_square(d, z)
        for damping in (1.0, 0.8, 0.6, 0.4, 0.2, 0.0):
            self.contraction = regional.damped(damping)
            profile = self._radial_profile(self.contraction.radial_work(d, z), z, inner)
            # half the integral of C k R_in^2 leaves per unit of sigma
            self._expelled = float(0.5 * (profile * inner).sum() * cell)
            most = float(profile.max()) * self.parameters.stroke_volume_m3 / self._expelled
            if most < _MOST_EMPTIED:
                return
        if most >= 1:
            raise DataError(
                f"an ejection fraction of {self.parameters.ejection_fraction:.2f} cannot be reached by this heart; "
                "lower ejection_fraction"
            )

    def midwall_meridians(self, angles_rad: np.ndarray, n_points: int = 64) -> Material:
        """Mid-wall lines from base to apex at the given angles, (angles, points)."""
        share = np.sin(np.linspace(0, np.pi / 2, n_points))[None]
        d = direction_at(np.broadcast_to(np.asarray(angles_rad)[:, None], (len(angles_rad), n_points)))
        return self.midwall(d, np.broadcast_to(share, d.c1.shape))

    def midwall(self, d: Direction, share: Array) -> Material:
        """Mid-wall surface: midway between endocardium and epicardium at the same share of their lengths."""
        xp = namespace(share)
        inner_z, outer_z = share * self.shape.length_m, share * self.shape.epi_length_m
        inner = self.shape.inner_square(d, inner_z)
        outer = self.shape.outer_square(d, outer_z)
        radius = 0.5 * (xp.sqrt(clip(inner, 0.0, None)) + xp.sqrt(clip(outer, 0.0, None)))
        return self._material(radius * radius, d, 0.5 * (inner_z + outer_z))

    def meridian_lengths(self, state: MotionState) -> np.ndarray:
        """Length of the mid-wall meridians of the six segment angles as their apical planes show them, m.

        A meridian that twists out of its plane is seen in the plane, as in an apical view. Returns (6,) for a state
        of one moment, (T, 6) for one of T moments.
        """
        if np.ndim(state.shortening):
            state = MotionState(*(np.asarray(getattr(state, n))[:, None, None] for n in state.__dataclass_fields__))
        x, y, z = self.to_space(self._meridians, state, work=self._meridian_work)
        across = x * self._meridians.d.c1 + y * self._meridians.d.s1
        return np.hypot(np.diff(across), np.diff(z)).sum(-1)

    def circumferential_and_radial_strain(self, state: MotionState) -> tuple[float, float]:
        """Mid-wall circumferential and mean radial strain of a ring halfway along the ventricle, of one moment.

        They are not prescribed: they follow from incompressible muscle.
        """
        angle = np.linspace(0, 2 * np.pi, 181)
        d = direction_at(angle)
        z = np.full_like(angle, 0.5 * self.shape.length_m)
        inner, outer = self.shape.inner_square(d, z), self.shape.outer_square(d, z)
        rings = [
            self._material(r * r, d, z)
            for r in (np.sqrt(inner), 0.5 * (np.sqrt(inner) + np.sqrt(outer)), np.sqrt(outer))
        ]
        lengths, thickness = [], []
        for moment in (END_DIASTOLE, state):
            inside, middle, outside = (np.array(self.to_space(ring, moment)) for ring in rings)
            lengths.append(np.sqrt((np.diff(middle) ** 2).sum(0)).sum())
            thickness.append(np.sqrt(((outside - inside) ** 2).sum(0)).mean())
        return float(lengths[1] / lengths[0] - 1), float(thickness[1] / thickness[0] - 1)

    def _solve_shortening(self, state: MotionState, strain: np.ndarray) -> np.ndarray:
        """Amplitudes s (T,) that give the mean meridian length (1 + strain) times its end-diastolic one (secant)."""

        def miss(amplitude: np.ndarray) -> np.ndarray:
            return self.meridian_lengths(replace(state, shortening=amplitude)).mean(-1) / self._length_m - 1 - strain

        previous, current = -1.1 * strain, -1.2 * strain + 1e-3
        f_previous, f_current = miss(previous), miss(current)
        for _ in range(20):
            if np.abs(f_current).max() < _STRAIN_TOLERANCE:
                return current
            rise = f_current - f_previous
            step = np.where(np.abs(rise) > 1e-14, (current - previous) / np.where(rise == 0, 1, rise), 0.0)
            previous, f_previous, current = current, f_current, current - f_current * step
            f_current = miss(current)
        raise DataError("the prescribed strain cannot be reached by this heart; choose a smaller strain")


def _turn(xp: Any, c: Array, s: Array, angle_rad: Array) -> tuple[Array, Array]:
    """Cosine and sine of an angle increased by `angle_rad`."""
    if isinstance(angle_rad, float) and angle_rad == 0.0:
        return c, s
    cosine, sine = xp.cos(angle_rad), xp.sin(angle_rad)
    return c * cosine - s * sine, s * cosine + c * sine


def _forward(xp: Any, square: Array, k: _Column) -> Array:
    """Squared radius now from the one at end-diastole: cavity, left wall, right cavity, beyond."""
    ratio = clip(square / clip(k.inner, _TINY, None), _TINY, 1.0)
    cavity = k.inner_now * ratio**k.power
    wall = k.inner_now + (square - k.inner) * k.slope
    thickness = clip(k.right_outer - k.outer, _TINY, None)
    right = k.outer_now + (square - k.outer) * ((k.right_outer_now - k.outer_now) / thickness)
    beyond = k.right_outer_now + (square - k.right_outer) * k.slope
    now = xp.where(square < k.inner, cavity, wall)
    now = xp.where(square > k.outer, right, now)
    return xp.where(square > k.right_outer, beyond, now)


def _backward(xp: Any, now: Array, k: _Column) -> Array:
    """Inverse of `_forward`."""
    ratio = clip(now / clip(k.inner_now, _TINY, None), _TINY, 1.0)
    cavity = k.inner * ratio ** (1 / k.power)
    wall = k.inner + (now - k.inner_now) / k.slope
    thickness_now = clip(k.right_outer_now - k.outer_now, _TINY, None)
    right = k.outer + (now - k.outer_now) * ((k.right_outer - k.outer) / thickness_now)
    beyond = k.right_outer + (now - k.right_outer_now) / k.slope
    square = xp.where(now < k.inner_now, cavity, wall)
    square = xp.where(now > k.outer_now, right, square)
    return xp.where(now > k.right_outer_now, beyond, square)
