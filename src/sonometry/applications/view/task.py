"""What the view network learns: one of eight views, or none of them, from a single frame.

Without data, frames are simulated on the way and kept in the run folder (`stream`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import Dataset

from sonometry.applications.view.labels import CLASS_NAMES, class_index
from sonometry.applications.view.prepare import SIDE, normalised
from sonometry.applications.view.stream import BLOCK, FramePool, training_vendors, varied
from sonometry.applications.view.task_config import TaskConfig
from sonometry.models.view import ViewNetwork
from sonometry.models.weights import export_network

#: Seed of the frames that tell the best weights; training takes the seed of the run plus one million.
VALIDATION_SEED = 500
_TRAINING_SEEDS = 1_000_000


class ViewTask:
    """The frame classifier, its simulated frames and its loss."""

    name = "view-frames"
    monitor = "cross_entropy"

    def __init__(self, config: TaskConfig, folder: Path) -> None:
        self.config, self.folder = config, folder / config.pool_folder

    def network(self) -> nn.Module:
        config = self.config
        network = ViewNetwork(len(CLASS_NAMES), config.widths, config.dropout, config.stem)
        return network.to(memory_format=torch.channels_last)

    def training_data(self, *, seed: int, n_samples: int, first: int) -> Dataset[Any]:
        pool = FramePool(self.folder, _TRAINING_SEEDS + seed, tuple(training_vendors()))
        return SimulatedFrames(pool, self.config, seed, n_samples, first)

    def validation_data(self) -> Dataset[Any]:
        pool = FramePool(self.folder, VALIDATION_SEED, tuple(training_vendors()))
        return ValidationFrames(pool, self.config.n_validation)

    def losses(self, network: nn.Module, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Cross-entropy with smoothed labels; also the plain one and the accuracy."""
        image, label = batch["image"].flatten(0, -4), batch["label"].flatten()
        scores = network(image.contiguous(memory_format=torch.channels_last))[:, : len(CLASS_NAMES), 0, 0].float()
        loss = functional.cross_entropy(scores, label, label_smoothing=self.config.label_smoothing)
        plain = functional.cross_entropy(scores.detach(), label)
        accuracy = (scores.argmax(1) == label).float().mean()
        return {"loss": loss, "cross_entropy": plain, "accuracy": accuracy}

    def export(self, network: nn.Module, folder: Path, *, recipe: Mapping[str, Any]) -> None:
        meta = {"labels": CLASS_NAMES, "side": SIDE, "temperature": 1.0, "widths": self.config.widths, "recipe": recipe}
        export_network(network, folder, self.name, n_in=1, metadata=meta)


class SimulatedFrames(Dataset[dict[str, np.ndarray]]):
    """Varied frames of a growing pool; sample i is a function of (seed, first + i)."""

    def __init__(self, pool: FramePool, config: TaskConfig, seed: int, n_samples: int, first: int) -> None:
        self.pool, self.config, self.seed, self.n_samples, self.first = pool, config, seed, n_samples, first

    def __len__(self) -> int:
        return self.n_samples

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        if index >= self.n_samples:
            raise IndexError(index)
        _one_thread()
        position = self.first + index
        rng = np.random.default_rng([self.seed, position])
        n_blocks = self.config.first_blocks + position // (self.config.reuse * BLOCK)
        pooled = self.pool.frame(int(rng.integers(n_blocks)), int(rng.integers(BLOCK)))
        return as_sample(varied(pooled, rng), pooled.label)


class ValidationFrames(Dataset[dict[str, np.ndarray]]):
    """Blocks of varied frames of other patients, the same in every run; an item is a block."""

    def __init__(self, pool: FramePool, n_frames: int) -> None:
        self.pool, self.n_blocks = pool, max(1, n_frames // BLOCK)

    def __len__(self) -> int:
        return self.n_blocks

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        if index >= self.n_blocks:
            raise IndexError(index)
        rng = np.random.default_rng([VALIDATION_SEED, index])
        pooled = [self.pool.frame(index, i) for i in range(BLOCK)]
        samples = [as_sample(varied(p, rng), p.label) for p in pooled]
        return {name: np.stack([s[name] for s in samples]) for name in samples[0]}


def as_sample(picture: np.ndarray, label: str) -> dict[str, np.ndarray]:
    """Picture (1, side, side) as the network takes it, and its class."""
    return {"image": normalised(picture)[None], "label": np.asarray(class_index(label), np.int64)}


def _one_thread() -> None:
    """A worker process uses one core; several of them use all."""
    if torch.utils.data.get_worker_info() is not None:
        cv2.setNumThreads(1)


def task(config: TaskConfig, folder: Path, data: Path | None) -> ViewTask:
    """The task of `sonometry train view`."""
    return ViewTask(config, folder)
