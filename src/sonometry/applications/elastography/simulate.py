"""Simulated pairs with exact truth: the paper's protocol, or the same block as the options ask for."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sonometry.core.application import Simulated
from sonometry.core.errors import UsageError
from sonometry.simulation.phantoms.inclusion import (
    Inclusion,
    InclusionPhantom,
    paper_pair,
    simulate_pair,
    simulate_sequence,
)
from sonometry.simulation.probes import LinearProbe

#: Keeps the stream of positions and noise apart from that of `paper_pair`.
_STREAM = 3


@dataclass(frozen=True)
class SimulationConfig:
    """Options of `simulate elastography`: the paper's block (3 x 5 cm, 6 MHz, 40 MHz, 128 lines) with these changes."""

    compression: float = field(
        default=0.01,
        metadata={"help": "Compression from the first to the last frame (negative stretches)", "unit": "1"},
    )
    inclusion_kpa: float = field(
        default=45.0, metadata={"help": "Young's modulus of the inclusion; the background has 25 kPa", "unit": "kPa"}
    )
    inclusion_radius_mm: float = field(
        default=5.0, metadata={"help": "Radius of the inclusion; 0 leaves it out", "unit": "mm"}
    )
    inclusion_depth_mm: float = field(default=25.0, metadata={"help": "Depth of its centre", "unit": "mm"})
    snr_db: float = field(default=30.0, metadata={"help": "Signal over electronic noise", "unit": "dB"})
    scatterers: int = field(
        default=10_000, metadata={"help": "Scatterers in the block; 50,000 and more is fully developed speckle"}
    )
    lateral_slip_mm: float = field(default=0.0, metadata={"help": "Sideways motion of the probe", "unit": "mm"})
    elevation_slip_mm: float = field(
        default=0.0, metadata={"help": "Motion out of the image plane, which decorrelates", "unit": "mm"}
    )
    attenuation_db_cm_mhz: float = field(default=0.0, metadata={"help": "Attenuation one way", "unit": "dB/cm/MHz"})
    frames: int = field(default=2, metadata={"help": "Frames; more than two spread the compression evenly over them"})

    def __post_init__(self) -> None:
        if not abs(self.compression) < 0.2:
            raise UsageError(f"--compression must lie between -0.2 and 0.2, got {self.compression}")
        if self.frames < 2 or self.scatterers < 1:
            raise UsageError(
                f"--frames must be 2 or more and --scatterers positive, got {self.frames}, {self.scatterers}"
            )
        if not self.inclusion_kpa > 0:
            raise UsageError(f"--inclusion-kpa must be positive, got {self.inclusion_kpa}")


def simulate(seed: int, options: SimulationConfig | None) -> Simulated:
    """RF frames with their truth; without options a pair of the paper's protocol, drawn by the seed."""
    if options is None:
        return paper_pair(seed)
    rng = np.random.default_rng([_STREAM, seed])
    noise = {"snr_db": options.snr_db, "attenuation_db_cm_mhz": options.attenuation_db_cm_mhz}
    phantom = _phantom(options)
    if options.frames == 2:
        return simulate_pair(phantom, LinearProbe(), rng=rng, **noise)
    steps = np.linspace(0.0, options.compression, options.frames)
    return simulate_sequence(phantom, LinearProbe(), steps, rng=rng, **noise)


def _phantom(options: SimulationConfig) -> InclusionPhantom:
    """The block that the options describe."""
    inclusion = Inclusion(
        centre_depth_m=options.inclusion_depth_mm * 1e-3,
        centre_lateral_m=0.0,
        radius_m=options.inclusion_radius_mm * 1e-3,
        modulus_pa=options.inclusion_kpa * 1e3,
    )
    return InclusionPhantom(
        n_scatterers=options.scatterers,
        inclusions=(inclusion,) if options.inclusion_radius_mm > 0 else (),
        compression=options.compression,
        lateral_slip_m=options.lateral_slip_mm * 1e-3,
        elevation_slip_m=options.elevation_slip_mm * 1e-3,
        thickness_m=2e-3 if options.elevation_slip_mm else 0.0,
    )
