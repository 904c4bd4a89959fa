"""Generated recordings shared by the tests of the readers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from sonometry.core.rf import RFFrames

MakeRF = Callable[..., RFFrames]


def echo_frames(
    n_frames: int = 3, n_samples: int = 600, n_lines: int = 48, *, cycles_per_sample: float = 0.15, seed: int = 7
) -> np.ndarray:
    """(T, axial, line) float32: speckle with a carrier along depth, each frame moved by 0.7 samples."""
    rng = np.random.default_rng(seed)
    scatterers = gaussian_filter1d(rng.standard_normal((n_samples, n_lines)), 1.5, axis=1)
    frequency = np.fft.rfftfreq(n_samples)
    pulse = np.exp(-0.5 * ((frequency - cycles_per_sample) / (0.25 * cycles_per_sample)) ** 2)
    spectrum = np.fft.rfft(scatterers, axis=0) * pulse[:, np.newaxis]
    moved = [
        spectrum * np.exp(-2j * np.pi * frequency * 0.7 * i)[:, np.newaxis]
        for i in range(n_frames)
    ]  # fmt: skip
    frames = np.stack([np.fft.irfft(each, n_samples, axis=0) for each in moved])
    return (1000 * frames / frames.std()).astype(np.float32)


@pytest.fixture
def make_rf() -> MakeRF:
    """Build RFFrames: `make_rf(n_frames=3, n_samples=600, n_lines=48, **facts)`; 40 MHz, 6 MHz, 0.3 mm by default."""

    def build(n_frames: int = 3, n_samples: int = 600, n_lines: int = 48, **facts: object) -> RFFrames:
        stated = {"sampling_rate_hz": 40e6, "centre_frequency_hz": 6e6, "line_pitch_m": 3e-4} | facts
        return RFFrames(echo_frames(n_frames, n_samples, n_lines), **stated)  # type: ignore[arg-type]

    return build
