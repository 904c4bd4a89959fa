"""The view network on labelled recordings: every measure of the shared evaluation, on frames and clips."""

from __future__ import annotations

import numpy as np

from sonometry.applications.view.classify import class_names_of, preparation_of
from sonometry.applications.view.config import ViewConfig
from sonometry.applications.view.labels import CLASS_NAMES
from sonometry.applications.view.measure import load_networks
from sonometry.core.errors import DataError
from sonometry.core.paper_study import EvaluationRequest, StudyResult
from sonometry.data.frames import frame_table
from sonometry.data.labelled import LabelledClips, labelled
from sonometry.evaluation.timing import duration
from sonometry.io.manifest import Manifest, read_manifest
from sonometry.models.classify import classify

#: Frames of a clip that are classified at most.
_MOST_FRAMES = 60


def evaluate(request: EvaluationRequest) -> StudyResult:
    """Accuracy, confusion, curves, calibration, abstention and embedding of one split of a manifest."""
    from sonometry.reports.classification import classification_result
    from sonometry.training.predict import logits_of, predictions_of

    network = load_networks(ViewConfig(weights=request.weights)).frames
    names = class_names_of(network.metadata, network.name)
    clips, notes = _clips(request, names)
    table = frame_table(
        clips,
        request.cache,
        preparation_of(network.metadata),
        frames_per_clip=_MOST_FRAMES,
        progress=lambda share, step: request.progress(0.5 * share, step),
    )
    logits, embeddings = logits_of(network, table, lambda share, step: request.progress(0.5 + 0.4 * share, step))
    time = duration(lambda: classify(network, np.zeros((1, *table.size), np.uint8)))
    skipped = tuple(f"Left out: {one}" for one in table.skipped)
    told = (*notes, *skipped, f"Inference of one frame: {time} on this machine.")
    request.progress(0.9, "measuring")
    return classification_result(predictions_of(network, table, logits), features=embeddings, notes=told)


def _clips(request: EvaluationRequest, names: tuple[str, ...]) -> tuple[LabelledClips, tuple[str, ...]]:
    """Clips of the split whose label the network knows. DataError for a label that is no view at all."""
    manifest = read_manifest(request.manifest)
    for row in manifest:
        if row.view and row.view not in CLASS_NAMES:
            raise DataError(
                f"clip {row.clip_key} has the unknown view {row.view[:40]!r}; expected one of: {', '.join(CLASS_NAMES)}"
            )
    kept = tuple(row for row in manifest if not row.view or row.view in names)
    left = len(manifest) - len(kept)
    notes = (f"{left} clips show what this network has no label for; they are left out.",) if left else ()
    clips = labelled(Manifest(kept, manifest.folder), "view", names, name=request.manifest.name)
    if not any(row.split for row in clips.rows):
        return clips, (*notes, "The manifest has no splits; all its clips are evaluated.")
    return clips.of_split(request.split), notes
