"""Regions: given in millimetres, or found as the strain contrast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sonometry.applications.elastography.regions import (
    Comparison,
    corners_m,
    found_comparison,
    given_comparison,
    inside_polygon,
    pixel_positions_m,
)
from sonometry.core import Geometry, RFFrames


@pytest.fixture
def recording(pair) -> RFFrames:
    return pair.recording


@pytest.fixture
def valid(recording):
    return np.ones(recording.samples.shape[1:], bool)


def test_box_is_given_by_two_opposite_corners_lateral_first():
    np.testing.assert_allclose(
        corners_m((-2.0, 10.0, 3.0, 14.0)), [[0.010, -0.002], [0.010, 0.003], [0.014, 0.003], [0.014, -0.002]]
    )


def test_polygon_masks_the_points_inside_it():
    triangle = np.array([[0.0, 0.0], [0.0, 2.0], [2.0, 0.0]])
    depth, lateral = np.array([0.5, 1.5, 0.9, -0.1]), np.array([0.5, 1.5, 0.9, 0.5])
    assert inside_polygon(triangle, depth, lateral).tolist() == [True, False, True, False]


def test_polygon_agrees_with_matplotlibs(rng):
    from matplotlib.path import Path

    corners = rng.random((7, 2))
    points = rng.random((500, 2))
    ours = inside_polygon(corners, points[:, 0], points[:, 1])
    # matplotlib fills by winding number; for this polygon that crosses itself only the even-odd rule is compared.
    crossings = Path(corners, closed=True)
    differ = ours != crossings.contains_points(points)
    assert differ.mean() < 0.2
    convex = np.array([[0.1, 0.2], [0.2, 0.8], [0.7, 0.9], [0.9, 0.3]])
    np.testing.assert_array_equal(
        inside_polygon(convex, points[:, 0], points[:, 1]), Path(convex).contains_points(points)
    )


def test_box_covers_its_area_on_the_grid(recording, valid):
    comparison = given_comparison(recording, valid, (-2.0, 10.0, 3.0, 14.0), None)
    area_mm2 = comparison.regions.inside.sum() * recording.axial_step_m * recording.line_pitch_m * 1e6
    assert area_mm2 == pytest.approx(20.0, rel=0.05)


def test_background_lies_beside_the_region_at_its_depth(recording, valid):
    comparison = given_comparison(recording, valid, (-2.0, 10.0, 2.0, 14.0), None)
    depth, lateral = (1e3 * p[comparison.regions.background] for p in pixel_positions_m(recording))
    assert 10 <= depth.min() <= depth.max() <= 14
    assert np.abs(lateral).min() >= 2 + 0.5 * np.sqrt(16 / np.pi) - 1e-9


def test_named_background_is_taken_as_it_is(recording, valid):
    comparison = given_comparison(recording, valid, (-2.0, 10.0, 2.0, 14.0), (-3.0, 20.0, 3.0, 25.0))
    depth, _ = pixel_positions_m(recording)
    assert 1e3 * depth[comparison.regions.background].min() >= 20


def test_region_outside_the_image_is_named(recording, valid):
    answer = given_comparison(recording, valid, (50.0, 10.0, 60.0, 14.0), None)
    assert "the region lies outside the image" in answer


def test_region_without_lock_is_named(recording, valid):
    valid[:] = False
    assert "lock was lost in most of the region" in given_comparison(recording, valid, (-2.0, 10.0, 2.0, 14.0), None)


def test_stiff_inclusion_is_found_where_it_is(pair, recording, valid):
    found = found_comparison(recording, pair.truth["axial_strain"], valid)
    assert isinstance(found, Comparison)
    assert found.found
    centre_mm = 1e3 * found.outline_m.mean(axis=0)
    np.testing.assert_allclose(centre_mm, [15.0, 1.0], atol=0.5)
    radius_mm = 1e3 * np.hypot(*(found.outline_m - found.outline_m.mean(axis=0)).T).mean()
    assert radius_mm == pytest.approx(3.5, abs=0.8)


def test_found_region_and_background_keep_clear_of_the_border(pair, recording, valid):
    found = found_comparison(recording, pair.truth["axial_strain"], valid)
    labels = pair.truth["inclusion"]
    assert labels[found.regions.inside].all()
    assert not labels[found.regions.background].any()


def test_soft_inclusion_is_found_too(pair, recording, valid):
    mirrored = 2 * pair.truth["axial_strain"].mean() - pair.truth["axial_strain"]
    found = found_comparison(recording, mirrored, valid)
    assert isinstance(found, Comparison)
    assert abs(mirrored[found.regions.inside].mean()) > abs(mirrored[found.regions.background].mean())


def test_even_strain_has_no_region(recording, valid, rng):
    strain = -0.01 + 2e-4 * rng.standard_normal(recording.samples.shape[1:])
    assert "no compact area stands out" in found_comparison(recording, strain, valid)


def test_layer_from_side_to_side_is_no_region(recording, valid):
    depth, _ = pixel_positions_m(recording)
    strain = np.where((depth > 0.012) & (depth < 0.018), -0.004, -0.01)
    assert "no compact area stands out" in found_comparison(recording, strain, valid)


def test_area_at_the_edge_of_what_is_trusted_is_no_region(pair, recording, valid):
    depth, lateral = pixel_positions_m(recording)
    strain = np.where(np.hypot(depth - 0.015, lateral + 0.0096) < 0.003, -0.004, -0.01)
    assert "no compact area stands out" in found_comparison(recording, strain, valid)


def test_sector_positions_lie_on_arcs(recording):
    sector = replace(recording, geometry=Geometry.SECTOR, line_angle_rad=0.01, probe_radius_m=0.04, line_pitch_m=0.0004)
    depth, lateral = pixel_positions_m(sector)
    radius = np.hypot(depth + 0.04, lateral)
    np.testing.assert_allclose(radius, np.broadcast_to(0.04 + sector.depth_m[:, None], radius.shape), rtol=1e-12)
    np.testing.assert_allclose(lateral, -lateral[:, ::-1], atol=1e-12)


def test_inclusion_in_a_sector_is_found_where_the_picture_shows_it(recording, valid):
    sector = replace(
        recording, geometry=Geometry.SECTOR, line_angle_rad=0.008, probe_radius_m=0.03, line_pitch_m=0.00024
    )
    depth, lateral = pixel_positions_m(sector)
    strain = np.where(np.hypot(depth - 0.014, lateral - 0.004) < 0.003, -0.005, -0.01)
    found = found_comparison(sector, strain, valid)
    np.testing.assert_allclose(1e3 * found.outline_m.mean(axis=0), [14.0, 4.0], atol=0.4)


def test_what_stands_out_at_the_surface_of_a_sector_is_no_region(recording, valid):
    sector = replace(
        recording, geometry=Geometry.SECTOR, line_angle_rad=0.008, probe_radius_m=0.03, line_pitch_m=0.00024
    )
    depth, lateral = pixel_positions_m(sector)
    strain = np.where((np.abs(lateral) < 0.002) & (depth < 0.006), -0.02, -0.01)
    assert "no compact area stands out" in found_comparison(sector, strain, valid)
