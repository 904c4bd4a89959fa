"""The view network: a small residual network over one grey picture, with the scores and the embedding it stands on.

Residual blocks after He et al. 2016, doi:10.1109/CVPR.2016.90. Sized for two CPU cores: about 1 million parameters and
0.1 billion multiplications a picture of 128 x 128. `TemporalViewNetwork` reads the embeddings of a clip in order.
"""

from __future__ import annotations

import torch
from torch import nn


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; `stride` 2 halves the picture."""

    def __init__(self, n_in: int, n_out: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or n_in != n_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False),
                nn.BatchNorm2d(n_out),
            )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.activation(self.body(x) + self.shortcut(x))
        return out


class ViewNetwork(nn.Module):
    """(B, 1, rows, columns) normalised grey -> (B, n_classes + n_embedding, 1, 1): scores, then the embedding.

    widths : channels of the levels; the first has a quarter of the picture's resolution. dropout : before the scores.
    """

    def __init__(
        self, n_classes: int, widths: tuple[int, ...] = (32, 64, 96, 160), dropout: float = 0.2, stem: int = 16
    ) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.stem = nn.Sequential(
            nn.Conv2d(1, stem, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(stem), nn.ReLU(inplace=True)
        )
        blocks: list[nn.Module] = []
        before = stem
        for width in widths:
            blocks += [ResidualBlock(before, width, 2), ResidualBlock(width, width)]
            before = width
        self.body = nn.Sequential(*blocks)
        self.n_embedding = widths[-1]
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.n_embedding, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        embedding = self.body(self.stem(x)).mean(dim=(2, 3))
        return torch.cat([self.head(self.dropout(embedding)), embedding], dim=1)[:, :, None, None]


class TemporalViewNetwork(nn.Module):
    """(B, n_in, T, any) embeddings in order -> (B, n_classes, 1, 1) scores of the clip.

    Two convolutions along time, then each frame's vote weighted by attention. Later axes are averaged away, so that a
    sequence can travel as a picture one pixel wide.
    """

    def __init__(self, n_in: int, n_classes: int, width: int = 48) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.Conv1d(n_in, width, 1),
            nn.ReLU(inplace=True),
            nn.Conv1d(width, width, 5, padding=2),
            nn.ReLU(inplace=True),
        )
        self.vote = nn.Conv1d(width, n_classes, 1)
        self.attention = nn.Conv1d(width, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mixed = self.mix(x.mean(dim=3))
        weight = self.attention(mixed).softmax(dim=2)
        scores: torch.Tensor = (self.vote(mixed) * weight).sum(dim=2)
        return scores[:, :, None, None]
