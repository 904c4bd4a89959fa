"""Everything about one acquisition that is not anatomy: resolution, gain, artefacts, display."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

#: The gain, which is smooth, is worked out on every so many samples and beams.
_GAIN_STRIDE = 3


@dataclass(frozen=True)
class Resolution:
    """Standard deviations of the point spread function.

    along_samples : pulse, in range samples. across_beams : at the focus, in beams. focus : share of the depth.
    spread : growth of the width per share of depth away from the focus. looks : independent images averaged.
    """

    along_samples: float = 0.9
    across_beams: float = 1.3
    focus: float = 0.55
    spread: float = 1.2
    looks: int = 1

    def across(self, n_samples: int) -> np.ndarray:
        """(sample,) lateral standard deviation in beams."""
        depth = np.linspace(0, 1, n_samples)
        return self.across_beams * (1 + self.spread * np.abs(depth - self.focus))


@dataclass(frozen=True)
class Artefacts:
    """What spoils the image, levels in dB relative to muscle unless said otherwise.

    mirror : gain of surfaces across the beam. side_lobes : level of the echo smeared over neighbouring beams.
    haze : level of a broad blur. near_field : level of clutter below the probe, fading over `near_field_depth` (share).
    reverberation : level of bands repeated every `reverberation_step` (share of depth). noise : electronic noise in the
    middle, growing with depth by `noise_slope` dB. gain_db : (sample, beam) gain with shadows, dropout, uneven contact.
    slide_per_s : texture voxels that tissue slides through the slice each second beyond its motion, which is how
    speckle fades in time. still : share of clutter that does not change from frame to frame.
    patches : clutter as (level, depth, beam, extent along, extent across), the last four as shares.
    """

    mirror: float
    side_lobes: float
    side_lobe_beams: int
    haze: float | None
    near_field: float
    near_field_depth: float
    reverberation: float | None
    reverberation_step: float
    noise: float
    noise_slope: float
    gain_db: np.ndarray
    slide_per_s: float
    still: float
    patches: tuple[tuple[float, float, float, float, float], ...]


@dataclass(frozen=True)
class Display:
    """From echo power to grey levels.

    reference_percentile : of the clip's echo levels (dB) shown as white. dynamic_range_db, gamma : of the compression.
    smooth_along, smooth_across : speckle filter in samples and beams. persistence : weight of the frame before.
    edge : strength of edge enhancement. reject : share of the range below which nothing is shown.
    """

    reference_percentile: float = 99.0
    dynamic_range_db: float = 45.0
    gamma: float = 1.0
    smooth_along: float = 0.0
    smooth_across: float = 0.0
    persistence: float = 0.0
    edge: float = 0.0
    reject: float = 0.0


@dataclass(frozen=True)
class Acquisition:
    """One clip's settings."""

    resolution: Resolution
    artefacts: Artefacts
    display: Display


def sample_acquisition(
    rng: np.random.Generator,
    shape: tuple[int, int],
    *,
    quality: float | None = None,
    look: tuple[float, float] = (0.0, 1.0),
) -> Acquisition:
    """Settings of one clip for beams of the given (sample, beam) shape.

    quality : 0 poor to 1 good; None draws it. look : shift of the dynamic range (dB) and factor on gamma. Ranges follow
    what carried a network to real clips (dynamic range, gain and gamma matter most) and the look of real recordings.
    """
    quality = float(rng.beta(2.2, 1.6)) if quality is None else quality
    return Acquisition(
        resolution=_sample_resolution(rng, shape),
        artefacts=_sample_artefacts(rng, shape, quality),
        display=_sample_display(rng, look),
    )


def _sample_resolution(rng: np.random.Generator, shape: tuple[int, int]) -> Resolution:
    u = rng.uniform
    return Resolution(
        along_samples=u(0.6, 1.55) * shape[0] / 288,
        across_beams=u(0.65, 1.55) * shape[1] / 120,
        focus=u(0.3, 0.8),
        spread=u(0.0, 1.2),
        looks=int(rng.choice([1, 2, 3], p=[0.3, 0.45, 0.25])),
    )


