"""Paths through cost volumes against exhaustive search."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from sonometry.numerics.dynamic_programming import StepPenalty, aggregate, best_path

PENALTY = StepPenalty(per_line=0.3, per_row=0.2, jump=0.7)


def path_cost(costs: np.ndarray, path: tuple[tuple[int, int], ...], penalty: StepPenalty) -> float:
    total = sum(float(costs[n, i, j]) for n, (i, j) in enumerate(path))
    for (i, j), (k, m) in pairwise(path):
        total += min(penalty.per_line * abs(i - k) + penalty.per_row * abs(j - m), penalty.jump)
    return total


@pytest.mark.parametrize("seed", range(5))
def test_best_path_is_that_of_exhaustive_search(seed: int) -> None:
    costs = np.random.default_rng(seed).random((5, 2, 3)).astype(np.float32)
    lags = list(product(range(2), range(3)))
    cheapest = min(product(lags, repeat=5), key=lambda path: path_cost(costs, path, PENALTY))
    assert [tuple(lag) for lag in best_path(costs, PENALTY)] == list(cheapest)


def test_free_steps_leave_each_cell_its_own_best_lag(rng: np.random.Generator) -> None:
    costs = rng.random((4, 6, 3, 5)).astype(np.float32)
    total = aggregate(costs, StepPenalty(0, 0, 0))
    flat = lambda c: c.reshape(4, 6, -1).argmin(axis=2)  # noqa: E731
    np.testing.assert_array_equal(flat(total), flat(costs))


def test_cell_without_information_takes_the_lag_of_its_neighbours() -> None:
    costs = np.ones((5, 5, 3, 7), np.float32)
    costs[:, :, 1, 5] = 0.2
    costs[2, 2] = 1.0
    costs[2, 2, 0, 0] = 0.9
    lag = np.unravel_index(aggregate(costs, PENALTY)[2, 2].argmin(), (3, 7))
    assert lag == (1, 5)


def test_true_jump_survives_because_its_price_is_bounded() -> None:
    costs = np.ones((6, 6, 1, 21), np.float32)
    costs[:, :3, 0, 2] = 0
    costs[:, 3:, 0, 18] = 0
    rows = aggregate(costs, PENALTY)[:, :, 0].argmin(axis=2)
    assert (rows[:, :3] == 2).all()
    assert (rows[:, 3:] == 18).all()


def test_aggregation_does_not_favour_an_axis(rng: np.random.Generator) -> None:
    costs = rng.random((5, 7, 3, 3)).astype(np.float32)
    turned = aggregate(np.ascontiguousarray(costs.transpose(1, 0, 2, 3)), PENALTY)
    np.testing.assert_allclose(aggregate(costs, PENALTY), turned.transpose(1, 0, 2, 3), atol=1e-5)
