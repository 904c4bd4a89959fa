"""What the refinement network learns: the motion and strain that AM2D left over, on simulated pairs.

Every sample is a simulated pair with exact truth, tracked by AM2D; in some a smooth error is added, so that the network
also learns what a bad prior looks like. Samples are a function of (seed, index).
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

from sonometry.applications.elastography import am2d
from sonometry.applications.elastography.calibrate import LOST, calibrated, calibration_pairs
from sonometry.applications.elastography.displacement import TrackingSetup
from sonometry.applications.elastography.features import (
    CHANNELS,
    LATERAL_UNIT_LINES,
    OUTPUTS,
    STRAIN_SHARE,
    RefinementGrid,
    refinement_features,
)
from sonometry.applications.elastography.refine import WEIGHTS
from sonometry.applications.elastography.task_config import TaskConfig
from sonometry.applications.elastography.wu2018_task import PatchTask
from sonometry.core.application import Simulated
from sonometry.core.errors import UsageError
from sonometry.core.rf import RFFrames
from sonometry.io.atomic import atomic_file
from sonometry.models.elasto import RefinementNetwork
from sonometry.models.inference import load_network
from sonometry.models.weights import add_metadata, export_network
from sonometry.simulation.phantoms.inclusion import paper_like_pair, paper_pair, random_pair, varied_pair

#: Seeds of simulated pairs: training from here on, validation below it; tests and benchmarks use seeds below 20,000.
FIRST_TRAINING_SEED = 1_000_000
FIRST_VALIDATION_SEED = 50_000
#: Images that change sign when the lines are mirrored, or the rows, and the targets that do.
_MIRRORED_CHANNELS = [CHANNELS.index(c) for c in ("lateral_mid", "lateral_coarse", "prior_shear")]
_MIRRORED_TARGETS = [OUTPUTS.index("lateral")]
_TURNED_CHANNELS = [CHANNELS.index(c) for c in ("phase_fine", "phase_mid", "phase_coarse", "prior_shear")]
_TURNED_TARGETS = [OUTPUTS.index("axial")]
#: Weight of the pixels beside the edges of the image, where every method is worse, and how many they are.
_EDGE_WEIGHT, _EDGE_ROWS, _EDGE_COLUMNS = 0.1, 16, 4
#: Errors below this many units are not worth a smaller loss. Degrees of freedom of the likelihood.
_SMALLEST, _FREEDOM = 0.02, 4.0


class ElastographyTask:
    """The refinement network, its simulated pairs and its loss."""

    name = WEIGHTS
    monitor = "strain_error"

    def __init__(self, config: TaskConfig, folder: Path) -> None:
        self.config = config
        self.folder = folder

    def network(self) -> nn.Module:
        return RefinementNetwork(len(CHANNELS), len(OUTPUTS), self.config.widths)

    def training_data(self, *, seed: int, n_samples: int, first: int) -> Dataset[Any]:
        return PairDataset(self.config, self.folder / self.config.pool_folder, seed, n_samples, first)

    def validation_data(self) -> Dataset[Any]:
        return ValidationPairs(self.config, self.folder / "validation")

    def losses(self, network: nn.Module, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Logarithms of the errors of every sample, so that a hard pair does not drown the easy ones.

        `strain_error` is the geometric mean over samples of the strain error, as a share of the applied strain.
        """
        features, target, mask = batch["features"], batch["target"], batch["mask"]
        output = network(features.contiguous(memory_format=torch.channels_last)).float()
        error = output[:, :3] - target
        axial, lateral, strain = (_log_rms(error[:, i : i + 1], mask) for i in range(3))
        slope = (error[:, :1, 2:] - error[:, :1, :-2]) / 2 * batch["axial_to_strain"][:, None, None, None]
        inner = mask[:, :, 1:-1] * mask[:, :, 2:] * mask[:, :, :-2]
        tie = _log_rms(slope, inner)
        variance = _likelihood(error.detach(), output[:, 3:], mask)
        of = self.config
        loss = of.axial_weight * axial + of.lateral_weight * lateral + of.strain_weight * strain + of.tie_weight * tie
        loss = loss.mean() + of.variance_weight * variance
        errors = {"axial": axial, "lateral": lateral, "strain": strain, "tie": tie}
        parts = {name: value.mean() for name, value in errors.items()}
        return {"loss": loss, **parts, "variance": variance, "strain_error": parts["strain"] + np.log(STRAIN_SHARE)}

    def export(self, network: nn.Module, folder: Path, *, recipe: Mapping[str, Any]) -> None:
        meta = {"channels": CHANNELS, "outputs": OUTPUTS, "widths": self.config.widths, "recipe": recipe}
        export_network(network, folder, self.name, n_in=len(CHANNELS), metadata=meta)
        if self.config.n_calibration:
            meta |= calibrated(load_network(folder), calibration_pairs(self.config.n_calibration))
            add_metadata(folder, self.name, meta)


