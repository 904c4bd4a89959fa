"""Motion of tissue as a smooth field, and its exact truth on the grid of beam lines.

The displacement of a finite-element mesh becomes a uniform cubic B-spline whose coefficients are the nodal values.
Such a spline is twice differentiable, reproduces uniform strain exactly and never overshoots at the edge of an
inclusion (an interpolating spline would ring there); it smooths over about one element. Scatterers are moved by this
very spline and the strain is its derivative, so truth and motion agree by construction.
Source: de Boor, A Practical Guide to Splines, chapter XI (variation-diminishing approximation).
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from sonometry.simulation.probes import Probe


@dataclass(frozen=True, eq=False)
class SplineField:
    """Two-component displacement over a rectangle.

    coefficients : (deep + 3, wide + 3, 2) nodal displacement with one extrapolated node around, m.
    origin_m, step_m : (depth, lateral) of the first true node, and node distance.
    Outside the rectangle the field continues linearly.
    """

    coefficients: np.ndarray
    origin_m: tuple[float, float]
    step_m: tuple[float, float]

    @classmethod
    def from_nodes(
        cls, nodal_m: np.ndarray, *, origin_m: tuple[float, float], size_m: tuple[float, float]
    ) -> SplineField:
        """Field of (deep + 1, wide + 1, 2) nodal displacements over a rectangle of `size_m`."""
        padded = np.pad(nodal_m, ((1, 1), (1, 1), (0, 0)), mode="reflect", reflect_type="odd")
        step_m = size_m[0] / (nodal_m.shape[0] - 1), size_m[1] / (nodal_m.shape[1] - 1)
        return cls(np.ascontiguousarray(padded), origin_m, step_m)

    def __call__(self, points_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Displacement (N, 2) and its gradient (N, 2, 2) [component, direction] at points (N, 2) depth, lateral."""
        value = np.empty((len(points_m), 2))
        gradient = np.empty((len(points_m), 2, 2))
        points = np.ascontiguousarray(points_m, dtype=np.float64)
        evaluate_spline(self.coefficients, np.array(self.origin_m), np.array(self.step_m), points, value, gradient)
        return value, gradient


@dataclass(frozen=True)
class State:
    """How far the tissue is deformed in one frame: `load` times the field, plus a rigid slip under the probe."""

    load: float
    lateral_slip_m: float = 0.0
    elevation_slip_m: float = 0.0


REST = State(0.0)


def deform(positions_m: np.ndarray, field: SplineField, state: State) -> np.ndarray:
    """Positions in a state of points (N, 2 or 3) at rest."""
    moved = positions_m.copy()
    moved[:, :2] += state.load * field(positions_m[:, :2])[0]
    moved[:, 1] += state.lateral_slip_m
    if positions_m.shape[1] == 3:
        moved[:, 2] += state.elevation_slip_m
    return moved


def rest_positions(positions_m: np.ndarray, field: SplineField, state: State) -> np.ndarray:
    """Where points (N, 2) of a state lie at rest: Newton's method, to 1e-12 m."""
    target = positions_m - [0.0, state.lateral_slip_m]
    rest = target.copy()
    if state.load == 0:
        return rest
    for _ in range(20):
        value, gradient = field(rest)
        residual = rest + state.load * value - target
        if np.abs(residual).max(initial=0.0) < 1e-12:
            break
        rest -= np.linalg.solve(np.eye(2) + state.load * gradient, residual[:, :, None])[:, :, 0]
    return rest


def true_motion(
    field: SplineField, probe: Probe, range_m: np.ndarray, earlier: State, later: State
) -> dict[str, np.ndarray]:
    """Displacement and strain between two states on the beam grid of the earlier one.

    range_m : (axial,) positions of the samples along each line, m.
    Returns float32 (axial, line) `axial_displacement_m` along the line, positive away from the probe,
    `lateral_displacement_m` across it, positive with the line index, and `axial_strain`, the derivative of the axial
    displacement along the line (compression negative).
    """
    origins, directions = probe.line_frames()
    normals = np.stack([-directions[:, 1], directions[:, 0]], axis=1)
    points = (origins[None] + range_m[:, None, None] * directions[None]).reshape(-1, 2)
    value, gradient = field(rest_positions(points, field, earlier))
    step = later.load - earlier.load
    displacement = step * value + [0.0, later.lateral_slip_m - earlier.lateral_slip_m]
    if earlier.load != 0:
        gradient = gradient @ np.linalg.inv(np.eye(2) + earlier.load * gradient)
    shape = range_m.size, probe.n_lines, 2
    displacement = displacement.reshape(shape)
    stretch = np.einsum("li,alij,lj->al", directions, step * gradient.reshape(*shape, 2), directions)
    return {
        "axial_displacement_m": np.einsum("ali,li->al", displacement, directions).astype(np.float32),
        "lateral_displacement_m": np.einsum("ali,li->al", displacement, normals).astype(np.float32),
        "axial_strain": stretch.astype(np.float32),
    }


@numba.njit(nogil=True, cache=True)
def cubic_weights(t, weights, slopes):  # type: ignore[no-untyped-def]
    """Four uniform cubic B-spline weights at t in 0..1, and their derivatives per node distance."""
    s = 1 - t
    weights[0], slopes[0] = s * s * s / 6, -s * s / 2
    weights[1], slopes[1] = (4 - 6 * t * t + 3 * t * t * t) / 6, (3 * t * t - 4 * t) / 2
    weights[2], slopes[2] = (4 - 6 * s * s + 3 * s * s * s) / 6, -(3 * s * s - 4 * s) / 2
    weights[3], slopes[3] = t * t * t / 6, t * t / 2


@numba.njit(nogil=True, cache=True)
def evaluate_spline(coefficients, origin, step, points, value, gradient):  # type: ignore[no-untyped-def]
    """Fill value (N, 2) and gradient (N, 2, 2) of a padded uniform spline; linear outside its rectangle."""
    weights, slopes = np.empty((2, 4)), np.empty((2, 4))
    cell, beyond = np.empty(2, dtype=np.int64), np.empty(2)
    for n in range(points.shape[0]):
        for axis in range(2):
            last = coefficients.shape[axis] - 3
            place = (points[n, axis] - origin[axis]) / step[axis]
            inside = min(max(place, 0.0), float(last))
            cell[axis] = min(int(inside), last - 1)
            beyond[axis] = (place - inside) * step[axis]
            cubic_weights(inside - cell[axis], weights[axis], slopes[axis])
        for component in range(2):
            total, down, across = 0.0, 0.0, 0.0
            for i in range(4):
                for j in range(4):
                    nodal = coefficients[cell[0] + i, cell[1] + j, component]
                    total += weights[0, i] * weights[1, j] * nodal
                    down += slopes[0, i] * weights[1, j] * nodal
                    across += weights[0, i] * slopes[1, j] * nodal
            gradient[n, component, 0] = down / step[0]
            gradient[n, component, 1] = across / step[1]
            value[n, component] = total + beyond[0] * down / step[0] + beyond[1] * across / step[1]
