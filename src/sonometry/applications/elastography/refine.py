"""The method "sonometry": the motion of AM2D, corrected by a network that has seen where such motion is wrong.

Gives axial and lateral displacement, strain, and the standard deviation of each. The network has only seen simulation;
its standard deviations are scaled by factors that were calibrated on held-out simulation (kept beside the weights).
Of a correction that is small beside its standard deviation only a share is taken (`believed_share`), and one that makes
the warped frames agree less than before is not believed at all: then motion and strain stay those of AM2D.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.applications.elastography import am2d
from sonometry.applications.elastography.believed_share import believed_share
from sonometry.applications.elastography.config import ElastographyConfig
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
from sonometry.applications.elastography.strain_image import axial_strain
from sonometry.core.errors import DataError
from sonometry.models.inference import Network, load_network, shipped_weights
from sonometry.numerics.baseband import to_samples
from sonometry.numerics.correlate import coherence
from sonometry.numerics.warp import Real

WEIGHTS = "elastography-refinement"
#: Share of what the mean correlation after motion compensation lacks to 1 that a correction may cost and be believed.
CORRELATION_MARGIN = 0.1
#: Standard deviation of the axial displacement, rad of the carrier, at which quality is a half: a normal error is then
#: as likely as not larger than 0.47 rad, half a sample of the paper's scanner.
BELIEVED_SD_RAD = 0.70
#: Rows and columns are repeated up to a multiple of these, which the network's levels need.
_MULTIPLE = (32, 16)


@dataclass(frozen=True, eq=False)
class _Correction:
    """What one pass of the network says of a motion.

    start : (2, line, row) motion that it corrects. least_squares : (sample, line) strain that AM2D would give with it.
    motion, strain : (2, line, row) and (line, row), with the correction in full.
    deviations, shares : (3, line, row) of axial, lateral and strain: standard deviation, and share to be taken.
    units : what one unit of the network's axial, lateral and strain output is.
    """

    start: Real
    least_squares: np.ndarray
    motion: Real
    strain: Real
    deviations: Real
    shares: Real
    units: tuple[float, ...]

    @property
    def taken(self) -> Real:
        """(2, line, row) motion with the shares of the correction that are taken."""
        moved: Real = self.start + self.shares[:2] * (self.motion - self.start)
        return moved


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
    is_known = list(known.get("channels", [])) == list(CHANNELS) and list(known.get("outputs", [])) == list(OUTPUTS)
    if not is_known or any("applied" not in curves for curves in known.get("calibration", {}).values()):
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
    first = correction = corrected(pair, motion, context=context, network=network)
    for _ in range(iterations - 1):
        correction = corrected(pair, correction.taken, context=context, network=network)
    is_believed = _agrees(pair, before=motion, after=correction.taken)
    if not is_believed:
        correction = replace(first, shares=np.zeros_like(first.shares))
    moved = to_displacement(pair, correction.taken)
    strain, deviations = _with_refused(correction, pair)
    return LearnedDisplacement(
        moved.axial_samples,
        moved.lateral_lines,
        moved.correlation,
        moved.has_lock,
        strain,
        *deviations,
        believed_sd_samples=BELIEVED_SD_RAD / pair.band.carrier_rad,
        is_refined=is_believed,
    )


def _with_refused(
    correction: _Correction, pair: EchoPair
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Strain with the share that is taken, and the standard deviations, to which what is refused adds."""

    def fine(image: Real) -> np.ndarray:
        return to_samples(image, pair.n_samples, pair.band.step)

    change = fine(correction.strain) - correction.least_squares
    share = np.clip(fine(correction.shares[2]), 0, 1)
    refused = (1 - correction.shares[:2]) * (correction.motion - correction.start)
    axial_sd, lateral_sd = (fine(np.hypot(correction.deviations[k], refused[k])) for k in range(2))
    strain_sd = np.hypot(fine(correction.deviations[2]), (1 - share) * change)
    least = np.float32(1e-9)
    deviations = np.maximum(axial_sd, least), np.maximum(lateral_sd, least), np.maximum(strain_sd, least)
    return correction.least_squares + share * change, deviations


