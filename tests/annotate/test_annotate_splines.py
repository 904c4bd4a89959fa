"""Splines pass through their points, have no loops, and do not care how a picture lies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonometry.annotate.splines import bezier_pieces, sample_spline, thin_points

coordinates = st.floats(0, 100).map(lambda x: round(x, 2))
point_lists = st.lists(st.tuples(coordinates, coordinates), min_size=2, max_size=9, unique=True)


def barry_goldman(p: np.ndarray, t: float) -> np.ndarray:
    """Point at share t of the piece from p[1] to p[2], by the definition of a Catmull-Rom spline with knots |d|^(1/2).

    Barry & Goldman 1988, doi:10.1145/54852.378511.
    """
    k = np.concatenate([[0.0], np.cumsum(np.sqrt(np.linalg.norm(np.diff(p, axis=0), axis=1)))])
    u = k[1] + t * (k[2] - k[1])

    def mix(a, b, start, end):
        return (end - u) / (end - start) * a + (u - start) / (end - start) * b

    a = [mix(p[i], p[i + 1], k[i], k[i + 1]) for i in range(3)]
    b = [mix(a[0], a[1], k[0], k[2]), mix(a[1], a[2], k[1], k[3])]
    return mix(b[0], b[1], k[1], k[2])


def test_it_is_the_centripetal_catmull_rom_spline():
    points = np.array([[0, 0], [3, 8], [10, 9], [14, 2], [30, 1]], float)
    curve = sample_spline(points, is_closed=False)
    for step in range(16):
        assert np.allclose(curve[16 + step], barry_goldman(points[:4], step / 16), atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(points=point_lists, is_closed=st.booleans())
def test_it_passes_through_every_point_and_is_finite(points, is_closed):
    control = np.array(points)
    curve = sample_spline(control, is_closed=is_closed)
    assert np.isfinite(curve).all()
    assert np.allclose(curve[::16][: len(control)], control)


@settings(max_examples=40, deadline=None)
@given(points=point_lists, is_closed=st.booleans())
def test_turning_shifting_and_scaling_the_points_does_the_same_to_the_line(points, is_closed):
    control = np.array(points)
    turn = 2.5 * np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    moved = sample_spline(control @ turn.T + (5, -3), is_closed=is_closed)
    assert np.allclose(moved, sample_spline(control, is_closed=is_closed) @ turn.T + (5, -3), atol=1e-6)


def test_a_circle_of_twelve_points_is_round_within_half_a_percent():
    angle = np.arange(12) * np.pi / 6
    curve = sample_spline(50 * np.stack([np.sin(angle), np.cos(angle)], axis=1), is_closed=True)
    assert np.abs(np.linalg.norm(curve, axis=1) / 50 - 1).max() < 0.005


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_points_have_no_line(n):
    points = np.zeros((n, 2))
    assert len(bezier_pieces(points, is_closed=True)) == 0
    assert len(sample_spline(points, is_closed=True)) == n


def test_points_that_coincide_do_no_harm():
    curve = sample_spline(np.array([[1.0, 1], [1, 1], [5, 9], [5, 9]]), is_closed=True)
    assert np.isfinite(curve).all()


def test_thinning_keeps_the_shape():
    angle = np.linspace(0, 2 * np.pi, 300, endpoint=False)
    circle = 40 * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    back = sample_spline(thin_points(circle, is_closed=True, n_points=14), is_closed=True)
    assert np.abs(np.linalg.norm(back, axis=1) - 40).max() < 0.3
    half = circle[:150]
    ends = thin_points(half, is_closed=False, n_points=5)
    assert np.allclose(ends[[0, -1]], half[[0, -1]])
