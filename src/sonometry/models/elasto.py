"""The refinement network of elastography: a residual U-Net from evidence and prior of a tracker to motion and strain.

Inputs and outputs are normalised images, see `applications.elastography.features`. Architecture after Ronneberger et
al. 2015, doi:10.1007/978-3-319-24574-4_28, with residual blocks (He et al. 2016, doi:10.1109/CVPR.2016.90) that start
as the identity instead of being normalised (De & Smith 2020, arXiv:2002.10444): an image is measured on its own, and
amplitudes mean something here.
"""

from __future__ import annotations

import itertools

import torch
from torch import nn


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; the spatial size stays. The second one starts at zero."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.shortcut = nn.Identity() if n_in == n_out else nn.Conv2d(n_in, n_out, 1)
        self.first = nn.Conv2d(n_in, n_out, 3, padding=1)
        self.second = nn.Conv2d(n_out, n_out, 3, padding=1)
        self.activation = nn.SiLU()
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.shortcut(x) + self.second(self.activation(self.first(self.activation(x))))


class RefinementNetwork(nn.Module):
    """(B, n_in, rows, columns) -> (B, n_out, rows, columns); rows a multiple of `2 * stride`, columns of `stride`.

    widths : channels of each level; every further level halves both axes. The first layer halves the rows, and the last
    one doubles them again. The last layer starts at zero, so that an untrained network leaves the prior as it is.
    """

    def __init__(self, n_in: int, n_out: int, widths: tuple[int, ...] = (32, 64, 96, 128, 128)) -> None:
        super().__init__()
        self.stride = 2 ** (len(widths) - 1)
        self.n_out = n_out
        self.stem = nn.Conv2d(n_in, widths[0], (4, 3), stride=(2, 1), padding=(1, 1))
        self.down = nn.ModuleList(ResidualBlock(widths[max(0, i - 1)], width) for i, width in enumerate(widths))
        self.pool = nn.AvgPool2d(2)
        self.deepest = ResidualBlock(widths[-1], widths[-1])
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
        x = self.deepest(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](torch.cat([self.expand[i](x), skips[i]], dim=1))
        return self._interleave(self.head(x))

    def _interleave(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 2 n_out, rows / 2, columns) -> (B, n_out, rows, columns)."""
        batch, _, rows, columns = x.shape
        x = x.reshape(batch, self.n_out, 2, rows, columns).permute(0, 1, 3, 2, 4)
        return x.reshape(batch, self.n_out, 2 * rows, columns)
