"""How far the standard deviations of the refinement network may be believed: factors from held-out simulation.

A factor makes 95 % of the errors lie within 1.96 standard deviations, over the pixels of all pairs with equal weight
for each pair, in classes of the applied strain and within them of the stated deviation: what is easy and what is hard
need not be misjudged alike. With the same stated deviation even tissue has smaller errors than uneven tissue, so that
the intervals hold a little more than 95 % of the one and less of the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sonometry.applications.elastography import am2d
from sonometry.applications.elastography.displacement import TrackingSetup
from sonometry.applications.elastography.features import OUTPUTS, STRAIN_SHARE
from sonometry.applications.elastography.refine import corrected
from sonometry.core import Simulated
from sonometry.core.rf import RFFrames
from sonometry.models.inference import Network
from sonometry.simulation.phantoms.inclusion import paper_like_pair, random_pair, varied_pair

#: Seeds of the pairs; training, validation, tests and benchmarks use others.
FIRST_CALIBRATION_SEED = 80_000
#: An axial error beyond this many units of the network's output counts as lost, and a lateral one beyond twice as many.
LOST = 40.0
#: Pixels taken of one pair, and beside the edges of an image left out (baseband rows, lines).
_PIXELS, _EDGE = 4000, (30, 4)
#: Quantile that a factor is made for, and its normal deviate.
_LEVEL, _DEVIATE = 0.95, 1.96
#: Classes of the applied strain with equally many pairs, and of the stated deviation with equally many pixels.
_APPLIED_CLASSES, _CLASSES = 5, 8


def calibration_pairs(n: int) -> Iterator[Simulated]:
    """In turn a pair like the paper's, one of the wide distribution, one like the paper's, and one of uneven tissue."""
    for k in range(n):
        make = (paper_like_pair, random_pair, paper_like_pair, varied_pair)[k % 4]
        yield make(FIRST_CALIBRATION_SEED + k)


@dataclass(frozen=True, eq=False)
class _Pixels:
    """Pixels of one pair.

    error, deviation : (3, N) of axial, lateral and strain, positive, in units of the network's output.
    applied_strain : positive.
    """

    error: np.ndarray
    deviation: np.ndarray
    applied_strain: float


def calibrated(network: Network, pairs: Iterable[Simulated]) -> dict[str, Any]:
    """Metadata of the weights: `calibration`, the factors for axial, lateral and strain, and `calibration_pairs`."""
    bare = replace(network, metadata={k: v for k, v in network.metadata.items() if k != "calibration"})
    found = [_pixels(bare, pair, np.random.default_rng(number)) for number, pair in enumerate(pairs)]
    classes = _classes(found)
    curves = {name: _curves(classes, k) for k, name in enumerate(OUTPUTS[:3])}
    return {"calibration": curves, "calibration_pairs": len(found)}


def _classes(found: list[_Pixels]) -> list[list[_Pixels]]:
    """The pairs in classes of ascending applied strain, fewer than usual where there are few pairs."""
    ordered = sorted(found, key=lambda pixels: pixels.applied_strain)
    n_classes = min(_APPLIED_CLASSES, max(1, len(ordered) // 8))
    bounds = np.linspace(0, len(ordered), n_classes + 1).round().astype(int)
    return [ordered[low:high] for low, high in itertools.pairwise(bounds)]


def _curves(classes: list[list[_Pixels]], output: int) -> dict[str, Any]:
    """Median applied strain and factors of every class, as `refine.calibrated_deviation` reads them."""
    curves = [
        _curve(np.concatenate([p.error[output] for p in group]), np.concatenate([p.deviation[output] for p in group]))
        for group in classes
    ]
    applied = [float(np.median([np.log10(p.applied_strain) for p in group])) for group in classes]
    return {
        "applied": [round(a, 4) for a in applied],
        "log_sd": [curve["log_sd"] for curve in curves],
        "factor": [curve["factor"] for curve in curves],
    }


def _curve(error: np.ndarray, deviation: np.ndarray) -> dict[str, list[float]]:
    """Factor that the stated deviation needs, in classes of that deviation."""
    classes = np.array_split(np.argsort(deviation), _CLASSES)
    centres = [float(np.median(np.log(deviation[c]))) for c in classes]
    factors = [float(np.quantile(error[c] / deviation[c], _LEVEL)) / _DEVIATE for c in classes]
    return {"log_sd": [round(c, 4) for c in centres], "factor": [round(f, 4) for f in factors]}


def _pixels(network: Network, pair: Simulated, rng: np.random.Generator) -> _Pixels:
    """Pixels of one pair at random, away from the edges and not lost: those quality tells."""
    frames = pair.recording
    assert isinstance(frames, RFFrames)
    setup = TrackingSetup.of(frames)
    echo, motion = am2d.track_baseband(frames.samples[0], frames.samples[1], context=setup)
    found = corrected(echo, motion, context=setup, network=network)
    lengths = {
        "axial_displacement_m": setup.axial_step_m,
        "lateral_displacement_m": setup.line_pitch_m,
        "axial_strain": 1,
    }
    truth = np.stack([pair.truth[name][:: echo.band.step].T / length for name, length in lengths.items()])
    units = np.array(found.units)[:, None]
    lines, rows = slice(_EDGE[1], -_EDGE[1]), slice(_EDGE[0], -_EDGE[0])
    images = np.concatenate([found.motion, found.strain[None]]) - truth, found.deviations
    error, deviation = (np.abs(image[:, lines, rows]).reshape(3, -1) / units for image in images)
    kept = np.flatnonzero((error[0] < LOST) & (error[1] < 2 * LOST))
    chosen = rng.choice(kept if kept.size else error.shape[1], _PIXELS)
    return _Pixels(
        error[:, chosen],
        np.maximum(deviation[:, chosen], 1e-6),
        found.units[2] / STRAIN_SHARE,
    )
