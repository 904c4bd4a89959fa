"""What the refinement network learns: the motion and strain that a prior displacement left over, on simulated pairs.

Every sample is a simulated pair with exact truth, tracked by AM2D; in one of six a smooth error is added, so that the
network also learns what a bad prior looks like. Samples are a function of (seed, index).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from sonometry.applications.elastography.displacement import METHODS, Displacement, TrackingSetup
from sonometry.applications.elastography.features import (
    CHANNELS,
    LATERAL_UNIT_LINES,
    OUTPUTS,
    STRAIN_SHARE,
    RefinementGrid,
    block_mean,
    refinement_features,
)
from sonometry.applications.elastography.refine import PRIOR
from sonometry.applications.elastography.task_config import TaskConfig
from sonometry.core.application import Simulated
from sonometry.core.errors import UsageError
from sonometry.core.rf import RFFrames
from sonometry.io.atomic import atomic_file
from sonometry.models.elasto import RefinementNetwork
from sonometry.models.weights import export_network
from sonometry.simulation.phantoms.inclusion import paper_pair, random_pair

#: Seeds of simulated pairs: training from here on, validation below it; tests and benchmarks use seeds below 20,000.
FIRST_TRAINING_SEED = 1_000_000
FIRST_VALIDATION_SEED = 50_000
#: Images that change sign when the lines are mirrored, and the targets that do.
_MIRRORED_CHANNELS = [CHANNELS.index(c) for c in ("lateral_mid", "lateral_coarse", "prior_shear")]
_MIRRORED_TARGETS = [OUTPUTS.index("lateral")]
#: A residual beyond this many units counts as lost, and is told by the variance alone.
_LOST = 40.0


class ElastographyTask:
    """The refinement network, its simulated pairs and its loss."""

    name = "elastography-refinement"
    monitor = "strain_rmse"

    def __init__(self, config: TaskConfig, folder: Path) -> None:
        self.config = config
        self.folder = folder

    def network(self) -> nn.Module:
        return RefinementNetwork(len(CHANNELS), len(OUTPUTS), self.config.widths)

    def training_data(self, *, seed: int, n_samples: int, first: int) -> Dataset[Any]:
        return PairDataset(self.config, self.folder / self.config.pool_folder, seed, n_samples, first)

    def validation_data(self) -> Dataset[Any]:
        return ValidationPairs(self.config.n_validation, self.folder / "validation")

    def losses(self, network: nn.Module, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Errors in the units of the outputs, weighted so that each part is of order one."""
        features, target, mask = batch["features"], batch["target"], batch["mask"]
        output = network(features.contiguous(memory_format=torch.channels_last))
        error = (output[:, :3] - target) * mask
        axial, lateral, strain = (_root_mean_square(error[:, i : i + 1], mask) for i in range(3))
        tie = _root_mean_square(self._tie(output, batch), mask[:, :, 1:-1])
        variance = _likelihood(error.detach(), output[:, 3:], mask)
        of_strain = self.config.strain_weight * strain + self.config.tie_weight * tie
        loss = 0.5 * axial + 0.2 * lateral + of_strain + self.config.variance_weight * variance
        strain_rmse = (strain * batch["strain_unit"]).mean()
        parts = {"loss": loss.mean(), "axial": axial.mean(), "lateral": lateral.mean(), "strain": strain.mean()}
        return {**parts, "tie": tie.mean(), "variance": variance, "strain_rmse": strain_rmse}

    def _tie(self, output: torch.Tensor, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Gradient of the displacement error along depth, in units of strain: central differences over two blocks."""
        error = (output[:, :1] - batch["target"][:, :1]) * batch["axial_to_strain"]
        gradient: torch.Tensor = (error[:, :, 2:] - error[:, :, :-2]) / 2 * batch["mask"][:, :, 1:-1]
        return gradient

    def export(self, network: nn.Module, folder: Path, *, recipe: Mapping[str, Any]) -> None:
        meta = {"channels": CHANNELS, "outputs": OUTPUTS, "widths": self.config.widths, "recipe": recipe}
        export_network(network, folder, self.name, n_in=len(CHANNELS), metadata=meta)


def _root_mean_square(error: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(B,) root of the mean square over the masked pixels of each sample."""
    total = error.square().sum(dim=(1, 2, 3))
    return (total / mask.sum(dim=(1, 2, 3)).clamp(min=1) + 1e-8).sqrt()


def _likelihood(error: torch.Tensor, log_variance: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean negative Gaussian log-likelihood of known errors under the predicted variances."""
    bounded = log_variance.clamp(-14, 8)
    value = 0.5 * (error.square().clamp(max=_LOST**2) * torch.exp(-bounded) + bounded) * mask
    return value.sum() / (mask.sum() * error.shape[1]).clamp(min=1)


class PairDataset(Dataset[dict[str, np.ndarray]]):
    """Random crops of simulated pairs; sample i is a function of (seed, first + i)."""

    def __init__(self, config: TaskConfig, pool: Path, seed: int, n_samples: int, first: int) -> None:
        self.config, self.pool, self.seed, self.n_samples, self.first = config, pool, seed, n_samples, first

    def __len__(self) -> int:
        return self.n_samples

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        if index >= self.n_samples:
            raise IndexError(index)
        rng = np.random.default_rng([self.seed, self.first + index])
        member = int(rng.integers(self.config.pool)) if self.config.pool else self.first + index
        return _augmented(self._member(member), self.config, rng)

    def _member(self, member: int) -> dict[str, np.ndarray]:
        seed = FIRST_TRAINING_SEED + 10_000_000 * self.seed + member
        if not self.config.pool:
            return make_sample(seed, self.config.paper_share)
        return cached(self.pool / f"{member:06d}.npz", lambda: make_sample(seed, self.config.paper_share))


class ValidationPairs(Dataset[dict[str, np.ndarray]]):
    """Whole pairs at the paper's setting, the same in every run."""

    def __init__(self, n_pairs: int, folder: Path) -> None:
        self.n_pairs, self.folder = n_pairs, folder

    def __len__(self) -> int:
        return self.n_pairs

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        if index >= self.n_pairs:
            raise IndexError(index)
        seed = FIRST_VALIDATION_SEED + index
        sample = cached(self.folder / f"{index:03d}.npz", lambda: make_sample(seed, 1.0))
        return _cropped(sample, sample["features"].shape[1] // 16 * 16, sample["features"].shape[2] // 8 * 8, 0, 0)


def cached(path: Path, make: Any) -> dict[str, np.ndarray]:
    """The arrays kept in `path`, made and kept first when they are not there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as temporary, open(temporary, "wb") as stream:
            np.savez(stream, **{k: v.astype(np.float16) if v.ndim == 3 else v for k, v in make().items()})
    with np.load(path) as arrays:
        return {k: v.astype(np.float32) for k, v in arrays.items()}


def make_sample(seed: int, paper_share: float) -> dict[str, np.ndarray]:
    """Simulate one pair and return features, targets and units on the grid of the network."""
    _one_thread()
    rng = np.random.default_rng([seed, 7])
    pair = paper_pair(seed) if rng.random() < paper_share else random_pair(seed)
    return sample_of(pair, rng)


def sample_of(pair: Simulated, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Features, target (axial, lateral, strain in the units of the outputs) and mask of one simulated pair."""
    frames = pair.recording
    assert isinstance(frames, RFFrames)
    earlier, later = (frame / (np.std(frame) + 1e-30) for frame in frames.samples)
    context = TrackingSetup.of(frames)
    truth = _truth(pair, frames)
    features, grid = refinement_features(earlier, later, _prior(frames, context, rng), context=context)
    target, mask = _target(truth, grid)
    mask = mask * (features[CHANNELS.index("inside")] > 0.99)[None]
    return {
        "features": features,
        "target": target,
        "mask": mask.astype(np.float32),
        "axial_to_strain": (grid.axial_unit / grid.block / grid.strain_unit / STRAIN_SHARE)[None].astype(np.float32),
        "strain_unit": np.float32(STRAIN_SHARE * grid.strain_unit),
    }


def _truth(pair: Simulated, frames: RFFrames) -> dict[str, np.ndarray]:
    """The true motion in samples and lines, and the true strain."""
    pitch = TrackingSetup.of(frames).line_pitch_m
    return {
        "axial": (pair.truth["axial_displacement_m"] / frames.axial_step_m).astype(np.float32),
        "lateral": (pair.truth["lateral_displacement_m"] / pitch).astype(np.float32),
        "strain": pair.truth["axial_strain"].astype(np.float32),
    }


def _target(truth: Mapping[str, np.ndarray], grid: RefinementGrid) -> tuple[np.ndarray, np.ndarray]:
    """What the network should say, and where its error counts: not where the prior is lost beyond repair."""
    axial = grid.sign * (block_mean(truth["axial"], grid.block) - grid.prior_axial) / grid.axial_unit
    lateral = grid.sign * (block_mean(truth["lateral"], grid.block) - grid.prior_lateral) / LATERAL_UNIT_LINES
    strain_unit = STRAIN_SHARE * grid.strain_unit
    strain = grid.sign * (block_mean(truth["strain"], grid.block) - grid.prior_strain) / strain_unit
    is_kept = (np.abs(axial) < _LOST) & (np.abs(lateral) < _LOST)
    return np.clip(np.stack([axial, lateral, strain]), -_LOST, _LOST).astype(np.float32), is_kept[None]


def _prior(frames: RFFrames, context: TrackingSetup, rng: np.random.Generator) -> Displacement:
    """What the tracker finds, disturbed in one pair of six."""
    tracked = METHODS[PRIOR](frames.samples[0], frames.samples[1], context=context)
    if rng.random() > 1 / 6:
        return tracked
    axial_error = 10 ** rng.uniform(-3.5, -1.5) * context.samples_per_period
    axial = tracked.axial_samples + axial_error * _smooth_noise(tracked.axial_samples.shape, rng)
    lateral = tracked.lateral_lines + 10 ** rng.uniform(-2.5, -1) * _smooth_noise(tracked.axial_samples.shape, rng)
    return Displacement(axial.astype(np.float32), lateral.astype(np.float32), tracked.correlation, tracked.has_lock)


def _smooth_noise(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """A random field of unit variance with structure from a twentieth of the image to all of it."""
    rows, lines = (int(n) for n in rng.integers(3, 24, size=2))
    field = cv2.resize(
        rng.standard_normal((rows, lines)).astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC
    )
    normalised: np.ndarray = (field - field.mean()) / (field.std() + 1e-6)
    return normalised


def _augmented(sample: Mapping[str, np.ndarray], config: TaskConfig, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A random crop, mirrored half of the time."""
    rows, lines = sample["features"].shape[1:]
    top = int(rng.integers(max(1, rows - config.crop_rows + 1)))
    left = int(rng.integers(max(1, lines - config.crop_lines + 1)))
    crop = _cropped(sample, config.crop_rows, config.crop_lines, top, left)
    return _mirrored(crop) if rng.random() < 0.5 else crop


def _cropped(sample: Mapping[str, np.ndarray], rows: int, lines: int, top: int, left: int) -> dict[str, np.ndarray]:
    """A window of every image; what lies beyond is repeated and masked out."""
    crop: dict[str, np.ndarray] = {}
    for name, image in sample.items():
        if image.ndim < 3:
            crop[name] = image
            continue
        window = image[:, top : top + rows, left : left + lines]
        missing = ((0, 0), (0, rows - window.shape[1]), (0, lines - window.shape[2]))
        crop[name] = np.pad(window, missing, mode="constant" if name == "mask" else "edge")
    return crop


def _mirrored(sample: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The sample with its lines in reverse order."""
    mirrored = {k: np.ascontiguousarray(v[..., ::-1]) if v.ndim == 3 else v for k, v in sample.items()}
    mirrored["features"][_MIRRORED_CHANNELS] *= -1
    mirrored["target"][_MIRRORED_TARGETS] *= -1
    return mirrored


def _one_thread() -> None:
    """A worker process uses one core; several of them use all."""
    if torch.utils.data.get_worker_info() is not None:
        import numba

        numba.set_num_threads(1)
        cv2.setNumThreads(1)
        os.environ["OMP_NUM_THREADS"] = "1"


def task(config: TaskConfig, folder: Path, data: Path | None) -> ElastographyTask:
    """The task of `sonometry train elastography`; its data are simulated on the way, so it takes none."""
    if data is not None:
        raise UsageError("elastography trains on pairs that it simulates itself; leave --data away")
    return ElastographyTask(config, folder)
