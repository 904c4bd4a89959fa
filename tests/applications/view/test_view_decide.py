"""From frames to the label of a clip: joining, calibrating, abstaining."""

from __future__ import annotations

import numpy as np
import pytest

from sonometry.applications.view.calibrate import clip_calibration, frame_calibration
from sonometry.applications.view.classify import as_sequence
from sonometry.applications.view.config import ViewConfig
from sonometry.applications.view.decide import Calibration, decide, expected_in_clinic, frame_probabilities, joined
from sonometry.applications.view.labels import CLASS_NAMES, class_index
from sonometry.applications.view.prepare import spread
from sonometry.core.echo_views import NONE, EchoView
from sonometry.core.errors import DataError, UsageError
from sonometry.evaluation.predictions import Predictions, averaged, majority_vote
from sonometry.simulation.phantoms.heart import View


def probabilities(**shares: float) -> np.ndarray:
    """(9,) with the named shares, the rest spread evenly."""
    rest = (1 - sum(shares.values())) / (len(CLASS_NAMES) - len(shares))
    return np.array([shares.get(name, rest) for name in CLASS_NAMES])


def test_views_have_the_order_of_the_design_and_the_names_of_the_simulation():
    assert [v.value for v in EchoView] == ["A2C", "A3C", "A4C", "A5C", "PLAX", "SAXBASAL", "SAXMID", "SUB4C"]
    assert [v.value for v in EchoView] == [v.value for v in View]
    assert CLASS_NAMES[-1] == NONE
    assert EchoView.A4C.words == "apical four-chamber"


def test_an_unknown_label_is_refused():
    with pytest.raises(ValueError, match="A6C"):
        class_index("A6C")


def test_joining_agrees_with_the_shared_evaluation():
    rng = np.random.default_rng(3)
    frames = rng.dirichlet(np.ones(9), size=31)
    n = len(frames)
    items = Predictions(
        CLASS_NAMES, frames, np.zeros(n, np.intp), np.array(["c"] * n), np.array(["s"] * n), np.array([""] * n)
    )
    assert np.allclose(joined(frames, "average"), averaged(items).probabilities[0])
    assert np.allclose(joined(frames, "vote"), majority_vote(items).probabilities[0], atol=1e-4)


def test_a_tied_vote_goes_to_the_larger_mean():
    frames = np.stack([probabilities(A4C=0.9), probabilities(A5C=0.6)])
    assert CLASS_NAMES[int(joined(frames, "vote").argmax())] == "A4C"


def test_a_certain_clip_is_named():
    clip = probabilities(PLAX=0.97)
    decision = decide(clip, np.stack([clip, probabilities(A4C=0.9)]), Calibration(), 0.05)
    assert (decision.label, decision.reasons, decision.agreement) == ("PLAX", (), 0.5)
    assert decision.probability == pytest.approx(0.97)


def test_an_uncertain_clip_is_refused_with_its_likeliest_views():
    clip = probabilities(A4C=0.39, A5C=0.3)
    (reason,) = decide(clip, clip[None], Calibration(), 0.05).reasons
    assert "A4C (39 %), then A5C (30 %)" in reason
    assert "--abstain-at 0.05" in reason


def test_none_of_the_views_is_refused_as_such():
    clip = probabilities(NONE=0.9)
    (reason,) = decide(clip, clip[None], Calibration(), 0.05).reasons
    assert reason.startswith("none of the eight standard views (90 %)")


def test_the_stricter_the_error_rate_the_higher_the_threshold():
    calibration = Calibration(1.0, (0.3, 0.6, 0.9, 0.99), (0.1, 0.05, 0.02, 0.0))
    thresholds = [calibration.threshold(rate) for rate in (0.2, 0.05, 0.02, 0.0)]
    assert thresholds == [0.5, 0.6, 0.9, 0.99]
    assert calibration.threshold(1) == 0


