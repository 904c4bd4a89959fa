"""Figures of a classifier: confusion, ROC, precision and recall, calibration, risk and coverage, embedding, learning.

Arrays in, a matplotlib Figure out; shares are fractions and shown as such, confusion in per cent of the true class.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sonometry.evaluation.abstention import RiskCoverage
from sonometry.evaluation.calibration import CalibrationCurve
from sonometry.evaluation.classification import Curve
from sonometry.plots import style

#: Ten colours that stay apart, the first six those of all lines.
COLOURS = (*style.LINES, "#7a5195", "#8c564b", "#3b3b3b", "#9aa5b1")
_DASHES = ("-", "--", ":")


def confusion_picture(confusion: np.ndarray, names: Sequence[str], *, title: str = "Confusion") -> Figure:
    """Per cent of each true class (rows) named as each class (columns), with the counts below; diagonal is right."""
    n = len(names)
    figure = style.new_figure(1.6 + 0.72 * n, 1.5 + 0.62 * n)
    axes = figure.add_subplot()
    totals = confusion.sum(axis=1, keepdims=True)
    share = np.divide(confusion, totals, out=np.zeros_like(confusion, dtype=float), where=totals > 0)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in itertools.product(range(n), range(n)):
        colour = "white" if share[row, column] > 0.55 else style.INK if confusion[row, column] else "#b8c0c8"
        text = f"{100 * share[row, column]:.0f} %\n{confusion[row, column]:.0f}" if totals[row] else "–"
        axes.text(column, row, text, ha="center", va="center", fontsize=7.5, color=colour, linespacing=1.1)
    axes.set_xticks(range(n), names, rotation=35 if n > 3 else 0, ha="right" if n > 3 else "center")
    axes.set_yticks(range(n), names)
    axes.tick_params(labelsize=style.TICK_SIZE, length=0, labelcolor=style.INK)
    axes.set_xlabel("Named as", fontsize=style.LABEL_SIZE, color=style.INK)
    axes.set_ylabel("True", fontsize=style.LABEL_SIZE, color=style.INK)
    for side in axes.spines.values():
        side.set_visible(False)
    style.title(axes, title)
    return figure


def roc_curves(curves: Sequence[Curve], names: Sequence[str], *, title: str = "ROC") -> Figure:
    """True against false positive rate of every class, with the area in the legend."""
    figure, axes = _chart("False positive rate", "True positive rate")
    axes.plot([0, 1], [0, 1], color=style.GRID, linewidth=1)
    _lines(axes, curves, names, "area")
    style.title(axes, title)
    _legend(axes)
    return figure


def precision_recall_curves(
    curves: Sequence[Curve], names: Sequence[str], *, title: str = "Precision, recall"
) -> Figure:
    """Precision against recall of every class, with the average precision in the legend."""
    figure, axes = _chart("Recall", "Precision")
    _lines(axes, curves, names, "AP")
    style.title(axes, title)
    _legend(axes)
    return figure


def calibration_picture(curve: CalibrationCurve, error: float, *, title: str = "Calibration") -> Figure:
    """Share of right items against confidence; the size of a point is the number of its items."""
    figure, axes = _chart("Confidence", "Share that is right")
    axes.plot([0, 1], [0, 1], color=style.FAINT, linewidth=1, linestyle="--", label="as it says")
    size = 12 + 180 * np.sqrt(curve.count / max(curve.count.max(), 1))
    axes.plot(curve.confidence, curve.accuracy, color=style.LINES[0], linewidth=1.2)
    axes.scatter(curve.confidence, curve.accuracy, s=size, color=style.LINES[0], alpha=0.75, linewidths=0)
    style.title(axes, title, note=f"expected error {error:.3f}")
    _legend(axes)
    return figure


def risk_coverage_curves(curves: Mapping[str, RiskCoverage], *, title: str = "Abstention") -> Figure:
    """Error among the answered items against the share that is answered."""
    figure, axes = _chart("Share answered", "Error among the answered", limit=False)
    for colour, (name, curve) in zip(COLOURS, curves.items(), strict=False):
        axes.step(curve.coverage, curve.risk, where="pre", color=colour, linewidth=1.5, label=name)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(bottom=0)
    style.title(axes, title)
    _legend(axes)
    return figure


def embedding_pictures(points: np.ndarray, groups: Mapping[str, Sequence[str]], *, note: str = "t-SNE") -> Figure:
    """The same points (N, 2) side by side, coloured by each of the groupings (class, vendor)."""
    figure = style.new_figure(5.0 * len(groups), 4.4)
    for k, (what, values) in enumerate(groups.items()):
        axes = figure.add_subplot(1, len(groups), k + 1)
        labels = np.asarray(values, dtype=np.str_)
        for colour, name in zip(itertools.cycle(COLOURS), np.unique(labels), strict=False):
            own = points[labels == name]
            axes.scatter(own[:, 0], own[:, 1], s=7, color=colour, alpha=0.7, linewidths=0, label=str(name) or "unknown")
        axes.set_xticks([])
        axes.set_yticks([])
        for side in axes.spines.values():
            side.set_color(style.GRID)
        style.title(axes, f"By {what}", note=note if k == 0 else "")
        axes.legend(
            fontsize=style.TICK_SIZE, frameon=False, markerscale=2.2, loc="upper center", bbox_to_anchor=(0.5, -0.01),
            ncols=4, handletextpad=0.2, columnspacing=1.0, labelcolor=style.INK,
        )  # fmt: skip
    return figure


def learning_curves(rows: Sequence[Mapping[str, float]], *, title: str = "Learning") -> Figure:
    """Loss and accuracy of training and validation over the epochs (or steps); phases are set apart by lines.

    rows : of a history; what they do not have is left out.
    """
    measures = [m for m in ("loss", "accuracy") if any(name.endswith(f"/{m}") for row in rows for name in row)]
    figure = style.new_figure(4.5 * max(len(measures), 1), 3.4)
    x_name = "epoch" if rows and "epoch" in rows[0] else "step"
    for k, measure in enumerate(measures):
        axes = figure.add_subplot(1, len(measures), k + 1)
        for colour, side, label in zip(COLOURS, ("train", "val"), ("training", "validation"), strict=False):
            own = [(row[x_name], row[f"{side}/{measure}"]) for row in rows if f"{side}/{measure}" in row]
            if own:
                axes.plot(*zip(*own, strict=True), color=colour, linewidth=1.5, label=label)
        for before, after in itertools.pairwise(rows):
            if before.get("phase") != after.get("phase"):
                axes.axvline(before[x_name], color=style.FAINT, linewidth=0.8, linestyle=":")
        style.chart_axes(axes, x_name.capitalize(), measure.capitalize())
        style.title(axes, title if k == 0 else "")
        _legend(axes)
    return figure


def _chart(x_label: str, y_label: str, *, limit: bool = True) -> tuple[Figure, Axes]:
    figure = style.new_figure(5.0, 4.3)
    axes = figure.add_subplot()
    style.chart_axes(axes, x_label, y_label)
    if limit:
        axes.set_xlim(-0.01, 1.01)
        axes.set_ylim(-0.01, 1.02)
    return figure, axes


def _lines(axes: Axes, curves: Sequence[Curve], names: Sequence[str], what: str) -> None:
    for k, (curve, name) in enumerate(zip(curves, names, strict=True)):
        if np.isfinite(curve.area):
            colour, dash = COLOURS[k % len(COLOURS)], _DASHES[k // len(COLOURS) % len(_DASHES)]
            axes.plot(curve.x, curve.y, dash, color=colour, linewidth=1.4, label=f"{name}, {what} {curve.area:.3f}")


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=style.TICK_SIZE, frameon=False, labelcolor=style.INK)
