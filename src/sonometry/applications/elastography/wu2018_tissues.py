"""The simulated tissues that the networks of Wu et al. 2018 learn from, made once, in several processes, and kept.

Both networks learn from the same simulations. What the displacement network finds on them, the input of the strain
network, is kept beside them under the digest of that network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from multiprocessing import current_process
from pathlib import Path

import cv2
import numpy as np

from sonometry.applications.elastography.displacement import TrackingSetup
from sonometry.applications.elastography.echo_pair import prepare_pair
from sonometry.applications.elastography.wu2018 import (
    DISPLACEMENT_UNIT,
    STRAIN_UNIT,
    ResizedPair,
    predicted_displacement,
    resize_pair,
    strain_input,
)
from sonometry.core.parallel import on_all_cores
from sonometry.core.rf import RFFrames
from sonometry.io.atomic import atomic_file
from sonometry.models.inference import load_network
from sonometry.simulation.phantoms.inclusion import paper_pair

#: Seeds of the simulated tissues, apart from those of the refinement network, of tests and of benchmarks.
FIRST_TISSUE_SEED, FIRST_TEST_SEED = 3_000_000, 60_000
#: Processes that make tissues, at most, and tissues for which starting them is worth while.
_MOST_PROCESSES, _WORTH_PROCESSES = 8, 4


@dataclass(frozen=True, eq=False)
class Tissue:
    """What a network sees of one tissue and should answer, all (2608, 128).

    images : float32 (channel, 2608, 128). answer : in units of the network's output.
    """

    images: np.ndarray
    answer: np.ndarray


def tissues_of_displacement(folder: Path, seeds: Iterable[int]) -> list[Tissue]:
    """Both frames of each tissue, and the motion that the global stretch left over."""
    seeds = list(seeds)
    missing = [seed for seed in seeds if not _simulation_path(folder, seed).exists()]
    _keep(partial(_keep_simulation, folder), missing)
    return [_of_displacement(folder, seed) for seed in seeds]


def tissues_of_strain(folder: Path, seeds: Iterable[int], first_network: Path) -> list[Tissue]:
    """The displacement that the first network finds in each tissue, and the strain beyond its mean."""
    seeds = list(seeds)
    missing = [seed for seed in seeds if not _displacement_path(folder, seed, first_network).exists()]
    _keep(partial(_keep_displacement, folder, first_network), missing)
    return [_of_strain(folder, seed, first_network) for seed in seeds]


def _of_displacement(folder: Path, seed: int) -> Tissue:
    resized, true, _ = _simulation(folder, seed)
    return Tissue(resized.frames, ((true - resized.offset[:, None]) / DISPLACEMENT_UNIT).astype(np.float32))


def _of_strain(folder: Path, seed: int, first_network: Path) -> Tissue:
    slope, images = strain_input(np.load(_displacement_path(folder, seed, first_network)))
    return Tissue(images, ((_simulation(folder, seed)[2] - slope) / STRAIN_UNIT).astype(np.float32))


def _simulation(folder: Path, seed: int) -> tuple[ResizedPair, np.ndarray, np.ndarray]:
    """The kept pair, and its true displacement in resized samples and strain on the same pixels."""
    with np.load(_simulation_path(folder, seed)) as kept:
        resized = ResizedPair(kept["frames"].astype(np.float32), kept["offset"], float(kept["scale"]))
        return resized, kept["displacement"], kept["strain"]


def _simulation_path(folder: Path, seed: int) -> Path:
    return folder / f"{seed}-simulated.npz"


def _displacement_path(folder: Path, seed: int, first_network: Path) -> Path:
    return folder / f"{seed}-displacement-{load_network(first_network).sha256[:12]}.npy"


def _keep_simulation(folder: Path, seed: int) -> None:
    path = _simulation_path(folder, seed)
    simulated = paper_pair(seed)
    frames = simulated.recording
    assert isinstance(frames, RFFrames)
    context = TrackingSetup.of(frames)
    pair = prepare_pair(frames.samples[0], frames.samples[1], context)
    resized = resize_pair(frames.samples[0], frames.samples[1], pair, context)
    true = _resized(simulated.truth["axial_displacement_m"] / frames.axial_step_m) * resized.scale
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary, open(temporary, "wb") as stream:
        np.savez(
            stream,
            frames=resized.frames.astype(np.float16),  # 66 dB below the echoes, whose noise lies at 30 dB
            offset=resized.offset,
            scale=resized.scale,
            displacement=true,
            strain=_resized(simulated.truth["axial_strain"]),
        )


def _keep_displacement(folder: Path, first_network: Path, seed: int) -> None:
    path = _displacement_path(folder, seed, first_network)
    if not _simulation_path(folder, seed).exists():
        _keep_simulation(folder, seed)
    found = predicted_displacement(_simulation(folder, seed)[0], load_network(first_network, threads=_threads()))
    with atomic_file(path) as temporary, open(temporary, "wb") as stream:
        np.save(stream, found.astype(np.float32))


def _resized(image: np.ndarray) -> np.ndarray:
    resized: np.ndarray = cv2.resize(image.astype(np.float32), (128, 2608), interpolation=cv2.INTER_LINEAR)
    return resized


def _keep(job: Callable[[int], None], seeds: list[int]) -> None:
    for _ in on_all_cores(job, seeds, most=_MOST_PROCESSES, least=_WORTH_PROCESSES):
        pass


def _threads() -> int:
    """Threads of a network: one in a worker process, else as many as there are cores (0)."""
    return 0 if current_process().name == "MainProcess" else 1
