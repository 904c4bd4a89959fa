"""A classifier of grey pictures: scaling, body, neck and head, whatever the backbone.

Scaling is part of the network, so that weights never meet pictures that were prepared for others.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import nn

ScalingKind = Literal["whitening", "imagenet", "symmetric"]

#: Mean and standard deviation of each channel of pictures in 0-1. Whitening is set from the training data.
_SCALES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "whitening": ((0.0,), (1.0,)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "symmetric": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}


class Parts(NamedTuple):
    """body : (B, C, rows, columns) -> features. neck : -> (B, n_features), or maps where the head pools them.

    head : -> (B, n_classes) logits, always with fresh weights.
    """

    body: nn.Module
    neck: nn.Module
    head: nn.Module


class Scaling(nn.Module):
    """(B, 1, rows, columns) in 0-1 -> (B, C, rows, columns) with the channels repeated and normalised."""

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, kind: ScalingKind) -> None:
        super().__init__()
        mean, deviation = _SCALES[kind]
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).reshape(1, -1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / self.deviation


class GridPool(nn.Module):
    """Mean over a grid of cells, as torch's AdaptiveAvgPool2d, in operations that ONNX has for any picture size."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.rows, self.columns = rows, columns

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = int(x.shape[2]), int(x.shape[3])
        if (height, width) == (self.rows, self.columns):
            return x
        down, across = _cells(height, self.rows).to(x), _cells(width, self.columns).to(x)
        return down @ x @ across.T


def _cells(n: int, n_cells: int) -> torch.Tensor:
    """(cells, n) weights: cell i is the mean from floor(i n / cells) to ceil((i + 1) n / cells)."""
    weights = torch.zeros(n_cells, n)
    for i in range(n_cells):
        start, end = i * n // n_cells, -(-(i + 1) * n // n_cells)
        weights[i, start:end] = 1 / (end - start)
    return weights


class Classifier(nn.Module):
    """(B, 1, rows, columns) float in 0-1 -> (B, n_classes) logits."""

    def __init__(self, scaling: ScalingKind, parts: Parts) -> None:
        super().__init__()
        self.scaling_kind = scaling
        self.scaling = Scaling(scaling)
        self.body, self.neck, self.head = parts

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.neck(self.body(self.scaling(image))))
        return logits

    def embed(self, image: torch.Tensor) -> torch.Tensor:
        """(B, n_features) what the head decides on."""
        features: torch.Tensor = self.neck(self.body(self.scaling(image)))
        return features if features.ndim == 2 else features.mean(dim=(2, 3))

    def whiten(self, mean: float, deviation: float) -> None:
        """Set mean and standard deviation of the training pictures; nothing where the backbone brings its own."""
        if self.scaling_kind == "whitening":
            self.scaling.mean.fill_(mean)
            self.scaling.deviation.fill_(deviation)


def count_parameters(network: nn.Module) -> int:
    """Number of trained values; running statistics of normalisation are not among them."""
    return sum(p.numel() for p in network.parameters())
