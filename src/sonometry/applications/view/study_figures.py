"""Figures of the studies: learning curves, confusion, accuracy by split and by size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sonometry.applications.view.study_runs import Outcome
from sonometry.core.report import Figure
from sonometry.plots import views as plots
from sonometry.plots.classification import confusion_picture
from sonometry.plots.style import png


def curves_figure(
    histories: Mapping[str, Sequence[Mapping[str, float]]], title: str, *, name: str = "curves"
) -> Figure:
    """Accuracy over epochs, validation in full and training dashed; openings of layers as lines."""
    curves = []
    for label, rows in histories.items():
        epochs = np.array([row.get("epoch", row["step"]) for row in rows])
        validation = np.array([row.get("val/accuracy", np.nan) for row in rows])
        training = np.array([row.get("train/accuracy", np.nan) for row in rows])
        phase = np.array([row.get("phase", 1) for row in rows])
        openings = epochs[1:][np.diff(phase) > 0]
        curves.append(plots.Curve(label, epochs, validation, training, openings))
    caption = "Accuracy of frames after every validation: validation in full, training (augmented) dashed."
    return Figure(name, f"Learning curves: {title}", caption, png(plots.learning_curves(curves)))


def confusion_figure(outcome: Outcome, title: str) -> Figure:
    """Shares of every true view that were given each label."""
    drawn = confusion_picture(np.array(outcome.confusion, float), outcome.class_names, title="Test frames")
    return Figure("confusion", f"Confusion: {title}", "Rows are the true views.", png(drawn))


def bars_figure(values: Mapping[str, Sequence[float]], groups: Sequence[str], title: str) -> Figure:
    """Accuracy of several networks by split."""
    drawn = plots.grouped_bars(values, groups)
    return Figure("splits", title, "Highest validation accuracy of each network.", png(drawn))


def lines_figure(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], title: str, x_label: str) -> Figure:
    """Accuracy over a number of frames, on a logarithmic axis."""
    drawn = plots.accuracy_lines(curves, x_label)
    return Figure("size", title, "One point a training.", png(drawn))
