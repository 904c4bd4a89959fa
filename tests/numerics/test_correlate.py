"""Block correlation, coherence and peaks against direct sums and imposed shifts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from sonometry.numerics.correlate import block_correlation, cell_centres, coherence, parabolic_peak, standardise


@pytest.fixture
def texture(rng: np.random.Generator) -> np.ndarray:
    return gaussian_filter(rng.standard_normal((48, 160)), 1.0).astype(np.float32)


def best_lags(correlation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n_lines, n_rows = correlation.shape[2:]
    i, j = np.unravel_index(correlation.reshape(*correlation.shape[:2], -1).argmax(axis=2), (n_lines, n_rows))
    return i - n_lines // 2, j - n_rows // 2


@pytest.mark.parametrize("shift", [(0, 0), (2, -5), (-1, 6)])
def test_every_inner_block_finds_the_imposed_shift(texture: np.ndarray, shift: tuple[int, int]) -> None:
    moved = np.roll(texture, shift, axis=(0, 1))
    first, second = (standardise(i, (16, 40)) for i in (texture, moved))
    lines, rows = best_lags(block_correlation(first, second, cell=(8, 20), line_lags=3, row_lags=8))
    assert (lines[1:-1, 1:-1] == shift[0]).all()
    assert (rows[1:-1, 1:-1] == shift[1]).all()


def test_image_correlates_perfectly_with_itself(texture: np.ndarray) -> None:
    image = standardise(texture, (16, 40))
    correlation = block_correlation(image, image, cell=(8, 20), line_lags=1, row_lags=2)
    np.testing.assert_allclose(correlation[:, :, 1, 2], 1, atol=1e-5)
    assert correlation.max() <= 1 + 1e-5


def test_single_cell_equals_the_direct_sum(texture: np.ndarray) -> None:
    first, second = texture, np.roll(texture, 3, axis=1)
    correlation = block_correlation(first, second, cell=(48, 160), line_lags=1, row_lags=4)
    partner = np.zeros_like(second)
    partner[:, :-2] = second[:, 2:]
    expected = (first * partner).sum() / np.sqrt((first**2).sum() * (partner**2).sum())
    assert correlation[0, 0, 1, 6] == pytest.approx(expected, abs=1e-4)


def test_blocks_that_leave_the_image_tell_nothing(texture: np.ndarray) -> None:
    image = standardise(texture, (16, 40))
    correlation = block_correlation(image, image, cell=(16, 20), line_lags=0, row_lags=60)
    assert (correlation[:, 0, 0, :20] == 0).all()


def test_last_cell_takes_the_remainder() -> None:
    np.testing.assert_allclose(cell_centres(23, 10), [4.5, 16])
    np.testing.assert_allclose(cell_centres(7, 10), [3])


def test_coherence_equals_the_direct_window_sum(rng: np.random.Generator) -> None:
    one, two = ((rng.standard_normal((20, 40)) + 1j * rng.standard_normal((20, 40))).astype("c8") for _ in range(2))
    window = np.s_[8:13, 15:24]
    expected = (one[window].conj() * two[window]).sum().real
    expected /= np.sqrt((np.abs(one[window]) ** 2).sum() * (np.abs(two[window]) ** 2).sum())
    assert coherence(one, two, (5, 9))[10, 19] == pytest.approx(expected, abs=1e-5)


def test_coherence_does_not_depend_on_gain_and_is_zero_without_echo(rng: np.random.Generator) -> None:
    z = (rng.standard_normal((20, 40)) + 1j * rng.standard_normal((20, 40))).astype(np.complex64)
    np.testing.assert_allclose(coherence(z, 1e-3 * z, (5, 9)), 1, atol=1e-4)
    assert (coherence(z, np.zeros_like(z), (5, 9)) == 0).all()


def test_peak_of_a_parabola_is_exact_and_flat_has_none() -> None:
    at = np.array([-0.4, 0.0, 0.3])
    value = lambda x: 2 - 1.5 * (x - at) ** 2  # noqa: E731
    np.testing.assert_allclose(parabolic_peak(value(-1), value(0), value(1)), at, atol=1e-12)
    assert parabolic_peak(np.ones(1), np.ones(1), np.ones(1)) == 0
