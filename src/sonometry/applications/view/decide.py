"""From the scores of frames to the label of a clip, or a refusal.

Probabilities are calibrated by temperature on held-out simulated patients; thresholds for abstaining come from the
same clips and are stored with the weights. Source of temperature scaling: Guo et al. 2017, arXiv:1706.04599.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sonometry.applications.view.config import ClipMethod
from sonometry.applications.view.labels import CLASS_NAMES
from sonometry.core.echo_views import NONE, EchoView
from sonometry.evaluation.calibration import as_logits, at_temperature

#: A clip whose best label is less probable than this is never named, whatever the error rate asked for.
LEAST_PROBABILITY = 0.5


#: Sequences of each view in a month of one hospital; echo view thesis, table 3.1.
CLINIC_CLIPS = {
    EchoView.A2C: 676,
    EchoView.A3C: 853,
    EchoView.A4C: 2478,
    EchoView.A5C: 794,
    EchoView.PLAX: 2202,
    EchoView.SAXBASAL: 1300,
    EchoView.SAXMID: 1400,
    EchoView.SUB4C: 456,
}


@dataclass(frozen=True)
class Calibration:
    """How to read one method's scores: temperature, and the error above each confidence on held-out clips.

    confidence, error : (K,) rising confidence, and the error rate among held-out clips at or above it.
    """

    temperature: float = 1.0
    confidence: tuple[float, ...] = ()
    error: tuple[float, ...] = ()

    @classmethod
    def from_metadata(cls, record: Mapping[str, Any]) -> Calibration:
        """As stored with the weights; the neutral one where nothing is."""
        return cls(
            float(record.get("temperature", 1.0)),
            tuple(map(float, record.get("confidence", ()))),
            tuple(map(float, record.get("error", ()))),
        )

    def threshold(self, error_rate: float) -> float:
        """Lowest confidence above which held-out clips were wrong at most this often; 1.01 when none is low enough."""
        if error_rate >= 1:
            return 0.0
        if not self.confidence:
            return LEAST_PROBABILITY
        good = [c for c, e in zip(self.confidence, self.error, strict=True) if e <= error_rate]
        return max(LEAST_PROBABILITY, min(good)) if good else 1.01


@dataclass(frozen=True, eq=False)
class Decision:
    """The label of a clip with its probabilities (9,), or why it is withheld.

    label : the most probable of `CLASS_NAMES`. reasons : empty when it is given. agreement : share of frames that
    alone give the label.
    """

    label: str
    probabilities: np.ndarray
    agreement: float
    reasons: tuple[str, ...]

    @property
    def probability(self) -> float:
        """Of the label."""
        return float(self.probabilities[CLASS_NAMES.index(self.label)])


def frame_probabilities(logits: np.ndarray, temperature: float) -> np.ndarray:
    """(K, 9) calibrated probabilities of frames."""
    return at_temperature(np.asarray(logits, np.float64), temperature)


def expected_in_clinic(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities (..., 9) for views as often as a hospital records them; that of none stays.

    Bayes' rule with the shares of `CLINIC_CLIPS` in place of even ones.
    """
    shares = np.array([CLINIC_CLIPS[view] for view in EchoView], float)
    views = probabilities[..., : len(EchoView)] * shares
    views *= (1 - probabilities[..., -1:]) / np.maximum(views.sum(axis=-1, keepdims=True), 1e-30)
    adjusted: np.ndarray = np.concatenate([views, probabilities[..., -1:]], axis=-1)
    return adjusted


def joined(frames: np.ndarray, method: ClipMethod) -> np.ndarray:
    """(9,) probabilities of a clip from those of its frames: their mean, or the shares of their votes.

    A tie of votes goes to the label with the larger mean probability.
    """
    mean: np.ndarray = frames.mean(axis=0)
    if method == "average":
        return mean
    votes = np.bincount(frames.argmax(axis=1), minlength=frames.shape[1]) / len(frames)
    shares: np.ndarray = (votes + 1e-6 * mean) / (1 + 1e-6)
    return shares


def decide(
    clip: np.ndarray, frames: np.ndarray, calibration: Calibration, error_rate: float, *, is_calibrated: bool = False
) -> Decision:
    """Name the clip or refuse.

    clip : (9,) probabilities. frames : (K, 9). is_calibrated : whether `clip` needs no temperature of its own.
    """
    probabilities = clip if is_calibrated else at_temperature(as_logits(clip)[None], calibration.temperature)[0]
    best = int(probabilities.argmax())
    label = CLASS_NAMES[best]
    agreement = float((frames.argmax(axis=1) == best).mean())
    return Decision(label, probabilities, agreement, _reasons(label, probabilities, calibration, error_rate))


def _reasons(label: str, probabilities: np.ndarray, calibration: Calibration, error_rate: float) -> tuple[str, ...]:
    """Why the label is not given; empty when it is."""
    confidence = float(probabilities.max())
    if label == NONE:
        return (f"none of the eight standard views ({100 * confidence:.0f} %); {_likeliest(probabilities)}",)
    threshold = calibration.threshold(error_rate)
    if confidence < threshold:
        wanted = f"at least {100 * threshold:.0f} %" if threshold <= 1 else "more than any clip can give"
        return (
            f"not certain enough: {_likeliest(probabilities)}; an error rate of {100 * error_rate:g} % "
            f"(--abstain-at {error_rate:g}) needs {wanted}",
        )
    return ()


def _likeliest(probabilities: np.ndarray) -> str:
    """ "most like A4C (45 %), then A5C (30 %)"."""
    order = np.argsort(-probabilities[: len(EchoView)], kind="stable")[:2]
    first, second = (f"{CLASS_NAMES[i]} ({100 * probabilities[i]:.0f} %)" for i in order)
    return f"most like {first}, then {second}"
