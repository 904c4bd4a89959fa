"""Cine to view: classify the frames, join them, and name the view or say why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sonometry.applications.view import APPLICATION
from sonometry.applications.view.classify import (
    ClipScores,
    as_sequence,
    class_names_of,
    classify,
    in_order,
    is_constant,
)
from sonometry.applications.view.config import ViewConfig
from sonometry.applications.view.decide import (
    Calibration,
    Decision,
    decide,
    expected_in_clinic,
    frame_probabilities,
    joined,
)
from sonometry.applications.view.labels import CLASS_NAMES
from sonometry.applications.view.prepare import decoded_once
from sonometry.core.application import Findings, Progress, no_progress
from sonometry.core.cine import Cine
from sonometry.core.echo_views import NONE, EchoView
from sonometry.core.errors import UsageError
from sonometry.core.measurement import Measurement, Method, Status
from sonometry.core.report import Report
from sonometry.core.study import Recording
from sonometry.models.inference import Network, load_network, shipped_weights

FRAMES, CLIPS = "view-frames", "view-clips"
TRAINED_ON_SIMULATION = (
    "The view network was trained on simulated hearts only; its probabilities were calibrated on simulated recordings."
)
METHOD_NAMES = {
    "average": "mean of calibrated frame probabilities",
    "vote": "majority vote of the frames",
    "temporal": "network over the frames in order",
}


@dataclass(frozen=True, eq=False)
class Networks:
    """The network of single frames and, where there is one, that of clips."""

    frames: Network
    clips: Network | None

    def calibration(self, method: str) -> Calibration:
        """Of the clip label of one method."""
        holder = self.clips if method == "temporal" and self.clips is not None else self.frames
        return Calibration.from_metadata(holder.metadata.get("clips", {}).get(method, {}))

    def method(self, config: ViewConfig) -> Method:
        holder = self.clips if config.method == "temporal" and self.clips is not None else self.frames
        return Method(
            f"residual network of single frames; {METHOD_NAMES[config.method]}", APPLICATION.version, holder.sha256
        )


def measure(
    recording: Recording,
    config: ViewConfig,
    *,
    prerequisites: Mapping[str, Report] | None = None,
    progress: Progress = no_progress,
) -> Findings:
    """The standard view of a cine or still of any size, with graphics or without.

    A clip that shows none of the eight views, or whose label is not certain enough, is withheld with its reason.
    Raises UsageError for another kind of recording, or for `temporal` without weights for it.
    """
    if not isinstance(recording, Cine):
        raise UsageError(f"view needs a B-mode image or cine, got a {recording.kind}")
    networks = load_networks(config)
    method = networks.method(config)
    decoded_once(recording)
    if is_constant(recording):
        return APPLICATION.withhold_all("the picture is constant: it shows nothing", method=method)
    scores = classify(recording, networks.frames, most_frames=config.most_frames, progress=progress)
    frames = frame_probabilities(scores.logits, float(networks.frames.metadata.get("temperature", 1.0)))
    if config.prior == "clinic":
        frames = expected_in_clinic(frames)
    decision = decide_clip(scores, frames, networks, config)
    return Findings(
        _measurements(decision, method), _fields(frames[scores.nearest]), _warnings(recording, networks, scores)
    )


def load_networks(config: ViewConfig) -> Networks:
    """The shipped networks, or those of --weights."""
    if config.weights is None:
        frames = load_network(shipped_weights(FRAMES))
        clips = load_network(shipped_weights(CLIPS)) if config.method == "temporal" else None
    else:
        given = config.weights
        frames = load_network(given / f"{FRAMES}.onnx" if (given / f"{FRAMES}.onnx").is_file() else given)
        beside = (given if given.is_dir() else given.parent) / f"{CLIPS}.onnx"
        clips = load_network(beside) if config.method == "temporal" and beside.is_file() else None
        if config.method == "temporal" and clips is None:
            raise UsageError(
                f"--method temporal needs {CLIPS}.onnx beside the frame weights in {given.name}; "
                "train it with `sonometry train view --level clips` or choose --method average"
            )
    for network in (frames, clips):
        if network is not None:
            class_names_of(network.metadata, network.name)
    return Networks(frames, clips)


def decide_clip(scores: ClipScores, frames: np.ndarray, networks: Networks, config: ViewConfig) -> Decision:
    """The label of the clip by the chosen method."""
    calibration = networks.calibration(config.method)
    if config.method == "temporal" and networks.clips is not None:
        logits = clip_logits(scores, networks.clips)
        clip = frame_probabilities(logits[None], calibration.temperature)[0]
        clip = expected_in_clinic(clip) if config.prior == "clinic" else clip
        return decide(clip, frames, calibration, config.abstain_at, is_calibrated=True)
    return decide(joined(frames, config.method), frames, calibration, config.abstain_at)


def clip_logits(scores: ClipScores, network: Network) -> np.ndarray:
    """(9,) scores of the clip from the embeddings of its frames in order."""
    said = network(as_sequence(scores.embeddings)[None])[:, :, 0, 0].astype(np.float64)
    placed: np.ndarray = in_order(said, class_names_of(network.metadata, network.name))[0]
    return placed


def _measurements(decision: Decision, method: Method) -> tuple[Measurement, ...]:
    """Every output; where no view is named, only the probability of none is given, with the same reason."""
    none = float(decision.probabilities[CLASS_NAMES.index(NONE)])
    values: dict[str, float | str] = {
        "view": decision.label,
        "view_probability": decision.probability,
        "frame_agreement": decision.agreement,
    }
    found = []
    for name, value in values.items():
        output = APPLICATION.output(name)
        if decision.reasons:
            found.append(
                Measurement.withheld(name, output.unit, *decision.reasons, method=method, display=output.display)
            )
        else:
            found.append(Measurement(name, value, output.unit, Status.OK, method, display=output.display))
    status = Status.LIMITED if decision.reasons else Status.OK
    found.append(Measurement("none_probability", none, "1", status, method, reasons=decision.reasons, display="%"))
    return tuple(found)


def _fields(frames: np.ndarray) -> dict[str, np.ndarray]:
    """Arrays of fields.npz, of every frame of the clip."""
    n_views = len(EchoView)
    return {
        "frame_probabilities": frames[:, :n_views].astype(np.float32),
        "view_names": np.array([view.value for view in EchoView]),
        "none_probability": frames[:, n_views].astype(np.float32),
    }


def _warnings(recording: Cine, networks: Networks, scores: ClipScores) -> tuple[str, ...]:
    said = []
    if networks.frames.metadata.get("trained_on") == "simulation":
        said.append(TRAINED_ON_SIMULATION)
    if len(scores.frames) < recording.n_frames:
        said.append(
            f"{len(scores.frames)} of {recording.n_frames} frames were classified; the others take the values of the "
            "nearest one. Raise --most-frames for all."
        )
    return tuple(said)
