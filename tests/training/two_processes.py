"""A training as a script, which Lightning starts again for every further process: manifest, run folder, devices."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import torch
from torch import nn

from sonometry.models.backbones import BACKBONES, Backbone
from sonometry.models.classifier import Parts
from sonometry.models.stages import HEAD, STAGES
from sonometry.training.classification import classification_task
from sonometry.training.classification_config import ClassificationConfig
from sonometry.training.config import TrainingConfig
from sonometry.training.phases import train


def build(n_classes: int, _state: object) -> Parts:
    body = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.ReLU())
    return Parts(body, nn.Sequential(nn.AvgPool2d((5, 3)), nn.Flatten()), nn.Linear(8, n_classes))


def main(manifest: Path, run: Path, devices: int) -> None:
    """Three epochs with four samples a step in all; the result on stdout."""
    BACKBONES["tiny"] = Backbone("tiny", "tiny", "none", 12, 16, "whitening", build)
    STAGES["tiny"] = (HEAD,)
    config = ClassificationConfig(backbone="tiny", pretrained=False, cache=run / "cache", class_weights=False)
    training = TrainingConfig(
        epochs=3, batch_size=4 // devices, learning_rate=0.01, warm_up_steps=1, schedule="constant", average_decay=0.0,
        optimiser="sgd", workers=0, accelerator="cpu", devices=devices, strategy="ddp" if devices > 1 else "auto",
    )  # fmt: skip
    result = train(classification_task(config, run, manifest, name="sides"), run, training, options={}, progress=False)
    if result.best == result.best:  # helpers know no result
        sys.stdout.write(json.dumps({"best": result.best, "steps": result.steps}) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
