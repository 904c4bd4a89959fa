"""The line multigrid against a sparse direct solver."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import spsolve

from sonometry.numerics.line_multigrid import Smoothness, prolong, restrict, solve_exactly, solve_update, sweep

ALONG, ACROSS = (3e4, 1e4), (2e2, 5e3)


def smoothness_of(shape: tuple[int, int], rng: np.random.Generator | None = None) -> Smoothness:
    """The prior of all tests; with `rng` its precision along lines varies tenfold from pixel to pixel."""
    prior = Smoothness.uniform(ALONG, ACROSS, shape)
    return (
        prior
        if rng is None
        else Smoothness.of((prior.along * 10 ** rng.uniform(-1, 0, (2, *shape))).astype("f4"), ACROSS)
    )


def system(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Data terms of speckle: strengths spread over decades, components coupled."""
    axial, lateral = rng.exponential(500, shape), rng.exponential(200, shape)
    coupling = np.sqrt(axial * lateral) * rng.uniform(-0.9, 0.9, shape)
    right = 100 * rng.standard_normal((2, *shape))
    return np.stack([axial, coupling, lateral]).astype(np.float32), right.astype(np.float32)


def direct(data: np.ndarray, right: np.ndarray, smoothness: Smoothness) -> np.ndarray:
    """The same minimum from scipy's sparse LU."""
    n_lines, n_rows = right.shape[1:]

    def bends(size: int) -> sp.csr_array:
        rows = np.arange(max(size - 2, 0))
        entries = np.repeat([1.0, -2.0, 1.0], rows.size), (np.tile(rows, 3), np.concatenate([rows, rows + 1, rows + 2]))
        return sp.csr_array(entries, shape=(rows.size, size))

    along, across = sp.kron(sp.eye_array(n_lines), bends(n_rows)), sp.kron(bends(n_lines), sp.eye_array(n_rows))
    priors = [
        along.T @ sp.diags_array(precision[:, 1:-1].ravel().astype(float)) @ along + weight * (across.T @ across)
        for precision, weight in zip(smoothness.along, smoothness.across, strict=True)
    ]
    d11, d12, d22 = (sp.diags_array(d.ravel().astype(float)) for d in data)
    matrix = sp.csc_array(sp.block_array([[d11 + priors[0], d12], [d12, d22 + priors[1]]]))
    return spsolve(matrix, right.reshape(-1).astype(float)).reshape(right.shape)


@pytest.mark.parametrize("shape", [(1, 30), (2, 30), (5, 40), (7, 3), (4, 2)])
def test_few_lines_are_solved_exactly(rng: np.random.Generator, shape: tuple[int, int]) -> None:
    data, right = system(rng, shape)
    prior = smoothness_of(shape, rng)
    np.testing.assert_allclose(solve_exactly(data, right, prior), direct(data, right, prior), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", [(9, 33), (40, 60), (53, 37)])
@pytest.mark.parametrize("is_uniform", [True, False])
def test_cycles_converge_to_the_direct_solution(
    rng: np.random.Generator, shape: tuple[int, int], is_uniform: bool
) -> None:
    data, right = system(rng, shape)
    prior = smoothness_of(shape, None if is_uniform else rng)
    expected = direct(data, right, prior)
    motion = np.zeros_like(right)
    error = [
        np.linalg.norm(solve_update(data, right, motion, prior, cycles=n) - expected) / np.linalg.norm(expected)
        for n in (1, 4, 12)
    ]
    assert error[0] < 0.45
    assert error[1] < 0.1
    assert error[2] < 0.01


def test_repeated_single_cycles_converge_where_data_are_scarce(rng: np.random.Generator) -> None:
    data, right = (f / 500 for f in system(rng, (40, 60)))
    data[:, 20:, 30:] *= 1e-3
    right[:, 20:, 30:] *= 0.03
    prior = Smoothness.uniform((4, 4), (4, 4), (40, 60))
    expected = direct(data, right, prior)
    motion = np.zeros_like(right)
    for _ in range(12):
        left = right.copy()
        left[0] -= data[0] * motion[0] + data[1] * motion[1]
        left[1] -= data[1] * motion[0] + data[2] * motion[1]
        motion += solve_update(data, left, motion, prior)
    assert np.linalg.norm(motion - expected) < 0.02 * np.linalg.norm(expected)


def test_sweep_alone_reduces_the_quadratic(rng: np.random.Generator) -> None:
    data, right = system(rng, (30, 50))
    prior = smoothness_of((30, 50))
    expected = direct(data, right, prior)
    update = np.zeros_like(right)
    distances = [np.linalg.norm(expected)]
    for _ in range(3):
        sweep(data, right, update, prior)
        distances.append(np.linalg.norm(update - expected))
    assert all(later < earlier for earlier, later in pairwise(distances))


def test_motion_that_is_linear_in_depth_and_across_lines_costs_nothing() -> None:
    line, row = np.indices((12, 20))
    motion = np.stack([0.3 * row - 0.2 * line, 0.1 * line + 0.05 * row]).astype(np.float32)
    data, right = np.ones((3, 12, 20), np.float32), np.zeros((2, 12, 20), np.float32)
    data[1] = 0
    assert (
        np.abs(solve_update(data, right, motion, smoothness_of((12, 20)))).max() < 0.02
    )  # rounding of float32 times 3e4


@pytest.mark.parametrize("n_lines", [9, 10, 33])
def test_restriction_is_the_transpose_of_prolongation(rng: np.random.Generator, n_lines: int) -> None:
    fine = rng.standard_normal((2, n_lines, 5)).astype(np.float32)
    coarse = rng.standard_normal((2, (n_lines + 1) // 2, 5)).astype(np.float32)
    spread = np.zeros_like(fine)
    prolong(coarse, spread)
    assert np.vdot(restrict(fine, lumped=False), coarse) == pytest.approx(np.vdot(fine, spread), rel=1e-4)


@pytest.mark.parametrize("n_lines", [9, 10])
def test_linear_motion_passes_between_grids_unchanged(n_lines: int) -> None:
    line = np.arange(n_lines, dtype=np.float32)[None, :, None]
    fine = np.zeros_like(line)
    prolong(line[:, ::2].copy(), fine)
    np.testing.assert_allclose(fine, line, atol=1e-6)


def test_coarser_prior_costs_a_smooth_field_the_same() -> None:
    line = np.arange(640)
    field = np.cos(line / 20)
    cost = lambda f, q: q * np.sum(np.diff(f, n=2) ** 2)  # noqa: E731
    prior = smoothness_of((640, 3))
    fine, coarse = prior.across[0], prior.coarser().across[0]
    assert cost(field[::2], coarse) == pytest.approx(cost(field, fine), rel=0.05)
