"""Figures as objects: what is drawn where, in which unit, and how well."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from sonometry.numerics.resample import Picture
from sonometry.plots import fields, style

DEPTH_M, LATERAL_M = np.linspace(0, 0.03, 121), np.linspace(-0.01, 0.01, 81)


def picture(values) -> Picture:
    pixels = np.broadcast_to(values, (121, 81)).astype(np.float32)
    return Picture(pixels, np.isfinite(pixels), DEPTH_M, LATERAL_M)


@pytest.fixture
def strain():
    return picture(-0.01 - 0.2 * DEPTH_M[:, None])


def labels_of(figure):
    return {label for axes in figure.axes for label in (axes.get_xlabel(), axes.get_ylabel()) if label}


def test_strain_is_shown_in_per_cent_over_the_echo(strain):
    figure = fields.strain_over_echo(picture(0.5), strain, picture(1.0))
    echo, overlay = figure.axes[1].get_images()
    assert "Axial strain (%), compression negative" in labels_of(figure)
    assert float(overlay.get_array().min()) == pytest.approx(-1.6, abs=0.01)
    assert float(echo.get_array().max()) == 0.5


def test_poor_quality_lets_the_echo_through():
    np.testing.assert_allclose(
        fields.opacity(np.array([np.nan, 0.0, 0.3, 0.6, 0.9, 1.0])), [0, 0, 0, 0.425, 0.85, 0.85]
    )


def test_colour_limits_ignore_strain_of_poor_quality(strain):
    spoiled = np.where(DEPTH_M[:, None] < 0.005, 5.0, strain.pixels)
    quality = picture(np.where(DEPTH_M[:, None] < 0.005, 0.1, 1.0))
    figure = fields.strain_over_echo(picture(0.5), picture(spoiled), quality)
    assert figure.axes[1].get_images()[1].norm.vmax < 0


def test_pictures_lie_in_millimetres_with_depth_downwards(strain):
    figure = fields.echo_pictures([picture(0.5)], ["one"])
    left, right, bottom, top = figure.axes[0].get_images()[0].get_extent()
    assert (left, right) == (pytest.approx(-10.125), pytest.approx(10.125))
    assert bottom > top


def test_displacement_that_changes_sign_gets_a_balanced_scale():
    signed, growing = picture(1e-4 * LATERAL_M / 0.01), picture(-1e-2 * DEPTH_M[:, None])
    figure = fields.displacement_pictures(growing, signed, picture(1.0))
    axial, lateral = (figure.axes[k].get_images()[0] for k in (0, 1))
    assert lateral.norm.vmin == pytest.approx(-lateral.norm.vmax)
    assert axial.norm.vmax <= 0
    assert float(axial.get_array().min()) == pytest.approx(-300, abs=1)


def test_quality_histogram_adds_up_to_all_pixels():
    quality = picture(np.linspace(0, 1, 121)[:, None])
    figure = fields.quality_picture(quality, threshold=0.5, valid_share=0.5)
    bars = figure.axes[1].patches
    assert sum(bar.get_height() for bar in bars) == pytest.approx(100)
    assert figure.axes[1].get_title(loc="right") == "50 % valid"


def test_profile_has_gaps_where_nothing_is_known():
    values = np.where(np.arange(50) < 25, -0.01, np.nan)
    profile = fields.Profile(np.linspace(0, 0.03, 50), values, 0.1 * np.abs(values), "Along depth", "Depth (mm)")
    line = fields.strain_profiles([profile]).axes[0].lines[0]
    assert np.isnan(line.get_ydata()[30])
    assert line.get_ydata()[0] == pytest.approx(-1.0)


@pytest.mark.parametrize("n_pairs", [1, 5, 7, 12])
def test_sequence_draws_every_pair_once_with_one_scale(strain, n_pairs):
    figure = fields.strain_sequence([strain] * n_pairs, [f"{k} to {k + 1}" for k in range(n_pairs)])
    drawn = [axes for axes in figure.axes if axes.get_images()]
    assert [axes.get_title(loc="left") for axes in drawn] == [f"{k} to {k + 1}" for k in range(n_pairs)]
    assert len({axes.get_images()[0].norm.vmin for axes in drawn}) == 1


def test_blank_pictures_are_drawn_without_a_warning():
    blank = picture(np.nan)
    for figure in (
        fields.strain_over_echo(picture(0.0), blank, picture(0.0)),
        fields.displacement_pictures(blank, blank, picture(0.0)),
        fields.quality_picture(blank, threshold=0.5, valid_share=0.0),
        fields.strain_sequence([blank], ["0 to 1"]),
    ):
        assert style.png(figure)


def test_outline_and_its_name_are_drawn_on_both_pictures(strain):
    outline = fields.Outline((np.array([[0.01, -0.002], [0.01, 0.002], [0.014, 0.0]]),), "region", "red")
    figure = fields.strain_over_echo(picture(0.5), strain, picture(1.0), outlines=[outline])
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["region"]
    assert len(figure.axes[1].lines) == 2


def test_png_is_the_same_every_time_and_names_no_program(strain):
    first, second = (style.png(fields.echo_pictures([strain], ["B-mode"])) for _ in range(2))
    assert first == second
    assert "Software" not in Image.open(io.BytesIO(first)).info


@pytest.mark.parametrize(
    ("values", "limits"),
    [([np.nan], (0.0, 1.0)), ([2.0, 2.0], (1.9, 2.1)), ([0.0, 0.0], (-1e-6, 1e-6)), ([0.0, 100.0], (1.0, 99.0))],
)
def test_limits_leave_room_or_leave_out_outliers(values, limits):
    assert style.limits_of(np.array(values)) == pytest.approx(limits)


def test_no_global_state_of_matplotlib_is_touched(strain):
    import matplotlib

    before = dict(matplotlib.rcParams)
    style.png(fields.echo_pictures([strain], ["B-mode"]))
    assert dict(matplotlib.rcParams) == before
