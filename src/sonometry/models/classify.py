"""Run an exported classifier over prepared pictures, without torch."""

from __future__ import annotations

import numpy as np

from sonometry.core.errors import DataError
from sonometry.models.inference import Network


def classify(network: Network, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, C) and embeddings (N, F) of grey pictures (N, rows, columns) uint8.

    Raises DataError for weights that are no such classifier.
    """
    if "class_names" not in network.metadata or len(network.session.get_outputs()) != 2:
        raise DataError(f"the weights {network.name} are no classifier of frames; pass those of a run that trained one")
    image = pictures.astype(np.float32)[:, None] / 255
    logits, embedding = network.session.run(["logits", "embedding"], {"image": image})
    return logits, embedding
