"""The small network of Madani et al. 2018 (doi:10.1038/s41746-017-0013-1), the baseline of the echo view thesis.

Three blocks of two 3x3 convolutions and a pooling, then 1028 and 512 units. The thesis's text has lost the numbers of
channels; unpadded convolutions with 32, 64 and 128 channels give 3.98 million parameters where it says about 4 million.
Each layer is followed by batch normalisation, ReLU and dropout of one half, of whole channels in convolutions.
"""

from __future__ import annotations

from torch import nn

from sonometry.models.classifier import Parts

CHANNELS = (32, 64, 128)
UNITS = (1028, 512)
#: Rows and columns of the last maps for pictures of 60 x 80.
_LAST_MAP = (4, 6)


def madani(n_classes: int, *, dropout: float = 0.5) -> Parts:
    """Body, neck and head for grey pictures of 60 x 80."""
    blocks = nn.Sequential()
    before = 1
    for number, width in enumerate(CHANNELS, 1):
        convolution, normalisation, *rest = _convolution(width, width, dropout)
        # Pooling before ReLU and dropout of whole channels gives the same numbers as after them, in less time.
        layers = [*_convolution(before, width, dropout), convolution, normalisation, nn.MaxPool2d(2), *rest]
        blocks.add_module(f"block{number}", nn.Sequential(*layers))
        before = width
    n_flat = CHANNELS[-1] * _LAST_MAP[0] * _LAST_MAP[1]
    neck = nn.Sequential(nn.Flatten(), *_dense(n_flat, UNITS[0], dropout), *_dense(UNITS[0], UNITS[1], dropout))
    return Parts(blocks, neck, nn.Linear(UNITS[1], n_classes))


def _convolution(n_in: int, n_out: int, dropout: float) -> list[nn.Module]:
    return [nn.Conv2d(n_in, n_out, 3), nn.BatchNorm2d(n_out), nn.ReLU(inplace=True), nn.Dropout2d(dropout)]


def _dense(n_in: int, n_out: int, dropout: float) -> list[nn.Module]:
    return [nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.ReLU(inplace=True), nn.Dropout(dropout)]
