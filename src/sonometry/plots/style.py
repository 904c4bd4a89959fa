"""One look for every figure: sizes, colours, axes of pictures, colour scales, and the PNG a report holds.

matplotlib is used through its objects with the Agg canvas; no pyplot, so nothing global changes and threads do not
meet. The same figure gives the same bytes.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

INK, FAINT, GRID = "#1b2733", "#66727f", "#dfe4e9"
#: Lines in the order they are used; readable for all common kinds of colour blindness (Okabe & Ito 2008).
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
#: Colour maps by what is shown.
STRAIN_MAP, DISPLACEMENT_MAP, SIGNED_MAP, QUALITY_MAP, ECHO_MAP = "viridis", "cividis", "RdBu_r", "magma", "gray"

TITLE_SIZE, LABEL_SIZE, TICK_SIZE = 11, 9.5, 8.5
DOTS_PER_INCH = 150


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, inches, that lays out its axes without overlap."""
    engine = ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.06)
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout=engine, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure) -> bytes:
    """PNG bytes of a figure, without a date or the name of a program."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def title(axes: Axes, text: str, *, note: str = "") -> None:
    """Title at the left, and a fainter note behind it at the right."""
    axes.set_title(text, loc="left", fontsize=TITLE_SIZE, color=INK, fontweight="bold")
    if note:
        axes.set_title(note, loc="right", fontsize=TICK_SIZE, color=FAINT)


def picture_axes(axes: Axes, *, is_first: bool = True) -> None:
    """Axes of a picture in mm: lateral below, depth downwards; only the first of a row names the depth."""
    axes.set_aspect("equal")
    axes.set_xlabel("Lateral (mm)", fontsize=LABEL_SIZE, color=INK)
    if is_first:
        axes.set_ylabel("Depth (mm)", fontsize=LABEL_SIZE, color=INK)
    _ticks(axes)
    for side in axes.spines.values():
        side.set_color(GRID)


def chart_axes(axes: Axes, x_label: str, y_label: str) -> None:
    """Axes of a chart: light grid, no box."""
    axes.set_xlabel(x_label, fontsize=LABEL_SIZE, color=INK)
    axes.set_ylabel(y_label, fontsize=LABEL_SIZE, color=INK)
    _ticks(axes)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for name, side in axes.spines.items():
        side.set_visible(name in ("left", "bottom"))
        side.set_color(FAINT)


def _ticks(axes: Axes) -> None:
    axes.tick_params(labelsize=TICK_SIZE, color=FAINT, labelcolor=INK, length=3)


def colour_scale(
    figure: Figure, mappable: ScalarMappable, axes: Axes | list[Axes], label: str, *, shrink: float = 1.0
) -> Colorbar:
    """Colour bar beside one or more axes, named with its unit. shrink : its share of their height."""
    bar = figure.colorbar(mappable, ax=axes, fraction=0.05, pad=0.02, aspect=30, shrink=shrink)
    bar.set_label(label, fontsize=LABEL_SIZE, color=INK)
    bar.ax.tick_params(labelsize=TICK_SIZE, color=FAINT, labelcolor=INK, length=3)
    outline: Any = bar.outline
    outline.set_visible(False)
    return bar


def legend_on_picture(axes: Axes) -> None:
    """Legend in a corner of a picture, on a dark ground."""
    box = axes.legend(loc="lower left", fontsize=TICK_SIZE, labelcolor="white", facecolor="black", framealpha=0.65)
    box.get_frame().set_linewidth(0)


def legend_below(figure: Figure, axes: Axes) -> None:
    """One legend for all charts of a figure, below them, with the entries of `axes`."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=len(labels),
        frameon=False,
        fontsize=TICK_SIZE,
        labelcolor=INK,
    )


def limits_of(values: np.ndarray, *, percentiles: tuple[float, float] = (1, 99)) -> tuple[float, float]:
    """Colour limits that leave out outliers; a little room where all values are alike, (0, 1) where there is none."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(finite, percentiles))
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-9):
        room = 0.05 * abs(high) or 1e-6
        return low - room, high + room
    return low, high
