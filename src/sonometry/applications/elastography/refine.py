"""The method "sonometry": a tracker's displacement, refined by a network on phase and coherence, warped anew and again.

Gives axial and lateral displacement, strain, and the standard deviation of each. The network has only seen simulation;
its standard deviations are scaled by factors that were calibrated on held-out simulation (kept beside the weights).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.applications.elastography.displacement import METHODS, Displacement, TrackingSetup, check_pair
from sonometry.applications.elastography.features import (
    CHANNELS,
    LATERAL_UNIT_LINES,
    OUTPUTS,
    STRAIN_SHARE,
    RefinementGrid,
    refinement_features,
    to_samples,
)
from sonometry.core.errors import DataError
from sonometry.models.inference import Network, load_network, shipped_weights

WEIGHTS = "elastography-refinement"
#: The tracker that is refined, and how often its frame is warped anew.
PRIOR = "am2d"
ITERATIONS = 1
#: Rows and lines are repeated up to a multiple of this, which the network's levels need.
_MULTIPLE = (16, 8)


@dataclass(frozen=True, eq=False)
class RefinedDisplacement(Displacement):
    """A displacement with its strain and the standard deviation of each, all float32 (axial, line).

    axial_strain : d(axial displacement)/d(depth), a fraction. *_sd : in samples, lines and as a fraction.
    """

    axial_strain: np.ndarray
    axial_sd_samples: np.ndarray
    lateral_sd_lines: np.ndarray
    strain_sd: np.ndarray


def track(earlier: np.ndarray, later: np.ndarray, *, context: TrackingSetup, config: Any = None) -> RefinedDisplacement:
    """Track with the prior method, then refine. `config.weights` names other weights than the shipped ones."""
    check_pair(earlier, later)
    weights = getattr(config, "weights", None)
    network = load_network(Path(weights) if weights else shipped_weights(WEIGHTS))
    prior = METHODS[PRIOR](earlier, later, context=context, config=config)
    return refine(earlier, later, prior, context=context, network=network)


def refine(
    earlier: np.ndarray,
    later: np.ndarray,
    prior: Displacement,
    *,
    context: TrackingSetup,
    network: Network,
    iterations: int = ITERATIONS,
) -> RefinedDisplacement:
    """Improve `prior` by `iterations` passes of the network, each on the frame warped by the pass before."""
    if list(network.metadata.get("channels", [])) != list(CHANNELS):
        raise DataError(f"{network.name} expects other images than this version makes; train it again")
    scale = earlier.std() + 1e-30
    frames = [np.ascontiguousarray(f / scale, dtype=np.float32) for f in (earlier, later)]
    current: Displacement = prior
    for _ in range(iterations):
        features, grid = refinement_features(*frames, current, context=context)
        current = _improved(current, run_padded(network, features), grid, network.metadata.get("calibration", {}))
    assert isinstance(current, RefinedDisplacement)
    return current


def run_padded(network: Network, features: np.ndarray) -> np.ndarray:
    """(channel, rows, lines) -> (output, rows, lines); edges are repeated to the size the network needs."""
    _, rows, lines = features.shape
    missing = ((0, 0), (0, -rows % _MULTIPLE[0]), (0, -lines % _MULTIPLE[1]))
    return network(np.pad(features, missing, mode="edge")[None])[0][:, :rows, :lines]


def _improved(
    before: Displacement, output: np.ndarray, grid: RefinementGrid, calibration: dict[str, float]
) -> RefinedDisplacement:
    """The displacement that the network's output means."""
    images = dict(zip(OUTPUTS, output, strict=True))
    n_samples = before.axial_samples.shape[0]
    axial = grid.prior_axial + grid.sign * grid.axial_unit * images["axial"]
    lateral = grid.prior_lateral + grid.sign * LATERAL_UNIT_LINES * images["lateral"]
    strain = grid.prior_strain + grid.sign * STRAIN_SHARE * grid.strain_unit * images["strain"]
    units = {"axial": grid.axial_unit, "lateral": LATERAL_UNIT_LINES, "strain": STRAIN_SHARE * grid.strain_unit}
    deviation = {
        name: calibration.get(name, 1.0) * unit * np.exp(0.5 * np.clip(images[f"{name}_log_variance"], -14, 8))
        for name, unit in units.items()
    }
    axial, lateral, strain = (to_samples(image, grid.block, n_samples) for image in (axial, lateral, strain))
    sd = {k: np.maximum(to_samples(v, grid.block, n_samples), 1e-9).astype(np.float32) for k, v in deviation.items()}
    return RefinedDisplacement(
        axial, lateral, before.correlation, before.has_lock, strain, sd["axial"], sd["lateral"], sd["strain"]
    )
