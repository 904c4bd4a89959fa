"""What the view networks learn: one of eight views or none of them, from a frame, or from a clip's frames in order.

Without data, pictures are simulated on the way and kept in the run folder (`stream`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional
from torch.utils.data import Dataset

from sonometry.applications.view.classify import SEQUENCE, as_sequence
from sonometry.applications.view.labels import CLASS_NAMES, class_index
from sonometry.applications.view.prepare import SIDE, ContentPicture
from sonometry.applications.view.stream import (
    BLOCK,
    CLIP_BLOCK,
    Pool,
    Pooled,
    make_clips,
    make_frames,
    training_vendors,
    varied,
)
from sonometry.applications.view.task_config import TaskConfig
from sonometry.core.errors import UsageError
from sonometry.io.atomic import atomic_file
from sonometry.io.manifest import read_manifest
from sonometry.models.backbones import backbone
from sonometry.models.classifier import Classifier
from sonometry.models.classifier_export import export_classifier
from sonometry.models.classify import classify
from sonometry.models.inference import load_network, shipped_weights
from sonometry.models.view import TemporalViewNetwork, view_network
from sonometry.models.weights import export_network, load_into
from sonometry.training.classification import ClassificationTask, classification_task

FRAMES, CLIPS = "view-frames", "view-clips"
#: Seed of the pictures that tell the best weights; training takes the seed of the run plus one million.
VALIDATION_SEED = 500
_TRAINING_SEEDS = 1_000_000
Sample = dict[str, np.ndarray]


class ViewTask:
    """The frame classifier, its simulated frames and its loss."""

    name = FRAMES
    monitor = "cross_entropy"

    def __init__(self, config: TaskConfig, folder: Path) -> None:
        self.config, self.folder = config, folder / config.pool_folder

    def network(self) -> nn.Module:
        config = self.config
        network = view_network(len(CLASS_NAMES), config.widths, stem=config.stem, dropout=config.dropout)
        if config.start_weights is not None:
            load_into(network, config.start_weights / f"{FRAMES}.safetensors")
        return network.to(memory_format=torch.channels_last)

    def training_data(self, *, seed: int, n_samples: int, first: int) -> Dataset[Any]:
        pool = Pool(self.folder, _TRAINING_SEEDS + seed, training_vendors(), make_frames)
        pool.fill(self.config.first_blocks)
        return SimulatedFrames(pool, self.config, seed, n_samples, first)

    def validation_data(self) -> Dataset[Any]:
        pool = Pool(self.folder, VALIDATION_SEED, training_vendors(), make_frames)
        frames = ValidationFrames(pool, self.config.n_validation)
        pool.fill(frames.n_blocks)
        return frames

    def losses(self, network: nn.Module, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Cross-entropy with smoothed labels; also the plain one and the accuracy."""
        image, label = batch["image"].flatten(0, -4), batch["label"].flatten()
        grey = image.float().div(255).contiguous(memory_format=torch.channels_last)
        scores = network(grey)
        return classification_losses(scores.float(), label, self.config.label_smoothing)

    def export(self, network: nn.Module, folder: Path, *, recipe: Mapping[str, Any]) -> None:
        if self.config.start_share:
            mix_in(network.cpu(), self.network(), self.config.start_share)
        meta = {"class_names": CLASS_NAMES, "fit": "content", "temperature": 1.0, "trained_on": "simulation"}
        export_classifier(network, folder, self.name, size=(SIDE, SIDE), metadata={**meta, "recipe": recipe})  # type: ignore[arg-type]


