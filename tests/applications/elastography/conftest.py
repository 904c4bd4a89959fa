"""Small simulated recordings that several tests of elastography share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from sonometry.applications.elastography.displacement import TrackingSetup
from sonometry.core import RFFrames, Simulated
from sonometry.simulation.phantoms.inclusion import Inclusion, InclusionPhantom, simulate_pair, simulate_sequence
from sonometry.simulation.probes import LinearProbe

PROBE = LinearProbe(n_lines=64, line_pitch_m=0.3e-3)
INCLUSION = Inclusion(centre_depth_m=0.015, centre_lateral_m=0.001, radius_m=0.0035, modulus_pa=80e3)


def phantom(**changes) -> InclusionPhantom:
    """A block of 19 x 30 mm with one stiff inclusion, compressed by 1 %."""
    block = InclusionPhantom(
        width_m=0.0192, depth_m=0.03, n_scatterers=8000, inclusions=(INCLUSION,), elements=(96, 64), compression=0.01
    )
    return replace(block, **changes)


@pytest.fixture(scope="session")
def pair() -> Simulated:
    """Two frames, 1 % compression, 30 dB."""
    return simulate_pair(phantom(), PROBE, rng=np.random.default_rng(11))


@pytest.fixture(scope="session")
def even_pair() -> Simulated:
    """Two frames of tissue without an inclusion."""
    return simulate_pair(phantom(inclusions=()), PROBE, rng=np.random.default_rng(12))


@pytest.fixture(scope="session")
def sequence() -> Simulated:
    """Five frames: at rest twice, then compressed in unequal steps; the last one shows other tissue."""
    made = simulate_sequence(
        phantom(), PROBE, [0.0, 0.0, 0.001, 0.006, 0.016], rng=np.random.default_rng(13), frame_rate_hz=20.0
    )
    other = simulate_pair(phantom(), PROBE, rng=np.random.default_rng(99)).recording.samples[:1]
    recording = replace(made.recording, samples=np.concatenate([made.recording.samples[:4], other]))
    return Simulated(recording, made.truth, made.labels)


@pytest.fixture(scope="session")
def unrelated() -> RFFrames:
    """Two frames of different tissue."""
    frames = [simulate_pair(phantom(), PROBE, rng=np.random.default_rng(k)).recording for k in (21, 22)]
    return replace(frames[0], samples=np.stack([frame.samples[0] for frame in frames]))


@dataclass(frozen=True, eq=False)
class TrackedPair:
    """RF frames (axial, line) with the true motion in samples and lines, and the true strain."""

    earlier: np.ndarray
    later: np.ndarray
    axial_samples: np.ndarray
    lateral_lines: np.ndarray
    strain: np.ndarray
    context: TrackingSetup

    def inner(self, rows: int = 80, lines: int = 4) -> tuple[slice, slice]:
        """Pixels away from the edges."""
        return slice(rows, -rows), slice(lines, -lines)


@cache
def phantom_pair(compression: float = 0.01, snr_db: float = 30.0, seed: int = 1) -> TrackedPair:
    """15 x 20 mm with one stiff inclusion, 64 lines at 40 MHz."""
    inclusion = Inclusion(centre_depth_m=0.01, centre_lateral_m=0.0, radius_m=0.003, modulus_pa=60e3)
    small = dict(width_m=0.015, depth_m=0.02, inclusions=(inclusion,), elements=(60, 45), compression=compression)
    rng = np.random.default_rng(seed)
    simulated = simulate_pair(phantom(**small), LinearProbe(n_lines=64, focus_m=0.012), snr_db=snr_db, rng=rng)
    recording, truth = simulated.recording, simulated.truth
    return TrackedPair(
        recording.samples[0],
        recording.samples[1],
        truth["axial_displacement_m"] / recording.axial_step_m,
        truth["lateral_displacement_m"] / recording.line_pitch_m,
        truth["axial_strain"],
        TrackingSetup.of(recording),
    )


@pytest.fixture(scope="session")
def tracked_pair() -> Callable[..., TrackedPair]:
    """`phantom_pair`, made once for each set of arguments."""
    return phantom_pair
