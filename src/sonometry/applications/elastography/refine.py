"""The method "sonometry": the motion of AM2D, corrected by a network that has seen where such motion is wrong.

Gives axial and lateral displacement, strain, and the standard deviation of each. The network has only seen simulation;
its standard deviations are scaled by factors that were calibrated on held-out simulation (kept beside the weights).
A correction that makes the warped frames agree less than before is not believed: then the motion stays that of AM2D.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sonometry.applications.elastography import am2d
from sonometry.applications.elastography.displacement import LearnedConfig, LearnedDisplacement, TrackingSetup
from sonometry.applications.elastography.echo_pair import EchoPair, to_displacement
from sonometry.applications.elastography.features import (
    CHANNELS,
    LATERAL_UNIT_LINES,
    OUTPUTS,
    STRAIN_SHARE,
    RefinementGrid,
    refinement_features,
)
from sonometry.core.errors import DataError
from sonometry.models.inference import Network, load_network, shipped_weights
from sonometry.numerics.baseband import to_samples
from sonometry.numerics.correlate import coherence
from sonometry.numerics.warp import Real

WEIGHTS = "elastography-refinement"
#: Mean correlation after motion compensation that a correction may cost before it is not believed.
CORRELATION_MARGIN = 2e-3
#: Standard deviation of the axial displacement, rad of the carrier, at which quality is a half, if weights name none.
BELIEVED_SD_RAD = 0.2
#: Rows and columns are repeated up to a multiple of these, which the network's levels need.
_MULTIPLE = (32, 16)


@dataclass(frozen=True, eq=False)
class _Correction:
    """Corrected motion (2, line, row), its strain (line, row), and their standard deviations (3, line, row).

    units : what one unit of the network's axial, lateral and strain output is.
    """

    motion: Real
    strain: Real
    deviations: Real
    units: tuple[float, ...]


def track(
    earlier: np.ndarray, later: np.ndarray, *, context: TrackingSetup, config: LearnedConfig | None = None
) -> LearnedDisplacement:
    """Track with AM2D, then refine. Raises DataError as AM2D, and for weights that cannot be used."""
    config = config or LearnedConfig()
    network = refinement_network(config.weights)
    pair, motion = am2d.track_baseband(earlier, later, context=context)
    return refine(pair, motion, context=context, network=network, iterations=config.iterations)


def refinement_network(weights: Path | None = None) -> Network:
    """The shipped network, or that of `weights`; DataError when it was made for other images."""
    network = load_network(Path(weights) if weights else shipped_weights(WEIGHTS))
    known = network.metadata
    if list(known.get("channels", [])) != list(CHANNELS) or list(known.get("outputs", [])) != list(OUTPUTS):
        raise DataError(
            f"the weights {network.name} are not a refinement network of this version of Sonometry; "
            "train it again, or leave --weights away"
        )
    return network


def digest(weights: Path | None = None) -> str:
    """SHA-256 of the network that `track` uses."""
    return refinement_network(weights).sha256


def refine(
    pair: EchoPair, motion: Real, *, context: TrackingSetup, network: Network, iterations: int = 1
) -> LearnedDisplacement:
    """Improve a motion by `iterations` passes of the network, each with the later frame warped anew.

    motion : (2, line, row) of AM2D.
    """
    correction = corrected(pair, motion, context=context, network=network)
    for _ in range(iterations - 1):
        correction = corrected(pair, correction.motion, context=context, network=network)
    is_believed = _agreement(pair, correction.motion) >= _agreement(pair, motion) - CORRELATION_MARGIN
    if not is_believed:
        correction = _unbelieved(pair, motion, correction)
    moved = to_displacement(pair, correction.motion)
    strain, *deviations = (
        to_samples(image, pair.n_samples, pair.band.step) for image in (correction.strain, *correction.deviations)
    )
    believed_rad = float(network.metadata.get("believed_sd_rad", BELIEVED_SD_RAD))
    return LearnedDisplacement(
        moved.axial_samples,
        moved.lateral_lines,
        moved.correlation,
        moved.has_lock,
        strain,
        *(np.maximum(sd, np.float32(1e-9)) for sd in deviations),
        believed_sd_samples=believed_rad / pair.band.carrier_rad,
        is_refined=bool(is_believed),
    )


def corrected(pair: EchoPair, motion: Real, *, context: TrackingSetup, network: Network) -> _Correction:
    """One pass of the network."""
    features, grid = refinement_features(pair, motion, context=context)
    images = dict(zip(OUTPUTS, run_padded(network, features), strict=True))
    units = output_units(grid)
    axial, lateral, strain = (grid.sign * units[name] * images[name] for name in ("axial", "lateral", "strain"))
    calibration = network.metadata.get("calibration", {})
    deviations = [
        unit * calibrated_deviation(images[f"{name}_log_variance"], calibration.get(name))
        for name, unit in units.items()
    ]
    return _Correction(
        motion + np.stack([grid.to_baseband(axial), grid.to_baseband(lateral)]),
        grid.to_baseband(grid.prior_strain + strain),
        np.stack([grid.to_baseband(sd) for sd in deviations]),
        tuple(units.values()),
    )


def calibrated_deviation(log_variance: np.ndarray, calibration: dict[str, list[float]] | None) -> np.ndarray:
    """Standard deviation, in units of the output, that a log-variance of the network means.

    calibration : "log_sd" (ascending) and the "factor" of the deviation at each; straight between, constant beyond.
    """
    log_sd = 0.5 * np.clip(log_variance, -14, 10)
    factor = np.interp(log_sd, calibration["log_sd"], calibration["factor"]) if calibration else 1.0
    deviation: np.ndarray = factor * np.exp(log_sd)
    return deviation


def output_units(grid: RefinementGrid) -> dict[str, float]:
    """Samples, lines and strain of one unit of the network's first three outputs."""
    return {"axial": grid.axial_unit, "lateral": LATERAL_UNIT_LINES, "strain": STRAIN_SHARE * grid.strain_unit}


def run_padded(network: Network, features: np.ndarray) -> np.ndarray:
    """(channel, rows, columns) -> (output, rows, columns); edges are repeated to the size the network needs."""
    _, rows, columns = features.shape
    missing = ((0, 0), (0, -rows % _MULTIPLE[0]), (0, -columns % _MULTIPLE[1]))
    return network(np.pad(features, missing, mode="edge")[None])[0][:, :rows, :columns]


def _agreement(pair: EchoPair, motion: Real) -> float:
    """Mean correlation of the frames that a motion aligns."""
    return float(coherence(pair.earlier, pair.warped(motion), pair.correlation_window).mean())


def _unbelieved(pair: EchoPair, motion: Real, correction: _Correction) -> _Correction:
    """The motion of the tracker; what the network would have changed adds to the standard deviations."""
    strain, _ = am2d.local_slopes(motion[0], pair)
    change = np.stack([*np.abs(correction.motion - motion), np.abs(correction.strain - strain)])
    return _Correction(motion, strain, np.hypot(correction.deviations, change), correction.units)
