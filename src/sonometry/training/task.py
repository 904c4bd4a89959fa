"""What an application gives the training layer: a network, its data and its loss. Nothing of optimisation.

A task is made from the application's task configuration; the training layer drives it without knowing the application.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn
from torch.utils.data import Dataset

from sonometry.core.errors import UsageError


class Task(Protocol):
    """One thing to learn.

    name : of the weights, also the folder they are exported to.
    monitor : logged validation value that tells the best weights; smaller is better.
    """

    name: str
    monitor: str

    def network(self) -> nn.Module:
        """A fresh network with random weights drawn from torch's current seed."""

    def training_data(self, *, seed: int, n_samples: int, first: int) -> Dataset[Any]:
        """`n_samples` training samples, each a function of (seed, index), starting at index `first`."""

    def validation_data(self) -> Dataset[Any]:
        """The same samples in every run, disjoint from all training data."""

    def losses(self, network: nn.Module, batch: Any) -> Mapping[str, torch.Tensor]:
        """Scalars of one batch; the one called "loss" is minimised, all are logged."""

    def export(self, network: nn.Module, folder: Path, *, recipe: Mapping[str, Any]) -> None:
        """Write safetensors, ONNX and metadata that `measure` can use."""


class FiniteTask(Task, Protocol):
    """A task whose training data are a finite set, so that it can be trained in epochs.

    validation_batch_size : items of a validation batch; every item then counts alike.
    """

    validation_batch_size: int

    def epoch_size(self) -> int:
        """Samples in one pass over the training data."""

    def open_from(self, network: nn.Module, stage: str) -> None:
        """Train the stages of the network down to `stage`, and freeze the others."""


def epoch_size(task: Task) -> int:
    """Samples in one pass. UsageError for a task that makes its samples without end."""
    if not hasattr(task, "epoch_size"):
        raise UsageError(f"{task.name} makes its samples without end, so it has no epochs; pass --steps")
    return int(task.epoch_size())


def validation_batch_size(task: Task) -> int:
    """Items of a validation batch: 1 where the task does not say."""
    return int(getattr(task, "validation_batch_size", 1))


def items_of(task: Task, batch: Any) -> int:
    """How many items a validation batch counts for."""
    if validation_batch_size(task) == 1:
        return 1
    return len(next(iter(batch.values())))
