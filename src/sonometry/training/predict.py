"""What an exported classifier says about the frames of clips, without torch: the same for evaluation and studies."""

from __future__ import annotations

import numpy as np

from sonometry.core.application import Progress, no_progress
from sonometry.data.frames import FrameTable
from sonometry.evaluation.calibration import at_temperature
from sonometry.evaluation.predictions import Predictions
from sonometry.evaluation.timing import Timing, duration
from sonometry.models.classify import classify
from sonometry.models.inference import Network

#: Pictures that are classified at once.
_BATCH = 32


def logits_of(network: Network, table: FrameTable, progress: Progress = no_progress) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, C) and embeddings (N, F) of all frames of a table."""
    parts = []
    for start in range(0, len(table), _BATCH):
        pictures = np.stack([table.picture(i) for i in range(start, min(start + _BATCH, len(table)))])
        parts.append(classify(network, pictures))
        progress(min(1.0, (start + _BATCH) / len(table)), "classifying frames")
    logits, embeddings = (np.concatenate(part) for part in zip(*parts, strict=True))
    return logits, embeddings


def predictions_of(network: Network, table: FrameTable, logits: np.ndarray) -> Predictions:
    """Calibrated probabilities of the frames with their clips, subjects and vendors."""
    probabilities = at_temperature(logits.astype(np.float64), float(network.metadata.get("temperature", 1.0)))
    return Predictions(table.clips.class_names, probabilities, table.labels, **table.keys())


def inference_time(network: Network, table: FrameTable, *, repeats: int = 20) -> Timing:
    """How long one prepared picture takes on this machine."""
    picture = table.picture(0)[None]
    return duration(lambda: classify(network, picture), repeats=repeats)
