"""Frames of a cine through the view network: scores and embeddings of every frame, without torch.

Frames are decoded one by one, cut to the same box (found once for the clip), and classified in batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sonometry.applications.view.labels import CLASS_NAMES
from sonometry.applications.view.prepare import Box, content_box, keep_sector, square
from sonometry.core.application import Progress, no_progress
from sonometry.core.cine import Cine
from sonometry.core.errors import DataError
from sonometry.models.classify import classify as run_classifier
from sonometry.models.inference import Network

#: Frames that are decoded first, to find the box of the clip.
_LOOKED_AT = 5
_BATCH = 16
#: Frames of a clip that the network over time sees, in order.
SEQUENCE = 16


@dataclass(frozen=True, eq=False)
class ClipScores:
    """What the network said. logits : (K, 9) in the order of `CLASS_NAMES`. embeddings : (K, E).

    frames : (K,) indices of the classified frames. nearest : (T,) which of them stands for each frame.
    """

    logits: np.ndarray
    embeddings: np.ndarray
    frames: np.ndarray
    nearest: np.ndarray
    box: Box


def check_labels(network: Network) -> None:
    """DataError unless the network's outputs are those of `CLASS_NAMES` in that order: labels travel by name."""
    found = tuple(network.metadata.get("class_names", ()))
    if found != CLASS_NAMES:
        raise DataError(
            f"weights {network.name} name the classes {', '.join(found) or '(none)'}; "
            f"expected {', '.join(CLASS_NAMES)}; pass --weights of a run of `sonometry train view`"
        )


def classify(cine: Cine, network: Network, *, most_frames: int, progress: Progress = no_progress) -> ClipScores:
    """Scores of the frames of a clip; of at most `most_frames`, spread evenly."""
    chosen, side = spread(cine.n_frames, most_frames), int(network.metadata["rows"])
    box, scale = clip_box(cine), grey_scale(cine)
    logits, embeddings = [], []
    for start in range(0, len(chosen), _BATCH):
        part = chosen[start : start + _BATCH]
        pictures = np.stack([prepared(scale * frame, cine.sector, box, side) for frame in _frames(cine, part)])
        said = run_classifier(network, pictures)
        logits.append(said[0])
        embeddings.append(said[1])
        progress((start + len(part)) / len(chosen), "classifying frames")
    nearest = np.abs(np.arange(cine.n_frames)[:, None] - chosen[None]).argmin(axis=1)
    scores = np.concatenate(logits).astype(np.float64)
    return ClipScores(scores, np.concatenate(embeddings), chosen, nearest, box)


def spread(n_frames: int, most: int) -> np.ndarray:
    """(K,) indices of all frames, or of `most` at even distances."""
    return np.unique(np.linspace(0, n_frames - 1, min(n_frames, most)).round().astype(int))


def clip_box(cine: Cine) -> Box:
    """Where the ultrasound image lies in all frames of a clip: the box of the brightest of a few."""
    looked = [keep_sector(cine.frame(int(i)), cine.sector) for i in spread(cine.n_frames, _LOOKED_AT)]
    return content_box(grey_scale(cine) * np.max(np.stack(looked), axis=0))


def prepared(frame: np.ndarray, sector: np.ndarray | None, box: Box, side: int) -> np.ndarray:
    """(side, side) uint8 picture as the network takes it."""
    return square(box.cut(keep_sector(frame, sector)), side)


def grey_scale(cine: Cine) -> np.float32 | int:
    """Factor to grey levels of 0 to 255: 255 for a recording of floating-point values that do not exceed 1."""
    if cine.frame(0).dtype == np.uint8:
        return 1
    largest = max(float(cine.frame(int(i)).max()) for i in spread(cine.n_frames, _LOOKED_AT))
    return np.float32(255.0 if 0 < largest <= 1 else 1.0)


def is_constant(cine: Cine) -> bool:
    """Whether none of a few frames holds any structure."""
    return all(float(np.ptp(cine.frame(int(i)))) == 0 for i in spread(cine.n_frames, _LOOKED_AT))


def as_sequence(embeddings: np.ndarray) -> np.ndarray:
    """(E, SEQUENCE, 1) float32 of frames (K, E) in order: evenly spread ones, or all and again from the first."""
    order = np.resize(spread(len(embeddings), SEQUENCE), SEQUENCE)
    return np.ascontiguousarray(embeddings[order].T, dtype=np.float32)[:, :, None]


def _frames(cine: Cine, indices: np.ndarray) -> Iterator[np.ndarray]:
    return (cine.frame(int(i)) for i in indices)