class ClipTask:
    """The network over the embeddings of a clip's frames, from the frame network that is already there."""

    name = CLIPS
    monitor = "cross_entropy"

    def __init__(self, config: TaskConfig, folder: Path) -> None:
        self.config, self.folder = config, folder / f"{config.pool_folder}-clips"
        self.frame_weights = shipped_weights(FRAMES) if config.frame_weights is None else config.frame_weights
        self.n_embedding = _embedding_size(self.frame_weights)

    def network(self) -> nn.Module:
        return TemporalViewNetwork(self.n_embedding, len(CLASS_NAMES), self.config.width)

    def training_data(self, *, seed: int, n_samples: int, first: int) -> Dataset[Any]:
        pool = Pool(self.folder, _TRAINING_SEEDS + seed, training_vendors(), make_clips)
        pool.fill(self.config.first_blocks)
        source = ClipSource(self.frame_weights, self.config.first_blocks, self.config.reuse, self.config.variations)
        return SimulatedClips(pool, source, seed, n_samples, first)

    def validation_data(self) -> Dataset[Any]:
        pool = Pool(self.folder, VALIDATION_SEED, training_vendors(), make_clips)
        n_clips = max(CLIP_BLOCK, self.config.n_validation // 10)
        source = ClipSource(self.frame_weights, -(-n_clips // CLIP_BLOCK), n_clips, 2)
        pool.fill(source.first_blocks)
        return SimulatedClips(pool, source, VALIDATION_SEED, 5 * n_clips, 0)

    def losses(self, network: nn.Module, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        scores = network(batch["embeddings"])[:, :, 0, 0].float()
        return classification_losses(scores, batch["label"].flatten(), self.config.label_smoothing)

    def export(self, network: nn.Module, folder: Path, *, recipe: Mapping[str, Any]) -> None:
        frames = load_network(self.frame_weights)
        meta = {"class_names": CLASS_NAMES, "embeddings_of": frames.sha256, "recipe": recipe}
        export_network(network, folder, self.name, n_in=self.n_embedding, metadata=meta)


def mix_in(network: nn.Module, other: nn.Module, share: float) -> None:
    """Give a network a share of the weights of another of the same kind, which was its start."""
    state = other.state_dict()
    mixed = {name: torch.lerp(own.float(), state[name].float(), share) for name, own in network.state_dict().items()}
    network.load_state_dict(mixed)


def classification_losses(scores: torch.Tensor, label: torch.Tensor, smoothing: float) -> dict[str, torch.Tensor]:
    """Cross-entropy with smoothed labels, which is minimised; the plain one, which is monitored; the accuracy."""
    loss = functional.cross_entropy(scores, label, label_smoothing=smoothing)
    plain = functional.cross_entropy(scores.detach(), label)
    accuracy = (scores.argmax(1) == label).float().mean()
    return {"loss": loss, "cross_entropy": plain, "accuracy": accuracy}


class SimulatedFrames(Dataset[Sample]):
    """Varied frames of a growing pool; sample i is a function of (seed, first + i)."""

    def __init__(self, pool: Pool, config: TaskConfig, seed: int, n_samples: int, first: int) -> None:
        self.pool, self.config, self.seed, self.n_samples, self.first = pool, config, seed, n_samples, first

    def __len__(self) -> int:
        return self.n_samples

    def __getitem__(self, index: int) -> Sample:
        if index >= self.n_samples:
            raise IndexError(index)
        _one_thread()
        position = self.first + index
        rng = np.random.default_rng([self.seed, position])
        n_blocks = self.config.first_blocks + position // (self.config.reuse * BLOCK)
        pooled = self.pool.item(int(rng.integers(n_blocks)), int(rng.integers(BLOCK)))
        return as_sample(varied(pooled, rng), pooled.label)


class ValidationFrames(Dataset[Sample]):
    """Blocks of varied frames of other patients, the same in every run; an item is a block."""

    def __init__(self, pool: Pool, n_frames: int) -> None:
        self.pool, self.n_blocks = pool, max(1, n_frames // BLOCK)

    def __len__(self) -> int:
        return self.n_blocks

    def __getitem__(self, index: int) -> Sample:
        if index >= self.n_blocks:
            raise IndexError(index)
        rng = np.random.default_rng([VALIDATION_SEED, index])
        pooled = [self.pool.item(index, i) for i in range(BLOCK)]
        samples = [as_sample(varied(p, rng), p.label) for p in pooled]
        return {name: np.stack([s[name] for s in samples]) for name in samples[0]}


class SimulatedClips(Dataset[Sample]):
    """Embeddings of varied clips of a growing pool; sample i is a function of (seed, first + i).

    A clip is varied in a few ways, every frame of it alike, and the embeddings of each are kept beside the pool.
    """

    def __init__(self, pool: Pool, clips: ClipSource, seed: int, n_samples: int, first: int) -> None:
        self.pool, self.clips = pool, clips
        self.seed, self.n_samples, self.first = seed, n_samples, first

    def __len__(self) -> int:
        return self.n_samples

    def __getitem__(self, index: int) -> Sample:
        if index >= self.n_samples:
            raise IndexError(index)
        _one_thread()
        position = self.first + index
        rng = np.random.default_rng([self.seed, position, 1])
        n_blocks = self.clips.first_blocks + position // (self.clips.reuse * CLIP_BLOCK)
        block, place = int(rng.integers(n_blocks)), int(rng.integers(CLIP_BLOCK))
        embeddings = self.clips.embeddings(self.pool, block, int(rng.integers(self.clips.variations)))[place]
        label = self.pool.item(block, place).label
        shown = np.sort(rng.integers(len(embeddings), size=int(rng.integers(1, SEQUENCE + 1))))
        return {"embeddings": as_sequence(embeddings[shown]), "label": np.asarray(class_index(label), np.int64)}


@dataclass(frozen=True)
class ClipSource:
    """Where the embeddings of clips come from. variations : ways in which each clip is varied."""

    frame_weights: Path
    first_blocks: int
    reuse: int
    variations: int

    def embeddings(self, pool: Pool, block: int, variation: int) -> np.ndarray:
        """(CLIP_BLOCK, K, E) of the clips of a block under one variation; computed once."""
        network = load_network(self.frame_weights)
        path = pool.folder / f"{pool.seed}-{block:06d}-{network.sha256[:8]}-{variation}.embeddings.npy"
        if not path.exists():
            clips = [pool.item(block, i) for i in range(CLIP_BLOCK)]
            pictures = np.stack([_varied_alike(c, [pool.seed, block, i, variation]) for i, c in enumerate(clips)])
            _, found = classify(network, pictures.reshape(-1, *pictures.shape[2:]))
            with atomic_file(path) as temporary, open(temporary, "wb") as stream:
                np.save(stream, found.reshape(*pictures.shape[:2], -1))
        return _loaded(path)


@lru_cache(maxsize=512)
def _loaded(path: Path) -> np.ndarray:
    array: np.ndarray = np.load(path)
    return array


def as_sample(picture: np.ndarray, label: str) -> Sample:
    """Picture (1, side, side) uint8, a quarter of what travels to the network as 0-1, and its class."""
    return {"image": picture[None], "label": np.asarray(class_index(label), np.int64)}


def _varied_alike(pooled: Pooled, seed: list[int]) -> np.ndarray:
    """(K, side, side) frames of a clip under one and the same change."""
    frames = [Pooled(image, pooled.label, pooled.box) for image in pooled.image]
    return np.stack([varied(frame, np.random.default_rng(seed)) for frame in frames])


def _embedding_size(weights: Path) -> int:
    """Length of the embeddings of a frame network."""
    network = load_network(weights)
    _, embedding = classify(network, np.zeros((1, SIDE, SIDE), np.uint8))
    return int(embedding.shape[1])


def _one_thread() -> None:
    """A worker process uses one core; several of them use all."""
    if torch.utils.data.get_worker_info() is not None:
        cv2.setNumThreads(1)


class RecordingsTask(ClassificationTask):
    """Frames of labelled recordings; the view backbone starts from the shipped weights where `pretrained` says so."""

    def network(self) -> Classifier:
        if self.config.backbone != "view":
            return super().network()
        network = view_network(len(self.class_names))
        network.whiten(*self.train.statistics())
        if self.config.pretrained:
            _start_from_shipped(network, self.class_names)
        return network.to(memory_format=torch.channels_last)


def _start_from_shipped(network: Classifier, names: tuple[str, ...]) -> None:
    """Load the shipped weights, of the last layer those of the labels that are learnt."""
    state = load_file(shipped_weights(FRAMES).with_suffix(".safetensors"))
    rows = [class_index(name) for name in names]
    for key in ("head.weight", "head.bias"):
        state[key] = state[key][rows]
    network.load_state_dict(state)


def task(config: TaskConfig, folder: Path, data: Path | None) -> ViewTask | ClipTask | ClassificationTask:
    """The task of `sonometry train view`: on simulated pictures, or on the labelled clips of a manifest.

    Raises UsageError for a clip network or start weights on recordings, DataError for a manifest that teaches nothing.
    """
    if data is None:
        return ClipTask(config, folder) if config.level == "clips" else ViewTask(config, folder)
    if config.level == "clips":
        raise UsageError(
            "the network of clips is trained on simulated clips; leave --data away, or take --level frames"
        )
    if config.start_weights is not None:
        raise UsageError(
            "--start-weights is for simulated pictures; with --data training starts from the shipped weights"
        )
    entry = backbone(config.backbone)
    preparation = ContentPicture(entry.rows, entry.columns) if config.fit == "content" else None
    names = config.classes or _views_of(data, config.label)
    return classification_task(
        config, folder, data, name=FRAMES, class_names=names, preparation=preparation, make=RecordingsTask
    )


def _views_of(data: Path, label: str) -> tuple[str, ...]:
    """Labels that occur, in the order of `CLASS_NAMES`; () lets the task find them where the column is another."""
    if label != "view":
        return ()
    found = {row.view for row in read_manifest(data)}
    return tuple(name for name in CLASS_NAMES if name in found)
