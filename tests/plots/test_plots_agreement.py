"""Bland-Altman and regression plots: what is drawn, in which unit."""

from __future__ import annotations

import numpy as np
import pytest

from sonometry.evaluation.bland_altman import bland_altman
from sonometry.plots import agreement


def test_bland_altman_draws_bias_and_limits_in_the_shown_unit(rng):
    truth = rng.normal(-0.18, 0.03, 40)
    measured = truth + rng.normal(-0.006, 0.016, 40)
    axes = agreement.bland_altman_plot(measured, truth, quantity="strain", unit="%", factor=100).axes[0]
    drawn = sorted(line.get_ydata()[0] for line in axes.lines if line.get_label()[0] != "_")
    expected = bland_altman(measured, truth)
    assert drawn == pytest.approx([100 * expected.lower, 100 * expected.bias, 100 * expected.upper])
    assert axes.get_ylabel() == "Estimate minus reference (%)"


def test_many_points_are_coloured_by_density(rng):
    x = rng.normal(0, 1, 5000)
    figure = agreement.regression_plot(x + rng.normal(0, 0.1, 5000), x, quantity="strain")
    (dots,) = figure.axes[0].collections
    values = dots.get_array()
    assert len(values) == 5000
    assert values.max() == 1
    assert values[-1] == 1  # the densest lie on top
    assert len(figure.axes) == 2


def test_density_is_largest_where_points_crowd(rng):
    x = np.concatenate([rng.normal(0, 0.01, 500), rng.uniform(-1, 1, 500)])
    y = np.concatenate([rng.normal(0, 0.01, 500), rng.uniform(-1, 1, 500)])
    value = agreement.density(x, y)
    assert value[:500].mean() > 10 * value[500:].mean()


def test_regression_draws_the_fit_in_the_shown_unit():
    x = np.linspace(0, 0.1, 50)
    axes = agreement.regression_plot(2 * x + 0.01, x, quantity="strain", unit="%", factor=100).axes[0]
    fit = axes.lines[1]
    assert np.polyfit(fit.get_xdata(), fit.get_ydata(), 1) == pytest.approx([2, 1])


def test_pairs_with_a_gap_are_not_drawn(rng):
    x = rng.normal(0, 1, 20)
    y = x.copy()
    y[:5] = np.nan
    axes = agreement.regression_plot(y, x, quantity="q").axes[0]
    assert len(axes.collections[0].get_offsets()) == 15
