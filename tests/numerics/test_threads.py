"""Loops cut into parts must visit every item once and report what goes wrong."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from sonometry.numerics.threads import in_threads


@pytest.mark.parametrize("n_items", [0, 1, 15, 16, 33, 1000])
def test_every_item_is_visited_exactly_once(n_items: int) -> None:
    visits = np.zeros(n_items, int)

    def kernel(start: int, stop: int, counts: np.ndarray) -> None:
        counts[start:stop] += 1

    in_threads(kernel, n_items, visits, least=4)
    assert (visits == 1).all()


def test_error_in_any_part_reaches_the_caller() -> None:
    def kernel(start: int, stop: int) -> None:
        if stop == 100:
            raise ValueError("part failed")

    with pytest.raises(ValueError, match="part failed"):
        in_threads(kernel, 100, least=1)


def test_number_of_threads_is_that_of_numba() -> None:
    parts: list[tuple[int, int]] = []
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        in_threads(lambda a, b: parts.append((a, b)), 1000, least=1)
    finally:
        numba.set_num_threads(before)
    assert parts == [(0, 1000)]
