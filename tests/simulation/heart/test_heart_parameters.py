"""Clinical parameters of the simulated heart and how they are drawn."""

from __future__ import annotations

import numpy as np
import pytest

from sonometry.core import DataError
from sonometry.simulation.phantoms.heart.parameters import Condition, HeartParameters, sample_parameters


def test_defaults_describe_a_healthy_heart():
    heart = HeartParameters()
    assert heart.end_systolic_volume_m3 == pytest.approx(39.9e-6)
    assert not heart.is_regional


@pytest.mark.parametrize("condition", list(Condition))
def test_every_condition_draws_valid_hearts(condition):
    rng = np.random.default_rng(3)
    hearts = [sample_parameters(rng, condition) for _ in range(50)]
    assert {h.condition for h in hearts} == {condition}


def test_conditions_differ_as_the_clinic_says():
    rng = np.random.default_rng(4)
    mean = {c: np.mean([sample_parameters(rng, c).ejection_fraction for _ in range(60)]) for c in Condition}
    assert mean[Condition.DILATED] < mean[Condition.INFARCTED] < mean[Condition.HEALTHY]


def test_an_infarct_leaves_one_territory_weak():
    rng = np.random.default_rng(5)
    weakest = [min(sample_parameters(rng, Condition.INFARCTED).segment_function) for _ in range(20)]
    assert np.mean(weakest) < 0.4


def test_same_seed_draws_the_same_heart():
    assert sample_parameters(np.random.default_rng(7)) == sample_parameters(np.random.default_rng(7))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ejection_fraction": 1.2}, "ejection_fraction must lie between"),
        ({"global_longitudinal_strain": 0.2}, "global_longitudinal_strain must lie between"),
        ({"segment_function": (1.0,) * 16}, "segment_function needs 17 numbers"),
        ({"segment_function": (0.0,) * 17}, "too little working muscle"),
    ],
)
def test_impossible_hearts_are_refused(change, message):
    with pytest.raises(DataError, match=message):
        HeartParameters(**change)
