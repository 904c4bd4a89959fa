"""Bootstrap intervals against scipy, and their resampling of whole groups."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from sonometry.evaluation.bootstrap import bootstrap_interval


def mean_difference(a, b):
    return float(a.mean() - b.mean())


def test_interval_of_a_mean_agrees_with_scipy(rng):
    sample = rng.gamma(2.0, size=60)
    ours = bootstrap_interval([sample], lambda x: float(x.mean()), n_resamples=4000, rng=rng)
    theirs = scipy.stats.bootstrap(
        (sample,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    width = theirs.high - theirs.low
    # 5 % of the width: three Monte Carlo errors of a quantile from 4000 resamples.
    assert ours.low == pytest.approx(theirs.low, abs=0.05 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.05 * width)


def test_interval_of_two_samples_agrees_with_scipy(rng):
    a, b = rng.normal(1.0, 1.0, 40), rng.normal(0.0, 2.0, 70)
    ours = bootstrap_interval([a, b], mean_difference, n_resamples=4000, level=0.9, rng=rng)
    theirs = scipy.stats.bootstrap(
        (a, b),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        n_resamples=4000,
        confidence_level=0.9,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.05 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.05 * width)
    assert ours.level == 0.9


def test_repeated_values_of_a_group_do_not_narrow_the_interval(rng):
    subjects = rng.normal(size=20)
    once = bootstrap_interval([subjects], lambda x: float(x.mean()), rng=np.random.default_rng(2))
    repeated = bootstrap_interval(
        [np.repeat(subjects, 50)],
        lambda x: float(x.mean()),
        groups=[np.repeat(np.arange(20), 50)],
        rng=np.random.default_rng(2),
    )
    assert repeated.high - repeated.low == pytest.approx(once.high - once.low, rel=0.05)


def test_order_of_the_values_within_a_group_does_not_matter(rng):
    values, groups = rng.normal(size=30), np.repeat(np.arange(6), 5)
    order = rng.permutation(30)
    intervals = [
        bootstrap_interval([v], lambda x: float(x.mean()), groups=[g], rng=np.random.default_rng(3))
        for v, g in ((values, groups), (values[order], groups[order]))
    ]
    assert intervals[0].low == pytest.approx(intervals[1].low)


def test_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(200):
        interval = bootstrap_interval([rng.normal(size=40)], lambda x: float(x.mean()), n_resamples=300, rng=rng)
        held += interval.low <= 0 <= interval.high
    # 95 % minus the known shortfall of percentile intervals at 40 values and three standard errors.
    assert held >= 178


def test_resamples_without_a_finite_statistic_are_left_out(rng):
    sample = np.array([0.0, 0.0, 0.0, 1.0, 2.0])
    interval = bootstrap_interval([sample], lambda x: float(np.log(x.sum())) if x.sum() else -np.inf, rng=rng)
    assert np.isfinite([interval.low, interval.high]).all()


def test_no_finite_statistic_at_all_is_an_error(rng):
    with pytest.raises(ValueError, match="no resample gave a finite statistic"):
        bootstrap_interval([np.arange(5.0)], lambda x: float("nan"), n_resamples=10, rng=rng)


def test_a_single_group_is_an_error(rng):
    with pytest.raises(ValueError, match="at least two groups, got 1"):
        bootstrap_interval([np.arange(5.0)], lambda x: float(x.mean()), groups=[np.zeros(5)], rng=rng)


def test_groups_of_another_length_are_an_error(rng):
    with pytest.raises(ValueError, match="5 values need as many groups, got 4"):
        bootstrap_interval([np.arange(5.0)], lambda x: float(x.mean()), groups=[np.zeros(4)], rng=rng)
