"""Pictures of a classified clip: frames with their labels, probabilities over time and by label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from sonometry.plots import style

#: Labels that are drawn over time at most.
_MOST_LINES = len(style.LINES)


def labelled_frames(frames: Sequence[np.ndarray], titles: Sequence[str]) -> Figure:
    """Grey frames (H, W), 0 to 255, side by side, each under its title."""
    figure = style.new_figure(2.6 * len(frames) + 0.3, 2.9)
    for axes, frame, text in zip(figure.subplots(1, len(frames), squeeze=False)[0], frames, titles, strict=True):
        axes.imshow(frame, cmap=style.ECHO_MAP, vmin=0, vmax=255, interpolation="antialiased")
        style.title(axes, text)
        axes.set_xticks([])
        axes.set_yticks([])
        for side in axes.spines.values():
            side.set_color(style.GRID)
    return figure


def probabilities_over_time(x: np.ndarray, probabilities: np.ndarray, names: Sequence[str], x_label: str) -> Figure:
    """(T, C) probabilities against x (T,), of those labels that lead somewhere."""
    leading = np.unique(probabilities.argmax(axis=1))
    shown = leading[np.argsort(-probabilities[:, leading].mean(axis=0))][:_MOST_LINES]
    figure = style.new_figure(7.2, 2.9)
    axes = figure.subplots()
    for label, colour in zip(shown, style.LINES, strict=False):
        axes.plot(x, 100 * probabilities[:, label], color=colour, linewidth=1.8, label=names[label])
    axes.set_ylim(-3, 103)
    style.title(axes, "Probability by frame")
    style.chart_axes(axes, x_label, "Probability (%)")
    style.legend_below(figure, axes)
    return figure


def label_bars(probabilities: np.ndarray, names: Sequence[str], *, highlighted: str | None = None) -> Figure:
    """Mean of (T, C) probabilities by label, with the range from the 10th to the 90th percentile."""
    mean = 100 * probabilities.mean(axis=0)
    low, high = 100 * np.percentile(probabilities, [10, 90], axis=0)
    reach = np.stack([np.maximum(mean - low, 0), np.maximum(high - mean, 0)])
    figure = style.new_figure(7.2, 2.9)
    axes = figure.subplots()
    colours = [style.LINES[0] if name == highlighted else style.LINES[5] for name in names]
    axes.bar(range(len(names)), mean, color=colours, width=0.7)
    axes.errorbar(range(len(names)), mean, reach, fmt="none", ecolor=style.FAINT, elinewidth=1.2, capsize=2)
    style.title(axes, "Probability by label", note="mean and range over frames")
    style.chart_axes(axes, "", "Probability (%)")
    axes.set_xticks(range(len(names)), names)
    axes.set_ylim(0, 103)
    axes.grid(False, axis="x")
    return figure


@dataclass(frozen=True, eq=False)
class Curve:
    """Accuracy over epochs, all (N,); training may hold NaN. openings : epochs at which layers were opened."""

    label: str
    epochs: np.ndarray
    validation: np.ndarray
    training: np.ndarray
    openings: np.ndarray


def learning_curves(curves: Sequence[Curve]) -> Figure:
    """Validation accuracy in full, training accuracy dashed in the same colour."""
    figure = style.new_figure(7.2, 3.6)
    axes = figure.subplots()
    for number, curve in enumerate(curves):
        colour = style.LINES[number % len(style.LINES)]
        marker = "o" if len(curve.epochs) < 3 else ""
        axes.plot(curve.epochs, 100 * curve.validation, color=colour, linewidth=1.8, label=curve.label, marker=marker)
        axes.plot(curve.epochs, 100 * curve.training, color=colour, linewidth=1.0, linestyle="--", marker=marker)
        for epoch in curve.openings:
            axes.axvline(epoch, color=style.GRID, linewidth=0.8, zorder=0)
    style.chart_axes(axes, "Epochs", "Accuracy (%)")
    axes.set_ylim(0, 101)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=style.TICK_SIZE, labelcolor=style.INK)
    return figure


def grouped_bars(values: Mapping[str, Sequence[float]], groups: Sequence[str]) -> Figure:
    """One bar a group and series; shares shown in per cent."""
    figure = style.new_figure(7.6, 3.4)
    axes = figure.subplots()
    width = 0.8 / max(len(values), 1)
    for number, (label, heights) in enumerate(values.items()):
        at = np.arange(len(groups)) + (number - (len(values) - 1) / 2) * width
        axes.bar(at, 100 * np.asarray(heights), width, color=style.LINES[number], label=label)
    style.chart_axes(axes, "", "Accuracy (%)")
    axes.set_xticks(range(len(groups)), groups, rotation=20, ha="right")
    axes.set_ylim(0, 101)
    axes.grid(False, axis="x")
    style.legend_below(figure, axes)
    return figure


def accuracy_lines(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], x_label: str) -> Figure:
    """Accuracy over a positive quantity on a logarithmic axis."""
    figure = style.new_figure(7.2, 3.4)
    axes = figure.subplots()
    for number, (label, (x, y)) in enumerate(curves.items()):
        axes.plot(x, 100 * np.asarray(y), color=style.LINES[number], marker="o", linewidth=1.8, label=label)
    axes.set_xscale("log")
    style.chart_axes(axes, x_label, "Accuracy (%)")
    axes.set_ylim(0, 101)
    if curves:
        style.legend_below(figure, axes)
    return figure
