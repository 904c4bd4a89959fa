"""Two sets of numbers against each other: Bland-Altman plot and regression, each with the density of many points."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.spatial import cKDTree

from sonometry.evaluation.bland_altman import BlandAltman, bland_altman
from sonometry.evaluation.regression import concordance, pearson
from sonometry.plots import style

#: From this number of points on colour tells how many lie together.
DENSE_FROM = 300
#: More points than these are thinned for drawing (never for the numbers).
MOST_DRAWN = 20_000
DENSITY_MAP = "viridis"


def bland_altman_plot(
    first: np.ndarray,
    second: np.ndarray,
    *,
    quantity: str,
    unit: str = "",
    factor: float = 1.0,
    groups: np.ndarray | None = None,
    names: tuple[str, str] = ("estimate", "reference"),
    heading: str = "",
) -> Figure:
    """Difference against mean, with bias, 95 % limits and their intervals.

    first, second : (N,) in the unit of the program; shown times `factor` with the symbol `unit` (a strain: 100, "%").
    groups : (N,) patient of every pair, for limits with several pairs of a patient. Pairs with NaN are left out.
    """
    a, b, kept = _finite(first, second, groups)
    result = bland_altman(a, b, groups=kept)
    figure = style.new_figure(6.2, 4.2)
    axes = figure.subplots()
    shown = _unit(unit)
    _points(figure, axes, (a + b) / 2 * factor, (a - b) * factor)
    _limits(axes, result, factor, unit)
    style.chart_axes(
        axes,
        f"Mean of {names[0]} and {names[1]}: {quantity}{shown}",
        f"{names[0].capitalize()} minus {names[1]}{shown}",
    )
    patients = f", {result.n_groups} patients" if result.n_groups < result.n else ""
    style.title(axes, heading or quantity.capitalize(), note=f"n = {result.n}{patients}")
    return figure


def regression_plot(
    estimated: np.ndarray,
    reference: np.ndarray,
    *,
    quantity: str,
    unit: str = "",
    factor: float = 1.0,
    names: tuple[str, str] = ("estimate", "reference"),
    heading: str = "",
) -> Figure:
    """Estimate against reference with the line of identity, the fitted line, r and Lin's concordance.

    estimated, reference : (N,); shown times `factor` with the symbol `unit`. Pairs with NaN are left out.
    """
    y, x, _ = _finite(estimated, reference, None)
    figure = style.new_figure(5.4, 5.0)
    axes = figure.subplots()
    _points(figure, axes, x * factor, y * factor)
    low, high = _range(np.concatenate([x, y]) * factor)
    axes.plot([low, high], [low, high], color=style.FAINT, linewidth=1, linestyle="--", label="identity")
    if np.ptp(x) > 0:
        slope, intercept = np.polyfit(x, y, 1)
        label = f"fit: {slope:.3g} x {_signed(intercept * factor)}"
        ends = np.array([low, high])
        axes.plot(ends, slope * ends + intercept * factor, color=style.LINES[1], linewidth=1.5, label=label)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    shown = _unit(unit)
    style.chart_axes(axes, f"{names[1].capitalize()}: {quantity}{shown}", f"{names[0].capitalize()}{shown}")
    axes.legend(loc="upper left", fontsize=style.TICK_SIZE, frameon=False, labelcolor=style.INK)
    note = f"n = {len(x)}, r = {pearson(y, x):.3f}, concordance = {concordance(y, x):.3f}"
    axes.text(0.98, 0.03, note, transform=axes.transAxes, ha="right", fontsize=style.TICK_SIZE, color=style.FAINT)
    style.title(axes, heading or quantity.capitalize())
    return figure


def density(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(N,) points in the neighbourhood of every point, 0 to 1 for the densest.

    Neighbourhoods are discs of a fiftieth of the spread (5th to 95th percentile) along both axes.
    """
    points = np.stack([_scaled(x), _scaled(y)], axis=1)
    counts = cKDTree(points).query_ball_point(points, 0.02, return_length=True).astype(np.float64)
    return counts / counts.max()


def _finite(
    first: np.ndarray, second: np.ndarray, groups: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    a, b = np.asarray(first, np.float64).ravel(), np.asarray(second, np.float64).ravel()
    if a.shape != b.shape:
        raise ValueError(f"both need the same number of values, got {a.shape} and {b.shape}")
    kept = np.isfinite(a) & np.isfinite(b)
    return a[kept], b[kept], None if groups is None else np.asarray(groups).ravel()[kept]


def _points(figure: Figure, axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Points as dots; coloured by density, the densest on top, where there are many."""
    if len(x) < DENSE_FROM:
        axes.scatter(x, y, s=16, color=style.LINES[0], alpha=0.75, linewidths=0, zorder=3)
        return
    if len(x) > MOST_DRAWN:
        drawn = np.random.default_rng(0).choice(len(x), MOST_DRAWN, replace=False)
        x, y = x[drawn], y[drawn]
    value = density(x, y)
    order = np.argsort(value)
    dots = axes.scatter(
        x[order], y[order], s=6, c=value[order], cmap=DENSITY_MAP, vmin=0, vmax=1, linewidths=0, zorder=3,
        rasterized=True,
    )  # fmt: skip
    style.colour_scale(figure, dots, axes, "Density of points (largest = 1)", shrink=0.8)


def _limits(axes: Axes, result: BlandAltman, factor: float, unit: str) -> None:
    lines = (
        (result.bias, result.bias_interval, "bias", style.LINES[1], "-"),
        (result.upper, result.upper_interval, "upper limit", style.INK, "--"),
        (result.lower, result.lower_interval, "lower limit", style.INK, "--"),
    )
    axes.axhline(0, color=style.FAINT, linewidth=0.8)
    for value, interval, name, colour, dashes in lines:
        label = f"{name} {value * factor:.3g}{' ' + unit if unit else ''}"
        axes.axhspan(interval.low * factor, interval.high * factor, color=colour, alpha=0.12, linewidth=0, zorder=1)
        axes.axhline(value * factor, color=colour, linewidth=1.3, linestyle=dashes, label=label, zorder=4)
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.16),
        ncols=3,
        fontsize=style.TICK_SIZE,
        frameon=False,
        labelcolor=style.INK,
    )


def _scaled(values: np.ndarray) -> np.ndarray:
    low, high = np.percentile(values, [5, 95])
    return (values - low) / (high - low if high > low else 1.0)


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'} {abs(value):.3g}"


def _unit(unit: str) -> str:
    return f" ({unit})" if unit else ""
