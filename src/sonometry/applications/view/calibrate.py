"""Make the probabilities of a view network mean what they say: temperatures and thresholds from held-out clips.

The clips must be of patients that training never saw, and are not those that results are reported on. What is found is
written into the JSON beside the weights, where measuring reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.applications.view.classify import ClipScores
from sonometry.applications.view.config import ClipMethod
from sonometry.applications.view.decide import frame_probabilities, joined
from sonometry.applications.view.labels import class_index
from sonometry.core.errors import DataError
from sonometry.evaluation.abstention import risk_coverage
from sonometry.evaluation.calibration import as_logits, at_temperature, fit_temperature
from sonometry.io.atomic import write_atomic

#: Points that are kept of the curve of error over confidence.
_KEPT = 60


@dataclass(frozen=True, eq=False)
class ScoredClip:
    """A labelled clip with what the network said of it. label : one of `CLASS_NAMES`."""

    label: str
    scores: ClipScores


def frame_calibration(clips: Sequence[ScoredClip]) -> dict[str, Any]:
    """Temperature of the frames; temperature and abstention curve of each way of joining them."""
    if not clips:
        raise DataError("calibration needs labelled clips; none was given")
    logits = np.concatenate([clip.scores.logits for clip in clips])
    truth = np.repeat([class_index(c.label) for c in clips], [len(c.scores.logits) for c in clips]).astype(np.intp)
    temperature = fit_temperature(logits, truth)
    methods: tuple[ClipMethod, ...] = ("average", "vote")
    found = {}
    for method in methods:
        probabilities = np.stack([joined(frame_probabilities(c.scores.logits, temperature), method) for c in clips])
        found[method] = clip_calibration(as_logits(probabilities), [clip.label for clip in clips])
    return {"temperature": temperature, "clips": found}


def clip_calibration(logits: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
    """Temperature of clips (N, 9), and their error rate above each confidence."""
    truth = np.array([class_index(label) for label in labels], np.intp)
    temperature = fit_temperature(logits, truth)
    probabilities = at_temperature(logits, temperature)
    curve = risk_coverage(probabilities.max(axis=1), probabilities.argmax(axis=1) == truth)
    order = np.argsort(curve.thresholds)
    confidence, error = curve.thresholds[order], curve.risk[order]
    kept = np.unique(np.linspace(0, len(order) - 1, min(_KEPT, len(order))).round().astype(int))
    return {
        "temperature": temperature,
        "n_clips": len(labels),
        "confidence": [round(float(v), 6) for v in confidence[kept]],
        "error": [round(float(v), 6) for v in error[kept]],
    }


def write_calibration(weights: Path, record: Mapping[str, Any]) -> None:
    """Put a calibration into the JSON of weights; `weights` is the .onnx file. The network itself stays as it is."""
    path = weights.with_suffix(".json")
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name} beside the weights cannot be read; train the network again") from error
    write_atomic(path, json.dumps({**metadata, **record}, indent=2) + "\n")
