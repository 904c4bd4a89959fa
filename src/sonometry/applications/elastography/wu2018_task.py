"""How the networks of Wu et al. 2018 are trained: patches at random from 40 simulated tissues, mean absolute error.

The displacement network learns the motion that the global stretch left over, the strain network the strain beyond the
mean from the displacement that the first network finds on the same tissues. A quarter as many other tissues validate.
Patches are a function of (seed, index).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from sonometry.applications.elastography.displacement import TrackingSetup
from sonometry.applications.elastography.echo_pair import prepare_pair
from sonometry.applications.elastography.task_config import TaskConfig
from sonometry.applications.elastography.wu2018 import (
    DISPLACEMENT_PATCH,
    DISPLACEMENT_UNIT,
    DISPLACEMENT_WEIGHTS,
    STRAIN_PATCH,
    STRAIN_UNIT,
    STRAIN_WEIGHTS,
    centred,
    predicted_displacement,
    resize_pair,
    strain_input,
    windows,
)
from sonometry.core.rf import RFFrames
from sonometry.io.atomic import atomic_file
from sonometry.models.inference import load_network, shipped_weights
from sonometry.simulation.phantoms.inclusion import paper_pair

if TYPE_CHECKING:
    from torch import Tensor, nn

#: Seeds of the simulated tissues, apart from those of the refinement network, of tests and of benchmarks.
FIRST_TISSUE_SEED, FIRST_TEST_SEED = 3_000_000, 60_000
#: Training tissues for each one that validates (the paper has 40 and 10), and patches of each of these.
_TRAINING_PER_TEST, _TEST_PATCHES = 4, 2048


@dataclass(frozen=True, eq=False)
class Tissue:
    """What the networks see of one tissue and should answer, all (2608, 128).

    images : float32 (channel, 2608, 128). answer : in units of the network's output.
    """

    images: np.ndarray
    answer: np.ndarray


class PatchTask:
    """One of the two networks, its patches and its loss. tissue_folder : where prepared tissues are kept."""

    monitor = "loss"

    def __init__(self, config: TaskConfig, folder: Path, *, tissue_folder: Path | None = None) -> None:
        self.config, self.folder = config, folder
        self.tissue_folder = tissue_folder or folder / "tissues"
        self.of_strain = config.network == "wu2018-strain"
        self.name = STRAIN_WEIGHTS if self.of_strain else DISPLACEMENT_WEIGHTS
        rows = (STRAIN_PATCH if self.of_strain else DISPLACEMENT_PATCH)[0] if config.patch_rows is None else None
        self.patch = (rows or int(config.patch_rows or 0), config.patch_columns)

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
        return RandomPatches(self._tissues(FIRST_TISSUE_SEED, self.config.tissues), self, seed, n_samples, first)

    def validation_data(self) -> Any:
        n_tissues = max(1, self.config.tissues // _TRAINING_PER_TEST)
        tissues = self._tissues(FIRST_TEST_SEED, n_tissues)
        n_samples = max(1, n_tissues * _TEST_PATCHES // self.config.patches)
        return RandomPatches(tissues, self, 0, n_samples, 0)

    def losses(self, network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        from sonometry.models.wu2018 import absolute_errors

        return absolute_errors(network, batch)

    def export(self, network: nn.Module, folder: Path, *, recipe: Mapping[str, Any]) -> None:
        from sonometry.models.weights import export_network

        metadata = {"patch": self.patch, "recipe": recipe}
        n_in = 1 if self.of_strain else 2
        export_network(network, folder, self.name, n_in=n_in, metadata=metadata, size=self.patch)

    def _tissues(self, first_seed: int, n: int) -> list[Tissue]:
        """Prepared tissues, kept in the folder of the run so that a resumed run need not make them again."""
        return [self._tissue(first_seed + k) for k in range(n)]

    def _tissue(self, seed: int) -> Tissue:
        path = self.tissue_folder / f"{seed}.npz"
        if not path.exists():
            tissue = self._made(seed)
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(path) as temporary, open(temporary, "wb") as stream:
                np.savez(stream, images=tissue.images, answer=tissue.answer)
        with np.load(path) as kept:
            return Tissue(kept["images"], kept["answer"])

    def _made(self, seed: int) -> Tissue:
        simulated = paper_pair(seed)
        frames = simulated.recording
        assert isinstance(frames, RFFrames)
        context = TrackingSetup.of(frames)
        pair = prepare_pair(frames.samples[0], frames.samples[1], context)
        resized = resize_pair(frames.samples[0], frames.samples[1], pair, context)
        if not self.of_strain:
            true = _resized(simulated.truth["axial_displacement_m"] / frames.axial_step_m) * resized.scale
            return Tissue(resized.frames, ((true - resized.offset[:, None]) / DISPLACEMENT_UNIT).astype(np.float32))
        slope, images = strain_input(predicted_displacement(resized, self._first_network))
        strain = _resized(simulated.truth["axial_strain"])
        return Tissue(images, ((strain - slope) / STRAIN_UNIT).astype(np.float32))

    @cached_property
    def _first_network(self) -> Any:
        """The displacement network whose output the strain network learns from."""
        named = self.config.displacement_weights
        return load_network(Path(named) if named else shipped_weights(DISPLACEMENT_WEIGHTS))


def dense_sizes(n_layers: int) -> tuple[int, ...]:
    """Sizes of the fully-connected layers: the paper's 64, 32, 1 for three, halved further or cut for others."""
    return (*(max(4, 64 >> k) for k in range(n_layers - 1)), 1)


def _resized(image: np.ndarray) -> np.ndarray:
    resized: np.ndarray = cv2.resize(image.astype(np.float32), (128, 2608), interpolation=cv2.INTER_LINEAR)
    return resized


class RandomPatches:
    """Data set whose sample i is `patches` patches at random places; a function of (seed, first + i)."""

    def __init__(self, tissues: list[Tissue], task: PatchTask, seed: int, n_samples: int, first: int) -> None:
        self.tissues, self.seed, self.n_samples, self.first = tissues, seed, n_samples, first
        self.n_patches = task.config.patches
        self.views = [windows(t.images, task.patch) for t in tissues]

    def __len__(self) -> int:
        return self.n_samples

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        if index >= self.n_samples:
            raise IndexError(index)
        rng = np.random.default_rng([self.seed, self.first + index])
        chosen = rng.integers(len(self.tissues), size=self.n_patches)
        rows = rng.integers(self.tissues[0].answer.shape[0], size=self.n_patches)
        columns = rng.integers(self.tissues[0].answer.shape[1], size=self.n_patches)
        patches = np.empty((self.n_patches, *self.views[0].shape[2:]), np.float32)
        target = np.empty(self.n_patches, np.float32)
        for k in np.unique(chosen):
            mine = chosen == k
            patches[mine] = self.views[k][rows[mine], columns[mine]]
            target[mine] = self.tissues[k].answer[rows[mine], columns[mine]]
        return {"patches": centred(patches), "target": target}
