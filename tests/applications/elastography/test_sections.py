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

CONFIG = ElastographyConfig()


@pytest.fixture(scope="module")
def drawn(pair):
    findings = measure(pair.recording, CONFIG)
    return findings, figures(pair.recording, findings, CONFIG)


def test_a_good_pair_has_strain_displacement_quality_and_profiles(drawn):
    assert [f.name for f in drawn[1]] == ["strain", "displacement", "quality", "profile"]


def test_every_figure_is_a_png_with_title_and_caption(drawn):
    for figure in drawn[1]:
        assert Image.open(io.BytesIO(figure.data)).width > 800
        assert figure.title
        assert figure.caption.endswith(".")


def test_the_same_findings_give_the_same_bytes(drawn, pair):
    again = figures(pair.recording, drawn[0], CONFIG)
    assert [f.data for f in again] == [f.data for f in drawn[1]]


def test_a_sequence_is_drawn_pair_by_pair(sequence):
    findings = measure(sequence.recording, CONFIG)
    assert "sequence" in [f.name for f in figures(sequence.recording, findings, CONFIG)]


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


def test_a_named_region_is_drawn(pair):
    config = ElastographyConfig(region_mm=(-1.0, 13.0, 3.0, 17.0))
    findings = measure(pair.recording, config)
    with_region = figures(pair.recording, findings, config)[0]
    without = figures(pair.recording, findings, replace(config, region_mm=(50.0, 13.0, 60.0, 17.0)))[0]
    assert with_region.data != without.data


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
