"""A frame of any size is cut to its ultrasound image and reduced to the network's picture."""

from __future__ import annotations

import numpy as np
import pytest

from sonometry.applications.view.prepare import (
    SIDE,
    Box,
    ContentPicture,
    content_box,
    fitted,
    keep_sector,
    square,
    whole,
)


def sector_on_screen(shape: tuple[int, int], box: Box, *, level: int = 140) -> np.ndarray:
    """A filled ellipse in `box` on black, with noise, a line of letters and a thin trace elsewhere."""
    rng = np.random.default_rng(1)
    picture = np.zeros(shape, np.uint8)
    row, column = np.mgrid[: shape[0], : shape[1]]
    middle = (box.top + box.bottom) / 2, (box.left + box.right) / 2
    inside = ((row - middle[0]) / (box.shape[0] / 2)) ** 2 + ((column - middle[1]) / (box.shape[1] / 2)) ** 2 < 1
    picture[inside] = rng.integers(level - 60, level + 60, int(inside.sum()))
    picture[4:9, 4 : shape[1] // 3 : 4] = 220
    picture[shape[0] - 6, : shape[1] // 2] = 200
    return picture


@pytest.mark.parametrize("shape", [(112, 112), (434, 636), (768, 1024)])
def test_the_box_is_that_of_the_image_and_not_of_letters_or_traces(shape):
    wanted = Box(int(0.2 * shape[0]), int(0.85 * shape[0]), int(0.3 * shape[1]), int(0.8 * shape[1]))
    found = content_box(sector_on_screen(shape, wanted))
    size = max(wanted.shape)
    edges = np.abs(
        [found.top - wanted.top, found.bottom - wanted.bottom, found.left - wanted.left, found.right - wanted.right]
    )
    assert edges.max() < 0.08 * size


def test_a_menu_below_the_image_is_left_out():
    wanted = Box(30, 230, 90, 310)
    picture = sector_on_screen((300, 400), wanted)
    picture[280:296, 10:390] = 70
    assert content_box(picture).bottom < 260


@pytest.mark.parametrize("level", [0, 7, 255])
def test_a_constant_picture_is_kept_whole(level):
    picture = np.full((60, 90), level, np.uint8)
    assert content_box(picture) == whole((60, 90))


def test_the_box_does_not_change_with_brightness():
    picture = sector_on_screen((300, 400), Box(50, 250, 100, 300))
    assert content_box(picture // 2) == content_box(picture)


def test_the_picture_keeps_its_aspect_on_black():
    small = square(np.full((100, 50), 200, np.uint8))
    assert small.shape == (SIDE, SIDE)
    assert np.allclose(small[:, SIDE // 4 : 3 * SIDE // 4], 200)
    assert not small[:, : SIDE // 4].any()
    assert not small[:, 3 * SIDE // 4 :].any()


def test_reducing_averages_so_that_a_checkerboard_becomes_grey():
    board = np.indices((4 * SIDE, 4 * SIDE)).sum(axis=0) % 2 * 200.0
    assert np.allclose(square(board), 100)


def test_a_picture_that_is_no_square_is_filled_as_far_as_the_aspect_allows():
    small = fitted(np.full((60, 60), 200, np.uint8), (60, 80))
    assert (small[:, 10:70] == 200).all()
    assert not small[:, :10].any()
    assert not small[:, 70:].any()
    assert ContentPicture(60, 80).name != ContentPicture(60).name == "content-60"


def test_a_still_of_one_pixel_is_no_error():
    assert square(np.array([[9]], np.uint8)).shape == (SIDE, SIDE)


def test_outside_the_known_sector_everything_is_dropped():
    picture = np.full((4, 4), 50, np.uint8)
    sector = np.zeros((4, 4), bool)
    sector[1:3, 1:3] = True
    assert keep_sector(picture, sector).sum() == 4 * 50
    assert keep_sector(picture, None) is picture
    assert keep_sector(picture, np.zeros((4, 4), bool)) is picture
