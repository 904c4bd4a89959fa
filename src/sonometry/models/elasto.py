"""The refinement network of elastography: a small U-Net from phase, coherence and a prior to displacement and strain.

Inputs and outputs are normalised images on a grid of one carrier period by one line, see
`applications.elastography.features`. Architecture after Ronneberger et al. 2015, doi:10.1007/978-3-319-24574-4_28, with
residual blocks (He et al. 2016, doi:10.1109/CVPR.2016.90).
"""

from __future__ import annotations

import itertools

import torch
from torch import nn


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation beside a 1x1 shortcut; the spatial size stays."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.SiLU(inplace=True),
            nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.shortcut = nn.Identity() if n_in == n_out else nn.Conv2d(n_in, n_out, 1, bias=False)
        self.activation = nn.SiLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.activation(self.body(x) + self.shortcut(x))


class RefinementNetwork(nn.Module):
    """(B, n_in, rows, lines) -> (B, n_out, rows, lines); rows a multiple of `2 * stride`, lines of `stride`.

    widths : channels of each level; every further level halves both axes. The first layer halves the rows, which makes
    a pixel about as high as wide, and the last one doubles them again.
    The last layer starts at zero, so that an untrained network leaves the prior as it is.
    """

    def __init__(self, n_in: int, n_out: int, widths: tuple[int, ...] = (24, 40, 64, 96)) -> None:
        super().__init__()
        self.stride = 2 ** (len(widths) - 1)
        self.n_out = n_out
        self.stem = nn.Conv2d(n_in, widths[0], (4, 3), stride=(2, 1), padding=(1, 1))
        self.down = nn.ModuleList(ResidualBlock(widths[max(0, i - 1)], width) for i, width in enumerate(widths))
        self.pool = nn.AvgPool2d(2)
        self.expand = nn.ModuleList(
            nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in itertools.pairwise(widths)
        )
        self.up = nn.ModuleList(ResidualBlock(2 * width, width) for width in widths[:-1])
        self.head = nn.Conv2d(widths[0], 2 * n_out, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        skips = []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else self.pool(x))
            skips.append(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](torch.cat([self.expand[i](x), skips[i]], dim=1))
        return self._interleave(self.head(x))

    def _interleave(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 2 n_out, rows / 2, lines) -> (B, n_out, rows, lines)."""
        batch, _, rows, lines = x.shape
        x = x.reshape(batch, self.n_out, 2, rows, lines).permute(0, 1, 3, 2, 4)
        return x.reshape(batch, self.n_out, 2 * rows, lines)
