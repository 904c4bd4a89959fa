"""How far the standard deviations of the refinement network may be believed: factors from held-out simulation.

A factor makes 95 % of the errors lie within 1.96 standard deviations, over the pixels of all pairs with equal weight
for each pair, in classes of the stated deviation: what is easy and what is hard need not be misjudged alike. The
believed deviation parts the pixels that are wrong by half a sample of the paper's scanner (0.47 rad of the carrier)
from those that are right within a tenth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from sonometry.applications.elastography import am2d
from sonometry.applications.elastography.displacement import TrackingSetup
from sonometry.applications.elastography.features import OUTPUTS
from sonometry.applications.elastography.refine import BELIEVED_SD_RAD, corrected
from sonometry.core import Simulated
from sonometry.core.rf import RFFrames
from sonometry.models.inference import Network
from sonometry.simulation.phantoms.inclusion import paper_pair, random_pair, varied_pair

#: Seeds of the pairs; training, validation, tests and benchmarks use others.
FIRST_CALIBRATION_SEED = 80_000
#: Errors in radians of the carrier beyond which a pixel is wrong, and below which it is right.
WRONG_RAD, RIGHT_RAD = 0.47, 0.094
#: Pixels taken of one pair, and beside the edges of an image left out (baseband rows, lines).
_PIXELS, _EDGE = 4000, (30, 4)
#: Quantile that a factor is made for, and its normal deviate.
_LEVEL, _DEVIATE = 0.95, 1.96
#: Classes of the stated deviation, equally many pixels in each.
_CLASSES = 8


def calibration_pairs(n: int) -> Iterator[Simulated]:
    """In turn a pair at the paper's setting, of the wide distribution, at the paper's setting, and of uneven tissue."""
    for k in range(n):
        make = (paper_pair, random_pair, paper_pair, varied_pair)[k % 4]
        yield make(FIRST_CALIBRATION_SEED + k)


def calibrated(network: Network, pairs: Iterable[Simulated]) -> dict[str, Any]:
    """Metadata of the weights: `calibration` (factors for axial, lateral, strain) and `believed_sd_rad`."""
    bare = replace(network, metadata={k: v for k, v in network.metadata.items() if k != "calibration"})
    errors: list[np.ndarray] = []
    deviations: list[np.ndarray] = []
    axial_rad: list[np.ndarray] = []
    for number, pair in enumerate(pairs):
        error, deviation, units, carrier_rad = _pixels(bare, pair, np.random.default_rng(number))
        errors.append(np.abs(error) / units)
        deviations.append(deviation / units)
        axial_rad.append(carrier_rad * units[0] * np.stack([errors[-1][0], deviations[-1][0]]))
    error, deviation = np.concatenate(errors, axis=1), np.concatenate(deviations, axis=1)
    curves = {name: _curve(error[k], deviation[k]) for k, name in enumerate(OUTPUTS[: len(error)])}
    error_rad, sd_rad = np.concatenate(axial_rad, axis=1)
    factor = np.interp(np.log(deviation[0]), curves["axial"]["log_sd"], curves["axial"]["factor"])
    return {
        "calibration": curves,
        "believed_sd_rad": round(believed_deviation(error_rad, sd_rad * factor), 4),
        "calibration_pairs": len(errors),
    }


def _curve(error: np.ndarray, deviation: np.ndarray) -> dict[str, list[float]]:
    """Factor that the stated deviation needs, in classes of that deviation."""
    classes = np.array_split(np.argsort(deviation), _CLASSES)
    centres = [float(np.median(np.log(deviation[c]))) for c in classes]
    factors = [float(np.quantile(error[c] / deviation[c], _LEVEL)) / _DEVIATE for c in classes]
    return {"log_sd": [round(c, 4) for c in centres], "factor": [round(f, 4) for f in factors]}


def believed_deviation(error_rad: np.ndarray, sd_rad: np.ndarray) -> float:
    """The stated deviation that best parts wrong pixels from right ones: the one that loses the least share of both."""
    wrong, right = sd_rad[error_rad > WRONG_RAD], sd_rad[error_rad < RIGHT_RAD]
    if wrong.size < 100 or right.size < 100:
        return BELIEVED_SD_RAD
    steps = np.geomspace(np.quantile(right, 0.5), np.quantile(wrong, 0.9) + 1e-6, 200)
    missed = np.searchsorted(np.sort(wrong), steps) / wrong.size
    accused = 1 - np.searchsorted(np.sort(right), steps) / right.size
    return float(steps[int(np.argmin(missed + accused))])


def _pixels(
    network: Network, pair: Simulated, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Errors and stated deviations (3, N) of axial, lateral and strain, their units (3, 1), and the carrier."""
    frames = pair.recording
    assert isinstance(frames, RFFrames)
    setup = TrackingSetup.of(frames)
    echo, motion = am2d.track_baseband(frames.samples[0], frames.samples[1], context=setup)
    found = corrected(echo, motion, context=setup, network=network)
    step = echo.band.step
    units = {
        "axial_displacement_m": setup.axial_step_m,
        "lateral_displacement_m": setup.line_pitch_m,
        "axial_strain": 1,
    }
    truth = np.stack([pair.truth[name][::step].T / unit for name, unit in units.items()])
    errors = np.concatenate([found.motion, found.strain[None]]) - truth
    lines, rows = slice(_EDGE[1], -_EDGE[1]), slice(_EDGE[0], -_EDGE[0])
    error, deviation = (image[:, lines, rows].reshape(3, -1) for image in (errors, found.deviations))
    chosen = rng.choice(error.shape[1], _PIXELS)
    sd = np.maximum(deviation[:, chosen], 1e-12)
    return error[:, chosen], sd, np.array(found.units)[:, None], echo.band.carrier_rad
