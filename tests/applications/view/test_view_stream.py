"""Training pictures: reproducible, labelled by name, and varied without losing what they show."""

from __future__ import annotations

import numpy as np
import pytest

from sonometry.applications.view.distractors import coloured_noise, distractor
from sonometry.applications.view.labels import CLASS_NAMES
from sonometry.applications.view.marks import draw_marks
from sonometry.applications.view.prepare import SIDE, Box
from sonometry.applications.view.stream import (
    HELD_OUT_VENDOR,
    Pool,
    Pooled,
    as_shown,
    label_of,
    make_frames,
    training_vendors,
    varied,
)
from sonometry.core.echo_views import NONE
from sonometry.simulation.phantoms.heart import ANYTHING


def few(rng, vendors):
    """Two pictures instead of a block of simulated frames."""
    box = Box(10, 200, 20, 190)
    return [Pooled(rng.integers(0, 256, (208, 208), dtype=np.uint8), "A4C", box) for _ in range(2)]


def test_everything_that_the_heart_shows_has_a_label():
    labels = {kind.value: label_of(kind.value) for kind in ANYTHING}
    assert labels["A5C"] == "A5C"
    assert labels["SAXAPEX"] == labels["IVC"] == labels["DOPPLER"] == NONE
    assert set(labels.values()) == set(CLASS_NAMES)


def test_what_the_heart_does_not_show_has_no_label():
    with pytest.raises(ValueError, match="'LIVER'"):
        label_of("LIVER")


def test_a_block_of_the_pool_is_made_once_and_is_the_same_in_another_folder(tmp_path):
    made = []

    def make(rng, vendors):
        made.append(vendors)
        return few(rng, vendors)

    pool = Pool(tmp_path / "a", 3, ("ember",), make)
    first = pool.item(0, 1)
    again = pool.item(0, 0)
    other = Pool(tmp_path / "b", 3, ("ember",), make).item(0, 1)
    assert made == [("ember",)] * 2
    assert np.array_equal(first.image, other.image)
    assert not np.array_equal(first.image, again.image)
    assert (first.label, first.box) == ("A4C", Box(10, 200, 20, 190))


def test_filling_makes_the_missing_blocks_only(tmp_path, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    made = []

    def make(rng, vendors):
        made.append(vendors)
        return few(rng, vendors)

    pool = Pool(tmp_path, 3, None, make)
    kept = pool.item(1, 0)
    pool.fill(3)
    assert len(made) == 3
    assert np.array_equal(pool.item(1, 0).image, kept.image)
    pool.item(2, 1)
    assert len(made) == 3


@pytest.mark.slow
def test_processes_make_the_blocks_that_one_process_makes(tmp_path, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    together = Pool(tmp_path / "a", 3, ("ember",), make_frames)
    together.fill(2)
    alone = Pool(tmp_path / "b", 3, ("ember",), make_frames)
    for block, index in ((0, 0), (1, 5), (1, 47)):
        one, other = together.item(block, index), alone.item(block, index)
        assert np.array_equal(one.image, other.image)
        assert (one.label, one.box) == (other.label, other.box)


def test_the_same_seed_gives_the_same_variation():
    pooled = few(np.random.default_rng(1), None)[0]
    pictures = [varied(pooled, np.random.default_rng(s)) for s in (5, 5, 6)]
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


@pytest.mark.parametrize("seed", range(12))
def test_variations_stay_pictures_of_the_networks_size(seed):
    rng = np.random.default_rng(seed)
    picture = varied(few(rng, None)[0], rng)
    assert picture.shape == (SIDE, SIDE)
    assert picture.dtype == np.uint8


def test_display_and_storage_keep_the_content():
    row, column = np.mgrid[:SIDE, :SIDE]
    disc = (np.hypot(row - 64, column - 64) < 30) * np.uint8(150)
    correlations = [
        np.corrcoef(as_shown(disc, np.random.default_rng(seed)).ravel(), disc.ravel())[0, 1] for seed in range(40)
    ]
    assert np.median(correlations) > 0.95


def test_marks_change_a_part_of_a_copy():
    picture = np.full((208, 208), 60, np.uint8)
    marked = draw_marks(picture, np.random.default_rng(2))
    assert (picture == 60).all()
    assert 0 < (marked != 60).mean() < 0.6


def test_distractors_are_of_many_kinds():
    rng = np.random.default_rng(4)
    pictures = [distractor(rng, 96) for _ in range(40)]
    assert {p.shape for p in pictures} == {(96, 96)}
    assert {p.dtype for p in pictures} == {np.dtype(np.uint8)}
    assert np.std([p.mean() for p in pictures]) > 20


def test_coloured_noise_has_the_slope_asked_for():
    field = coloured_noise(np.random.default_rng(7), 256, 2.0)
    power = np.abs(np.fft.fft2(field)) ** 2
    frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None])
    band = (frequency > 0.02) & (frequency < 0.4)
    slope = np.polyfit(np.log(frequency[band]), np.log(power[band]), 1)[0]
    assert slope == pytest.approx(-2.0, abs=0.05)


def test_one_vendor_is_kept_from_training():
    assert HELD_OUT_VENDOR not in training_vendors()
    assert len(set(training_vendors())) >= 4


@pytest.mark.slow
def test_a_block_holds_views_and_none_of_them():
    made = make_frames(np.random.default_rng(9), training_vendors())
    labels = [p.label for p in made]
    assert len(made) == 48
    assert 0.05 < labels.count(NONE) / len(labels) < 0.6
    assert all(0 <= p.box.top < p.box.bottom <= 208 for p in made)
