"""The task of one network of a study: the shared classifier task, whose result is what it says of held-out frames.

Weights of a study are not kept: those of the largest networks would fill a disk, and only the numbers are wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from sonometry.data.dataset import FrameDataset
from sonometry.data.frames import FrameTable
from sonometry.io.atomic import atomic_file
from sonometry.models.backbones import backbone
from sonometry.models.classifier import count_parameters
from sonometry.training.classification import ClassificationTask
from sonometry.training.classification_config import ClassificationConfig
from sonometry.training.schedules import Phase, phases


class StudyTask(ClassificationTask):
    """Learns from `train`, keeps the weights that are best on `validation`, and writes logits.npz of both held-out
    tables instead of weights. rate_factor : on the learning rates of gradual unfreezing, for few data."""

    def __init__(
        self,
        config: ClassificationConfig,
        train: FrameTable,
        validation: FrameTable,
        test: FrameTable | None,
        *,
        rate_factor: float = 1.0,
    ) -> None:
        super().__init__(config, "view-study", train, validation)
        self.test, self.rate_factor = test, rate_factor

    @property
    def schedule(self) -> tuple[Phase, ...]:
        if self.config.unfreezing == "whole":
            return ()
        stages = [stage.name for stage in backbone(self.config.backbone).stages]
        return phases(self.config.unfreezing, stages, epochs=self.config.phase_epochs, rate_factor=self.rate_factor)

    def export(self, network: nn.Module, folder: Path, *, recipe: Mapping[str, Any]) -> None:
        arrays = {
            "validation": logits_of(network, self.validation),
            "n_parameters": np.array(count_parameters(network)),
        }
        if self.test is not None:
            arrays["test"] = logits_of(network, self.test)
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(folder / "logits.npz") as partial, open(partial, "wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)


def logits_of(network: nn.Module, table: FrameTable) -> np.ndarray:
    """(N, C) logits of all frames of a table."""
    found = []
    with torch.inference_mode():
        for batch in DataLoader(FrameDataset(table), batch_size=64):
            found.append(network(batch["image"]).float().numpy())
    return np.concatenate(found)
