"""Shape and motion of the simulated heart: volumes, strain and incompressibility against independent counts."""

from __future__ import annotations

import numpy as np
import pytest

from sonometry.core import DataError
from sonometry.simulation.phantoms.heart.motion import END_DIASTOLE, HeartMotion, MotionState
from sonometry.simulation.phantoms.heart.parameters import Condition, HeartParameters, sample_parameters
from sonometry.simulation.phantoms.heart.timing import Rhythm

BOX = ((-0.055, 0.055), (-0.055, 0.055), (-0.01, 0.13))
SEEDS = {Condition.HEALTHY: 11, Condition.DILATED: 12, Condition.HYPERTROPHIC: 13, Condition.INFARCTED: 14}


@pytest.fixture(params=list(Condition), ids=str)
def heart(request):
    return HeartMotion(sample_parameters(np.random.default_rng(SEEDS[request.param]), request.param))


def end_systole(heart: HeartMotion) -> MotionState:
    rhythm = Rhythm(heart.parameters, np.random.default_rng(0), duration_s=2.0)
    return heart.states(rhythm, rhythm.end_systoles_s()[:1]).frame(0)


def random_points(rng, n):
    return tuple(rng.uniform(low, high, n) for low, high in ((-0.05, 0.05), (-0.05, 0.05), (-0.03, 0.11)))


def muscle(material, heart):
    in_wall = (material.square > material.inner) & (material.square < material.outer)
    return in_wall & (material.z > 0) & (material.z < heart.shape.epi_length_m)


def cavity(material, heart):
    return (material.square < material.inner) & (material.z > 0)


def counted_volume_m3(heart, state, region, rng):
    """Volume of a region of the deformed heart: one random point in each cell of 2.5 mm, by the inverse map alone."""
    cell = 2.5e-3
    corners = np.meshgrid(*(np.arange(low, high, cell) for low, high in BOX), indexing="ij")
    points = tuple((c.ravel() + rng.uniform(0, cell, c.size)).astype(np.float32) for c in corners)
    return region(heart.to_material(points, state, iterations=3), heart).sum() * cell**3


@pytest.mark.parametrize("volume_ml", [50, 105, 250])
def test_cavity_volume_is_the_prescribed_one_when_counted(volume_ml, rng):
    heart = HeartMotion(HeartParameters(end_diastolic_volume_m3=volume_ml * 1e-6))
    counted = counted_volume_m3(heart, END_DIASTOLE, cavity, rng)
    assert counted == pytest.approx(volume_ml * 1e-6, rel=0.006)


def test_ejection_fraction_is_met_when_volumes_are_counted(heart, rng):
    diastolic = counted_volume_m3(heart, END_DIASTOLE, cavity, rng)
    systolic = counted_volume_m3(heart, end_systole(heart), cavity, rng)
    assert 1 - systolic / diastolic == pytest.approx(heart.parameters.ejection_fraction, abs=0.01)


def test_muscle_volume_stays_within_two_percent_when_counted(heart, rng):
    diastolic = counted_volume_m3(heart, END_DIASTOLE, muscle, rng)
    systolic = counted_volume_m3(heart, end_systole(heart), muscle, np.random.default_rng(1))
    assert systolic == pytest.approx(diastolic, rel=0.01)


def test_muscle_is_incompressible_at_every_point(heart, rng):
    state, step = end_systole(heart), 1e-6
    points = random_points(rng, 4000)
    inside = muscle(heart.material(heart.shape.straighten(points)), heart)
    points = np.array(points)[:, inside]
    jacobian = np.empty((points.shape[1], 3, 3))
    for axis in range(3):
        shift = step * np.eye(3)[axis][:, None]
        ahead, behind = (
            np.array(heart.to_space(heart.material(heart.shape.straighten(tuple(p))), state))
            for p in (points + shift, points - shift)
        )
        jacobian[:, :, axis] = ((ahead - behind) / (2 * step)).T
    determinant = np.linalg.det(jacobian)
    assert np.percentile(np.abs(determinant - 1), 99) < 1e-5  # the rest straddles a seam of the piecewise map


def test_mean_meridian_shortens_by_the_prescribed_strain(heart):
    angles = np.radians([30, 90, 150, 210, 270, 330])
    fine = heart.midwall_meridians(angles, n_points=2000)
    lengths = []
    for state in (END_DIASTOLE, end_systole(heart)):
        x, y, z = heart.to_space(fine, state)
        in_plane = x * np.cos(angles)[:, None] + y * np.sin(angles)[:, None]
        lengths.append(np.hypot(np.diff(in_plane), np.diff(z)).sum(-1).mean())
    strain = lengths[1] / lengths[0] - 1
    assert strain == pytest.approx(heart.parameters.global_longitudinal_strain, abs=4e-4)


