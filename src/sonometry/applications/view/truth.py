"""Simulated recordings with their view as truth, and what was found beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from sonometry.core.application import Findings, Simulated, TruthCheck
from sonometry.core.cine import Cine
from sonometry.core.echo_views import NONE, EchoView
from sonometry.simulation.phantoms.heart.cohorts import ViewSimulation, simulate_view, view_cohort

#: Share of frames of one clip whose own label may be wrong, and how far the clip's probability may be from certainty.
FRAME_TOLERANCE, CLIP_TOLERANCE = 0.5, 0.6


def simulate(seed: int, options: ViewSimulation | None) -> Simulated:
    """A clip of a new patient with its view; without options short, on a small screen, of average quality or better."""
    if options is None:
        options = ViewSimulation(frames=12, size_px=(240, 320), quality=0.8)
    return with_view(simulate_view(seed, options))


def cohort(seed: int, patient: int, options: ViewSimulation | None) -> Iterator[Simulated]:
    """The clips of one patient of a cohort, each with its view."""
    return map(with_view, view_cohort(seed, patient, options))


def with_view(made: Simulated) -> Simulated:
    """The recording with certain probabilities as truth, named as in fields.npz."""
    assert isinstance(made.recording, Cine)
    n_frames, label = made.recording.n_frames, str(made.labels["view"])
    names = [view.value for view in EchoView]
    probabilities = np.tile(np.array([name == label for name in names], np.float32), (n_frames, 1))
    truth = {
        "frame_probabilities": probabilities,
        "view_names": np.array(names),
        "none_probability": np.full(n_frames, float(label == NONE), np.float32),
    }
    return replace(made, truth={**made.truth, **truth})


def check_truth(findings: Findings, truth: Mapping[str, np.ndarray]) -> tuple[TruthCheck, ...]:
    """Share of frames with a wrong label, and what the clip's mean lacks to certainty.

    Nothing measured is an infinite error.
    """
    if "frame_probabilities" not in findings.fields:
        return (TruthCheck("wrong_frames", float("inf"), FRAME_TOLERANCE, "1"),)
    found, exact = _with_none(findings.fields), _with_none(truth)
    wrong = float((found.argmax(axis=1) != exact.argmax(axis=1)).mean())
    missing = float(1 - (found.mean(axis=0) * exact[0]).sum())
    return (
        TruthCheck("wrong_frames", wrong, FRAME_TOLERANCE, "1"),
        TruthCheck("missing_probability", missing, CLIP_TOLERANCE, "1"),
    )


def _with_none(fields: Mapping[str, np.ndarray]) -> np.ndarray:
    """(T, 9) probabilities with that of none last."""
    return np.concatenate([fields["frame_probabilities"], fields["none_probability"][:, None]], axis=1)
