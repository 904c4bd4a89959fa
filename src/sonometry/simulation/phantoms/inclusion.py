"""Ready distributions of compressed phantoms: the paper's protocol, and a wide one for training.

Everything follows from the seed alone: the same seed gives the same recording in any process.
Source of `paper_pair`: Wu et al. 2018 (the elastography paper of the design), section 3.1.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from sonometry.core import Simulated
from sonometry.simulation.phantoms.block import (
    Blob,
    Inclusion,
    InclusionPhantom,
    Layer,
    Ripple,
    simulate_pair,
    simulate_sequence,
)
from sonometry.simulation.probes import LinearProbe

__all__ = [
    "Blob",
    "Inclusion",
    "InclusionPhantom",
    "Layer",
    "Ripple",
    "paper_pair",
    "random_pair",
    "simulate_pair",
    "simulate_sequence",
    "slip_plane",
    "varied_pair",
]

#: Young's modulus of the paper's inclusions, Pa; its background has 25 kPa.
PAPER_INCLUSIONS_PA = (8e3, 14e3, 45e3, 80e3)
PAPER_COMPRESSIONS = (0.01, 0.02)

#: Keep the streams of the two protocols apart for equal seeds.
PAPER_STREAM, RANDOM_STREAM, VARIED_STREAM = 1, 2, 5


def paper_pair(
    seed: int, *, inclusion_pa: float | None = None, compression: float | None = None, snr_db: float = 30.0
) -> Simulated:
    """One pair of the paper's protocol: 3x5 cm, 10,000 scatterers, 25 kPa, one inclusion, 6 MHz, 40 MHz, 128 lines.

    inclusion_pa : one of 8, 14, 45, 80 kPa by the seed when None. compression : 1 or 2 % by the seed when None.
    Size (radius 4-6 mm) and place of the inclusion, which the paper does not tell, follow from the seed.
    """
    rng = np.random.default_rng([PAPER_STREAM, seed])
    stiffness = float(rng.choice(PAPER_INCLUSIONS_PA))
    amount = float(rng.choice(PAPER_COMPRESSIONS))
    inclusion = Inclusion(
        centre_depth_m=rng.uniform(0.020, 0.030),
        centre_lateral_m=rng.uniform(-0.003, 0.003),
        radius_m=rng.uniform(0.004, 0.006),
        modulus_pa=stiffness if inclusion_pa is None else inclusion_pa,
    )
    phantom = InclusionPhantom(inclusions=(inclusion,), compression=amount if compression is None else compression)
    return simulate_pair(phantom, LinearProbe(), snr_db=snr_db, rng=rng)


def paper_like_pair(seed: int, *, compressed_share: float = 1.0) -> Simulated:
    """A pair of the paper's tissue beyond its protocol: half of the pairs have 10 to 40 dB of noise instead of 30.

    compressed_share : of the pairs with a compression of 0.15 to 5.5 % (log-uniform) instead of the paper's.
    """
    rng = np.random.default_rng([seed, 8])
    is_compressed = compressed_share >= 1 or rng.random() < compressed_share
    compression = float(np.exp(rng.uniform(np.log(0.0015), np.log(0.055)))) if is_compressed else None
    snr_db = float(rng.uniform(10, 40)) if rng.random() < 0.5 else 30.0
    return paper_pair(seed, compression=compression, snr_db=snr_db)


def random_pair(seed: int, *, n_lines: int = 128) -> Simulated:
    """One pair of the wide distribution: everything that differs between scanners and tissues is drawn.

    Compression 0.1-5 % (log-uniform, one in ten stretched), 0-3 inclusions of 3-150 kPa, layers, a slip plane,
    lateral and out-of-plane slip, plates bonded or sliding, 4,000-60,000 scatterers, 3.5-10 MHz, bandwidth 35-80 %,
    attenuation 0-0.8 dB/cm/MHz, 10-40 dB.
    """
    rng = np.random.default_rng([RANDOM_STREAM, seed])
    probe = random_probe(rng, n_lines)
    return _random_recording(random_phantom(rng, probe), probe, rng)


def varied_pair(seed: int, *, n_lines: int = 128) -> Simulated:
    """Like `random_pair`, but no tissue is even and no outline a circle.

    Inclusions are ellipses and lobed blobs, and the stiffness of everything varies smoothly by a fifth up to threefold.
    """
    rng = np.random.default_rng([VARIED_STREAM, seed])
    probe = random_probe(rng, n_lines)
    phantom = random_phantom(rng, probe)
    blobs = tuple(random_blob(rng, phantom.width_m, phantom.depth_m) for _ in range(rng.integers(0, 5)))
    phantom = replace(phantom, inclusions=blobs, ripples=random_ripples(rng))
    return _random_recording(phantom, probe, rng)


def _random_recording(phantom: InclusionPhantom, probe: LinearProbe, rng: np.random.Generator) -> Simulated:
    """A pair with random noise and attenuation."""
    return simulate_pair(
        phantom,
        probe,
        snr_db=rng.uniform(10, 40),
        rng=rng,
        attenuation_db_cm_mhz=rng.choice([0.0, rng.uniform(0.1, 0.8)]),
        sound_speed_m_s=1540.0,
    )


def random_probe(rng: np.random.Generator, n_lines: int) -> LinearProbe:
    """A linear probe of a random scanner."""
    centre_hz = rng.uniform(3.5e6, 10e6)
    return LinearProbe(
        centre_frequency_hz=centre_hz,
        sampling_rate_hz=centre_hz * rng.uniform(4, 8),
        fractional_bandwidth=rng.uniform(0.35, 0.8),
        n_lines=n_lines,
        transmit_f_number=rng.uniform(2, 5),
        focus_m=rng.uniform(0.01, 0.04),
        receive_f_number=rng.uniform(1, 3),
        line_pitch_m=rng.uniform(0.15e-3, 0.35e-3) * 128 / n_lines,
    )


def random_phantom(rng: np.random.Generator, probe: LinearProbe) -> InclusionPhantom:
    """A random block a little wider than the probe."""
    width_m = probe.line_pitch_m * probe.n_lines * rng.uniform(1.0, 1.3)
    depth_m = rng.uniform(0.03, 0.05)
    background_pa = float(np.exp(rng.uniform(math.log(5e3), math.log(50e3))))
    compression = float(np.exp(rng.uniform(math.log(1e-3), math.log(5e-2))))
    sign = -1 if rng.random() < 0.1 else 1
    both_bonded = bool(rng.random() < 0.3)
    return InclusionPhantom(
        width_m=width_m,
        depth_m=depth_m,
        n_scatterers=int(np.exp(rng.uniform(math.log(4e3), math.log(6e4)))),
        background_pa=background_pa,
        poisson=rng.uniform(0.48, 0.497),
        inclusions=random_inclusions(rng, width_m, depth_m),
        layers=random_layers(rng, depth_m, background_pa),
        compression=sign * compression,
        lateral_slip_m=rng.choice([0.0, rng.normal(0, 0.2e-3)]),
        elevation_slip_m=rng.choice([0.0, rng.normal(0, 0.2e-3)]),
        shear=rng.normal(0, 0.3) if both_bonded else 0.0,
        top_bonded=both_bonded or bool(rng.random() < 0.3),
        bottom_bonded=both_bonded or bool(rng.random() < 0.3),
        thickness_m=rng.choice([0.0, 0.002]),
        elements=(96, 64),
    )


def random_inclusions(rng: np.random.Generator, width_m: float, depth_m: float) -> tuple[Inclusion, ...]:
    """None to three discs, softer or harder, brighter or darker."""
    return tuple(
        Inclusion(
            centre_depth_m=rng.uniform(0.1, 0.9) * depth_m,
            centre_lateral_m=rng.uniform(-0.45, 0.45) * width_m,
            radius_m=rng.uniform(0.0015, 0.008),
            modulus_pa=float(np.exp(rng.uniform(math.log(3e3), math.log(150e3)))),
            echo_gain_db=rng.choice([0.0, rng.uniform(-12, 8)]),
        )
        for _ in range(rng.integers(0, 4))
    )


def random_blob(rng: np.random.Generator, width_m: float, depth_m: float) -> Blob:
    """An inclusion with an irregular outline: mostly elliptic, lobes up to the fifth order."""
    ellipse = (2, rng.uniform(0, 0.4), rng.uniform(0, 2 * math.pi))
    lobes = tuple((int(order), abs(rng.normal(0, 0.25)) / order, rng.uniform(0, 2 * math.pi)) for order in (3, 4, 5))
    return Blob(
        centre_depth_m=rng.uniform(0.1, 0.9) * depth_m,
        centre_lateral_m=rng.uniform(-0.45, 0.45) * width_m,
        radius_m=rng.uniform(0.0015, 0.009),
        modulus_pa=float(np.exp(rng.uniform(math.log(3e3), math.log(150e3)))),
        echo_gain_db=rng.choice([0.0, rng.uniform(-12, 8)]),
        harmonics=(ellipse, *lobes),
    )


def random_ripples(rng: np.random.Generator) -> tuple[Ripple, ...]:
    """Three waves of 8 to 60 mm in random directions."""
    size = rng.uniform(0.1, 0.6)
    ripples = []
    for _ in range(3):
        waves, direction = 1 / rng.uniform(0.008, 0.06), rng.uniform(0, 2 * math.pi)
        vector = (waves * math.cos(direction), waves * math.sin(direction))
        ripples.append(Ripple(size * rng.uniform(0.3, 1), vector, rng.uniform(0, 2 * math.pi)))
    return tuple(ripples)


def random_layers(rng: np.random.Generator, depth_m: float, background_pa: float) -> tuple[Layer, ...]:
    """None to two layers, and in one block of eight a thin weak one on which the tissue slides."""
    layers = []
    for _ in range(rng.choice(3, p=[0.6, 0.25, 0.15])):
        top_m = rng.uniform(0, 0.9) * depth_m
        layers.append(
            Layer(
                top_m,
                top_m + rng.uniform(0.002, 0.015),
                background_pa * float(np.exp(rng.normal(0, 0.7))),
                echo_gain_db=rng.uniform(-6, 6),
            )
        )
    if rng.random() < 0.125:
        layers.append(slip_plane(rng.uniform(0.2, 0.8) * depth_m))
    return tuple(layers)


def slip_plane(depth_m: float, *, thickness_m: float = 0.0005, modulus_pa: float = 50.0) -> Layer:
    """A thin weak layer around a depth: the tissue above slides on that below."""
    return Layer(depth_m - thickness_m / 2, depth_m + thickness_m / 2, modulus_pa)