def _log_rms(error: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(B,) logarithm of the weighted root mean square over the pixels of each sample."""
    total = (error.square() * mask).sum(dim=(1, 2, 3))
    return 0.5 * (total / mask.sum(dim=(1, 2, 3)).clamp(min=1) + _SMALLEST**2).log()


def _likelihood(error: torch.Tensor, log_variance: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean negative log-likelihood of known errors under Student's t of the predicted scales, whose tails are heavy."""
    bounded = log_variance.clamp(-14, 10)
    tail = 0.5 * (_FREEDOM + 1) * torch.log1p(error.square() * torch.exp(-bounded) / _FREEDOM)
    value = (0.5 * bounded + tail) * mask
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
        number = self.first + index
        rng = np.random.default_rng([self.seed, number])
        return _augmented(self.member(self._drawn(number, rng)), self.config, rng)

    def _drawn(self, number: int, rng: np.random.Generator) -> int:
        """Which pair sample `number` shows: one of a pool that grows while training goes on, or one of its own."""
        if not self.config.pool:
            return number
        available = min(self.config.pool, self.config.pool_start + number // self.config.pool_growth)
        return int(rng.integers(max(1, available)))

    def member(self, member: int) -> dict[str, np.ndarray]:
        """A pair of the pool, made when it is not there yet."""
        seed = FIRST_TRAINING_SEED + 10_000_000 * self.seed + member
        if not self.config.pool:
            return _edges_weighted(make_sample(seed, self.config))
        return cached(self.pool / f"{member:06d}.npz", lambda: make_sample(seed, self.config))


class ValidationPairs(Dataset[dict[str, np.ndarray]]):
    """Whole pairs at the paper's setting, every fourth of the wide distribution, the same in every run."""

    def __init__(self, config: TaskConfig, folder: Path) -> None:
        self.n_pairs, self.folder = config.n_validation, folder
        self.multiple = 2 ** len(config.widths), 2 ** (len(config.widths) - 1)

    def __len__(self) -> int:
        return self.n_pairs

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        if index >= self.n_pairs:
            raise IndexError(index)
        seed = FIRST_VALIDATION_SEED + index
        make = random_sample if index % 4 == 3 else paper_sample
        sample = cached(self.folder / f"{index:03d}.npz", lambda: make(seed))
        rows, lines = (n // m * m for n, m in zip(sample["features"].shape[1:], self.multiple, strict=True))
        return _cropped(sample, max(rows, self.multiple[0]), max(lines, self.multiple[1]), 0, 0)


def cached(path: Path, make: Any) -> dict[str, np.ndarray]:
    """The arrays kept in `path`, made and kept first when they are not there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as temporary, open(temporary, "wb") as stream:
            np.savez(stream, **{k: v.astype(np.float16) if v.ndim == 3 else v for k, v in make().items()})
    with np.load(path) as arrays:
        return _edges_weighted({k: v.astype(np.float32) for k, v in arrays.items()})


def _edges_weighted(sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The sample with a mask that counts the edges of the image little."""
    weight = np.full_like(sample["mask"], _EDGE_WEIGHT)
    weight[:, _EDGE_ROWS:-_EDGE_ROWS, _EDGE_COLUMNS:-_EDGE_COLUMNS] = 1.0
    return {**sample, "mask": sample["mask"] * weight}


def make_sample(seed: int, config: TaskConfig) -> dict[str, np.ndarray]:
    """One simulated pair of one of the distributions as features, targets and units on the grid of the network."""
    _one_thread()
    rng = np.random.default_rng([seed, 6])
    if rng.random() < config.paper_share:
        return varied_paper_sample(seed)
    return random_sample(seed, is_varied=rng.random() < config.varied_share)


def paper_sample(seed: int) -> dict[str, np.ndarray]:
    """A pair at the paper's setting."""
    return sample_of(paper_pair(seed), np.random.default_rng([seed, 7]), disturbed_share=0.0)


def varied_paper_sample(seed: int) -> dict[str, np.ndarray]:
    """A pair like the paper's: four in ten of 0.15 to 5.5 % compression, half with 10 to 40 dB of noise."""
    pair = paper_like_pair(seed, compressed_share=0.4)
    return sample_of(pair, np.random.default_rng([seed, 7]), disturbed_share=0.05)


def random_sample(seed: int, *, is_varied: bool = False) -> dict[str, np.ndarray]:
    """A pair of the wide distribution, or of its variant with uneven tissue, with 64 to 192 lines."""
    rng = np.random.default_rng([seed, 9])
    make = varied_pair if is_varied else random_pair
    pair = make(seed, n_lines=int(rng.choice([64, 128, 128, 192])))
    return sample_of(pair, np.random.default_rng([seed, 7]), disturbed_share=0.15)


def sample_of(pair: Simulated, rng: np.random.Generator, *, disturbed_share: float) -> dict[str, np.ndarray]:
    """Features, target (axial, lateral, strain in the units of the outputs) and mask of one simulated pair."""
    frames = pair.recording
    assert isinstance(frames, RFFrames)
    context = TrackingSetup.of(frames)
    echo, motion = am2d.track_baseband(frames.samples[0], frames.samples[1], context=context)
    if rng.random() < disturbed_share:
        motion = _disturbed(motion, 2 * np.pi / echo.band.carrier_rad, rng)
    features, grid = refinement_features(echo, motion, context=context)
    target, mask = _target(_truth(pair, frames, echo.band.step), motion, grid)
    mask = mask * (features[CHANNELS.index("inside")] > 0.99)[None]
    pixel_samples = grid.rows_per_pixel * echo.band.step
    return {
        "features": features,
        "target": target,
        "mask": mask.astype(np.float32),
        "axial_to_strain": np.float32(grid.axial_unit / pixel_samples / grid.strain_unit / STRAIN_SHARE),
        "strain_unit": np.float32(STRAIN_SHARE * grid.strain_unit),
    }


def _truth(pair: Simulated, frames: RFFrames, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True axial motion in samples, lateral in lines, and strain, on the rows of the baseband (line, row)."""
    pitch_m = TrackingSetup.of(frames).line_pitch_m
    units = {"axial_displacement_m": frames.axial_step_m, "lateral_displacement_m": pitch_m, "axial_strain": 1.0}
    axial, lateral, strain = (pair.truth[name][::step].T / unit for name, unit in units.items())
    return axial, lateral, strain


def _target(
    truth: tuple[np.ndarray, np.ndarray, np.ndarray], motion: np.ndarray, grid: RefinementGrid
) -> tuple[np.ndarray, np.ndarray]:
    """What the network should say, and where its error counts: not where the prior is lost beyond repair."""
    axial = grid.sign * grid.from_baseband(truth[0] - motion[0]) / grid.axial_unit
    lateral = grid.sign * grid.from_baseband(truth[1] - motion[1]) / LATERAL_UNIT_LINES
    strain = grid.sign * (grid.from_baseband(truth[2]) - grid.prior_strain) / (STRAIN_SHARE * grid.strain_unit)
    is_kept = (np.abs(axial) < LOST) & (np.abs(lateral) < 2 * LOST)
    return np.clip(np.stack([axial, lateral, strain]), -LOST, LOST).astype(np.float32), is_kept[None]


def _disturbed(motion: np.ndarray, period_samples: float, rng: np.random.Generator) -> np.ndarray:
    """A motion (2, line, row) with a smooth error of at most a thirtieth of a period and a tenth of a line."""
    sizes = 10 ** rng.uniform(-3.5, -1.5) * period_samples, 10 ** rng.uniform(-2.5, -1)
    errors = [size * _smooth_noise(motion.shape[1:], rng) for size in sizes]
    return (motion + np.stack(errors)).astype(np.float32)


def _smooth_noise(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """A random field of unit variance with structure from a twentieth of the image to all of it."""
    rows, lines = (int(n) for n in rng.integers(3, 24, size=2))
    field = cv2.resize(
        rng.standard_normal((rows, lines)).astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC
    )
    normalised: np.ndarray = (field - field.mean()) / (field.std() + 1e-6)
    return normalised


def _augmented(sample: Mapping[str, np.ndarray], config: TaskConfig, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A random crop, mirrored in half of the cases and turned upside down in half."""
    rows, lines = sample["features"].shape[1:]
    top = int(rng.integers(max(1, rows - config.crop_rows + 1)))
    left = int(rng.integers(max(1, lines - config.crop_lines + 1)))
    crop = _cropped(sample, config.crop_rows, config.crop_lines, top, left)
    if rng.random() < 0.5:
        crop = _reversed(crop, -1, _MIRRORED_CHANNELS, _MIRRORED_TARGETS)
    return _reversed(crop, -2, _TURNED_CHANNELS, _TURNED_TARGETS) if rng.random() < 0.5 else crop


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


def _reversed(
    sample: Mapping[str, np.ndarray], axis: int, channels: list[int], targets: list[int]
) -> dict[str, np.ndarray]:
    """The sample with its lines (axis -1) or rows (-2) in reverse order, and the signs that this changes."""
    turned = {k: np.ascontiguousarray(np.flip(v, axis)) if v.ndim == 3 else v for k, v in sample.items()}
    turned["features"][channels] *= -1
    turned["target"][targets] *= -1
    return turned


def _one_thread() -> None:
    """A worker process uses one core; several of them use all."""
    if torch.utils.data.get_worker_info() is not None:
        import numba

        numba.set_num_threads(1)
        cv2.setNumThreads(1)
        os.environ["OMP_NUM_THREADS"] = "1"


def task(config: TaskConfig, folder: Path, data: Path | None) -> ElastographyTask | PatchTask:
    """The task of `sonometry train elastography`; its data are simulated on the way, so it takes none."""
    if data is not None:
        raise UsageError("elastography trains on pairs that it simulates itself; leave --data away")
    return ElastographyTask(config, folder) if config.network == "refinement" else PatchTask(config, folder)
