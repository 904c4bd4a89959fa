"""Spline interpolation of baseband frames against scipy and against known shifts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import map_coordinates, spline_filter

from sonometry.numerics.warp import spline_coefficients, warp


@pytest.fixture
def image(rng: np.random.Generator) -> np.ndarray:
    return (rng.standard_normal((30, 70)) + 1j * rng.standard_normal((30, 70))).astype(np.complex64)


def test_coefficients_agree_with_scipy(image: np.ndarray) -> None:
    reference = spline_filter(image.real, mode="mirror") + 1j * spline_filter(image.imag, mode="mirror")
    np.testing.assert_allclose(spline_coefficients(image), reference, atol=2e-5)


def test_values_agree_with_scipy_up_to_the_edge(image: np.ndarray, rng: np.random.Generator) -> None:
    rows, lines = (rng.normal(0, 2, image.shape).astype(np.float32) for _ in range(2))
    values, inside = warp(spline_coefficients(image), rows, lines)
    line, row = np.indices(image.shape)
    at = [line + lines, row + rows]
    at = [np.clip(p, 0, n - 1) for p, n in zip(at, image.shape, strict=True)]  # half a pixel beyond is the edge
    reference = sum(f * map_coordinates(p, at, order=3, mode="mirror") for f, p in ((1, image.real), (1j, image.imag)))
    assert 0.8 < inside.mean() < 1
    np.testing.assert_allclose(values[inside], reference[inside], atol=1e-4)


def test_no_displacement_gives_the_image_back(image: np.ndarray) -> None:
    still = np.zeros(image.shape, np.float32)
    values, inside = warp(spline_coefficients(image), still, still)
    assert inside.all()
    np.testing.assert_allclose(values, image, atol=1e-5)


def test_positive_displacement_reads_deeper_and_to_the_right(image: np.ndarray) -> None:
    values, inside = warp(spline_coefficients(image), np.full(image.shape, 2, "f4"), np.full(image.shape, 3, "f4"))
    np.testing.assert_allclose(values[:-3, :-2], image[3:, 2:], atol=1e-5)
    assert not inside[-3:].any()
    assert not inside[:, -2:].any()
    assert not values[~inside].any()
