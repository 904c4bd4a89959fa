"""Figures of the report: there for every outcome, deterministic, with captions that say what is shown."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from sonometry.applications.elastography.config import ElastographyConfig
from sonometry.applications.elastography.measure import measure
from sonometry.applications.elastography.sections import echo_picture, figures, on_picture
from sonometry.core import Geometry
from sonometry.plots import style

CONFIG = ElastographyConfig(sequence=False)


@pytest.fixture(scope="module", autouse=True)
def _small_pictures():
    """A third of the resolution: what is drawn stays the same, and it takes half the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "DOTS_PER_INCH", 50)
        yield


@pytest.fixture(scope="module")
def drawn(pair):
    findings = measure(pair.recording, CONFIG)
    return findings, figures(pair.recording, findings, CONFIG)


def test_a_good_pair_has_strain_displacement_quality_and_profiles(drawn):
    assert [f.name for f in drawn[1]] == ["strain", "displacement", "quality", "profile"]


def test_every_figure_is_a_png_with_title_and_caption(drawn):
    for figure in drawn[1]:
        assert Image.open(io.BytesIO(figure.data)).width > 300
        assert figure.title
        assert figure.caption.endswith(".")


def test_a_sequence_is_drawn_pair_by_pair(sequence):
    config = ElastographyConfig(region_mm=(-1.0, 13.0, 3.0, 17.0))
    findings = measure(sequence.recording, config)
    assert "sequence" in [f.name for f in figures(sequence.recording, findings, config)]


def test_a_lost_pair_shows_both_frames_and_no_strain(unrelated):
    findings = measure(unrelated, CONFIG)
    assert [f.name for f in figures(unrelated, findings, CONFIG)] == ["bmode", "quality"]


@pytest.mark.parametrize("spoil", [lambda s: s[:1], np.zeros_like])
def test_without_strain_the_echo_is_shown(pair, spoil):
    recording = replace(pair.recording, samples=spoil(pair.recording.samples))
    findings = measure(recording, CONFIG)
    assert [f.name for f in figures(recording, findings, CONFIG)] == ["bmode"]


def test_identical_frames_are_drawn(pair):
    still = replace(pair.recording, samples=np.stack([pair.recording.samples[0]] * 2))
    assert figures(still, measure(still, CONFIG), CONFIG)


def test_a_named_region_is_drawn_in_place_of_the_found_one(pair, drawn):
    named = ElastographyConfig(region_mm=(-6.0, 5.0, -2.0, 9.0))
    again = figures(pair.recording, drawn[0], named)
    assert again[0].data != drawn[1][0].data
    assert again[1].data == drawn[1][1].data, "the displacement has no region"
    assert "7.0 mm deep and -4.0 mm beside" in again[3].caption


def test_a_picture_has_square_pixels_of_the_images_size(pair):
    picture = on_picture(pair.recording, pair.truth["axial_strain"])
    assert np.ptp(picture.depth_m) == pytest.approx(np.ptp(pair.recording.depth_m), rel=0.01)
    assert np.ptp(picture.lateral_m) == pytest.approx(np.ptp(pair.recording.lateral_m), rel=0.02)
    np.testing.assert_allclose(np.diff(picture.depth_m)[0], np.diff(picture.lateral_m)[0])


def test_a_sector_is_shown_as_one(pair):
    sector = replace(
        pair.recording, geometry=Geometry.SECTOR, line_angle_rad=0.01, probe_radius_m=0.04, line_pitch_m=0.0004
    )
    picture = echo_picture(sector, 0)
    assert np.ptp(picture.lateral_m) > 0.07 * 63 * 0.01 * 0.95
    assert not picture.inside.all()
    findings = measure(sector, CONFIG)
    assert figures(sector, findings, CONFIG)
