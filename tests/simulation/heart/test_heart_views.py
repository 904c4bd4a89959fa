"""Probe poses, sections and chambers of the simulated heart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sonometry.simulation.echo.beams import Raster
from sonometry.simulation.phantoms.heart.chambers import build_chambers
from sonometry.simulation.phantoms.heart.drift import sample_drift
from sonometry.simulation.phantoms.heart.motion import END_DIASTOLE, HeartMotion
from sonometry.simulation.phantoms.heart.parameters import HeartParameters, sample_parameters
from sonometry.simulation.phantoms.heart.poses import APICAL, NOMINAL, OtherView, View, place_probe
from sonometry.simulation.phantoms.heart.shape import build_shape
from sonometry.simulation.phantoms.heart.solids import around
from sonometry.simulation.phantoms.heart.truth import pixel_truth


@pytest.fixture(scope="module")
def chambers():
    return build_chambers(HeartMotion(HeartParameters()))


def section(chambers, view, rng_seed=0, **options):
    """Distances to the chambers on a 1 mm grid of a nominal view, and its lateral and axial positions."""
    pose = place_probe(view, chambers, np.random.default_rng(rng_seed), variation=NOMINAL, **options)
    lateral, axial = np.meshgrid(np.arange(-0.08, 0.08, 1e-3), np.arange(0.0, pose.depth_m, 1e-3))
    material = chambers.motion.to_material(pose.to_heart(lateral, axial), END_DIASTOLE)
    return chambers.distances(material), material, lateral, axial


def middle(inside, lateral, axial):
    return lateral[inside].mean(), axial[inside].mean()


@pytest.mark.parametrize("view", [*View, OtherView.SAXAPEX, OtherView.IVC])
def test_axes_of_every_pose_are_orthonormal_and_right_handed(chambers, view):
    pose = place_probe(view, chambers, np.random.default_rng(3))
    np.testing.assert_allclose(pose.axes @ pose.axes.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(pose.axes) == pytest.approx(1)


@pytest.mark.parametrize("view", list(View))
def test_heart_points_and_image_points_are_inverse(chambers, view):
    pose = place_probe(view, chambers, np.random.default_rng(4))
    lateral, axial = np.array([0.01, -0.03]), np.array([0.05, 0.11])
    back = pose.from_heart(pose.to_heart(lateral, axial))
    np.testing.assert_allclose(back, [lateral, axial, [0, 0]], atol=1e-12)


@pytest.mark.parametrize("view", [View.A2C, View.A3C, View.A4C])
def test_apical_views_show_the_apex_above_and_the_atrium_below(chambers, view):
    d, _, lateral, axial = section(chambers, view)
    assert middle(d.left_atrium < 0, lateral, axial)[1] > middle(d.endocardium < 0, lateral, axial)[1] + 0.04


def test_four_chamber_view_shows_the_right_heart_on_the_left(chambers):
    d, _, lateral, axial = section(chambers, View.A4C)
    left = middle(d.endocardium < 0, lateral, axial)[0]
    assert middle(d.right_ventricle < 0, lateral, axial)[0] < left - 0.02
    assert middle(d.right_atrium < 0, lateral, axial)[0] < middle(d.left_atrium < 0, lateral, axial)[0] - 0.02


def test_two_chamber_view_shows_no_right_heart(chambers):
    d, _, _, _ = section(chambers, View.A2C)
    assert (d.right_ventricle < 0).sum() < 0.02 * (d.endocardium < 0).sum()


def test_five_chamber_view_shows_the_aorta_and_four_chamber_view_does_not(chambers):
    area = {v: (section(chambers, v)[0].aorta < 0).sum() for v in (View.A4C, View.A5C)}
    assert area[View.A5C] > 400  # mm2
    assert area[View.A4C] < 60


def test_tilt_between_four_and_five_chambers_opens_the_aorta_gradually(chambers):
    areas = [(section(chambers, View.A4C, outflow=share)[0].aorta < 0).sum() for share in (0.0, 0.35, 0.7, 1.0)]
    assert sorted(areas) == areas


def test_parasternal_long_axis_shows_right_ventricle_above_and_base_on_the_right(chambers):
    d, _, lateral, axial = section(chambers, View.PLAX)
    cavity = middle(d.endocardium < 0, lateral, axial)
    assert middle(d.right_ventricle < 0, lateral, axial)[1] < cavity[1] - 0.02
    assert middle(d.aorta < 0, lateral, axial)[0] > cavity[0] + 0.03
    assert middle(d.left_atrium < 0, lateral, axial)[1] > middle(d.aorta < 0, lateral, axial)[1]


def test_mid_short_axis_is_a_ring_with_the_right_ventricle_on_the_left(chambers):
    d, material, lateral, axial = section(chambers, View.SAXMID)
    cavity = middle(d.endocardium < 0, lateral, axial)
    muscle = (d.endocardium > 0) & (d.epicardium < 0)
    np.testing.assert_allclose(middle(muscle, lateral, axial), cavity, atol=4e-3)
    assert middle(d.right_ventricle < 0, lateral, axial)[0] < cavity[0]
    assert np.ptp(material.z[muscle]) < 0.03


def test_basal_short_axis_cuts_the_aorta_across(chambers):
    d, _, lateral, axial = section(chambers, View.SAXBASAL)
    aorta = d.aorta < 0
    assert np.ptp(lateral[aorta]) == pytest.approx(np.ptp(axial[aorta]), rel=0.3)


def test_subcostal_view_meets_the_right_heart_first_and_has_the_apex_on_the_right(chambers):
    d, material, lateral, axial = section(chambers, View.SUB4C)
    assert middle(d.right_ventricle < 0, lateral, axial)[1] < middle(d.endocardium < 0, lateral, axial)[1]
    cavity = d.endocardium < 0
    assert np.corrcoef(lateral[cavity], material.z[cavity])[0, 1] > 0.8


def test_masks_of_two_views_agree_where_their_planes_meet(chambers):
    """The same heart: along the line that two apical planes share, both show the same structures."""
    poses = [place_probe(v, chambers, np.random.default_rng(0), variation=NOMINAL) for v in (View.A2C, View.A3C)]
    line = np.cross(poses[0].axes[2], poses[1].axes[2])
    line /= np.linalg.norm(line)
    depths = np.linspace(0.01, 0.15, 300)
    start = poses[0].origin_m
    points = tuple(start[i] + np.sign(line @ poses[0].axes[1]) * line[i] * depths for i in range(3))
    masks = []
    for pose in poses:
        lateral, axial, elevation = pose.from_heart(points)
        assert np.abs(elevation).max() < 1e-9
        raster = Raster((400, 400), 0.5e-3, -0.01, -0.1)
        mask = pixel_truth(chambers, END_DIASTOLE, pose, raster, np.ones((400, 400), bool)).mask
        row, column = raster.to_pixels(lateral, axial)
        masks.append(mask[np.round(row).astype(int), np.round(column).astype(int)])
    assert (masks[0] != masks[1]).sum() <= 6  # rounding to pixels at the borders
    assert set(masks[0]) == {0, 1, 2, 3}


@pytest.mark.parametrize("view", list(APICAL))
def test_variation_keeps_the_ventricle_in_the_section(chambers, view):
    for seed in range(8):
        pose = place_probe(view, chambers, np.random.default_rng(seed))
        lateral, axial = np.meshgrid(np.arange(-0.07, 0.07, 2e-3), np.arange(0.0, pose.depth_m, 2e-3))
        d = chambers.distances(chambers.motion.to_material(pose.to_heart(lateral, axial), END_DIASTOLE))
        assert (d.endocardium < 0).sum() > 250


def test_swing_and_breathing_move_the_section_but_not_the_first_moment(chambers):
    pose = place_probe(View.A4C, chambers, np.random.default_rng(0), variation=NOMINAL)
    drift = sample_drift(np.random.default_rng(1))
    still = drift.pose(pose, 0.0, 0.0)
    np.testing.assert_allclose(still.origin_m, pose.origin_m, atol=1e-12)
    later = drift.pose(pose, 0.4, 1.0)
    assert 1e-4 < np.linalg.norm(later.origin_m - pose.origin_m) < 0.02
    np.testing.assert_allclose(later.axes @ later.axes.T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("view", [View.A4C, View.A5C])
def test_four_and_five_chambers_are_told_by_the_aortic_valve_whatever_the_variation(view):
    """A4C passes behind the aortic annulus, A5C cuts it well inside and shows the left atrium too."""
    for seed in range(12):
        heart = build_chambers(HeartMotion(sample_parameters(np.random.default_rng(seed))))
        pose = place_probe(view, heart, np.random.default_rng(seed))
        passing = abs(pose.elevation_of(heart.middles_m["aortic"])) / heart.aorta.annulus_m
        assert passing > 0.8 if view is View.A4C else passing < 0.75
        lateral, axial = np.meshgrid(np.arange(-0.08, 0.08, 2e-3), np.arange(0.0, pose.depth_m, 2e-3))
        d = heart.distances(heart.motion.to_material(pose.to_heart(lateral, axial), END_DIASTOLE))
        assert (d.left_atrium < 0).sum() > 40


def test_a_hole_in_the_septum_makes_one_of_the_atria():
    heart = build_chambers(HeartMotion(HeartParameters(shape_seed=3)))
    level = np.array([0.0, 0.0, -20e-3])
    middle = heart.septum_at_m * around(207.0) + level
    points = tuple(np.array([v]) for v in middle)

    def atria(chambers):
        d = chambers.distances(heart.motion.material(points))
        return float(d.left_atrium[0]), float(d.right_atrium[0])

    closed, opened = (replace(heart, defect=d, sinus=None) for d in (None, (middle, 8e-3)))
    closed, opened = (replace(c, unevenness_m=0.0) for c in (closed, opened))
    assert min(atria(closed)) > 0
    assert max(atria(opened)) < 0


def test_a_loaded_right_heart_is_wide_and_flattens_the_septum():
    shapes = [build_shape(HeartParameters(shape_seed=s, right_heart_scale=k)) for s in range(20) for k in (1.0, 1.7)]
    normal, loaded = shapes[::2], shapes[1::2]
    assert np.mean([s.oval[0] for s in loaded]) < np.mean([s.oval[0] for s in normal]) - 0.04
    assert np.mean([s.right_width_m for s in loaded]) > 1.5 * np.mean([s.right_width_m for s in normal])
    assert all(s.right_length_m < s.epi_length_m for s in shapes)
    volumes = [s.cavity_volume_m3() for s in shapes]
    np.testing.assert_allclose(volumes, HeartParameters().end_diastolic_volume_m3, rtol=1e-9)


def test_a_dead_apex_thins_and_may_bulge():
    function = (1.0,) * 12 + (0.0,) * 5
    shapes = [build_shape(HeartParameters(shape_seed=s, segment_function=function)) for s in range(20)]
    plain = [build_shape(HeartParameters(shape_seed=s)) for s in range(20)]
    assert np.mean([s.epi_length_m / s.length_m for s in shapes]) < np.mean(
        [s.epi_length_m / s.length_m for s in plain]
    )
    assert max(s.bulletness for s in shapes) > 1 > max(s.bulletness for s in plain)


def test_the_septum_of_the_atria_may_be_a_club_thick_at_the_valves():
    """Thickness where no valve, root or hole is near, measured between the two atria."""
    for seed in range(40):
        heart = build_chambers(HeartMotion(HeartParameters(shape_seed=seed)))
        more, length = heart.limbus_m
        levels = np.array([-1e-3, -0.6 * length, -2 * length])
        thickness = 2 * heart._half_septum(levels)
        if not more:
            np.testing.assert_allclose(thickness, heart.septum_m)
            continue
        assert thickness[0] > thickness[1] > thickness[2]
        assert thickness[0] == pytest.approx(heart.septum_m + more, rel=0.05)
        assert thickness[2] == pytest.approx(heart.septum_m)


def test_one_right_heart_in_seven_is_small():
    scales = np.array([sample_parameters(np.random.default_rng(s)).right_heart_scale for s in range(600)])
    assert 0.05 < (scales < 0.75).mean() < 0.2
    assert scales.min() >= 0.5
