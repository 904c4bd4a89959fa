"""Pictures of motion and strain on top of the echo: arrays in, a matplotlib Figure out.

A picture is a `numerics.resample.Picture`: square pixels with their positions, NaN outside the insonified region.
Strain is a fraction and displacement in metres; both are scaled only here, to per cent and micrometres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from sonometry.numerics.resample import Picture
from sonometry.plots import style

#: Quality from which strain begins to cover the echo, and at which it covers it as far as it ever does.
TRANSPARENT_BELOW, OPAQUE_ABOVE, MOST_OPAQUE = 0.3, 0.9, 0.85


@dataclass(frozen=True, eq=False)
class Outline:
    """Closed lines over a picture, of one thing. parts_m : each (N, 2) depth, lateral."""

    parts_m: tuple[np.ndarray, ...]
    label: str
    colour: str
    is_dashed: bool = False


def echo_pictures(pictures: Sequence[Picture], titles: Sequence[str]) -> Figure:
    """B-mode pictures (0 black to 1 white) side by side."""
    figure, all_axes = _row(pictures[0], len(pictures), bars=0)
    for k, (axes, picture, text) in enumerate(zip(all_axes, pictures, titles, strict=True)):
        _echo(axes, picture)
        style.title(axes, text)
        style.picture_axes(axes, is_first=k == 0)
    return figure


def strain_over_echo(
    echo: Picture, strain: Picture, quality: Picture, *, outlines: Sequence[Outline] = (), note: str = ""
) -> Figure:
    """B-mode, and beside it the axial strain over it; the less the quality, the more of the echo shows through."""
    figure, (left, right) = _row(echo, 2, bars=1)
    _echo(left, echo)
    style.title(left, "B-mode")
    _echo(right, echo)
    percent = 100 * strain.pixels
    low, high = style.limits_of(np.where(quality.pixels > 0.5, percent, np.nan))
    shown = _image(right, percent, strain, style.STRAIN_MAP, (low, high), alpha=opacity(quality.pixels))
    style.title(right, "Axial strain", note=note)
    for k, axes in enumerate((left, right)):
        for outline in outlines:
            _draw(axes, outline)
        style.picture_axes(axes, is_first=k == 0)
    if outlines:
        style.legend_on_picture(left)
    shown_opaque = style.ScalarMappable(Normalize(low, high), shown.get_cmap())
    style.colour_scale(figure, shown_opaque, right, "Axial strain (%), compression negative")
    return figure


def opacity(quality: np.ndarray) -> np.ndarray:
    """Opacity of the strain for each quality: nothing below 0.3, 85 % from 0.9 on, 0 where unknown."""
    share = (np.nan_to_num(quality) - TRANSPARENT_BELOW) / (OPAQUE_ABOVE - TRANSPARENT_BELOW)
    covered: np.ndarray = MOST_OPAQUE * np.clip(share, 0.0, 1.0)
    return covered


def displacement_pictures(axial: Picture, lateral: Picture, valid: Picture) -> Figure:
    """Axial and lateral displacement, each with its own colour scale; pale where not valid."""
    figure, all_axes = _row(axial, 2, bars=2)
    labels = "Axial displacement (µm), positive away from the probe", "Lateral displacement (µm), positive to the right"
    for k, (axes, picture, label) in enumerate(zip(all_axes, (axial, lateral), labels, strict=True)):
        micrometres = 1e6 * picture.pixels
        is_valid = valid.pixels > 0.5
        limits = style.limits_of(np.where(is_valid, micrometres, np.nan))
        colours = style.DISPLACEMENT_MAP
        if limits[0] < 0 < limits[1] and min(-limits[0], limits[1]) > 0.1 * max(-limits[0], limits[1]):
            largest = max(-limits[0], limits[1])
            limits, colours = (-largest, largest), style.SIGNED_MAP
        shown = _image(axes, micrometres, picture, colours, limits, alpha=np.where(is_valid, 1.0, 0.25))
        style.title(axes, label.split(" (")[0])
        style.picture_axes(axes, is_first=k == 0)
        style.colour_scale(figure, style.ScalarMappable(shown.norm, shown.get_cmap()), axes, label)
    return figure


def quality_picture(quality: Picture, *, threshold: float, valid_share: float) -> Figure:
    """Correlation after motion compensation, with a line around what is valid, and how often each value occurs."""
    figure, (left, right) = _row(quality, 2, bars=1, share=0.8)
    shown = _image(left, quality.pixels, quality, style.QUALITY_MAP, (0.0, 1.0))
    values = quality.pixels[np.isfinite(quality.pixels)]
    if values.size and values.min() < threshold < values.max():
        left.contour(
            1e3 * quality.lateral_m, 1e3 * quality.depth_m, quality.pixels, [threshold], colors="white", linewidths=0.8
        )
    style.title(left, "Quality")
    style.picture_axes(left)
    style.colour_scale(figure, shown, left, "Correlation after motion compensation")
    counts, edges = np.histogram(values, bins=50, range=(0, 1))
    colours = [style.LINES[0] if edge >= threshold else style.FAINT for edge in edges[:-1]]
    right.bar(edges[:-1], 100 * counts / max(values.size, 1), width=np.diff(edges), align="edge", color=colours)
    right.axvline(threshold, color=style.LINES[1], linewidth=1.2)
    style.title(right, "How much of the image", note=f"{100 * valid_share:.0f} % valid")
    style.chart_axes(right, "Quality", "Share of pixels (%)")
    right.set_xlim(0, 1)
    return figure


@dataclass(frozen=True, eq=False)
class Profile:
    """Strain along one direction. position_m : (N,), strain : (N,) NaN where not valid, sd : (N,) over the band.

    span_m : begin and end of the region along it, or None.
    """

    position_m: np.ndarray
    strain: np.ndarray
    sd: np.ndarray
    title: str
    label: str
    span_m: tuple[float, float] | None = None


def strain_profiles(profiles: Sequence[Profile]) -> Figure:
    """Strain along lines: mean of a narrow band, its standard deviation as a band, the region shaded."""
    figure = style.new_figure(9.0, 3.4)
    all_axes = figure.subplots(1, len(profiles), squeeze=False)[0]
    for axes, profile in zip(all_axes, profiles, strict=True):
        position, percent, sd = 1e3 * profile.position_m, 100 * profile.strain, 100 * profile.sd
        if profile.span_m is not None:
            axes.axvspan(1e3 * profile.span_m[0], 1e3 * profile.span_m[1], color=style.GRID, label="region", zorder=0)
        axes.fill_between(position, percent - sd, percent + sd, color=style.LINES[0], alpha=0.2, linewidth=0)
        axes.plot(position, percent, color=style.LINES[0], linewidth=1.4, label="mean ± sd of a 2 mm band")
        style.title(axes, profile.title)
        style.chart_axes(axes, profile.label, "Axial strain (%)")
        axes.set_xlim(position[0], position[-1])
    style.legend_below(figure, all_axes[0])
    return figure


@dataclass(frozen=True, eq=False)
class Curve:
    """Strain along depth. depth_m, strain : (N,)."""

    depth_m: np.ndarray
    strain: np.ndarray
    label: str


def strain_comparison(
    pictures: Sequence[Picture], titles: Sequence[str], curves: Sequence[Curve], *, line_m: float
) -> Figure:
    """Strain images with one colour scale, and beside them their profiles along a vertical line at lateral `line_m`."""
    n = len(pictures)
    width, height = _panel(pictures[0], widest=2.1, tallest=3.6)
    figure = style.new_figure(n * width + 5.2, height + 0.9)
    all_axes = figure.subplots(1, n + 1, width_ratios=[*[width] * n, 3.6])
    limits = style.limits_of(100 * pictures[0].pixels)
    shown = None
    for k, (axes, picture, text) in enumerate(zip(all_axes[:n], pictures, titles, strict=True)):
        shown = _image(axes, 100 * picture.pixels, picture, style.STRAIN_MAP, limits)
        axes.axvline(1e3 * line_m, color="white", linestyle=":", linewidth=1.0)
        style.title(axes, text)
        style.picture_axes(axes, is_first=k == 0)
    if shown is not None:
        style.colour_scale(figure, shown, list(all_axes[:n]), "Axial strain (%)", shrink=0.8)
    colours = (style.INK, *style.LINES)
    for k, curve in enumerate(curves):
        line_width = 2.2 if k == 0 else 1.2
        all_axes[n].plot(
            1e3 * curve.depth_m, 100 * curve.strain, color=colours[k], linewidth=line_width, label=curve.label
        )
    margin = 0.15 * (limits[1] - limits[0])
    all_axes[n].set_ylim(limits[0] - margin, limits[1] + margin)
    style.chart_axes(all_axes[n], "Depth (mm)", "Axial strain (%)")
    style.title(all_axes[n], "Profile")
    all_axes[n].legend(fontsize=style.TICK_SIZE, frameon=False, labelcolor=style.INK)
    return figure


def strain_sequence(pictures: Sequence[Picture], titles: Sequence[str]) -> Figure:
    """Strain of several pairs with one colour scale; blank where a pair lost lock."""
    n_rows = -(-len(pictures) // 6)
    n_columns = -(-len(pictures) // n_rows)
    width, height = _panel(pictures[0], widest=1.9, tallest=3.0)
    figure = style.new_figure(n_columns * width + 1.6, n_rows * (height + 0.5) + 0.4)
    grid = figure.subplots(n_rows, n_columns, squeeze=False)
    limits = style.limits_of(np.concatenate([100 * p.pixels.ravel() for p in pictures]))
    shown = None
    for k, axes in enumerate(grid.ravel()):
        if k >= len(pictures):
            axes.set_visible(False)
            continue
        shown = _image(axes, 100 * pictures[k].pixels, pictures[k], style.STRAIN_MAP, limits)
        style.title(axes, titles[k])
        style.picture_axes(axes, is_first=k % n_columns == 0)
    if shown is not None:
        style.colour_scale(figure, shown, list(grid.ravel()), "Axial strain (%)", shrink=0.8)
    return figure


def _row(picture: Picture, n_panels: int, *, bars: int, share: float = 1.0) -> tuple[Figure, list[Axes]]:
    """Figure with panels of the shape of a picture side by side. bars : of them with a colour scale."""
    width, height = _panel(picture, widest=4.6 * share, tallest=5.4 * share)
    figure = style.new_figure(n_panels * (width + 0.35) + 0.9 * bars + 0.5, height + 0.9)
    return figure, list(figure.subplots(1, n_panels, squeeze=False)[0])


def _panel(picture: Picture, *, widest: float, tallest: float) -> tuple[float, float]:
    """Width and height, inches, of a panel that holds the picture in its proportions."""
    across, down = float(np.ptp(picture.lateral_m)), float(np.ptp(picture.depth_m))
    scale = min(widest / max(across, 1e-9), tallest / max(down, 1e-9))
    return max(across * scale, 1.6), max(down * scale, 1.6)


def _echo(axes: Axes, picture: Picture) -> None:
    _image(axes, picture.pixels, picture, style.ECHO_MAP, (0.0, 1.0))


def _image(
    axes: Axes,
    values: np.ndarray,
    picture: Picture,
    colours: str,
    limits: tuple[float, float],
    *,
    alpha: np.ndarray | None = None,
) -> AxesImage:
    """Values on the grid of a picture, in mm."""
    half = 0.5e3 * float(np.diff(picture.depth_m[:2])[0])
    extent = (
        1e3 * picture.lateral_m[0] - half,
        1e3 * picture.lateral_m[-1] + half,
        1e3 * picture.depth_m[-1] + half,
        1e3 * picture.depth_m[0] - half,
    )
    return axes.imshow(
        np.ma.masked_invalid(values),
        cmap=colours,
        norm=Normalize(*limits),
        extent=extent,
        alpha=alpha,
        interpolation="nearest",
        zorder=1,
    )


def _draw(axes: Axes, outline: Outline) -> None:
    """Closed lines, with a dark rim so that they show on any ground."""
    line = "--" if outline.is_dashed else "-"
    for k, part in enumerate(outline.parts_m):
        points = 1e3 * np.concatenate([part, part[:1]])
        axes.plot(points[:, 1], points[:, 0], color="black", linewidth=2.4, alpha=0.5, zorder=2)
        label = outline.label if k == 0 else None
        axes.plot(
            points[:, 1], points[:, 0], color=outline.colour, linewidth=1.3, linestyle=line, label=label, zorder=3
        )
