"""Screens of invented scanners: geometry, graphics, storage."""

from __future__ import annotations

import numpy as np
import pytest

from sonometry.core.signals import Signals
from sonometry.simulation.appearance import (
    VENDORS,
    Screen,
    ScreenSettings,
    Storage,
    random_vendor,
)
from sonometry.simulation.echo.beams import ScanConverter, Sector

SECTOR = Sector(0.16, 0.65, 64, 48)


def make_screen(vendor, seed=0, **options):
    return Screen(vendor, SECTOR, ScreenSettings(), np.random.default_rng(seed), **options)


def black_frame(screen, ecg=None, time_s=1.0):
    mask = ScanConverter(SECTOR, screen.raster).mask
    return screen.frame(np.zeros(screen.shape, np.float32), mask, time_s, ecg)


def test_there_are_five_vendors_with_names_of_their_own():
    assert len(VENDORS) == 5
    assert len({v.manufacturer for v in VENDORS.values()}) == 5


@pytest.mark.parametrize("name", list(VENDORS))
def test_the_whole_sector_lies_on_the_vendors_screen(name):
    screen = make_screen(VENDORS[name])
    lateral, axial = SECTOR.points_m()
    rows, columns = screen.raster.to_pixels(lateral, axial)
    assert rows.min() >= -1
    assert rows.max() <= screen.shape[0]
    assert columns.min() >= -1
    assert columns.max() <= screen.shape[1]


@pytest.mark.parametrize("name", list(VENDORS))
def test_graphics_leave_the_middle_of_the_image_alone(name):
    screen = make_screen(VENDORS[name], size=(256, 256))
    row, column = screen.raster.to_pixels(np.array(0.0), np.array(0.08))
    around = black_frame(screen)[int(row) - 15 : int(row) + 15, int(column) - 15 : int(column) + 15]
    assert np.ptp(around) == 0


def test_vendors_write_different_screens():
    frames = [black_frame(make_screen(v, size=(240, 320))) for v in VENDORS.values()]
    for i, first in enumerate(frames):
        assert all((first != second).any() for second in frames[i + 1 :])


def test_cropped_frames_show_hardly_any_graphics():
    full = np.mean([(black_frame(make_screen(VENDORS["aurelia"], s, size=(224, 224))) > 40).mean() for s in range(6)])
    cropped = np.mean(
        [
            (black_frame(make_screen(VENDORS["aurelia"], s, size=(224, 224), is_cropped=True)) > 40).mean()
            for s in range(6)
        ]
    )
    assert cropped < 0.3 * full


def test_ecg_runs_with_time():
    times = np.arange(2000) / 500
    ecg = Signals(("ecg",), ("mV",), np.sin(20 * times)[:, None], 500.0)
    screen = make_screen(VENDORS["aurelia"])
    early, late = (black_frame(screen, ecg, t) for t in (0.5, 1.5))
    assert (early != late).sum() > 100


def test_a_random_vendor_differs_from_seed_to_seed():
    first, second = (random_vendor(np.random.default_rng(s)) for s in (1, 2))
    assert first != second
    assert random_vendor(np.random.default_rng(1)) == first


@pytest.mark.parametrize("size", [(112, 112), (113, 97)])
def test_any_size_is_kept_exactly(size):
    screen = make_screen(VENDORS["ember"], size=size)
    assert black_frame(screen).shape == size
    assert screen.store([black_frame(screen)] * 3).shape == (3, *size)


@pytest.mark.parametrize("storage", list(Storage))
def test_storage_changes_grey_levels_a_little_at_most(storage):
    from dataclasses import replace

    screen = make_screen(replace(VENDORS["cascade"], storage=storage), size=(120, 160))
    ramp = np.tile(np.linspace(0, 255, 160).astype(np.uint8), (120, 1))
    kept = screen.store([ramp] * 4)
    assert kept.shape == (4, 120, 160)
    assert np.abs(kept.astype(int) - ramp).mean() < (0.1 if storage is Storage.RAW else 8)


def test_texts_name_no_person():
    words = " ".join(text for v in VENDORS.values() for _, _, text in v.texts).lower()
    assert not any(word in words for word in ("name", "patient", "dob", "birth"))


def test_a_colour_box_paints_blood_and_draws_its_frame():
    from sonometry.simulation.echo.colour_box import sample_colour_box

    screen = make_screen(VENDORS["aurelia"], size=(240, 320))
    image = np.zeros(screen.shape, np.float32)
    shown = np.zeros(screen.shape, np.float32)
    sample_colour_box(np.random.default_rng(0), SECTOR).paint(shown, image, screen.raster, 0.2)
    assert 0.005 < (shown > 60).mean() < 0.3
    bright = np.full(screen.shape, 0.9, np.float32)
    tissue = np.zeros(screen.shape, np.float32)
    sample_colour_box(np.random.default_rng(0), SECTOR).paint(tissue, bright, screen.raster, 0.2)
    assert (tissue > 60).sum() < 0.2 * (shown > 60).sum()


def test_some_cropped_clips_are_enlarged_and_their_truth_with_them():
    screens = [make_screen(VENDORS["aurelia"], s, size=(224, 224), is_cropped=True) for s in range(40)]
    pixels = np.array([screen.raster.pixel_m for screen in screens])
    enlarged = pixels < 0.9 * np.median(pixels)
    assert 3 <= enlarged.sum() <= 20
    for screen in np.array(screens, object)[enlarged]:
        inside = ScanConverter(SECTOR, screen.raster).mask
        assert 0.4 < inside.mean() < 1.0
