"""Outlines and pixels of shapes whose area and distance are known."""

from __future__ import annotations

import numpy as np
import pytest

from sonometry.numerics.polygons import (
    distance_to_line,
    mask_outlines,
    polygon_area_px,
    polygon_mask,
    resampled_line,
)

ANGLE = np.linspace(0, 2 * np.pi, 200, endpoint=False)
CIRCLE = np.stack([40 + 20 * np.sin(ANGLE), 50 + 20 * np.cos(ANGLE)], axis=1)


def test_a_circle_has_its_area_as_mask_and_as_polygon():
    assert polygon_mask(CIRCLE, (90, 100)).sum() == pytest.approx(np.pi * 400, rel=0.01)
    assert polygon_area_px(CIRCLE) == pytest.approx(np.pi * 400, rel=0.001)


def test_pixels_are_inside_by_their_centres():
    mask = polygon_mask([(1.6, 1.6), (1.6, 4.4), (3.4, 4.4), (3.4, 1.6)], (6, 7))
    assert sorted(map(tuple, np.argwhere(mask))) == [(r, c) for r in (2, 3) for c in (2, 3, 4)]


def test_the_outline_of_a_mask_gives_the_mask_back(rng):
    from scipy.ndimage import gaussian_filter

    mask = gaussian_filter(rng.normal(size=(60, 70)), 4) > 0.02
    labels_back = np.zeros_like(mask)
    for outline in mask_outlines(mask):
        labels_back ^= polygon_mask(outline, mask.shape)
    np.testing.assert_array_equal(labels_back, mask)


def test_a_mask_at_the_border_is_closed_outside_of_the_picture():
    mask = np.zeros((5, 5), bool)
    mask[:2] = True
    (outline,) = mask_outlines(mask)
    np.testing.assert_array_equal(polygon_mask(outline, mask.shape), mask)


def test_distances_are_those_to_the_line_and_not_to_its_corners():
    line = [(0.0, 0.0), (0.0, 10.0)]
    assert distance_to_line([(3.0, 5.0), (0.0, 12.0)], line, is_closed=False) == pytest.approx([3, 2])


def test_the_closing_side_counts_only_where_a_line_is_closed():
    triangle = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0)]
    assert distance_to_line([(5.0, 5.0)], triangle, is_closed=True) == pytest.approx([0])
    assert distance_to_line([(5.0, 5.0)], triangle, is_closed=False) == pytest.approx([5])


def test_resampling_keeps_the_corners_and_the_step():
    square = np.array([(0.0, 0.0), (0.0, 3.0), (3.0, 3.0), (3.0, 0.0)])
    fine = resampled_line(square, step=0.5, is_closed=True)
    assert len(fine) == 24
    assert {tuple(p) for p in square} <= {tuple(p) for p in fine}
    np.testing.assert_allclose(np.linalg.norm(np.diff(fine, axis=0), axis=1), 0.5)


def test_two_points_enclose_nothing():
    assert not polygon_mask([(1, 1), (5, 5)], (8, 8)).any()
    assert polygon_area_px([(1, 1), (5, 5)]) == 0
    with pytest.raises(ValueError, match="at least one point"):
        distance_to_line([(1, 1)], np.empty((0, 2)), is_closed=True)
