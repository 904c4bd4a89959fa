"""Screens of invented scanners: an imaged sector that moves, with banners, bars, ticks and traces around it.

Six layouts: phased sector, linear rectangle, convex fan, two rectangles side by side, phased sector with colour Doppler
and ECG, and a virtual convex (trapezoid) on a grey screen. `Screen.sector` is the exact imaged area.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True, eq=False)
class Screen:
    """frames (T, H, W, 3) uint8 without text; sector (H, W) bool; regions as (x0, y0, x1, y1, format, data type)."""

    frames: np.ndarray
    sector: np.ndarray
    regions: tuple[tuple[int, int, int, int, int, int], ...]


@dataclass(frozen=True)
class Fan:
    """Sector between two angles and two radii around an apex, pixels and radians from straight down."""

    apex_row: float
    apex_column: float
    half_angle_rad: float
    inner_px: float
    outer_px: float

    def mask(self, shape: tuple[int, int]) -> np.ndarray:
        row, column = np.mgrid[: shape[0], : shape[1]]
        down, right = row - self.apex_row, column - self.apex_column
        radius, angle = np.hypot(down, right), np.arctan2(right, down)
        inside: np.ndarray = (
            (np.abs(angle) <= self.half_angle_rad) & (radius >= self.inner_px) & (radius <= self.outer_px)
        )
        return inside


def speckle(
    rng: np.random.Generator, n_frames: int, sector: np.ndarray, *, depth: np.ndarray, brightness: float
) -> np.ndarray:
    """(T, H, W) uint8 tissue in `sector`: fully developed speckle under echogenicity that drifts, log compressed.

    depth : (H, W) 0 at the probe to 1 at the bottom; echoes fade with it. Cavities are black.
    """
    height, width = sector.shape
    echogenicity = _echogenicity(rng, (height, width))
    field = _correlated(rng, (height, width))
    fading_db = rng.uniform(4, 18) * depth.astype(np.float32)
    drift = rng.uniform(-4, 4, 2)
    frames = np.zeros((n_frames, height, width), np.uint8)
    for t in range(n_frames):
        shift = np.float32([[1, 0, drift[1] * np.sin(t / 2)], [0, 1, drift[0] * np.sin(t / 2)]])
        moved = cv2.warpAffine(echogenicity, shift, (width, height), borderMode=cv2.BORDER_REFLECT)
        field = 0.85 * field + 0.53 * _correlated(rng, (height, width))
        level_db = 20 * np.log10(np.hypot(field[0], field[1]) + 1e-3) + moved - fading_db
        frames[t] = np.where(sector, np.clip(255 * brightness * (level_db + 50) / 60, 0, 255), 0).astype(np.uint8)
    return frames


def _correlated(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """(2, H, W) real and imaginary part of unit variance, correlated as a point spread function does."""
    coarse = tuple(n // 2 + 1 for n in shape)
    parts = []
    for _ in range(2):
        noise = cv2.GaussianBlur(rng.standard_normal(coarse, np.float32), (0, 0), 1.1, sigmaY=0.7)
        noise = cv2.resize(noise, shape[::-1], interpolation=cv2.INTER_LINEAR)
        parts.append(noise / (noise.std() + 1e-6))
    stacked: np.ndarray = np.stack(parts)
    return stacked


def _echogenicity(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) dB: smooth tissue, bright layers and dark cavities with sharp borders."""
    height, width = shape

    def smooth(rows: int, columns: int) -> np.ndarray:
        low = rng.standard_normal((rows, columns), np.float32)
        resized: np.ndarray = cv2.resize(low, (width, height), interpolation=cv2.INTER_CUBIC)
        return resized

    cavities = smooth(6, 7) > 1.0
    level = -26 + 5 * smooth(5, 6) + 4 * smooth(24, 8)
    level[smooth(14, 4) > 1.5] += 14
    level[cavities] = -60
    softened: np.ndarray = cv2.GaussianBlur(level, (0, 0), 2)
    return softened


def _screen_of(grey: np.ndarray, sector: np.ndarray, background: int = 0) -> np.ndarray:
    frames = np.repeat(grey[..., None], 3, axis=3)
    frames[:, ~sector] = background
    return frames


def _scale_bar(frames: np.ndarray, column: int, top: int, bottom: int, n_ticks: int) -> None:
    for row in np.linspace(top, bottom, n_ticks).astype(int):
        frames[:, row : row + 2, column : column + 6] = 220


def _grey_bar(frames: np.ndarray, column: int, top: int, height: int = 120) -> None:
    frames[:, top : top + height, column : column + 12] = np.linspace(255, 0, height, dtype=np.uint8)[:, None, None]


def phased(rng: np.random.Generator, n_frames: int) -> Screen:
    """Cardiac sector on black, dark blue banner, region box well around the sector."""
    height, width = 600, 800
    fan = Fan(54, 400 + rng.integers(-20, 20), np.deg2rad(rng.uniform(36, 44)), 4, 500)
    sector = fan.mask((height, width))
    depth = np.clip((np.mgrid[:height, :width][0] - 54) / 500, 0, 1)
    frames = _screen_of(speckle(rng, n_frames, sector, depth=depth, brightness=1.0), sector)
    frames[:, :44] = (24, 40, 72)
    _grey_bar(frames, 770, 70)
    _scale_bar(frames, 756, 60, 556, 11)
    return Screen(frames, sector, ((20, 46, 790, 580, 1, 1),))


