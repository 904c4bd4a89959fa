"""Motion and its truth: the strain is the derivative of the displacement that moves the scatterers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sonometry.simulation.motion import REST, SplineField, State, deform, rest_positions, true_motion
from sonometry.simulation.phantoms.block import Inclusion, InclusionPhantom
from sonometry.simulation.probes import LinearProbe, SectorProbe

PROBE = LinearProbe(n_lines=32, line_pitch_m=0.0006)
PHANTOM = InclusionPhantom(inclusions=(Inclusion(0.02, 0.003, 0.005, 8e3),), compression=0.05, elements=(80, 50))


@pytest.fixture(scope="module")
def field() -> SplineField:
    return PHANTOM.motion()


def test_uniform_strain_is_kept_exactly_inside_and_outside(rng):
    depth, lateral = np.linspace(0, 0.04, 9), np.linspace(-0.01, 0.01, 7)
    slope = np.array([[-0.02, 0.003], [0.001, 0.015]])
    nodal = np.einsum("ij,abj->abi", slope, np.stack(np.meshgrid(depth, lateral, indexing="ij"), axis=-1))
    linear = SplineField.from_nodes(nodal, origin_m=(0.0, -0.01), size_m=(0.04, 0.02))
    points = rng.uniform([-0.01, -0.02], [0.06, 0.02], (200, 2))
    value, gradient = linear(points)
    np.testing.assert_allclose(value, points @ slope.T, atol=1e-15)
    np.testing.assert_allclose(gradient, np.broadcast_to(slope, (200, 2, 2)), atol=1e-12)


def test_gradient_is_the_derivative_of_the_displacement_to_1e_5(field, rng):
    points = rng.uniform([0.001, -0.014], [0.049, 0.014], (500, 2))
    _, gradient = field(points)
    for axis in range(2):
        step = 1e-7 * np.eye(2)[axis]
        slope = (field(points + step)[0] - field(points - step)[0]) / 2e-7
        np.testing.assert_allclose(gradient[:, :, axis], slope, atol=1e-5)


def test_strain_truth_is_the_axial_derivative_of_the_displacement_truth(field):
    range_m = np.arange(0, 0.05, 2e-5)
    truth = true_motion(field, PROBE, range_m, REST, PHANTOM.state(0.05))
    displacement = truth["axial_displacement_m"].astype(float)
    slope = (displacement[2:] - displacement[:-2]) / 4e-5
    # The displacement is kept in single precision: 2.5 mm x 6e-8 / 40 um = 4e-6 each.
    np.testing.assert_allclose(truth["axial_strain"][1:-1], slope, atol=2e-5)


def test_scatterers_move_by_the_truth(field):
    range_m = np.linspace(0.005, 0.045, 41)
    truth = true_motion(field, PROBE, range_m, REST, State(0.02, lateral_slip_m=1e-4))
    depth, lateral = np.meshgrid(range_m, PROBE.line_coordinate, indexing="ij")
    points = np.stack([depth.ravel(), lateral.ravel()], axis=1)
    moved = (deform(points, field, State(0.02, lateral_slip_m=1e-4)) - points).reshape(41, 32, 2)
    np.testing.assert_allclose(truth["axial_displacement_m"], moved[..., 0], atol=1e-10)
    np.testing.assert_allclose(truth["lateral_displacement_m"], moved[..., 1], atol=1e-10)


def test_deforming_and_going_back_ends_where_it_began(field, rng):
    points = rng.uniform([0, -0.015], [0.05, 0.015], (300, 2))
    state = State(0.05, lateral_slip_m=-2e-4)
    np.testing.assert_allclose(rest_positions(deform(points, field, state), field, state), points, atol=1e-11)


def test_truth_between_two_deformed_frames_follows_the_tissue(field, rng):
    # A point of frame 1 is where the truth from frame 0 put it; from there to frame 2 it must go as from frame 0.
    one, two = State(0.01, 5e-5), State(0.03, 1e-4)
    point = np.array([[0.022, PROBE.line_coordinate[20]]])
    seen_in_one = deform(point, field, one)
    probe = LinearProbe(n_lines=1, line_pitch_m=1.0)
    shifted = SplineField(field.coefficients, (field.origin_m[0], field.origin_m[1] - seen_in_one[0, 1]), field.step_m)
    truth = true_motion(shifted, probe, seen_in_one[:, 0], one, two)
    expected = deform(point, field, two) - seen_in_one
    found = [truth["axial_displacement_m"][0, 0], truth["lateral_displacement_m"][0, 0]]
    np.testing.assert_allclose(found, expected[0], atol=1e-9)


def test_stretch_between_deformed_frames_is_the_derivative_of_their_displacement(field):
    range_m = np.arange(0.01, 0.03, 1e-5)
    truth = true_motion(field, PROBE, range_m, State(0.03), State(0.05))
    slope = np.diff(truth["axial_displacement_m"].astype(float), axis=0) / 1e-5
    middle = (truth["axial_strain"][1:] + truth["axial_strain"][:-1]) / 2
    assert np.abs(slope - middle).mean() < 1e-5


def test_sector_truth_is_the_motion_along_and_across_its_lines(field):
    probe = SectorProbe(n_lines=3, line_angle_rad=math.radians(20))
    depth = np.linspace(0, 0.04, 5)
    slide = SplineField.from_nodes(np.full((5, 3, 2), [0.001, 0.0005]), origin_m=(0, -0.02), size_m=(0.04, 0.04))
    truth = true_motion(slide, probe, depth, REST, State(1.0))
    cosine, sine = math.cos(math.radians(20)), math.sin(math.radians(20))
    along = [0.001 * cosine - 0.0005 * sine, 0.001, 0.001 * cosine + 0.0005 * sine]
    across = [0.001 * sine + 0.0005 * cosine, 0.0005, -0.001 * sine + 0.0005 * cosine]
    np.testing.assert_allclose(truth["axial_displacement_m"], np.tile(along, (5, 1)), atol=1e-9)
    np.testing.assert_allclose(truth["lateral_displacement_m"], np.tile(across, (5, 1)), atol=1e-9)
    np.testing.assert_allclose(truth["axial_strain"], 0, atol=1e-12)
