"""Scan conversion."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sonometry.numerics.resample import scan_convert


def test_parallel_lines_keep_linear_values_exactly():
    depth, line = np.meshgrid(np.arange(101) * 1e-4, np.arange(21), indexing="ij")
    picture = scan_convert(3 * depth + line, start_depth_m=0.0, axial_step_m=1e-4, line_pitch_m=5e-4, pixel_m=2e-4)
    assert picture.inside.all()
    expected = 3 * picture.depth_m[:, None] + picture.lateral_m[None] / 5e-4 + 10
    np.testing.assert_allclose(picture.pixels, expected, atol=1e-5)


@pytest.mark.parametrize("radius_m", [0.0, 0.04])
def test_sector_shows_range_and_angle_where_they_are(radius_m):
    range_m, angle = np.meshgrid(0.01 + np.arange(401) * 1e-4, (np.arange(61) - 30) * 0.02, indexing="ij")
    options = {"start_depth_m": 0.01, "axial_step_m": 1e-4, "line_angle_rad": 0.02, "probe_radius_m": radius_m}
    for values, wanted in (
        (range_m, lambda z, x: math.hypot(z + radius_m, x) - radius_m),
        (angle, lambda z, x: math.atan2(x, z + radius_m)),
    ):
        picture = scan_convert(values, **options, pixel_m=5e-4)
        row, column = np.argwhere(picture.inside)[:: picture.inside.sum() // 50].T
        found = picture.pixels[row, column]
        expected = [wanted(z, x) for z, x in zip(picture.depth_m[row], picture.lateral_m[column], strict=True)]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_outside_of_the_sector_is_nan_and_symmetric():
    picture = scan_convert(np.ones((100, 41)), start_depth_m=0.0, axial_step_m=2e-4, line_angle_rad=0.02)
    assert np.isnan(picture.pixels[~picture.inside]).all()
    np.testing.assert_array_equal(picture.inside, picture.inside[:, ::-1])


def test_area_of_a_sector_is_kept():
    picture = scan_convert(np.ones((501, 51)), start_depth_m=0.0, axial_step_m=1e-4, line_angle_rad=0.02, pixel_m=1e-4)
    assert picture.inside.sum() * 1e-8 == pytest.approx(0.5 * 0.05**2 * 1.0, rel=0.01)


def test_geometry_is_asked_for():
    with pytest.raises(ValueError, match="positive line_pitch_m or line_angle_rad"):
        scan_convert(np.ones((10, 10)), start_depth_m=0.0, axial_step_m=1e-4)
