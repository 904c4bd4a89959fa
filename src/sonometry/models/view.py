"""The view network: a small residual network over one grey picture, with the scores and the embedding it stands on.

Residual blocks after He et al. 2016, doi:10.1109/CVPR.2016.90. Sized for two CPU cores: 2.9 million parameters and
0.23 billion multiplications a picture of 128 x 128.
`TemporalViewNetwork` reads the embeddings of a clip in order.
"""

from __future__ import annotations

import torch
from torch import nn

from sonometry.models.classifier import Classifier, Parts

#: Mean and deviation of grey levels in 0-1 that pictures are whitened with: those of simulated training pictures.
MEAN, DEVIATION = 40 / 255, 50 / 255


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


def view_parts(
    n_classes: int, widths: tuple[int, ...] = (48, 96, 160, 224), *, stem: int = 24, dropout: float = 0.2
) -> Parts:
    """Body, neck and head for grey pictures of any size; the embedding has `widths[-1]` numbers.

    widths : channels of the levels; the first has a quarter of the picture's resolution. dropout : before the scores.
    """
    blocks: list[nn.Module] = []
    before = stem
    for width in widths:
        blocks += [ResidualBlock(before, width, 2), ResidualBlock(width, width)]
        before = width
    first = nn.Sequential(
        nn.Conv2d(1, stem, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(stem), nn.ReLU(inplace=True)
    )
    neck = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout))
    return Parts(nn.Sequential(first, nn.Sequential(*blocks)), neck, nn.Linear(before, n_classes))


def view_network(
    n_classes: int, widths: tuple[int, ...] = (48, 96, 160, 224), *, stem: int = 24, dropout: float = 0.2
) -> Classifier:
    """The classifier of single frames, with the scaling that all its pictures get."""
    network = Classifier("whitening", view_parts(n_classes, widths, stem=stem, dropout=dropout))
    network.whiten(MEAN, DEVIATION)
    return network


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
