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
