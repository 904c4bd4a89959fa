"""The view classifier of Østvik et al. 2018: inception modules with dense connections, for grey pictures of 128 x 128.

Two convolutions with 16 and 32 filters, three inception modules with transitions that double the filters, two modules
without the 5x5 route, a 1x1 convolution to the classes with PReLU, and the mean over the picture. Not in the text, and
chosen here: every convolution is followed by batch normalisation and PReLU, a route has half as many filters as the
module's input, a bottleneck as many as its route, and dropout is 0.5.
Source: Østvik et al. 2018, section 2.1; Szegedy et al. 2015, arXiv:1409.4842; Huang et al. 2017, arXiv:1608.06993.
"""

from __future__ import annotations

import torch
from torch import nn

from sonometry.models.classifier import Parts

FIRST_FILTERS = (16, 32)
N_TRANSITIONS = 3


class InceptionModule(nn.Module):
    """Routes of 1x1, 3x3 and, where wanted, 5x5 convolutions; their outputs are joined to the input."""

    def __init__(self, n_in: int, width: int, kernels: tuple[int, ...] = (1, 3, 5)) -> None:
        super().__init__()
        self.routes = nn.ModuleList(_route(n_in, width, kernel) for kernel in kernels)
        self.n_out = n_in + width * len(kernels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, *(route(x) for route in self.routes)], dim=1)


class PooledClasses(nn.Module):
    """(B, F, rows, columns) -> (B, n_classes): 1x1 convolution, PReLU, mean over the picture."""

    def __init__(self, n_in: int, n_classes: int) -> None:
        super().__init__()
        self.compress = nn.Conv2d(n_in, n_classes, 1)
        self.activation = nn.PReLU(n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        classes: torch.Tensor = self.activation(self.compress(x)).mean(dim=(2, 3))
        return classes


def inception_dense(n_classes: int, *, dropout: float = 0.5) -> Parts:
    """Body, neck and head."""
    body = nn.Sequential()
    before = 1
    for number, width in enumerate(FIRST_FILTERS, 1):
        body.add_module(f"stem{number}", nn.Sequential(*_component(before, width, 3), nn.MaxPool2d(2)))
        before = width
    for number in range(1, N_TRANSITIONS + 1):
        module = InceptionModule(before, before // 2)
        after = 2 * before
        transition = nn.Sequential(*_component(module.n_out, after, 1), nn.MaxPool2d(2))
        body.add_module(f"inception{number}", nn.Sequential(module, transition))
        before = after
    for number in (1, 2):
        module = InceptionModule(before, before // 2, kernels=(1, 3))
        narrow = nn.Sequential(*_component(module.n_out, before, 1))
        body.add_module(f"constant{number}", nn.Sequential(module, narrow))
        if number == 1:
            body.add_module("dropout", nn.Dropout(dropout))
    return Parts(body, nn.Identity(), PooledClasses(before, n_classes))


def _route(n_in: int, width: int, kernel: int) -> nn.Sequential:
    bottleneck = _component(n_in, width, 1)
    return nn.Sequential(*bottleneck, *(_component(width, width, kernel) if kernel > 1 else []))


def _component(n_in: int, n_out: int, kernel: int) -> list[nn.Module]:
    convolution = nn.Conv2d(n_in, n_out, kernel, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(n_out), nn.PReLU(n_out)]
