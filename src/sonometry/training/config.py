"""Options of a training run, the same for every task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


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

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "validate_every", "devices", "nodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name.replace('_', '-')} must be at least 1, got {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise ValueError(f"--learning-rate must be positive, got {self.learning_rate}")
        if not 0 <= self.average_decay < 1:
            raise ValueError(f"--average-decay must lie in [0, 1), got {self.average_decay}")