def test_an_error_rate_that_no_clip_reached_refuses_all():
    calibration = Calibration(1.0, (0.5, 0.9), (0.2, 0.1))
    clip = probabilities(A4C=0.999)
    assert decide(clip, clip[None], calibration, 0.01).reasons


def test_always_answering_is_possible():
    clip = probabilities(A4C=0.2)
    assert not decide(clip, clip[None], Calibration(), 1.0).reasons


def test_the_clinic_expects_four_chambers_three_times_as_often_as_five():
    clip = probabilities(A4C=0.3, A5C=0.3, NONE=0.2)
    adjusted = expected_in_clinic(clip)
    by_name = dict(zip(CLASS_NAMES, adjusted, strict=True))
    assert adjusted.sum() == pytest.approx(1)
    assert by_name["NONE"] == pytest.approx(0.2)
    assert by_name["A4C"] / by_name["A5C"] == pytest.approx(2478 / 794)


def test_a_temperature_above_one_makes_frames_less_certain():
    logits = np.array([[4.0, 1, 0, 0, 0, 0, 0, 0, 0]])
    assert frame_probabilities(logits, 3.0).max() < frame_probabilities(logits, 1.0).max()


def scored(rng, n_clips: int, temperature: float):
    """Clips whose labels are drawn from the softmax of logits, which are then scaled: the temperature is known."""
    from sonometry.applications.view.calibrate import ScoredClip
    from sonometry.applications.view.classify import ClipScores

    clips = []
    for _ in range(n_clips):
        logits = rng.normal(0, 2, (1, 9))
        label = CLASS_NAMES[int(rng.choice(9, p=frame_probabilities(logits, 1.0)[0]))]
        frames = np.zeros(1, int)
        clips.append(ScoredClip(label, ClipScores(temperature * logits, np.zeros((1, 2)), frames, frames)))
    return clips


def test_calibration_finds_a_known_temperature():
    found = frame_calibration(scored(np.random.default_rng(5), 3000, 2.5))
    assert found["temperature"] == pytest.approx(2.5, rel=0.08)  # three standard errors at 3000 clips
    assert found["clips"]["average"]["temperature"] == pytest.approx(1.0, rel=0.08)


def test_the_stored_curve_gives_thresholds_that_keep_the_error():
    rng = np.random.default_rng(6)
    logits = rng.normal(0, 2, (4000, 9))
    labels = [CLASS_NAMES[int(rng.choice(9, p=p))] for p in frame_probabilities(logits, 1.0)]
    calibration = Calibration.from_metadata(clip_calibration(logits, labels))
    probability = frame_probabilities(logits, calibration.temperature)
    right = np.array([CLASS_NAMES[i] for i in probability.argmax(axis=1)]) == np.array(labels)
    answered = probability.max(axis=1) >= calibration.threshold(0.1)
    assert 0.05 < answered.mean() < 0.9
    assert (~right[answered]).mean() <= 0.1


def test_calibration_without_clips_is_refused():
    with pytest.raises(DataError, match="needs labelled clips"):
        frame_calibration([])


@pytest.mark.parametrize(("n", "most", "wanted"), [(3, 10, [0, 1, 2]), (1, 5, [0]), (101, 3, [0, 50, 100])])
def test_frames_are_spread_evenly_over_the_clip(n, most, wanted):
    assert spread(n, most).tolist() == wanted


def test_a_short_clip_begins_again_for_the_network_over_time():
    sequence = as_sequence(np.arange(3.0)[:, None])
    assert sequence.shape == (1, 16, 1)
    assert sequence[0, :5, 0].tolist() == [0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "mean"}, "--method must be one of average, vote, temporal"),
        ({"prior": "uniform"}, "--prior must be even or clinic"),
        ({"abstain_at": 1.5}, "--abstain-at must lie between 0 and 1"),
        ({"most_frames": 0}, "--most-frames must be 1 or more"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        ViewConfig(**options)
