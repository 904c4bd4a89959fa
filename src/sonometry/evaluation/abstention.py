"""What is gained when a classifier may say that it does not know: risk against coverage, and thresholds.

Source: El-Yaniv & Wiener 2010, JMLR 11:1605; Geifman & El-Yaniv 2017, arXiv:1705.08500.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sonometry.evaluation.predictions import Array

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """Error among the answered items (risk) for every share that is answered (coverage), the surest first.

    thresholds : confidence down to which is answered. area : mean risk over all coverages; lower is better.
    """

    coverage: Array
    risk: Array
    thresholds: Array
    area: float


def risk_coverage(confidence: Array, is_right: Mask) -> RiskCoverage:
    """The curve over all thresholds; items of equal confidence are answered together."""
    order = np.argsort(-confidence, kind="stable")
    errors = np.cumsum(~is_right[order])
    answered = np.arange(1, len(order) + 1)
    ends = np.append(np.flatnonzero(np.diff(confidence[order])), len(order) - 1)
    coverage, risk = answered[ends] / len(order), errors[ends] / answered[ends]
    area = float(np.sum(risk * np.diff(coverage, prepend=0.0)))
    return RiskCoverage(coverage, risk, confidence[order][ends], area)


def threshold_for_abstention(confidence: Array, share: float) -> float:
    """Confidence below which at most the given share of items lies: abstain below it."""
    if not 0 <= share < 1:
        raise ValueError(f"the share of abstentions must lie in [0, 1), got {share}")
    ordered = np.sort(confidence)
    return float(ordered[int(np.floor(share * len(ordered) + 1e-9))])


def threshold_for_error(confidence: Array, is_right: Mask, max_error: float) -> float:
    """Lowest threshold at which the error among the answered items does not exceed `max_error`; infinity if none."""
    curve = risk_coverage(confidence, is_right)
    fitting = np.flatnonzero(curve.risk <= max_error)
    return float(curve.thresholds[fitting[-1]]) if fitting.size else float("inf")


def error_when_answered(confidence: Array, is_right: Mask, threshold: float) -> tuple[float, float]:
    """(error among the items at or above the threshold, their share); the error is NaN when none is answered."""
    answered = confidence >= threshold
    error = float((~is_right[answered]).mean()) if answered.any() else float("nan")
    return error, float(answered.mean())
