"""Maps of an embedding keep groups together; durations are medians."""

from __future__ import annotations

import time

import numpy as np
import pytest

from sonometry.core.errors import DataError
from sonometry.evaluation.embedding import drawn_items, principal_components, t_sne
from sonometry.evaluation.timing import duration


def test_principal_components_keep_all_distances_of_a_plane(rng: np.random.Generator) -> None:
    plane = rng.standard_normal((40, 2)) @ rng.standard_normal((2, 60))
    reduced = principal_components(plane)
    assert reduced.shape == (40, 40)
    np.testing.assert_allclose(reduced[:, 2:], 0, atol=1e-9)
    distance = np.linalg.norm(plane[3] - plane[7])
    assert np.linalg.norm(reduced[3, :2] - reduced[7, :2]) == pytest.approx(distance)


@pytest.mark.slow
def test_groups_stay_together(rng: np.random.Generator) -> None:
    group = np.repeat([0, 1, 2], 20)
    features = 8 * rng.standard_normal((3, 70))[group] + rng.standard_normal((60, 70))
    points = t_sne(features)
    distance = np.linalg.norm(points[:, None] - points[None], axis=2) + np.diag([np.inf] * 60)
    assert (group[distance.argmin(axis=1)] == group).all()
    np.testing.assert_array_equal(points, t_sne(features))


def test_few_frames_have_no_map_and_many_are_drawn_from() -> None:
    with pytest.raises(DataError, match="at least 6 frames, there are 3"):
        t_sne(np.zeros((3, 4)))
    drawn = drawn_items(10_000, most=100)
    assert len(set(drawn)) == 100
    np.testing.assert_array_equal(drawn_items(5), np.arange(5))


def test_a_duration_is_at_least_what_was_waited() -> None:
    taken = duration(lambda: time.sleep(0.002), repeats=5, warm_up=0)
    assert 0.002 <= taken.lower_s <= taken.median_s <= taken.upper_s
    assert str(taken).endswith(")")
    assert " ms (" in str(taken)