def test_map_and_inverse_agree_outside_the_middle_of_the_blood(heart, rng):
    points = random_points(rng, 20_000)
    material = heart.material(heart.shape.straighten(points))
    state = end_systole(heart)
    back = heart.to_material(heart.to_space(material, state), state)
    error = np.sqrt(sum((a - b) ** 2 for a, b in zip(material.points, back.points, strict=True)))
    relevant = (material.square > 0.25 * material.inner) | (material.z < 0)
    assert error[relevant].max() < 50e-6
    assert error[muscle(material, heart)].max() < 1e-6


def test_end_diastole_is_the_identity(heart, rng):
    points = random_points(rng, 1000)
    moved = heart.to_space(heart.material(heart.shape.straighten(points)), END_DIASTOLE)
    np.testing.assert_allclose(moved, points, atol=1e-9)


def test_displacement_is_continuous_across_the_heart(heart, rng):
    points = np.array(random_points(rng, 50_000))
    near = points + rng.normal(0, 2e-5, points.shape)
    state = end_systole(heart)
    moved, moved_near = (
        np.array(heart.to_space(heart.material(heart.shape.straighten(tuple(p))), state)) for p in (points, near)
    )
    stretch = np.linalg.norm(moved - moved_near, axis=0) / np.linalg.norm(points - near, axis=0)
    assert np.percentile(stretch, 99.9) < 8  # a tear would show as hundreds


def test_base_descends_towards_a_still_apex(heart):
    state = end_systole(heart)
    axis = np.array([0.0, heart.shape.epi_length_m])
    ring = heart.material((np.full(2, 1e-4), np.zeros(2), axis))
    descent = heart.to_space(ring, state)[2] - heart.shape.unstraighten(ring.points)[2]
    assert descent[0] > 2e-3
    assert abs(descent[1]) < 1e-5


def test_apex_turns_counterclockwise_and_base_clockwise():
    heart = HeartMotion(HeartParameters(twist_rad=0.3))
    state = end_systole(heart)
    assert state.apex_twist_rad == pytest.approx(0.21)
    assert state.base_twist_rad == pytest.approx(-0.09)


def test_akinetic_segments_move_less_than_their_neighbours():
    function = [1.0] * 17
    for segment in (5, 6, 11, 12, 16):
        function[segment - 1] = 0.0
    heart = HeartMotion(HeartParameters(segment_function=tuple(function), global_longitudinal_strain=-0.13))
    state = end_systole(heart)
    meridians = heart.midwall_meridians(np.radians([180.0, 0.0]), n_points=400)
    lengths = [heart.to_space(meridians, s) for s in (END_DIASTOLE, state)]
    arc = [np.sqrt(sum(np.diff(c) ** 2 for c in xyz)).sum(-1) for xyz in lengths]
    septal, lateral = arc[1] / arc[0] - 1
    assert lateral > septal + 0.06


def test_the_three_strains_of_muscle_conserve_its_volume(heart):
    state = end_systole(heart)
    circumferential, radial = heart.circumferential_and_radial_strain(state)
    along = heart.midwall_meridians(np.radians([30, 90, 150, 210, 270, 330]), n_points=400)
    middle = (along.z[0] > 0.4 * heart.shape.length_m) & (along.z[0] < 0.6 * heart.shape.length_m)
    heights = [np.ptp(heart.to_space(along, s)[2][:, middle], axis=1).mean() for s in (END_DIASTOLE, state)]
    product = (1 + circumferential) * (1 + radial) * heights[1] / heights[0]
    assert circumferential < -0.03
    assert radial > 0.03
    assert product == pytest.approx(1, abs=0.05)  # thick walls: the mean of the product is not the product of means


def test_strain_curve_is_followed_through_the_whole_beat():
    heart = HeartMotion(HeartParameters())
    rhythm = Rhythm(heart.parameters, np.random.default_rng(0), duration_s=1.0)
    times = np.linspace(0, 0.85, 12)
    states = heart.states(rhythm, times)
    strain = heart.meridian_lengths(states).mean(-1) / heart.meridian_lengths(END_DIASTOLE).mean() - 1
    np.testing.assert_allclose(strain, -0.20 * rhythm.state(times).shortening, atol=2e-5)


def test_an_ejection_fraction_beyond_reach_names_the_parameter():
    parameters = HeartParameters(ejection_fraction=0.82, segment_function=(1.5,) * 6 + (0.1,) * 11)
    object.__setattr__(parameters, "ejection_fraction", 0.97)
    with pytest.raises(DataError, match="lower ejection_fraction"):
        HeartMotion(parameters)
