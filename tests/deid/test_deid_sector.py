"""The imaged sector on invented screens, whose exact outline is known."""

from __future__ import annotations

import numpy as np
import pytest

from sonometry.deid.content import Projections
from sonometry.deid.projections import project
from sonometry.deid.scorecard.screens import LAYOUTS, Fan, Screen
from sonometry.deid.sector import find_sector, usable_boxes
from sonometry.deid.shapes import fit_shape, hull


def _projections(screen: Screen) -> Projections:
    return project(lambda index: screen.frames[index], len(screen.frames))


def _boxes(screen: Screen) -> list[tuple[int, int, int, int]]:
    return [region[:4] for region in screen.regions]


@pytest.mark.parametrize("layout", list(LAYOUTS), ids=lambda layout: layout[1])
@pytest.mark.parametrize("n_frames", [1, 5])
def test_the_sector_of_every_layout_is_found_without_its_graphics(layout, n_frames):
    screen = LAYOUTS[layout](np.random.default_rng(31), n_frames)
    found = find_sector(_projections(screen), _boxes(screen))
    kept = (found.mask & screen.sector).sum() / screen.sector.sum()
    beyond = (found.mask & ~screen.sector).sum() / screen.sector.sum()
    # One pixel around a sector of some 400 pixels is 0.5 to 1 % of it.
    assert kept > 0.99
    assert beyond < 0.012
    assert found.method == "fit"


@pytest.mark.parametrize("layout", list(LAYOUTS), ids=lambda layout: layout[1])
def test_a_mirrored_screen_has_the_mirrored_sector(layout):
    screen = LAYOUTS[layout](np.random.default_rng(5), 4)
    mirrored = Screen(np.ascontiguousarray(screen.frames[:, :, ::-1]), screen.sector[:, ::-1], ())
    one = find_sector(_projections(screen)).mask
    other = find_sector(_projections(mirrored)).mask[:, ::-1]
    assert (one & other).sum() / (one | other).sum() > 0.985


def test_a_banner_is_not_taken_for_echoes():
    screen = LAYOUTS["Aurelia Sonics", "Cardea 5"](np.random.default_rng(3), 1)
    found = find_sector(_projections(screen))
    assert not found.mask[:44].any()


def test_a_black_screen_has_no_sector():
    black = np.zeros((1, 480, 640, 3), np.uint8)
    assert find_sector(_projections(Screen(black, black[0, ..., 0] > 0, ()))) is None


def test_a_screen_of_text_has_no_sector(rng):
    from sonometry.deid.scorecard.lettering import render
    from sonometry.deid.text import TextLine, text_mask

    frame = np.zeros((480, 640, 3), np.uint8)
    lines = []
    for row in range(20, 440, 40):
        glyphs = render("REPORT OF THE EXAMINATION", "DejaVuSans", 18)
        height, width = glyphs.coverage.shape
        frame[row : row + height, 30 : 30 + width] = (255 * glyphs.coverage[..., None]).astype(np.uint8)
        corners = np.array(
            [[28, row - 2], [32 + width, row - 2], [32 + width, row + height + 2], [28, row + height + 2]]
        )
        lines.append(TextLine(corners.astype(float), 1.0))
    screen = Screen(frame[None], frame[..., 0] > 0, ())
    assert find_sector(_projections(screen), (), text_mask(tuple(lines), frame.shape[:2])) is None


def test_boxes_of_a_larger_screen_mean_nothing():
    assert usable_boxes([(84, 31, 595, 414)], (240, 320)) == []
    assert usable_boxes([(120, 60, 800, 518)], (600, 800)) == [(120, 60, 800, 519)]


def test_a_wrong_box_does_not_lose_the_sector():
    screen = LAYOUTS["Borealis Imaging", "LinScan 2"](np.random.default_rng(3), 4)
    found = find_sector(_projections(screen), [(0, 0, 100, 50)])
    assert (found.mask & screen.sector).sum() > 0.99 * screen.sector.sum()


@pytest.mark.parametrize("half_angle_deg", [25, 35, 45])
def test_an_imposed_fan_is_fitted_within_a_pixel(half_angle_deg):
    fan = Fan(-40.0, 320.0, np.deg2rad(half_angle_deg), 90, 430)
    echoes = fan.mask((480, 640))
    echoes[100:200, 280:420] = False  # a cavity inside changes nothing
    shape = fit_shape(echoes)
    assert shape.apex == pytest.approx((fan.apex_row, fan.apex_column), abs=2.0)
    assert shape.inner == pytest.approx(fan.inner_px, abs=1.5)
    if half_angle_deg < 40:  # wider fans are cut by the screen
        assert shape.outer == pytest.approx(fan.outer_px, abs=1.5)


def test_a_fan_cut_by_the_screen_keeps_its_upright_borders():
    fan = Fan(-20.0, 320.0, np.deg2rad(60), 40, 460)
    echoes = fan.mask((400, 640))
    mask = fit_shape(echoes).mask(echoes.shape)
    assert (mask & echoes).sum() / (mask | echoes).sum() > 0.985


def test_the_maximum_and_the_deviation_are_those_of_numpy(rng):
    frames = rng.integers(0, 256, (9, 20, 30, 3), np.uint8)
    one = project(lambda index: frames[index], 9, threads=1)
    two = project(lambda index: frames[index], 9, threads=2)
    brightest = frames.max(axis=3).astype(float)
    assert np.array_equal(one.maximum, frames.max(axis=0))
    assert np.allclose(one.deviation, brightest.std(axis=0), atol=0.05)
    assert np.allclose(one.mean, brightest.mean(axis=0), atol=1e-3)
    assert np.array_equal(one.maximum, two.maximum)


def test_parts_without_a_sure_outline_of_their_own_stay_together(rng):
    row, column = np.mgrid[:480, :640]
    ring = np.hypot(row - 230, column - 230) < 150
    ring &= np.hypot(row - 240, column - 280) > 90
    echoes = ring | ((row > 150) & (row < 300) & (column > 430) & (column < 500))
    frames = rng.integers(60, 220, (4, 480, 640, 1), np.uint8) * echoes[..., None]
    found = find_sector(_projections(Screen(np.repeat(frames, 3, axis=3).astype(np.uint8), echoes, ())))
    # Two separate outlines lost 4.3 % of the echoes; the hull of both leaves out what lies above its upper face.
    assert (found.mask & echoes).sum() > 0.975 * echoes.sum()


def test_a_hull_keeps_cavities_and_leaves_out_what_lies_above_a_curved_probe():
    row, column = np.mgrid[:480, :640]
    distance = np.hypot(row + 100, column - 320)
    fan = (distance > 200) & (distance < 480) & (np.abs(column - 320) < 0.6 * (row + 100))
    assert not hull(fan)[:95, 310:330].any()
    open_cavity = (np.hypot(row - 170, column - 380) < 90) & (row > 120)
    walls = fan & ~open_cavity & ~((np.abs(column - 380) < 60) & (row < 260))
    assert hull(walls)[150:250, 375:385].all()
