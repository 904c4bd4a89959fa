"""Text in pictures: where it is, in every font, and what happens without the models."""

from __future__ import annotations

import builtins
import importlib.util

import numpy as np
import pytest

from sonometry.core.errors import UsageError
from sonometry.deid.ink import burned_in, followed
from sonometry.deid.projections import project
from sonometry.deid.reading import is_readable
from sonometry.deid.scorecard.lettering import FONTS, render
from sonometry.deid.scorecard.screens import LAYOUTS
from sonometry.deid.text import TextLine, check_models, find_text, text_mask

pytestmark = pytest.mark.usefixtures("models")


def _with_texts(frame: np.ndarray, texts: list[tuple[str, str, int, int, int]]) -> list[np.ndarray]:
    """Burn (text, font, size, row, column) into a frame; the ink of each as a mask."""
    inks = []
    for text, font, size, row, column in texts:
        glyphs = render(text, font, size)
        height, width = glyphs.coverage.shape
        box = slice(row, row + height), slice(column, column + width)
        cover = glyphs.coverage[..., None]
        frame[box] = np.round(frame[box] * (1 - cover) + 255 * cover).astype(np.uint8)
        ink = np.zeros(frame.shape[:2], bool)
        ink[box] = glyphs.coverage > 0.35
        inks.append(ink)
    return inks


def test_names_in_every_font_are_covered_on_black():
    frame = np.zeros((480, 640, 3), np.uint8)
    texts = [("Kowalczyk O. 4711007", font, 11 + number, 20 + 50 * number, 60) for number, font in enumerate(FONTS)]
    inks = _with_texts(frame, texts)
    mask = text_mask(find_text(frame), frame.shape[:2])
    for ink, (_, font, *_) in zip(inks, texts, strict=True):
        assert (mask & ink).sum() > 0.98 * ink.sum(), font


def test_names_inside_tissue_are_covered_to_the_first_letter():
    screen = LAYOUTS["Borealis Imaging", "LinScan 2"](np.random.default_rng(2), 3)
    texts = [("A. Kowalczyk", "DejaVuSerif", 20, 100, 190), ("V. Stern 12.03.1956", "HersheySimplex", 13, 300, 200)]
    inks, *_ = [_with_texts(frame, texts) for frame in screen.frames]
    projections = project(lambda index: screen.frames[index], 3)
    mask = text_mask(burned_in(projections, threads=2), projections.shape)
    for ink in inks:
        assert (mask & ink).sum() > 0.97 * ink.sum()
    assert (mask & screen.sector).sum() < 0.09 * screen.sector.sum()


def test_a_dim_menu_below_a_dim_picture_is_found():
    frame = np.full((480, 640, 3), 2, np.uint8)
    frame[40:380, 120:520] = np.random.default_rng(6).integers(10, 130, (340, 400, 1), np.uint8)
    frame[430:460] = (28, 34, 52)
    (ink,) = _with_texts(frame, [("Sector Page 1/3", "DejaVuSans", 15, 436, 200)])
    frame = np.where((frame > 110) & ink[..., None], 110, frame)  # grey letters on a blue bar
    mask = text_mask(burned_in(project(lambda _: frame, 1), threads=2), frame.shape[:2])
    assert (mask & ink).sum() > 0.97 * ink.sum()
    assert (mask[40:380, 120:520]).mean() < 0.01


def test_text_that_is_there_for_one_frame_is_found():
    screen = LAYOUTS["Borealis Imaging", "LinScan 2"](np.random.default_rng(3), 6)
    (ink,) = _with_texts(screen.frames[4], [("Ottoline K.", "DejaVuSans-Bold", 18, 200, 250)])
    projections = project(lambda index: screen.frames[index], 6)
    mask = text_mask(burned_in(projections, threads=2), projections.shape)
    assert (mask & ink).sum() > 0.97 * ink.sum()


def test_tissue_alone_gives_no_readable_line():
    screen = LAYOUTS["Borealis Imaging", "LinScan 2"](np.random.default_rng(4), 1)
    picture = screen.frames[0]
    assert not [line for line in find_text(picture) if is_readable(picture, line)]


def test_a_line_of_letters_reads_and_a_line_of_speckle_does_not(rng):
    picture = rng.integers(0, 120, (80, 300, 3), np.uint8)
    _with_texts(picture, [("Kowalczyk 4711", "DejaVuSans", 20, 30, 20)])
    letters = TextLine(np.array([[16.0, 26], [180, 26], [180, 52], [16, 52]]), 1.0)
    speckle = TextLine(np.array([[190.0, 26], [290, 26], [290, 52], [190, 52]]), 1.0)
    assert is_readable(picture, letters)
    assert not is_readable(picture, speckle)


def test_a_line_is_followed_to_a_letter_that_stands_apart():
    picture = np.zeros((60, 300, 3), np.uint8)
    (ink,) = _with_texts(picture, [("A. Kowalczyk", "DejaVuSans", 20, 20, 40)])
    columns = np.flatnonzero(ink.any(axis=0))
    cut = TextLine(np.array([[70.0, 16], [columns.max() + 2, 16], [columns.max() + 2, 44], [70, 44]]), 1.0)
    assert text_mask((followed(cut, picture),), picture.shape[:2])[ink].all()


def test_a_line_in_bright_tissue_is_not_followed_into_it(rng):
    picture = rng.integers(215, 256, (90, 400, 3), np.uint8)
    _with_texts(picture, [("KOWALCZYK", "DejaVuSans-Bold", 20, 30, 150)])
    line = TextLine(np.array([[146.0, 26], [300, 26], [300, 54], [146, 54]]), 1.0)
    assert np.ptp(followed(line, picture).corners_px[:, 0]) < 154 + 20


def test_large_pictures_are_searched_in_tiles():
    frame = np.zeros((100, 2600, 3), np.uint8)
    inks = _with_texts(frame, [("Kowalczyk", "DejaVuSans", 22, 30, column) for column in (30, 1200, 2400)])
    mask = text_mask(find_text(frame), frame.shape[:2])
    for ink in inks:
        assert (mask & ink).sum() > 0.98 * ink.sum()


def test_missing_models_name_the_command_that_installs_them(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install --no-deps rapidocr-onnxruntime==1\.4\.4") as error:
        check_models()
    assert "\n" not in str(error.value)
    assert error.value.exit_status == 2


def test_looking_for_text_needs_neither_desktop_opencv_nor_the_package_itself(monkeypatch):
    original = builtins.__import__

    def guarded(name, *arguments, **options):
        assert not name.startswith("rapidocr"), name
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", guarded)
    find_text(np.zeros((64, 64, 3), np.uint8))
