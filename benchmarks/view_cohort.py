"""How well the view classifier names simulated clips of patients it never saw, and how sure it may be of it.

    sonometry simulate view --out calibration --n 60 --seed 900 --frames 8 --fps 8 --largest-rows 300
    sonometry simulate view --out cohort --n 90 --seed 901 --frames 8 --fps 8 --largest-rows 300
    python benchmarks/view_cohort.py cohort/manifest.csv [--weights RUN/weights] [--calibrate calibration/manifest.csv]

Printed are frame and clip accuracy, expected calibration error, the clip error with and without 5 % abstentions, by
method and for the make that training never saw. --calibrate first writes temperatures and thresholds, found on other
patients, into the JSON beside the weights.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from sonometry.applications.view.calibrate import (
    ScoredClip,
    clip_calibration,
    frame_calibration,
    write_calibration,
)
from sonometry.applications.view.classify import classify
from sonometry.applications.view.config import METHODS, ViewConfig
from sonometry.applications.view.decide import decide, frame_probabilities, joined
from sonometry.applications.view.labels import CLASS_NAMES
from sonometry.applications.view.measure import CLIPS, FRAMES, Networks, clip_logits, load_networks
from sonometry.applications.view.stream import HELD_OUT_VENDOR
from sonometry.core.echo_views import NONE
from sonometry.core.errors import DataError, UsageError
from sonometry.evaluation.abstention import threshold_for_abstention
from sonometry.evaluation.bootstrap import bootstrap_interval
from sonometry.evaluation.calibration import binned, expected_calibration_error
from sonometry.evaluation.predictions import Predictions
from sonometry.io.manifest import ManifestRow, read_manifest
from sonometry.io.read import read_cine
from sonometry.models.inference import shipped_weights


def score(manifest: Path, networks: Networks) -> tuple[list[ManifestRow], list[ScoredClip]]:
    """All labelled clips of a manifest through the network of single frames."""
    rows = [row for row in read_manifest(manifest) if row.view]
    clips = []
    for row in rows:
        cine = read_cine(manifest.parent / row.path)
        clips.append(ScoredClip(row.view, classify(cine, networks.frames, most_frames=32)))
    return rows, clips


def calibrate(manifests: list[Path], weights: Path | None) -> None:
    """Write what is found on one or several cohorts into the JSON of the weights."""
    config = ViewConfig(weights=weights)
    frames = weights / f"{FRAMES}.onnx" if weights else shipped_weights(FRAMES)
    clips = [clip for manifest in manifests for clip in score(manifest, load_networks(config))[1]]
    write_calibration(frames, frame_calibration(clips))
    temporal = weights / f"{CLIPS}.onnx" if weights else shipped_weights(FRAMES).parents[1] / CLIPS / f"{CLIPS}.onnx"
    if not temporal.is_file():
        return
    networks = load_networks(ViewConfig(method="temporal", weights=weights))
    assert networks.clips is not None
    logits = np.stack([clip_logits(clip.scores, networks.clips) for clip in clips])
    write_calibration(temporal, {"clips": {"temporal": clip_calibration(logits, [clip.label for clip in clips])}})


def frame_predictions(rows: list[ManifestRow], clips: list[ScoredClip], networks: Networks) -> Predictions:
    temperature = float(networks.frames.metadata["temperature"])
    probabilities = np.concatenate([frame_probabilities(c.scores.logits, temperature) for c in clips])
    counts = [len(c.scores.logits) for c in clips]
    return Predictions.of_names(
        CLASS_NAMES,
        probabilities,
        np.repeat([c.label for c in clips], counts).tolist(),
        clips=np.repeat([row.clip_key for row in rows], counts).tolist(),
        subjects=np.repeat([row.subject_key for row in rows], counts).tolist(),
        vendors=np.repeat([row.vendor for row in rows], counts).tolist(),
    )


def clip_predictions(rows: list[ManifestRow], clips: list[ScoredClip], networks: Networks, method: str) -> Predictions:
    """Calibrated probabilities of every clip by one method."""
    calibration = networks.calibration(method)
    temperature = float(networks.frames.metadata["temperature"])
    found = []
    for clip in clips:
        frames = frame_probabilities(clip.scores.logits, temperature)
        if method == "temporal":
            assert networks.clips is not None
            found.append(
                frame_probabilities(clip_logits(clip.scores, networks.clips)[None], calibration.temperature)[0]
            )
        else:
            found.append(decide(joined(frames, method), frames, calibration, 1.0).probabilities)  # type: ignore[arg-type]
    keys = {"clips": "clip_key", "subjects": "subject_key", "vendors": "vendor"}
    columns = {name: [row[column] for row in rows] for name, column in keys.items()}
    return Predictions.of_names(CLASS_NAMES, np.stack(found), [c.label for c in clips], **columns)


def told(name: str, items: Predictions) -> None:
    """One line: accuracy with its interval by patient, calibration error."""
    right = items.is_right.astype(float)
    interval = bootstrap_interval(
        [right], lambda v: float(v.mean()), groups=[items.subjects], rng=np.random.default_rng(1), n_resamples=1000
    )
    error = expected_calibration_error(binned(items))
    print(
        f"{name:34s} {len(items):6d}  accuracy {right.mean():.4f} ({interval.low:.3f} to {interval.high:.3f})  "
        f"calibration error {error:.4f}"
    )


def abstaining(items: Predictions, share: float = 0.05) -> None:
    """Clip error when the least certain share is not answered."""
    threshold = threshold_for_abstention(items.confidence, share)
    answered = items.confidence >= threshold
    before, after = (~items.is_right).mean(), (~items.is_right[answered]).mean()
    print(f"    error {before:.4f}, and {after:.4f} when {1 - answered.mean():.3f} of the clips are not named")


def confusion(items: Predictions) -> None:
    wrong = Counter(
        (CLASS_NAMES[t], CLASS_NAMES[p]) for t, p in zip(items.truth, items.predicted, strict=True) if t != p
    )
    print("    " + (", ".join(f"{t} as {p}: {n}" for (t, p), n in wrong.most_common(12)) or "no error"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--calibrate", type=Path, nargs="+", metavar="MANIFEST")
    options = parser.parse_args()
    if options.calibrate:
        calibrate(options.calibrate, options.weights)
    try:
        networks, methods = load_networks(ViewConfig(method="temporal", weights=options.weights)), METHODS
    except (DataError, UsageError):  # without a clip network the other methods are still measured
        networks, methods = load_networks(ViewConfig(weights=options.weights)), METHODS[:2]
    rows, clips = score(options.manifest, networks)
    frames = frame_predictions(rows, clips, networks)
    is_unseen = np.array(["dorado" in vendor.lower() for vendor in frames.vendors])
    told("frames", frames)
    told("frames of the eight views", frames.where(frames.truth != CLASS_NAMES.index(NONE)))
    told(f"frames of the unseen {HELD_OUT_VENDOR}", frames.where(is_unseen))
    for method in methods:
        items = clip_predictions(rows, clips, networks, method)
        told(f"clips, {method}", items)
        told(
            f"clips, {method}, unseen {HELD_OUT_VENDOR}",
            items.where(np.array(["dorado" in v.lower() for v in items.vendors])),
        )
        abstaining(items)
        confusion(items)


if __name__ == "__main__":
    main()
