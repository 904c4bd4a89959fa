"""Measures of a classifier agree with scikit-learn and torchmetrics; intervals resample patients."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from sonometry.core.errors import DataError
from sonometry.evaluation.bootstrap import weighted_intervals
from sonometry.evaluation.classification import (
    BY_CLASS,
    OVERALL,
    Ranking,
    accuracy,
    class_measures,
    confusion_matrix,
    evaluate,
    mean_over_classes,
)
from sonometry.evaluation.predictions import Predictions, averaged, majority_vote

NAMES = ("A2C", "A4C", "PLAX")


def drawn(rng: np.random.Generator, n: int = 400, *, skill: float = 1.5, subjects: int = 20) -> Predictions:
    """Predictions of a classifier that is better than chance; scores are rounded so that ties occur."""
    truth = rng.integers(3, size=n)
    logits = np.round(rng.standard_normal((n, 3)) + skill * np.eye(3)[truth], 1)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    keys = np.array([f"s{i % subjects}" for i in range(n)])
    clips = np.array([f"s{i % subjects}-{truth[i]}" for i in range(n)])
    return Predictions(NAMES, probabilities, truth, clips, keys, np.array(["a", "b"])[rng.integers(2, size=n)])


@pytest.fixture
def weights(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 3, size=400).astype(float)


def test_accuracy_and_confusion_agree_with_scikit_learn(rng: np.random.Generator, weights: np.ndarray) -> None:
    p = drawn(rng)
    assert accuracy(p.truth, p.predicted, weights) == pytest.approx(
        metrics.accuracy_score(p.truth, p.predicted, sample_weight=weights)
    )
    np.testing.assert_allclose(
        confusion_matrix(p.truth, p.predicted, 3, weights),
        metrics.confusion_matrix(p.truth, p.predicted, sample_weight=weights),
    )


def test_precision_recall_and_f1_agree_with_scikit_learn(rng: np.random.Generator, weights: np.ndarray) -> None:
    p = drawn(rng)
    own = class_measures(confusion_matrix(p.truth, p.predicted, 3, weights))
    theirs = metrics.precision_recall_fscore_support(p.truth, p.predicted, sample_weight=weights)
    np.testing.assert_allclose([own.precision, own.recall, own.f1], theirs[:3])


def test_a_class_that_is_never_predicted_has_precision_zero_as_in_scikit_learn() -> None:
    truth, predicted = np.array([0, 0, 1, 2]), np.array([0, 0, 0, 2])
    own = class_measures(confusion_matrix(truth, predicted, 3))
    theirs = metrics.precision_recall_fscore_support(truth, predicted, zero_division=0)
    np.testing.assert_allclose([own.precision, own.recall, own.f1], theirs[:3])


def test_a_class_that_does_not_occur_is_left_out_of_the_mean() -> None:
    truth, predicted = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2])
    confusion = confusion_matrix(truth, predicted, 4)
    own = class_measures(confusion)
    assert np.isnan(own.recall[2])
    assert np.isnan(own.precision[3])
    assert mean_over_classes(own.recall, confusion) == pytest.approx(0.5)
    assert mean_over_classes(own.recall, confusion) == pytest.approx(
        metrics.recall_score(truth, predicted, average="macro", labels=[0, 1])
    )


def test_roc_and_its_area_agree_with_scikit_learn(rng: np.random.Generator, weights: np.ndarray) -> None:
    p = drawn(rng)
    score, positive = p.probabilities[:, 1], p.truth == 1
    own = Ranking(positive, score)
    curve = own.roc()
    x, y, _ = metrics.roc_curve(positive, score, drop_intermediate=False)
    np.testing.assert_allclose([curve.x, curve.y], [x, y])
    assert curve.area == pytest.approx(metrics.roc_auc_score(positive, score))
    assert own.roc_area(weights) == pytest.approx(metrics.roc_auc_score(positive, score, sample_weight=weights))


def test_precision_recall_curve_and_its_area_agree_with_scikit_learn(
    rng: np.random.Generator, weights: np.ndarray
) -> None:
    p = drawn(rng)
    score, positive = p.probabilities[:, 2], p.truth == 2
    own = Ranking(positive, score)
    precision, recall, thresholds = metrics.precision_recall_curve(positive, score)
    curve = own.pr()
    np.testing.assert_allclose([curve.x, curve.y], [recall[-2::-1], precision[-2::-1]])
    np.testing.assert_allclose(curve.thresholds, thresholds[::-1])
    theirs = metrics.average_precision_score(positive, score, sample_weight=weights)
    assert own.average_precision(weights) == pytest.approx(theirs)


def test_areas_are_undefined_without_both_kinds() -> None:
    assert np.isnan(Ranking(np.ones(3, bool), np.arange(3.0)).roc_area())
    assert np.isnan(Ranking(np.zeros(3, bool), np.arange(3.0)).average_precision())


def test_evaluate_gives_all_measures_with_intervals_around_them(rng: np.random.Generator) -> None:
    p = drawn(rng)
    scores = evaluate(p, rng=rng, n_resamples=200)
    assert scores.n_subjects == 20
    for name, estimate in (*scores.overall.items(), *scores.by_class["A4C"].items()):
        assert estimate.interval is not None, name
        assert estimate.interval.low < estimate.interval.high
        if name != "expected_calibration_error":  # biased upwards in resamples
            assert estimate.interval.low <= estimate.value <= estimate.interval.high
    assert tuple(scores.overall) == OVERALL
    assert tuple(scores.by_class["PLAX"]) == BY_CLASS
    assert scores.overall["f1"].value == pytest.approx(metrics.f1_score(p.truth, p.predicted, average="macro"))
    theirs = metrics.roc_auc_score(p.truth, p.probabilities, multi_class="ovr")
    assert scores.overall["roc_area"].value == pytest.approx(theirs)
    assert scores.overall["balanced_accuracy"].value == pytest.approx(
        metrics.balanced_accuracy_score(p.truth, p.predicted)
    )


def test_intervals_of_correlated_frames_are_as_wide_as_those_of_their_subjects(rng: np.random.Generator) -> None:
    """Each subject wholly right or wrong: sd of the mean over 25 subjects, not over 1000 frames."""
    right = np.repeat(rng.random(25) < 0.6, 40).astype(float)
    subjects = np.repeat(np.arange(25), 40)

    def share(weights: np.ndarray) -> np.ndarray:
        return np.array([np.average(right, weights=weights)])

    (interval,) = weighted_intervals(share, subjects, n_resamples=2000, rng=rng)
    assert interval is not None
    p = right.mean()
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * np.sqrt(p * (1 - p) / 25), rel=0.15)


def test_one_patient_gives_no_interval(rng: np.random.Generator) -> None:
    scores = evaluate(drawn(rng, subjects=1), rng=rng, n_resamples=10)
    assert scores.overall["accuracy"].interval is None
    assert scores.to_json()["overall"]["accuracy"]["interval"] is None


def test_majority_vote_and_average_name_one_class_a_clip() -> None:
    probabilities = [[0.6, 0.4, 0], [0.6, 0.4, 0], [0, 0.9, 0.1], [0.1, 0.2, 0.7]]
    frames = Predictions.of_names(
        NAMES, probabilities, ["A2C", "A2C", "A2C", "PLAX"], clips=["x", "x", "x", "y"], vendors=["v", "v", "v", "w"]
    )
    vote, mean = majority_vote(frames), averaged(frames)
    assert [NAMES[i] for i in vote.predicted] == ["A2C", "PLAX"]
    np.testing.assert_allclose(vote.probabilities[0], [2 / 3, 1 / 3, 0])
    assert [NAMES[i] for i in mean.predicted] == ["A4C", "PLAX"]
    assert list(vote.vendors) == ["v", "w"]


def test_a_tied_vote_goes_to_the_surer_class() -> None:
    frames = Predictions.of_names(NAMES, [[0.5, 0.45, 0.05], [0, 1, 0]], ["A4C", "A4C"], clips=["x", "x"])
    assert majority_vote(frames).is_right.all()


def test_frames_of_a_vendor_can_be_looked_at_alone(rng: np.random.Generator) -> None:
    p = drawn(rng)
    parts = p.by_vendor()
    assert list(parts) == ["a", "b"]
    assert sum(len(part) for part in parts.values()) == len(p)


def test_an_unknown_label_and_nothing_to_evaluate_are_one_line() -> None:
    with pytest.raises(DataError, match="unknown label 'A9C'; the classes are: A2C, A4C, PLAX"):
        Predictions.of_names(NAMES, [[1, 0, 0]], ["A9C"], clips=["x"])
    with pytest.raises(DataError, match="nothing to evaluate"):
        Predictions.of_names(NAMES, np.zeros((0, 3)), [], clips=[])
