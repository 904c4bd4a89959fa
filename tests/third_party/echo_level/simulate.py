"""A bright disc in speckle, with its exact level."""

from dataclasses import dataclass

import numpy as np

from sonometry.core import Cine, Device, Simulated, Source, TruthCheck


@dataclass(frozen=True)
class Simulation:
    """Options of the simulated disc.

    n_frames : frames of the cine.
    level : grey level of the disc, 0 to 1.
    """

    n_frames: int = 4
    level: float = 0.8


def simulate(seed, options=None):
    options = options or Simulation()
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:96, :128]
    disc = np.hypot(row - 48, column - 64) < 30
    tissue = np.where(disc, options.level, 0.3)
    level = tissue * rng.uniform(0.8, 1.2, (options.n_frames, 96, 128))
    pixels = np.clip(np.round(255 * level), 0, 255).astype(np.uint8)
    cine = Cine(
        pixels,
        frame_times_s=np.arange(options.n_frames) / 25,
        spacing_m=(2e-4, 2e-4),
        source=Source("clip", "simulation", device=Device("Sonometry", "simulated disc")),
    )
    return Simulated(cine, {"level": tissue.mean() * np.ones(options.n_frames)}, {"plane": "sagittal"})


def check_truth(findings, truth):
    error = float(np.abs(findings.fields["level"] - truth["level"]).max())
    return (TruthCheck("level", error, 0.02, "1"),)
