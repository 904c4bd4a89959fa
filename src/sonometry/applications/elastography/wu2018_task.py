"""How the networks of Wu et al. 2018 are trained: patches at random from 40 simulated tissues, mean absolute error.

The displacement network learns the motion that the global stretch left over, the strain network the strain beyond the
mean from the displacement that the first network finds on the same tissues. A quarter as many other tissues validate.
The data set tells places, as a function of (seed, index); the patches are cut on the device of the network, which holds
all tissues.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sonometry.applications.elastography.task_config import TaskConfig
from sonometry.applications.elastography.wu2018 import (
    DISPLACEMENT_PATCH,
    DISPLACEMENT_WEIGHTS,
    SIZE,
    STRAIN_PATCH,
    STRAIN_WEIGHTS,
)
from sonometry.applications.elastography.wu2018_tissues import (
    FIRST_TEST_SEED,
    FIRST_TISSUE_SEED,
    Tissue,
    tissues_of_displacement,
    tissues_of_strain,
)
from sonometry.models.inference import shipped_weights

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

#: Training tissues for each one that validates (the paper has 40 and 10), and patches of each of these.
_TRAINING_PER_TEST, _TEST_PATCHES = 4, 2048


class PatchTask:
    """One of the two networks, its patches and its loss.

    tissue_folder : where tissues are kept, if not as configured.
    """

    monitor = "loss"

    def __init__(self, config: TaskConfig, folder: Path, *, tissue_folder: Path | None = None) -> None:
        self.config, self.folder = config, folder
        self.tissue_folder = tissue_folder or (
            Path(config.tissue_folder) if config.tissue_folder else folder / "tissues"
        )
        self.of_strain = config.network == "wu2018-strain"
        self.name = STRAIN_WEIGHTS if self.of_strain else DISPLACEMENT_WEIGHTS
        rows = (STRAIN_PATCH if self.of_strain else DISPLACEMENT_PATCH)[0] if config.patch_rows is None else None
        self.patch = (rows or int(config.patch_rows or 0), config.patch_columns)
        self.n_test = max(1, config.tissues // _TRAINING_PER_TEST)

    def network(self) -> nn.Module:
        from sonometry.models.wu2018 import DISPLACEMENT_LAYERS, STRAIN_LAYERS, PatchNetwork

        kinds = STRAIN_LAYERS if self.of_strain else DISPLACEMENT_LAYERS
        n_layers = self.config.layers or (3 if self.of_strain else 5)
        return PatchNetwork(
            1 if self.of_strain else 2,
            self.patch,
            has_separable=not self.of_strain,
            layers=tuple(kinds[k % len(kinds)] for k in range(n_layers)),
            dense=dense_sizes(self.config.dense_layers),
            pooling=self.config.pooling,
            dilation=self.config.dilation,
        )

    def training_data(self, *, seed: int, n_samples: int, first: int) -> Any:
        return RandomPlaces(range(self.config.tissues), self.config.patches, seed, n_samples, first)

    def validation_data(self) -> Any:
        numbers = range(self.config.tissues, self.config.tissues + self.n_test)
        n_samples = max(1, self.n_test * _TEST_PATCHES // self.config.patches)
        return RandomPlaces(numbers, self.config.patches, 0, n_samples, 0)

    def losses(self, network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        from sonometry.models.wu2018 import absolute_errors

        tissue, row, column = (batch[name].flatten() for name in PLACE)
        return absolute_errors(network, self._patches.at(tissue.long(), row.long(), column.long()))

    def export(self, network: nn.Module, folder: Path, *, recipe: Mapping[str, Any]) -> None:
        from sonometry.models.weights import export_network

        metadata = {"patch": self.patch, "recipe": recipe}
        n_in = 1 if self.of_strain else 2
        export_network(network, folder, self.name, n_in=n_in, metadata=metadata, size=self.patch)

    @cached_property
    def _patches(self) -> TissuePatches:
        """Patches of the training tissues, numbered from 0, and then of those that validate."""
        seeds = [FIRST_TISSUE_SEED + k for k in range(self.config.tissues)]
        seeds += [FIRST_TEST_SEED + k for k in range(self.n_test)]
        if not self.of_strain:
            return TissuePatches(tissues_of_displacement(self.tissue_folder, seeds), self.patch)
        named = self.config.displacement_weights
        first_network = Path(named) if named else shipped_weights(DISPLACEMENT_WEIGHTS)
        return TissuePatches(tissues_of_strain(self.tissue_folder, seeds, first_network), self.patch)


def dense_sizes(n_layers: int) -> tuple[int, ...]:
    """Sizes of the fully-connected layers: the paper's 64, 32, 1 for three, halved further or cut for others."""
    return (*(max(4, 64 >> k) for k in range(n_layers - 1)), 1)


#: What tells where a patch lies.
PLACE = ("tissue", "row", "column")


@dataclass(frozen=True)
class RandomPlaces:
    """Data set whose sample i is `n_patches` random places in the tissues `numbers`, a function of (seed, first + i).

    Places are int32 (n_patches,) each of tissue, row and column of a patch's middle.
    """

    numbers: range
    n_patches: int
    seed: int
    n_samples: int
    first: int

    def __len__(self) -> int:
        return self.n_samples

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        if index >= self.n_samples:
            raise IndexError(index)
        rng = np.random.default_rng([self.seed, self.first + index])
        bounds = (self.numbers.start, self.numbers.stop), (0, SIZE[0]), (0, SIZE[1])
        drawn = (rng.integers(low, high, size=self.n_patches, dtype=np.int32) for low, high in bounds)
        return dict(zip(PLACE, drawn, strict=True))


class TissuePatches:
    """All tissues as one tensor, moved to the device where patches are asked for first.

    Edges are repeated where a patch reaches beyond an image; patches of displacement (one channel) are relative to
    their middle.
    """

    def __init__(self, tissues: Sequence[Tissue], patch: tuple[int, int]) -> None:
        import torch

        self.patch = patch
        half = patch[0] // 2, patch[1] // 2
        edges = ((0, 0), (0, 0), (half[0], half[0]), (half[1], half[1]))
        self._images = torch.from_numpy(np.pad(np.stack([t.images for t in tissues]), edges, mode="edge"))
        self._answers = torch.from_numpy(np.stack([t.answer for t in tissues]).astype(np.float32))

    def at(self, tissue: Tensor, row: Tensor, column: Tensor) -> dict[str, Tensor]:
        """`patches` (1, N, channel, rows, columns) and `target` (1, N) of N places, on the device of the places."""
        import torch

        self._move(tissue.device)
        _, n_channels, n_rows, n_columns = self._images.shape
        channel, down, across = (torch.arange(n, device=row.device) for n in (n_channels, *self.patch))
        corner = ((tissue[:, None] * n_channels + channel) * n_rows + row[:, None]) * n_columns + column[:, None]
        patches = self._images.take(corner[..., None, None] + down[:, None] * n_columns + across)
        if n_channels == 1:
            patches = patches - patches[..., self.patch[0] // 2, self.patch[1] // 2][..., None, None]
        return {"patches": patches[None], "target": self._answers[tissue, row, column][None]}

    def _move(self, device: torch.device) -> None:
        if self._images.device != device:
            self._images, self._answers = self._images.to(device), self._answers.to(device)