def _sample_display(rng: np.random.Generator, look: tuple[float, float]) -> Display:
    u = rng.uniform
    gamma = u(1.0, 2.05) * look[1]
    return Display(
        reference_percentile=100 - u(0.2, 1.8) ** 2,
        dynamic_range_db=max(u(30, 60) + look[0], 22.0),
        gamma=gamma,
        smooth_along=u(0.4, 1.4) if rng.random() < 0.75 else 0.0,
        smooth_across=u(0.3, 1.2) if rng.random() < 0.7 else 0.0,
        persistence=u(0.1, 0.5) if rng.random() < 0.5 else 0.0,
        edge=u(0.1, 0.7) if rng.random() < 0.3 else 0.0,
        reject=u(0.0, max(0.48 - 0.1 * gamma, 0.1)) if rng.random() < 0.85 else 0.0,
    )


def _sample_artefacts(rng: np.random.Generator, shape: tuple[int, int], quality: float) -> Artefacts:
    u, poor = rng.uniform, 1 - quality
    patches = tuple(
        (u(-28, -6) + 6 * poor, rng.random(), rng.random(), u(0.05, 0.25), u(0.04, 0.22))
        for _ in range(rng.poisson(0.4 + 0.8 * poor))
    )
    return Artefacts(
        mirror=u(0.0, 2.2),
        side_lobes=-u(20, 44) + 6 * poor,
        side_lobe_beams=int(u(10, 40) * shape[1] / 120),
        haze=-u(22, 44) + 8 * poor if rng.random() < 0.6 else None,
        near_field=u(-26, -3) + 5 * poor,
        near_field_depth=u(0.04, 0.22),
        reverberation=u(-36, -16) if rng.random() < 0.25 + 0.3 * poor else None,
        reverberation_step=u(0.05, 0.2),
        noise=u(-70, -41) + 11 * poor,
        noise_slope=u(0, 18),
        gain_db=_sample_gain(rng, shape, poor),
        slide_per_s=u(15, 45),
        still=u(0.05, 0.6),
        patches=patches,
    )


def _sample_gain(rng: np.random.Generator, shape: tuple[int, int], poor: float) -> np.ndarray:
    """Uneven contact, fall-off at the edges, rib and lung shadows, dropout, and an imperfect depth gain, dB."""
    depth = np.linspace(0, 1, max(shape[0] // _GAIN_STRIDE, 24), dtype=np.float32)[:, None]
    across = np.linspace(0, 1, max(shape[1] // _GAIN_STRIDE, 24), dtype=np.float32)[None]
    gain = rng.uniform(0, 3) * _wave(rng, across, 6) + rng.uniform(0, 3) * _wave(rng, depth, 4)
    gain = gain + rng.uniform(-8, 16) * (depth - 0.5)
    for edge in (across, 1 - across):
        if rng.random() < 0.8:
            width = rng.uniform(0.08, 0.42) * (0.5 + depth) ** rng.uniform(-0.5, 0.8)
            gain = gain - rng.uniform(6, 40) * np.clip(1 - edge / width, 0, 1) ** rng.uniform(0.9, 2)
    for _ in range(rng.poisson(0.35 + 1.0 * poor)):  # ribs and lung: dark beyond a depth
        middle = rng.choice([rng.beta(0.6, 2.5), 1 - rng.beta(0.6, 2.5)])
        shadow = np.exp(-(((across - middle) / rng.uniform(0.05, 0.17)) ** 4))
        onset = 1 / (1 + np.exp(-(depth - rng.uniform(-0.1, 0.45)) / rng.uniform(0.01, 0.05)))
        gain = gain - rng.uniform(5, 28) * shadow * onset
    for _ in range(rng.poisson(0.5 * poor + 0.1)):  # dropout of one region
        row, column = rng.uniform(0.15, 0.9), rng.uniform(0.1, 0.9)
        radius = ((depth - row) / rng.uniform(0.06, 0.22)) ** 2 + ((across - column) / rng.uniform(0.04, 0.16)) ** 2
        gain = gain - rng.uniform(6, 24) * np.exp(-radius)
    return cv2.resize(gain.astype(np.float32), shape[::-1], interpolation=cv2.INTER_LINEAR)


def _wave(rng: np.random.Generator, x: np.ndarray, n: int) -> np.ndarray:
    """Smooth random curve of about unit variance with n knots."""
    values = _splines(n, x.size) @ rng.standard_normal(n).astype(np.float32)
    return np.asarray(values.reshape(x.shape))


@cache
def _splines(n: int, size: int) -> np.ndarray:
    """(size, n) cubic splines from 0 to 1 that are 1 at one of n knots and 0 at the others."""
    from scipy.interpolate import CubicSpline

    return np.asarray(CubicSpline(np.linspace(0, 1, n), np.eye(n))(np.linspace(0, 1, size)), np.float32)
