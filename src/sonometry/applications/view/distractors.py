"""Pictures that are no echo of a heart: blank, noise, photographs, pages of text, traces, linear-array images.

They are drawn by a few strokes of chance, never the same twice, so that a network learns "none of these" from what it
will be shown by mistake. All are uint8 (side, side).
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Picture = np.ndarray
_LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%:./-"))
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX_SMALL)


def distractor(rng: np.random.Generator, side: int) -> Picture:
    """One picture of a random kind."""
    kinds: tuple[Callable[[np.random.Generator, int], Picture], ...] = (
        _blank, _noise, _photograph, _page, _traces, _linear_array, _linear_array, _textured_sector, _ring_scan,
    )  # fmt: skip
    return kinds[int(rng.integers(len(kinds)))](rng, side)


def word(rng: np.random.Generator, longest: int = 9) -> str:
    """Letters without meaning."""
    return "".join(rng.choice(_LETTERS, int(rng.integers(1, longest + 1))))


def write(rng: np.random.Generator, picture: Picture, text: str, at: tuple[int, int], grey: int, height: int) -> None:
    """Draw `text` at column, row, about `height` px high, on a uint8 picture."""
    font = _FONTS[int(rng.integers(len(_FONTS)))]
    cv2.putText(picture, text, at, font, height / 22, int(grey), 1 + int(height > 16), cv2.LINE_AA)


def coloured_noise(rng: np.random.Generator, side: int, slope: float) -> np.ndarray:
    """Random field (side, side), zero mean and unit deviation, power falling with frequency to the power `-slope`."""
    spectrum = np.fft.rfft2(rng.standard_normal((side, side)).astype(np.float32))
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = 1.0 / side
    field = np.fft.irfft2(spectrum * frequency ** (-slope / 2), s=(side, side))
    normalised: np.ndarray = (field - field.mean()) / (field.std() + 1e-9)
    return normalised.astype(np.float32)


def _grey(values: np.ndarray) -> Picture:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _blank(rng: np.random.Generator, side: int) -> Picture:
    """One grey level, perhaps with faint noise or a gradient; black and nearly black often."""
    level = 0.0 if rng.random() < 0.4 else rng.uniform(0, 255)
    picture = np.full((side, side), level)
    if rng.random() < 0.5:
        picture = picture + rng.normal(0, rng.uniform(0.5, 6), (side, side))
    if rng.random() < 0.3:
        picture = picture + np.linspace(0, rng.uniform(-120, 120), side)[:: rng.choice([-1, 1]), None]
    return _grey(picture)


def _noise(rng: np.random.Generator, side: int) -> Picture:
    """White or coarser noise over the whole picture, uniform or bell-shaped."""
    coarse = max(4, int(side / rng.choice([1, 1, 2, 3, 6])))
    values = rng.integers(0, 256, (coarse, coarse)) if rng.random() < 0.5 else rng.normal(110, 60, (coarse, coarse))
    how = cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_NEAREST
    return _grey(cv2.resize(values.astype(np.float32), (side, side), interpolation=how))


def _photograph(rng: np.random.Generator, side: int) -> Picture:
    """Spectrum of natural scenes with a few flat shapes in front."""
    picture = rng.uniform(60, 170) + rng.uniform(20, 60) * coloured_noise(rng, side, rng.uniform(1.6, 3.4))
    for _ in range(rng.integers(0, 9)):
        centre = tuple(int(v) for v in rng.integers(0, side, 2))
        axes = tuple(int(v) for v in rng.integers(3, side // 2, 2))
        grey = float(rng.uniform(0, 255))
        if rng.random() < 0.5:
            cv2.ellipse(picture, centre, axes, float(rng.uniform(0, 180)), 0, 360, grey, -1)
        else:
            cv2.rectangle(picture, centre, (centre[0] + axes[0], centre[1] + axes[1]), grey, -1)
    return _grey(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.5)))


def _page(rng: np.random.Generator, side: int) -> Picture:
    """Lines of words, a table or a menu, dark on light or light on dark."""
    is_light = rng.random() < 0.5
    picture = np.full((side, side), int(rng.uniform(190, 255) if is_light else rng.uniform(0, 50)), np.uint8)
    ink = 0 if is_light else int(rng.integers(120, 256))
    height = int(rng.integers(6, 18))
    for row in range(height + 2, side, int(height * rng.uniform(1.3, 2.5))):
        column = int(rng.integers(2, side // 3))
        while column < side * rng.uniform(0.3, 1.0):
            write(rng, picture, word(rng), (column, row), ink, height)
            column += int(height * rng.uniform(2, 8))
    for _ in range(rng.integers(0, 6)):
        row = int(rng.integers(side))
        cv2.line(picture, (0, row), (side, row), ink, 1)
    return picture


def _traces(rng: np.random.Generator, side: int) -> Picture:
    """ECG strips, curves of a monitor or a chart, with a grid."""
    is_light = rng.random() < 0.3
    picture = np.full((side, side), 235.0 if is_light else rng.uniform(0, 25), np.float32)
    if rng.random() < 0.5:
        step, faint = int(rng.integers(8, 30)), 200.0 if is_light else rng.uniform(30, 80)
        picture[::step] = faint
        picture[:, ::step] = faint
    x = np.arange(side)
    for _ in range(rng.integers(1, 6)):
        height, middle = rng.uniform(0.03, 0.3) * side, rng.uniform(0.1, 0.9) * side
        phase = (x / side * rng.uniform(1, 9) + rng.random()) % 1.0
        wave = np.exp(-(((phase - 0.4) / rng.uniform(0.01, 0.1)) ** 2)) + 0.3 * np.sin(2 * np.pi * phase)
        points = np.stack([x, middle - height * wave], axis=-1).round().astype(np.int32)
        cv2.polylines(picture, [points], False, 20.0 if is_light else float(rng.uniform(120, 255)), 1, cv2.LINE_AA)
    return _grey(picture)


def _linear_array(rng: np.random.Generator, side: int) -> Picture:
    """Muscle, tendon, vessel or thyroid under a linear probe: layers and bright bands in a rectangle."""
    rows, columns = int(side * rng.uniform(0.5, 1.0)), int(side * rng.uniform(0.45, 1.0))
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    field = np.full((rows, columns), rng.uniform(-25, -5), np.float32)
    depth = 0.0
    while depth < rows:
        thick = rng.uniform(0.04, 0.35) * rows
        border = depth + rng.normal(0, 0.05) * x + 3 * np.sin(x / columns * rng.uniform(1, 7))
        field += np.where(y > border, rng.normal(0, 7), 0.0) + rng.uniform(0, 22) * np.exp(-(((y - border) / 1.6) ** 2))
        depth += thick
    if rng.random() < 0.6:  # fibres
        pitch, slope = rng.uniform(3, 11), np.tan(rng.uniform(-0.5, 0.5))
        field += rng.uniform(2, 9) * np.cos(2 * np.pi * (y + slope * x + 1.5 * np.sin(x / 19)) / pitch)
    for _ in range(rng.integers(0, 3)):  # vessels, cysts, bone with its shadow
        centre = rng.uniform(0, columns), rng.uniform(0.2, 0.9) * rows
        radius = (x - centre[0]) ** 2 / rng.uniform(5, 60) ** 2 + (y - centre[1]) ** 2 / rng.uniform(4, 25) ** 2
        field += np.where(radius < 1, rng.uniform(-35, 8), 0.0)
    speckle = cv2.GaussianBlur(
        rng.standard_normal((rows, columns, 2)).astype(np.float32), (0, 0), rng.uniform(0.7, 1.8)
    )
    echo = field + 20 * np.log10(np.hypot(speckle[..., 0], speckle[..., 1]) / speckle.std() + 1e-3)
    dynamic = rng.uniform(35, 65)
    canvas = np.zeros((side, side))
    top, left = int(rng.integers(0, side - rows + 1)), int(rng.integers(0, side - columns + 1))
    canvas[top : top + rows, left : left + columns] = 255 * np.clip((echo + dynamic - 5) / dynamic, 0, 1)
    return _grey(canvas)


def _textured_sector(rng: np.random.Generator, side: int) -> Picture:
    """A sector, phased or curved, filled with anything but a heart."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    x -= side * rng.uniform(0.4, 0.6)
    apex, half = -rng.choice([0.0, rng.uniform(0.1, 0.6)]) * side, rng.uniform(0.45, 0.85)
    reach, start = rng.uniform(0.75, 1.0) * side, rng.uniform(0.0, 0.05) * side
    radius = np.hypot(x, y - apex) + apex
    inside = (np.abs(np.arctan2(x, y - apex)) < half) & (radius > start) & (radius < reach)
    picture = rng.uniform(20, 150) + rng.uniform(5, 55) * coloured_noise(rng, side, rng.uniform(0.4, 3.2))
    if rng.random() < 0.4:
        picture *= np.exp(-radius / (rng.uniform(0.15, 0.8) * side))
    grain = rng.gamma(2.0, 0.5, (side, side)) if rng.random() < 0.7 else 1.0
    return _grey(np.where(inside, picture * cv2.GaussianBlur(np.ones((side, side)) * grain, (0, 0), 0.9), 0))


def _ring_scan(rng: np.random.Generator, side: int) -> Picture:
    """Sections of other scanners: a body outline with organs on black, as of CT or MR."""
    picture = np.zeros((side, side), np.float32)
    centre = int(side / 2 + rng.normal(0, 8)), int(side / 2 + rng.normal(0, 8))
    axes = int(side * rng.uniform(0.28, 0.48)), int(side * rng.uniform(0.25, 0.48))
    cv2.ellipse(picture, centre, axes, 0, 0, 360, float(rng.uniform(60, 230)), -1)
    cv2.ellipse(picture, centre, tuple(int(0.9 * a) for a in axes), 0, 0, 360, float(rng.uniform(20, 160)), -1)
    for _ in range(rng.integers(2, 9)):
        place = tuple(int(c + rng.uniform(-0.7, 0.7) * a) for c, a in zip(centre, axes, strict=True))
        size = tuple(int(v) for v in rng.integers(4, max(5, axes[0] // 2), 2))
        cv2.ellipse(picture, place, size, float(rng.uniform(0, 180)), 0, 360, float(rng.uniform(0, 240)), -1)
    picture += rng.uniform(2, 14) * coloured_noise(rng, side, 1.0) * (picture > 0)
    return _grey(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 1.4)))
