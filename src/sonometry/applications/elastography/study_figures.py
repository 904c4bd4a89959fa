"""Figures of the studies: strain images beside each other with profiles, and agreement with the truth."""

from __future__ import annotations

import numpy as np

from sonometry.applications.elastography.config import ElastographyConfig
from sonometry.applications.elastography.sections import figures as report_figures
from sonometry.applications.elastography.sections import on_picture
from sonometry.applications.elastography.study_pairs import STIFFNESS_PA, frames_of, measured, test_pair
from sonometry.core import Simulated
from sonometry.core.application import Findings
from sonometry.core.paper_study import Cell
from sonometry.core.report import Figure
from sonometry.core.rf import RFFrames
from sonometry.evaluation.bland_altman import BlandAltman, bland_altman
from sonometry.plots.agreement import bland_altman_plot, regression_plot
from sonometry.plots.fields import Curve, strain_comparison
from sonometry.plots.style import png

#: Methods whose images are shown, after the truth.
SHOWN = ("sonometry", "wu2018", "AM2D, Kalman")


def image_pairs(n_pairs: int, methods: tuple[tuple[str, ElastographyConfig], ...]) -> tuple[Figure, ...]:
    """Figure 3 of the paper: strain of every stiffness by truth and methods, with the profile through the inclusion."""
    shown = {name: config for name, config in methods if name in SHOWN}
    return tuple(_image_pair(k, test_pair(k), shown) for k in range(n_pairs))


def _image_pair(index: int, pair: Simulated, methods: dict[str, ElastographyConfig]) -> Figure:
    recording = frames_of(pair)
    strains = {"truth": pair.truth["axial_strain"]}
    strains |= {name: measured(pair, config).axial_strain for name, config in methods.items()}
    line = int(np.argmin(np.abs(recording.lateral_m - float(pair.labels["inclusion_lateral_m"]))))
    curves = [Curve(recording.depth_m, strain[:, line], name) for name, strain in strains.items()]
    pictures = [on_picture(recording, strain) for strain in strains.values()]
    drawn = strain_comparison(pictures, list(strains), curves, line_m=float(recording.lateral_m[line]))
    kilopascal = STIFFNESS_PA[index % len(STIFFNESS_PA)] / 1e3
    title = f"Inclusion of {kilopascal:.0f} kPa in 25 kPa"
    caption = "Axial strain by truth and methods, and its profile along the dotted line."
    return Figure(f"images_{index}", title, caption, png(drawn))


def agreement(name: str, pixels: np.ndarray) -> tuple[list[Figure], tuple[Cell, ...]]:
    """Bland-Altman and regression plots of one method, and their numbers.

    pixels : (5, N) displacement found and true in m, strain found and true, number of the pair.
    """
    groups = pixels[4].astype(int)
    figures: list[Figure] = []
    limits: list[Cell] = []
    kinds = (("displacement", pixels[0], pixels[1], 1e6, "µm"), ("strain", pixels[2], pixels[3], 100.0, "%"))
    stem = name.replace(", ", "_").replace(" ", "_").lower()
    for quantity, found, true, factor, unit in kinds:
        names = (name, "truth")
        altman = bland_altman_plot(
            found, true, quantity=quantity, unit=unit, factor=factor, names=names, heading=f"{name}: {quantity}"
        )
        line = regression_plot(
            found, true, quantity=quantity, unit=unit, factor=factor, names=names, heading=f"{name}: {quantity}"
        )
        caption = f"{name} against the truth over the pixels of all test pairs; colour tells how dense they lie."
        figures.append(
            Figure(f"bland_altman_{stem}_{quantity}", f"Agreement of {quantity}: {name}", caption, png(altman))
        )
        figures.append(Figure(f"regression_{stem}_{quantity}", f"Regression of {quantity}: {name}", caption, png(line)))
        limits += _limits(bland_altman(found, true, groups=groups), factor)
    return figures, (name, len(np.unique(groups)), pixels.shape[1], *limits)


def _limits(result: BlandAltman, factor: float) -> tuple[Cell, Cell]:
    return factor * result.bias, f"{factor * result.lower:.3g} to {factor * result.upper:.3g}"


def recording_figure(
    recording: RFFrames, findings: Findings, config: ElastographyConfig, stem: str, title: str
) -> list[Figure]:
    """The strain image of a user's recording as the report shows it."""
    name = stem.replace(", ", "_").replace(" ", "_").lower()
    made = report_figures(recording, findings, config)[:1]
    return [Figure(f"{figure.name}_{name}", title, figure.caption, figure.data, figure.media_type) for figure in made]
