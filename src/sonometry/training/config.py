"""Options of a training run, the same for every task."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class TrainingConfig:
    """How long, how fast and on what a network is trained.

    steps : optimiser steps in all. batch_size : samples a step.
    learning_rate : of the optimiser at its peak. warm_up_steps : linear rise before it.
    schedule : "cosine" falls to 1 % at the last step.
    average_decay : exponential moving average of the weights that is validated and exported; 0 switches it off.
    validate_every : steps between two validations and checkpoints.
    patience : validations without improvement before training ends; 0 never ends early.
    workers : processes that make samples; 0 makes them in the training process.
    accelerator, devices, nodes, strategy, precision : as in Lightning's Trainer.
    epochs : passes over the training data in place of `steps`, for tasks that have a finite number of samples; each
        pass ends with a validation. 0 counts steps.
    validate_every_epochs : passes between two validations.
    dropout_rise : share of the steps over which dropout rises from 0 to what the network has; 0 has all of it at once.
        A network that drops much learns several times faster so (Morerio et al. 2017, arXiv:1703.06229).
    """

    steps: int = 10_000
    batch_size: int = 4
    learning_rate: float = 1e-3
    warm_up_steps: int = 100
    optimiser: Literal["adam", "adamw", "rmsprop", "sgd"] = "adamw"
    schedule: Literal["cosine", "constant"] = "cosine"
    gradient_clip: float = 1.0
    average_decay: float = 0.998
    validate_every: int = 500
    patience: int = 0
    workers: int = 2
    seed: int = 1
    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    epochs: int = 0
    validate_every_epochs: int = 1
    dropout_rise: float = 0.0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "validate_every", "devices", "nodes", "validate_every_epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name.replace('_', '-')} must be at least 1, got {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise ValueError(f"--learning-rate must be positive, got {self.learning_rate}")
        if not 0 <= self.average_decay < 1:
            raise ValueError(f"--average-decay must lie in [0, 1), got {self.average_decay}")
        if not 0 <= self.dropout_rise <= 1:
            raise ValueError(f"--dropout-rise must lie in [0, 1], got {self.dropout_rise}")
        for name in ("epochs", "patience", "workers"):
            if getattr(self, name) < 0:
                raise ValueError(f"--{name} must not be negative, got {getattr(self, name)}")

    @property
    def samples_per_step(self) -> int:
        """Over all devices and nodes."""
        return self.batch_size * self.devices * self.nodes

    def in_steps(self, epoch_size: int) -> TrainingConfig:
        """The same training with its epochs counted as steps; itself where it counts steps already.

        epoch_size : samples in one pass. A pass is rounded to whole steps, at least one.
        """
        if not self.epochs:
            return self
        per_epoch = max(1, round(epoch_size / self.samples_per_step))
        steps = per_epoch * self.epochs
        return dataclasses.replace(
            self, steps=steps, validate_every=min(steps, per_epoch * self.validate_every_epochs), epochs=0
        )

    def identity(self) -> dict[str, Any]:
        """What makes two trainings the same run: all but how long, on what machine, and options at their defaults that
        older runs did not have."""
        fixed = {name: value for name, value in dataclasses.asdict(self).items() if name not in _FREE}
        return {name: value for name, value in fixed.items() if name not in _LATER or value != _LATER[name]}


#: Options that may change when a run is resumed.
_FREE = ("steps", "epochs", "workers", "accelerator", "devices", "nodes", "strategy", "precision", "patience")
#: Options that came after the first runs, with their defaults.
_LATER = {"validate_every_epochs": 1, "dropout_rise": 0.0}