def corrected(pair: EchoPair, motion: Real, *, context: TrackingSetup, network: Network) -> _Correction:
    """One pass of the network."""
    features, grid = refinement_features(pair, motion, context=context)
    images = dict(zip(OUTPUTS, run_padded(network, features), strict=True))
    units = output_units(grid)
    changes = [grid.sign * unit * images[name] for name, unit in units.items()]
    calibration = network.metadata.get("calibration", {})
    deviations = [
        unit * calibrated_deviation(images[f"{name}_log_variance"], calibration.get(name), grid.strain_unit)
        for name, unit in units.items()
    ]
    least = least_squares_strain(pair, motion, context)
    strain = grid.prior_strain + changes[2]
    from_least = strain - grid.from_baseband(least[:: pair.band.step].T)
    shares = [believed_share(c, sd) for c, sd in zip((*changes[:2], from_least), deviations, strict=True)]
    return _Correction(
        motion,
        least,
        motion + np.stack([grid.to_baseband(change) for change in changes[:2]]),
        grid.to_baseband(strain),
        np.stack([grid.to_baseband(sd) for sd in deviations]),
        np.clip(np.stack([grid.to_baseband(share) for share in shares]), 0, 1),
        tuple(units.values()),
    )


def least_squares_strain(pair: EchoPair, motion: Real, context: TrackingSetup) -> np.ndarray:
    """(sample, line) strain that `--method am2d` gives of a motion, with the window it has unless told otherwise."""
    axial_m = to_samples(motion[0], pair.n_samples, pair.band.step) * np.float32(context.axial_step_m)
    return axial_strain(axial_m.astype(np.float32), context.axial_step_m, ElastographyConfig())


def calibrated_deviation(
    log_variance: np.ndarray, calibration: Mapping[str, Any] | None, applied_strain: float
) -> np.ndarray:
    """Standard deviation, in units of the output, that a log-variance of the network means.

    calibration : "applied" (N,) ascending logarithm to base 10 of the applied strain of classes of pairs, and for each
    of them "log_sd" (N, M) ascending and the "factor" (N, M) of the deviation there. Straight between, constant beyond.
    """
    log_sd = 0.5 * np.clip(log_variance, -14, 10)
    deviation = np.exp(log_sd)
    if not calibration:
        return np.asarray(deviation)
    n_classes = len(calibration["applied"])
    place = float(np.interp(math.log10(applied_strain), calibration["applied"], np.arange(n_classes)))
    lower = int(place)
    upper, share = min(lower + 1, n_classes - 1), place - lower
    factors = {k: np.interp(log_sd, calibration["log_sd"][k], calibration["factor"][k]) for k in {lower, upper}}
    return np.asarray(deviation * ((1 - share) * factors[lower] + share * factors[upper]))


def output_units(grid: RefinementGrid) -> dict[str, float]:
    """Samples, lines and strain of one unit of the network's first three outputs."""
    return {"axial": grid.axial_unit, "lateral": LATERAL_UNIT_LINES, "strain": STRAIN_SHARE * grid.strain_unit}


def run_padded(network: Network, features: np.ndarray) -> np.ndarray:
    """(channel, rows, columns) -> (output, rows, columns); edges are repeated to the size the network needs."""
    _, rows, columns = features.shape
    missing = ((0, 0), (0, -rows % _MULTIPLE[0]), (0, -columns % _MULTIPLE[1]))
    output: np.ndarray = network(np.pad(features, missing, mode="edge")[None])[0][:, :rows, :columns]
    return output


def _agrees(pair: EchoPair, *, before: Real, after: Real) -> bool:
    """Whether the frames agree as well with the motion `after` as with `before`, but for the margin."""
    old, new = (
        float(coherence(pair.earlier, pair.warped(motion), pair.correlation_window).mean())
        for motion in (before, after)
    )
    return bool(new >= old - CORRELATION_MARGIN * (1 - old))
