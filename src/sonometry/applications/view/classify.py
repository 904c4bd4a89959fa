"""Frames of a cine through a view network: scores and embeddings of every frame, without torch.

Frames are decoded one by one, prepared as the network was trained, and classified in batches. A network may know fewer
labels than `CLASS_NAMES`; its scores are put in their places by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sonometry.applications.view.labels import CLASS_NAMES, class_index
from sonometry.applications.view.prepare import ContentPicture, decoded_once, few_frames, spread
from sonometry.core.application import Progress, no_progress
from sonometry.core.cine import Cine
from sonometry.core.errors import DataError
from sonometry.data.preparation import Preparation, Rescaling
from sonometry.models.classify import classify as run_classifier
from sonometry.models.inference import Network

_BATCH = 16
#: Frames of a clip that the network over time sees, in order.
SEQUENCE = 16
#: What a label that a network does not know scores below its lowest.
_UNKNOWN = 30.0


@dataclass(frozen=True, eq=False)
class ClipScores:
    """What the network said. logits : (K, 9) in the order of `CLASS_NAMES`. embeddings : (K, E).

    frames : (K,) indices of the classified frames. nearest : (T,) which of them stands for each frame.
    """

    logits: np.ndarray
    embeddings: np.ndarray
    frames: np.ndarray
    nearest: np.ndarray


def class_names_of(metadata: dict[str, Any], name: str) -> tuple[str, ...]:
    """Labels of a network, in the order of its outputs. DataError where one is no view: labels travel by name."""
    found = tuple(metadata.get("class_names", ()))
    if not found or not set(found) <= set(CLASS_NAMES) or len(set(found)) < len(found):
        raise DataError(
            f"weights {name} name the classes {', '.join(found) or '(none)'}; expected some of "
            f"{', '.join(CLASS_NAMES)}; pass --weights of a run of `sonometry train view`"
        )
    return found


def preparation_of(metadata: dict[str, Any]) -> Preparation:
    """How the pictures of a network are prepared, as its metadata tell."""
    fit = metadata.get("fit", "content")
    if fit == "content":
        return ContentPicture(int(metadata["rows"]), int(metadata.get("columns", 0)))
    return Rescaling(int(metadata["rows"]), int(metadata["columns"]), fit=fit)


def in_order(logits: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """(K, 9) logits in the order of `CLASS_NAMES`; labels that the network does not know get next to no probability."""
    placed = np.full((len(logits), len(CLASS_NAMES)), float(logits.min(initial=0.0)) - _UNKNOWN)
    placed[:, [class_index(name) for name in names]] = logits
    return placed


def classify(cine: Cine, network: Network, *, most_frames: int, progress: Progress = no_progress) -> ClipScores:
    """Scores of the frames of a clip; of at most `most_frames`, spread evenly."""
    names = class_names_of(network.metadata, network.name)
    decoded_once(cine)
    prepare = preparation_of(network.metadata)(cine)
    chosen = spread(cine.n_frames, most_frames)
    logits, embeddings = [], []
    for start in range(0, len(chosen), _BATCH):
        part = chosen[start : start + _BATCH]
        said = run_classifier(network, np.stack([prepare(cine.frame(int(i))) for i in part]))
        logits.append(said[0])
        embeddings.append(said[1])
        progress((start + len(part)) / len(chosen), "classifying frames")
    nearest = np.abs(np.arange(cine.n_frames)[:, None] - chosen[None]).argmin(axis=1)
    return ClipScores(in_order(np.concatenate(logits), names), np.concatenate(embeddings), chosen, nearest)


def is_constant(cine: Cine) -> bool:
    """Whether none of a few frames holds any structure."""
    return all(float(np.ptp(frame)) == 0 for frame in few_frames(cine))


def as_sequence(embeddings: np.ndarray) -> np.ndarray:
    """(E, SEQUENCE, 1) float32 of frames (K, E) in order: evenly spread ones, or all and again from the first."""
    order = np.resize(spread(len(embeddings), SEQUENCE), SEQUENCE)
    return np.ascontiguousarray(embeddings[order].T, dtype=np.float32)[:, :, None]
