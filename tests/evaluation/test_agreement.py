"""Kappa against scikit-learn and statsmodels, intraclass correlation against Shrout & Fleiss's own example."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters
from statsmodels.stats.inter_rater import fleiss_kappa as peer_fleiss

from sonometry.evaluation.agreement import (
    cohen_kappa,
    cohen_kappa_estimate,
    fleiss_kappa,
    fleiss_kappa_estimate,
    intraclass_correlation,
)

#: Four judges, six targets: table 2 of Shrout & Fleiss 1979, doi:10.1037/0033-2909.86.2.420.
JUDGES = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
def test_cohen_agrees_with_scikit_learn(rng, weights):
    first = rng.integers(1, 8, 60)
    second = np.clip(first + rng.integers(-1, 2, 60), 1, 7)
    ours = cohen_kappa(first.tolist(), second.tolist(), weights=weights, order=range(1, 8))
    assert ours == pytest.approx(cohen_kappa_score(first, second, weights=weights, labels=range(1, 8)))


def test_weights_follow_the_given_order():
    order = ["none", "mild", "severe"]
    near = cohen_kappa(["none", "mild", "severe"], ["none", "none", "severe"], weights="linear", order=order)
    far = cohen_kappa(["none", "mild", "severe"], ["none", "none", "severe"], weights="linear", order=order[::-1])
    assert near == pytest.approx(far)  # a reversed order keeps distances
    shuffled = cohen_kappa(
        ["none", "mild", "severe"], ["none", "none", "severe"], weights="linear", order=["none", "severe", "mild"]
    )
    assert shuffled < near


def test_things_that_one_reader_left_out_do_not_count():
    assert cohen_kappa(["a", "b", None, "a"], ["a", "b", "b", None]) == 1


def test_one_category_only_has_no_kappa():
    assert math.isnan(cohen_kappa(["a", "a"], ["a", "a"]))


def test_fleiss_agrees_with_statsmodels(rng):
    labels = rng.integers(0, 4, (40, 1)).repeat(5, axis=1)
    noise = rng.random((40, 5)) < 0.3
    labels[noise] = rng.integers(0, 4, noise.sum())
    assert fleiss_kappa(labels.tolist()) == pytest.approx(peer_fleiss(aggregate_raters(labels)[0]))


def test_fleiss_takes_things_with_fewer_readers():
    complete = [["a", "a", "b"], ["b", "b", "b"], ["a", "a", "a"]]
    assert fleiss_kappa([*complete, ["a", None, None]]) == fleiss_kappa(complete)


def test_intervals_of_kappa_hold_the_value_and_widen_by_patient(rng):
    first = rng.integers(0, 3, 200)
    wrong = np.repeat(rng.random(20) < 0.4, 10)
    second = np.where(wrong, (first + 1) % 3, first)
    groups = np.repeat(np.arange(20), 10).tolist()
    single = cohen_kappa_estimate(first.tolist(), second.tolist(), n_resamples=300).interval
    grouped = cohen_kappa_estimate(first.tolist(), second.tolist(), groups=groups, n_resamples=300).interval
    assert grouped.high - grouped.low > 1.5 * (single.high - single.low)
    pairs = np.stack([first, second], axis=1).tolist()
    fleiss = fleiss_kappa_estimate(pairs, groups=groups, n_resamples=300)
    assert fleiss.interval.low < fleiss.value < fleiss.interval.high
    assert fleiss.n_groups == 20


def test_intraclass_correlation_reproduces_shrout_and_fleiss():
    result = intraclass_correlation(JUDGES)
    published = {
        "ICC(1,1)": 0.17,
        "ICC(2,1)": 0.29,
        "ICC(3,1)": 0.71,
        "ICC(1,4)": 0.44,
        "ICC(2,4)": 0.62,
        "ICC(3,4)": 0.91,
    }
    assert {name: round(form.value, 2) for name, form in result.items()} == published


def test_intervals_of_the_intraclass_correlation_reproduce_a_published_output():
    """95 % intervals of the same table as the manual of the R package psych prints them (function ICC)."""
    result = intraclass_correlation(JUDGES)
    published = {
        "ICC(1,1)": (-0.13, 0.72),
        "ICC(2,1)": (0.02, 0.76),
        "ICC(3,1)": (0.34, 0.95),
        "ICC(1,4)": (-0.88, 0.91),
        "ICC(2,4)": (0.07, 0.93),
        "ICC(3,4)": (0.68, 0.99),
    }
    for name, bounds in published.items():
        assert (result[name].interval.low, result[name].interval.high) == pytest.approx(bounds, abs=0.006)


def test_a_reader_with_an_offset_keeps_consistency_but_not_agreement(rng):
    truth = rng.normal(4, 1, 50)
    result = intraclass_correlation(np.stack([truth, truth + 2], axis=1))
    assert result["ICC(3,1)"].value == pytest.approx(1)
    assert result["ICC(2,1)"].value < 0.5


def test_intraclass_correlation_recovers_the_variances_it_was_made_from(rng):
    """Between-thing variance 4 of 4 + 1 in all: 0.8; 600 things leave an error of about 0.015."""
    scores = rng.normal(0, 2, (600, 1)) + rng.normal(0, 1, (600, 3))
    result = intraclass_correlation(scores)["ICC(1,1)"]
    assert result.value == pytest.approx(0.8, abs=0.04)
    assert result.interval.low < 0.8 < result.interval.high


def test_things_that_a_reader_lacks_are_left_out():
    assert intraclass_correlation([*JUDGES, [1, 2, 3, np.nan]]) == intraclass_correlation(JUDGES)


def test_equal_scores_have_no_correlation_and_perfect_ones_have_one():
    assert math.isnan(intraclass_correlation([[3, 3], [3, 3]])["ICC(2,1)"].value)
    assert intraclass_correlation([[1, 1], [5, 5], [3, 3]])["ICC(2,1)"].value == 1


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: cohen_kappa(["a"], ["a", "b"]), "label for each thing"),
        (lambda: cohen_kappa([None], ["a"]), "no thing has a label"),
        (lambda: cohen_kappa(["a"], ["b"], order=["a"]), "not among"),
        (lambda: cohen_kappa(["a"], ["b"], weights="cubic"), "weights must be"),
        (lambda: fleiss_kappa([["a", None]]), "labels of two readers"),
        (lambda: intraclass_correlation([[1.0, 2.0]]), "at least two things"),
        (lambda: intraclass_correlation([1.0, 2.0]), r"\(things, readers\)"),
    ],
)
def test_what_cannot_be_compared_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()
