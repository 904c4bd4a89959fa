"""Options of training a classifier of frames on a manifest; importing them needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sonometry.data.augment import Augmentation


@dataclass(frozen=True)
class ClassificationConfig:
    """What is learnt, from which clips, with which network. Defaults are those of the echo view thesis.

    label : column of the manifest that holds the class.
    classes : the classes in order; all that occur, alphabetically, when empty.
    backbone : madani, mobilenet, nasnet_mobile, inception_v3, vgg16, alexnet, resnet50 or inception_dense.
    pretrained : start from ImageNet where the backbone has such weights.
    unfreezing : whole trains all layers at once; early_stopping, fixed and fixed_restore open them one after the other.
    phase_epochs : epochs of a phase of gradual unfreezing; that of the thesis when 0.
    class_weights : let every class count alike in the loss.
    balanced : show every class equally often instead.
    share : part of every class of the training frames that is used.
    frames_per_clip : at most so many frames of a clip, evenly spaced; 0 takes all.
    train_vendors : learn from these vendors and validate on all others, whatever their split.
    folds : cross-validation by patient over all clips but those of the test split; 0 uses the splits of the manifest.
    fold : train only this one of the folds, from 1; 0 trains all, one after the other.
    fit : stretch fills the picture of the network, pad keeps the shape of the frame.
    rotation_deg, shift, zoom, shear : ranges of the augmentation: degrees, and shares.
    flip_horizontal, flip_vertical : mirror half of the pictures.
    graphics : share of the pictures with random graphics outside the sector.
    cache : folder of the prepared frames; RUN/frames.zarr when absent.
    memory_mb : frames that need more are read from the cache rather than held.
    """

    label: str = "view"
    classes: tuple[str, ...] = ()
    backbone: str = "madani"
    pretrained: bool = True
    unfreezing: Literal["whole", "early_stopping", "fixed", "fixed_restore"] = "whole"
    phase_epochs: int = 0
    class_weights: bool = True
    balanced: bool = False
    share: float = 1.0
    frames_per_clip: int = 0
    train_vendors: tuple[str, ...] = ()
    fit: Literal["stretch", "pad"] = "stretch"
    rotation_deg: float = 10.0
    shift: float = 0.1
    zoom: float = 0.08
    shear: float = 0.03
    flip_horizontal: bool = False
    flip_vertical: bool = False
    graphics: float = 0.0
    cache: Path | None = None
    memory_mb: int = 1024
    folds: int = 0
    fold: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"--share must lie in (0, 1], got {self.share}")
        if self.folds == 1 or self.folds < 0 or not 0 <= self.fold <= self.folds:
            raise ValueError(f"--folds must be 2 or more and --fold one of them, got {self.folds} and {self.fold}")
        if self.folds and self.train_vendors:
            raise ValueError("--folds and --train-vendors both say what to validate on; give one of them")
        for name in ("phase_epochs", "frames_per_clip", "memory_mb"):
            if getattr(self, name) < 0:
                raise ValueError(f"--{name.replace('_', '-')} must not be negative, got {getattr(self, name)}")
        _ = self.augmentation

    @property
    def augmentation(self) -> Augmentation:
        """The options of the augmentation."""
        names = ("rotation_deg", "shift", "zoom", "shear", "flip_horizontal", "flip_vertical", "graphics")
        return Augmentation(**{name: getattr(self, name) for name in names})
