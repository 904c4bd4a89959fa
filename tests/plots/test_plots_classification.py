"""Figures of a classifier show the numbers they are given."""

from __future__ import annotations

import numpy as np

from sonometry.evaluation.abstention import risk_coverage
from sonometry.evaluation.calibration import CalibrationCurve
from sonometry.evaluation.classification import Ranking
from sonometry.plots import classification as plots


def test_a_cell_of_the_confusion_has_its_share_and_its_count() -> None:
    (axes,) = plots.confusion_picture(np.array([[3.0, 1.0], [0.0, 0.0]]), ("A2C", "A4C")).axes
    assert [text.get_text() for text in axes.texts] == ["75 %\n3", "25 %\n1", "–", "–"]


def test_a_curve_is_named_with_its_area_and_one_without_area_is_left_out() -> None:
    right = Ranking(np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.1]))
    nothing = Ranking(np.zeros(4, bool), np.arange(4.0))
    (axes,) = plots.roc_curves([right.roc(), nothing.roc()], ("A2C", "A4C")).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["A2C, area 0.750"]
    np.testing.assert_allclose(axes.lines[-1].get_xydata()[:, 1], right.roc().y)


def test_the_calibration_error_stands_beside_the_curve() -> None:
    curve = CalibrationCurve(np.array([0.4, 0.9]), np.array([0.2, 0.8]), np.array([10, 30]))
    (axes,) = plots.calibration_picture(curve, 0.1234).axes
    assert axes.get_title(loc="right") == "expected error 0.123"
    np.testing.assert_allclose(axes.collections[0].get_offsets(), [[0.4, 0.2], [0.9, 0.8]])


def test_risk_is_drawn_against_coverage() -> None:
    curve = risk_coverage(np.array([0.9, 0.5]), np.array([True, False]))
    (axes,) = plots.risk_coverage_curves({"clips": curve}).axes
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [[0.5, 0], [1, 0.5]])


def test_the_embedding_is_coloured_by_class_and_by_vendor() -> None:
    figure = plots.embedding_pictures(np.eye(3, 2), {"class": ["A2C", "A4C", "A2C"], "vendor": ["x", "", "x"]})
    legends = [[text.get_text() for text in axes.get_legend().get_texts()] for axes in figure.axes]
    assert legends == [["A2C", "A4C"], ["unknown", "x"]]


def test_phases_are_set_apart_and_what_a_history_lacks_is_left_out() -> None:
    rows = [{"epoch": e, "phase": 1 + e // 3, "train/loss": 1 / e, "val/loss": 2 / e} for e in (1, 2, 3, 4)]
    (axes,) = plots.learning_curves(rows).axes
    training, validation, divider = axes.lines
    np.testing.assert_allclose(training.get_xydata(), [[e, 1 / e] for e in (1, 2, 3, 4)])
    assert validation.get_label() == "validation"
    assert list(divider.get_xdata()) == [2, 2]