def linear(rng: np.random.Generator, n_frames: int) -> Screen:
    """Musculoskeletal rectangle on black, grey banner, no regions."""
    height, width = 480, 640
    sector = np.zeros((height, width), bool)
    sector[60:440, 130 : 520 + rng.integers(-20, 20)] = True
    depth = np.clip((np.mgrid[:height, :width][0] - 60) / 380, 0, 1)
    frames = _screen_of(speckle(rng, n_frames, sector, depth=depth, brightness=1.1), sector)
    frames[:, :30] = 60
    _grey_bar(frames, 600, 60)
    _scale_bar(frames, 532, 60, 436, 9)
    return Screen(frames, sector, ())


def convex(rng: np.random.Generator, n_frames: int) -> Screen:
    """Abdominal fan on black; the region box covers the whole right part of the screen, text and all."""
    height, width = 768, 1024
    fan = Fan(-60, 540, np.deg2rad(rng.uniform(30, 35)), 140, 780)
    sector = fan.mask((height, width))
    depth = np.clip((np.mgrid[:height, :width][0] - 80) / 640, 0, 1)
    frames = _screen_of(speckle(rng, n_frames, sector, depth=depth, brightness=1.0), sector)
    _grey_bar(frames, 990, 110)
    _scale_bar(frames, 972, 80, 720, 14)
    return Screen(frames, sector, ((60, 50, 1024, 768, 1, 1),))


def dual(rng: np.random.Generator, n_frames: int) -> Screen:
    """Two rectangles side by side, banners above and below, one region for each."""
    height, width = 480, 640
    left, right = np.zeros((2, height, width), bool)
    left[50:400, 24:312] = True
    right[50:400, 328:616] = True
    sector = left | right
    depth = np.clip((np.mgrid[:height, :width][0] - 50) / 350, 0, 1)
    frames = _screen_of(speckle(rng, n_frames, sector, depth=depth, brightness=1.0), sector)
    frames[:, :28] = (40, 44, 60)
    frames[:, 440:] = (40, 44, 60)
    return Screen(frames, sector, ((24, 50, 311, 399, 1, 1), (328, 50, 615, 399, 1, 1)))


def doppler(rng: np.random.Generator, n_frames: int) -> Screen:
    """Sector with a colour box and an ECG trace below; the region is given in the pixels of a larger screen."""
    height, width = 480, 640
    fan = Fan(40, 320, np.deg2rad(rng.uniform(36, 42)), 3, 360)
    sector = fan.mask((height, width))
    depth = np.clip((np.mgrid[:height, :width][0] - 40) / 360, 0, 1)
    frames = _screen_of(speckle(rng, n_frames, sector, depth=depth, brightness=1.0), sector)
    box = Fan(40, 320, np.deg2rad(14), 120, 260).mask((height, width))
    flow = cv2.GaussianBlur(rng.normal(size=(height, width)).astype(np.float32), (0, 0), 14)
    for t in range(n_frames):
        wave = np.sin(t / 2) * flow / (np.abs(flow).max() + 1e-6)
        strong = box & (np.abs(wave) > 0.15)
        frames[t, strong] = 0
        frames[t, strong & (wave > 0), 0] = 200
        frames[t, strong & (wave < 0), 2] = 220
        column = np.arange(40, 600)
        beat = 430 - (24 * np.exp(-(((column + 9 * t) % 140 - 60) ** 2) / 30)).astype(int)
        frames[t, beat, column] = (0, 230, 0)
        frames[t, beat + 1, column] = (0, 230, 0)
    return Screen(frames, sector, ((80, 60, 1200, 810, 1, 1),))


def trapezoid(rng: np.random.Generator, n_frames: int) -> Screen:
    """Virtual convex of a linear probe: flat top, slanted sides, on a grey screen, no regions."""
    height, width = 540, 720
    slant = rng.uniform(0.12, 0.22)
    row, column = np.mgrid[:height, :width]
    half = 150 + slant * (row - 60)
    sector = (row >= 60) & (row < 480) & (np.abs(column - 350) <= half)
    depth = np.clip((row - 60) / 420, 0, 1)
    frames = _screen_of(speckle(rng, n_frames, sector, depth=depth, brightness=1.1), sector, background=38)
    return Screen(frames, sector, ())


#: Vendor and model (both invented) -> layout.
LAYOUTS: dict[tuple[str, str], Callable[[np.random.Generator, int], Screen]] = {
    ("Aurelia Sonics", "Cardea 5"): phased,
    ("Borealis Imaging", "LinScan 2"): linear,
    ("Cassiope Medical", "Abdo X"): convex,
    ("Delphine GmbH", "Duo 700"): dual,
    ("Evander Health", "Portable E3"): doppler,
    ("Fjordlyd A/S", "F2 Trapez"): trapezoid,
}
