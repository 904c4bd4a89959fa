"""The comparison with the truth: it must pass for the truth itself and fail for what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from sonometry.applications.elastography.simulate import SimulationConfig, simulate
from sonometry.applications.elastography.truth import check_truth, truth_between
from sonometry.core import Findings, UsageError


def findings_of(truth, **changes):
    fields = {name: truth[name] for name in ("axial_displacement_m", "lateral_displacement_m", "axial_strain")}
    fields |= {name: truth[name] for name in ("depth_m", "lateral_m", "pair_frames")}
    fields["valid"] = np.ones(truth["axial_strain"].shape, bool)
    return Findings((), {**fields, **changes})


def test_the_truth_itself_has_no_error(pair):
    checks = check_truth(findings_of(pair.truth), pair.truth)
    assert {c.name for c in checks} >= {"axial_strain_rmse", "axial_displacement_m_rmse", "mean_axial_strain"}
    assert all(c.holds and c.error == 0 for c in checks)


@pytest.mark.parametrize(
    ("name", "offset"),
    [("axial_strain", 2e-3), ("axial_displacement_m", 1e-5), ("lateral_displacement_m", 1e-4)],
)
def test_an_offset_beyond_the_tolerance_fails(pair, name, offset):
    checks = check_truth(findings_of(pair.truth, **{name: pair.truth[name] + offset}), pair.truth)
    assert f"{name}_rmse" in {c.name for c in checks if not c.holds}


def test_what_is_not_valid_is_not_compared(pair):
    valid = np.ones(pair.truth["axial_strain"].shape, bool)
    valid[500:900] = False
    spoiled = np.where(valid, pair.truth["axial_strain"], 1.0)
    assert all(c.holds for c in check_truth(findings_of(pair.truth, axial_strain=spoiled, valid=valid), pair.truth))


def test_nothing_measured_is_not_recovered(pair):
    assert not any(c.holds for c in check_truth(Findings(()), pair.truth))


def test_steps_of_a_sequence_join_to_its_whole(sequence):
    truth = sequence.truth
    joined = truth_between({**truth, "pair_frames": np.array([9, 9])}, (0, 4))
    inner = np.s_[20:-20, 2:-2]
    np.testing.assert_allclose(joined["axial_displacement_m"][inner], truth["axial_displacement_m"][inner], atol=2e-7)
    np.testing.assert_allclose(joined["axial_strain"][inner], truth["axial_strain"][inner], atol=1e-4)


def test_pair_that_the_truth_does_not_cover_is_an_error(pair):
    with pytest.raises(ValueError, match=r"the truth covers frames \[0, 1\], not \[0, 2\]"):
        truth_between(pair.truth, (0, 2))


def test_options_of_the_simulation_reach_the_recording():
    made = simulate(3, SimulationConfig(compression=0.02, frames=3, inclusion_radius_mm=0.0, scatterers=2000))
    assert made.recording.n_frames == 3
    assert made.truth["axial_strain"].mean() == pytest.approx(-0.02, rel=1e-3)
    assert not made.truth["inclusion"].any()


def test_without_options_the_seed_draws_the_papers_protocol():
    labels = [simulate(seed, None).labels for seed in (1, 2, 3, 4)]
    assert len({label["inclusion_pa"] for label in labels}) > 1
    assert all(label["background_pa"] == 25e3 and label["n_scatterers"] == 10_000 for label in labels)


@pytest.mark.parametrize("wrong", [{"compression": 0.5}, {"frames": 1}, {"inclusion_kpa": 0.0}])
def test_impossible_simulations_are_refused(wrong):
    with pytest.raises(UsageError, match="--"):
        SimulationConfig(**wrong)
