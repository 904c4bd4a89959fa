"""The patch networks of Wu et al. 2018 (MICCAI, section 2): a patch of two RF frames, or of displacement, to a number.

What the paper tells: separable convolution of both frames and concatenation, then locally-connected layers (a kernel of
its own at every position) with dropout, batch normalisation and pooling, then fully-connected layers of 64, 32 and 1.
What it leaves open is a choice here: kernels of 3x3 in the separable convolution and of 5 along depth in the locally
connected layers (lines are mixed by pooling and by the fully-connected layers), 12 channels and from the third layer on
24, ReLU, dropout of 0.1, pooling by two after every layer while an axis has four positions or more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

#: Normalisation of layer k of the displacement and of the strain network: dropout, batch normalisation or both.
DISPLACEMENT_LAYERS = ("d", "b", "bd", "b", "bd")
STRAIN_LAYERS = ("b", "bd", "b", "d")
#: Channels of the first two and of the later layers, of each frame after the separable convolution; size of kernels.
NARROW, WIDE, SEPARABLE, KERNEL = 12, 24, 4, 5
DROPOUT = 0.1


class LocallyConnected(nn.Module):
    """Kernel of `KERNEL` along depth that differs from position to position; zero padding keeps the size.

    Maps are (rows, columns, B, channels), so that every position is one product of matrices.
    """

    def __init__(self, n_in: int, n_out: int, size: tuple[int, int], *, dilation: int = 1) -> None:
        super().__init__()
        self.size, self.dilation = size, dilation
        fan_in = KERNEL * n_in
        weight = torch.randn(size[0] * size[1], fan_in, n_out) * math.sqrt(2 / fan_in)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(size[0] * size[1], 1, n_out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows, step = self.size[0], self.dilation
        half = step * (KERNEL // 2)
        padded = functional.pad(x, (0, 0, 0, 0, 0, 0, half, half))
        neighbours = [padded[k * step : k * step + rows] for k in range(KERNEL)]
        stacked = torch.cat(neighbours, dim=-1).flatten(0, 1)
        found = torch.matmul(stacked, self.weight) + self.bias
        return found.reshape(*self.size, *found.shape[1:])


class Pool(nn.Module):
    """Maximum or mean over `factor` (rows, columns) of a map (rows, columns, B, channels); a rest is left out."""

    def __init__(self, factor: tuple[int, int], pooling: str) -> None:
        super().__init__()
        self.factor, self.pooling = factor, pooling

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows, columns = x.shape[0] // self.factor[0], x.shape[1] // self.factor[1]
        kept = x[: rows * self.factor[0], : columns * self.factor[1]]
        cells = kept.reshape(rows, self.factor[0], columns, self.factor[1], *kept.shape[2:])
        pooled: torch.Tensor = cells.amax(dim=(1, 3)) if self.pooling == "max" else cells.mean(dim=(1, 3))
        return pooled


class Normalise(nn.BatchNorm1d):
    """Batch normalisation of the channels of a map (rows, columns, B, channels)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.flatten(0, 2)).view(x.shape)


class PatchNetwork(nn.Module):
    """(B, n_in, rows, columns) -> (B, 1).

    has_separable : whether the channels are two frames, each seen by a separable convolution first.
    layers : normalisation of each locally-connected layer, see `DISPLACEMENT_LAYERS`. dense : fully-connected sizes.
    pooling : "max" or "avg". dilation : of the locally-connected kernels.
    """

    def __init__(
        self,
        n_in: int,
        patch: tuple[int, int],
        *,
        has_separable: bool,
        layers: tuple[str, ...],
        dense: tuple[int, ...] = (64, 32, 1),
        pooling: str = "max",
        dilation: int = 1,
    ) -> None:
        super().__init__()
        self.patch = patch
        channels = n_in * SEPARABLE if has_separable else n_in
        factor = _pool_factor(patch)
        self.separable = _separable(factor, pooling) if has_separable else None
        size = (patch[0] // factor[0], patch[1] // factor[1]) if has_separable else patch
        parts: list[nn.Module] = []
        for k, kind in enumerate(layers):
            width = NARROW if k < 2 else WIDE
            parts += [LocallyConnected(channels, width, size, dilation=dilation), nn.ReLU()]
            parts += [Normalise(width)] * ("b" in kind) + [nn.Dropout(DROPOUT)] * ("d" in kind)
            channels = width
            size = _append_pool(parts, size, pooling)
        self.local = nn.Sequential(*parts)
        sizes = (channels * size[0] * size[1], *dense)
        self.dense = nn.Sequential()
        for k in range(len(dense)):
            self.dense.append(nn.Linear(sizes[k], sizes[k + 1]))
            if k < len(dense) - 1:
                self.dense.append(nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.local(self._maps(x)).permute(2, 3, 0, 1).flatten(1)
        # The last numbers need more digits than half precision has.
        with torch.autocast(x.device.type, enabled=False):
            found: torch.Tensor = self.dense(features.float())
        return found

    def _maps(self, x: torch.Tensor) -> torch.Tensor:
        """(rows, columns, B, channels); of RF the features of both frames side by side."""
        if self.separable is None:
            return x.permute(2, 3, 0, 1)
        frames = [self.separable(x[:, k : k + 1]).permute(2, 3, 0, 1) for k in range(x.shape[1])]
        return torch.cat(frames, dim=-1)


def _pool_factor(size: tuple[int, int]) -> tuple[int, int]:
    """By how much a map of this size is pooled along either axis."""
    return 2 if size[0] >= 4 else 1, 2 if size[1] >= 4 else 1


def _append_pool(parts: list[nn.Module], size: tuple[int, int], pooling: str) -> tuple[int, int]:
    """Append the pooling that a map of this size gets; its new size."""
    factor = _pool_factor(size)
    if max(factor) > 1:
        parts.append(Pool(factor, pooling))
    return size[0] // factor[0], size[1] // factor[1]


def _separable(factor: tuple[int, int], pooling: str) -> nn.Module:
    """A convolution along the axes of one frame, one across its channels, and pooling."""
    pool = nn.MaxPool2d(factor) if pooling == "max" else nn.AvgPool2d(factor)
    return nn.Sequential(nn.Conv2d(1, SEPARABLE, 3, padding=1), nn.Conv2d(SEPARABLE, SEPARABLE, 1), nn.ReLU(), pool)


def absolute_errors(network: nn.Module, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Mean absolute error over all patches of a batch: (B, patches, channel, rows, columns) and (B, patches)."""
    patches, target = batch["patches"].flatten(0, 1), batch["target"].flatten()
    error = network(patches)[:, 0] - target
    return {"loss": error.abs().mean(), "rmse": error.square().mean().sqrt()}
