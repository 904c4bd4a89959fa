"""The task of learning to classify frames, for any backbone and any labelled clips.

Whitening comes from the training frames and travels in the network; the temperature that calibrates it is fitted on the
validation frames when it is exported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import Dataset

from sonometry.core.application import Progress, no_progress
from sonometry.core.errors import DataError, UsageError
from sonometry.data.dataset import FrameDataset, FrameStream
from sonometry.data.folds import sides_of_folds
from sonometry.data.frames import FrameTable, frame_table
from sonometry.data.labelled import LabelledClips, check_learnable, read_labelled
from sonometry.data.preparation import Preparation, Rescaling
from sonometry.data.sampling import class_weights, stratified_subsample
from sonometry.evaluation.calibration import fit_temperature
from sonometry.io.atomic import write_atomic
from sonometry.models.backbones import backbone, build_classifier
from sonometry.models.classifier import Classifier
from sonometry.models.classifier_export import export_classifier
from sonometry.models.inference import load_network
from sonometry.models.stages import open_from
from sonometry.training.classification_config import ClassificationConfig
from sonometry.training.predict import logits_of
from sonometry.training.schedules import Phase, phases

#: Seed of the draw of a share of the training frames.
_SHARE_SEED = 20_190_601
#: Seed of the division into folds, the same for all of them.
_FOLD_SEED = 0
#: Left-out clips that are told one by one; the others are in skipped.csv.
_MOST_NOTES = 5


class ClassificationTask:
    """Cross-entropy of frames; every class counts alike where the options say so. See `training.task.FiniteTask`."""

    monitor = "loss"
    validation_batch_size = 64

    def __init__(self, config: ClassificationConfig, name: str, train: FrameTable, validation: FrameTable) -> None:
        self.config, self.name, self.train, self.validation = config, name, train, validation
        self.class_names = train.clips.class_names
        self.weights = torch.tensor(class_weights(train.labels, len(self.class_names)), dtype=torch.float32)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out of the data, in sentences."""
        told = [str(skipped) for table in (self.train, self.validation) for skipped in table.skipped]
        more = len(told) - _MOST_NOTES
        return (
            *told[:_MOST_NOTES],
            *([f"{more} more clips with frames left out, see skipped.csv"] if more > 0 else []),
        )

    @property
    def schedule(self) -> tuple[Phase, ...]:
        """Phases of gradual unfreezing; none where all layers are trained at once."""
        if self.config.unfreezing == "whole":
            return ()
        stages = [stage.name for stage in backbone(self.config.backbone).stages]
        return phases(self.config.unfreezing, stages, epochs=self.config.phase_epochs)

    def network(self) -> Classifier:
        network = build_classifier(self.config.backbone, len(self.class_names), pretrained=self.config.pretrained)
        network.whiten(*self.train.statistics())
        return network.to(memory_format=torch.channels_last)  # convolutions on a processor take 0.7 of the time

    def epoch_size(self) -> int:
        return len(self.train)

    def training_data(self, *, seed: int, n_samples: int, first: int) -> Dataset[Any]:
        return FrameStream(
            self.train,
            self.config.augmentation,
            seed=seed,
            n_samples=n_samples,
            first=first,
            is_balanced=self.config.balanced,
        )

    def validation_data(self) -> Dataset[Any]:
        return FrameDataset(self.validation)

    def losses(self, network: nn.Module, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Cross-entropy, weighted by class only in training; and the share of right frames."""
        logits, label = network(batch["image"].contiguous(memory_format=torch.channels_last)), batch["label"]
        is_weighted = network.training and self.config.class_weights
        weights = self.weights.to(logits.device) if is_weighted else None
        loss = functional.cross_entropy(logits.float(), label, weight=weights)
        return {"loss": loss, "accuracy": (logits.argmax(dim=1) == label).float().mean()}

    def open_from(self, network: nn.Module, stage: str) -> None:
        open_from(network, backbone(self.config.backbone).stages, stage)

    def export(self, network: nn.Module, folder: Path, *, recipe: Mapping[str, Any]) -> None:
        assert isinstance(network, Classifier)
        about = {
            "kind": "frame classifier",
            "class_names": self.class_names,
            "backbone": self.config.backbone,
            "fit": self.config.fit,
            "recipe": recipe,
        }
        size = self.validation.size
        export_classifier(network, folder, self.name, size=size, metadata={**about, "temperature": 1.0})
        trained = load_network(folder)
        temperature = fit_temperature(logits_of(trained, self.validation)[0].astype(np.float64), self.validation.labels)
        export_classifier(network, folder, self.name, size=size, metadata={**about, "temperature": temperature})


def classification_task(
    config: ClassificationConfig,
    folder: Path,
    data: Path | None,
    *,
    name: str,
    class_names: tuple[str, ...] = (),
    preparation: Preparation | None = None,
    make: Callable[[ClassificationConfig, str, FrameTable, FrameTable], ClassificationTask] | None = None,
    progress: Progress = no_progress,
) -> ClassificationTask:
    """The task on the clips of a manifest, whose frames are prepared first; what was left out is in skipped.csv.

    class_names : the classes where the options name none. preparation : of an application; by default the whole frame
    at the size of the backbone. make : builds a task of an application's own.
    Raises UsageError without a manifest, DataError for one that cannot be learnt from.
    """
    if data is None:
        raise UsageError(f"training {name} needs labelled clips; pass --data manifest.csv")
    clips = read_labelled(data, config.label, config.classes or class_names)
    train, validation = _sides(clips, config)
    check_learnable(train, validation)
    entry = backbone(config.backbone)
    preparation = preparation or Rescaling(entry.rows, entry.columns, fit=config.fit)
    place = config.cache or folder / "frames.zarr"
    tables = [
        frame_table(
            part,
            place,
            preparation,
            frames_per_clip=config.frames_per_clip,
            memory_mb=config.memory_mb,
            progress=progress,
        )
        for part in (train, validation)
    ]
    _tell_skipped(tables, folder)
    return (make or ClassificationTask)(config, name, _share_of(tables[0], config.share), tables[1])


def _sides(clips: LabelledClips, config: ClassificationConfig) -> tuple[LabelledClips, LabelledClips]:
    if config.folds:
        inside = clips.chosen(row.split != "test" for row in clips.rows)
        return sides_of_folds(inside, config.folds, seed=_FOLD_SEED)[max(config.fold, 1) - 1]
    if not config.train_vendors:
        return clips.of_split("train"), clips.of_split("validation")
    unknown = sorted(set(config.train_vendors) - set(clips.vendors))
    if unknown:
        raise DataError(f"no clip is of the vendor {unknown[0]!r}; there are: {', '.join(clips.vendors)}")
    validation = clips.of_vendors(config.train_vendors, are_others=True)
    if not validation.rows:
        raise DataError("--train-vendors names all vendors, so none is left to validate on; leave one out")
    return clips.of_vendors(config.train_vendors), validation


def _share_of(table: FrameTable, share: float) -> FrameTable:
    if share == 1:
        return table
    return table.chosen(stratified_subsample(table.labels, share, rng=np.random.default_rng(_SHARE_SEED)))


def _tell_skipped(tables: list[FrameTable], folder: Path) -> None:
    """Write the clips and frames that were left out, by clip key."""
    lines = [f'{s.clip_key},{len(s.frames) or "all"},"{s.reason}"' for table in tables for s in table.skipped]
    if lines:
        write_atomic(folder / "skipped.csv", "\n".join(["clip_key,frames,reason", *lines]) + "\n")
