"""The evaluation of a classifier as tables, figures and files: the same from a command, a study and Python."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence

import numpy as np

from sonometry.core.paper_study import Cell, StudyResult, Table
from sonometry.core.report import Figure
from sonometry.evaluation import abstention, calibration, embedding
from sonometry.evaluation.classification import BY_CLASS, OVERALL, Scores, accuracy_estimate, evaluate, rankings
from sonometry.evaluation.estimate import FEWEST_GROUPS
from sonometry.evaluation.predictions import Predictions, averaged, majority_vote
from sonometry.evaluation.timing import Timing
from sonometry.plots import classification as plots
from sonometry.plots.style import png

FRAMES, VOTES, MEANS = "frames", "clips by majority vote", "clips by mean probability"
_ABSTENTIONS = (0.0, 0.05, 0.1, 0.2)


def classification_result(
    frames: Predictions,
    *,
    features: np.ndarray | None = None,
    inference: Timing | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
    notes: Sequence[str] = (),
) -> StudyResult:
    """Everything about calibrated predictions of frames, and of the clips they belong to.

    features : (N, F) what the network decides on, for the map of the embedding. inference : duration of one picture.
    notes : to be read first.
    """
    levels = {FRAMES: frames, VOTES: majority_vote(frames), MEANS: averaged(frames)}
    rng = np.random.default_rng(seed)
    scores = {name: evaluate(own, rng=rng, n_resamples=n_resamples) for name, own in levels.items()}
    tables = [overall_table(scores), *(class_table(name, scores[name]) for name in (FRAMES, MEANS))]
    if len(frames.by_vendor()) > 1:
        tables.append(vendor_table(levels, seed=seed, n_resamples=n_resamples))
    tables.append(abstention_table(levels[MEANS]))
    if inference is not None:
        cells = (("one picture", str(inference), inference.n),)
        tables.append(Table("Inference time", ("what", "median (quartiles)", "repeats"), cells, "On this machine."))
    files = {
        "metrics.json": json.dumps({name: own.to_json() for name, own in scores.items()}, indent=2).encode(),
        "frames.csv": predictions_csv(frames).encode(),
        "clips.csv": predictions_csv(levels[MEANS]).encode(),
    }
    told = (*notes, *_notes(scores[FRAMES]))
    return StudyResult(tuple(tables), tuple(_figures(levels, scores, features, seed)), told, files)


def overall_table(scores: Mapping[str, Scores]) -> Table:
    """One row a measure, one column a level (frames, clips)."""
    rows = [(name.replace("_", " "), *(str(own.overall[name]) for own in scores.values())) for name in OVERALL]
    n_frames, n_clips, n_subjects = scores[FRAMES].n_items, scores[MEANS].n_items, scores[FRAMES].n_subjects
    return Table(
        "Overall",
        ("measure", *scores),
        tuple(rows),
        f"{n_frames} frames, {n_clips} clips, {n_subjects} patients. Intervals: 95 %, bootstrap by patient. Precision, "
        "recall, F1 and areas are means over the classes that occur. With a majority vote, confidence is the share of "
        "votes.",
    )


def class_table(name: str, scores: Scores) -> Table:
    """One row a class."""
    rows: list[tuple[Cell, ...]] = [
        (label, int(scores.confusion[k].sum()), *(str(own[measure]) for measure in BY_CLASS))
        for k, (label, own) in enumerate(scores.by_class.items())
    ]
    return Table(f"By class: {name}", ("class", "n", *(m.replace("_", " ") for m in BY_CLASS)), tuple(rows))


def vendor_table(levels: Mapping[str, Predictions], *, seed: int = 0, n_resamples: int = 1000) -> Table:
    """Accuracy of frames and clips of every vendor."""
    rows: list[tuple[Cell, ...]] = []
    for vendor, frames in levels[FRAMES].by_vendor().items():
        clips = levels[MEANS].where(levels[MEANS].vendors == vendor)
        rng = np.random.default_rng(seed)
        own = [accuracy_estimate(part, rng=rng, n_resamples=n_resamples) for part in (frames, clips)]
        rows.append((vendor or "unknown", own[0].n_groups, len(frames), str(own[0]), len(clips), str(own[1])))
    return Table("By vendor", ("vendor", "patients", "frames", "accuracy", "clips", "accuracy of clips"), tuple(rows))


def abstention_table(clips: Predictions) -> Table:
    """Error among the clips that are answered when the least certain ones are not."""
    rows = []
    for share in _ABSTENTIONS:
        threshold = abstention.threshold_for_abstention(clips.confidence, share)
        error, answered = abstention.error_when_answered(clips.confidence, clips.is_right, threshold)
        rows.append((share, threshold, answered, error))
    return Table(
        "Clips when it may abstain",
        ("share to abstain from", "confidence from which it answers", "share answered", "error among the answered"),
        tuple(rows),
        "Thresholds are of these very clips; for use, take them from validation data.",
    )


def predictions_csv(predictions: Predictions) -> str:
    """One row an item: clip, subject, vendor, true and named class, probability of every class."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["clip_key", "subject_key", "vendor", "true", "named", *predictions.class_names])
    names, rows = predictions.class_names, zip(predictions.truth, predictions.predicted, strict=True)
    for i, (true, named) in enumerate(rows):
        keys = (predictions.clips[i], predictions.subjects[i], predictions.vendors[i])
        writer.writerow([*keys, names[true], names[named], *(f"{p:.6g}" for p in predictions.probabilities[i])])
    return stream.getvalue()


def _notes(scores: Scores) -> list[str]:
    notes = []
    if scores.n_subjects < FEWEST_GROUPS:
        notes.append(f"{scores.n_subjects} patients are too few for intervals, which need at least {FEWEST_GROUPS}")
    missing = [name for k, name in enumerate(scores.class_names) if not scores.confusion[k].sum()]
    if missing:
        notes.append(f"no clip of this split shows {', '.join(missing)}; these classes are left out of the means")
    return notes


def _figures(
    levels: Mapping[str, Predictions], scores: Mapping[str, Scores], features: np.ndarray | None, seed: int
) -> list[Figure]:
    frames, names = levels[FRAMES], levels[FRAMES].class_names
    ranked, held = rankings(frames), calibration.binned(frames)
    risks = {name: abstention.risk_coverage(levels[name].confidence, levels[name].is_right) for name in (FRAMES, MEANS)}
    error = scores[FRAMES].overall["expected_calibration_error"].value
    made = {
        "confusion-frames": plots.confusion_picture(scores[FRAMES].confusion, names, title="Frames"),
        "confusion-clips": plots.confusion_picture(scores[MEANS].confusion, names, title="Clips"),
        "roc": plots.roc_curves([r.roc() for r in ranked], names),
        "precision-recall": plots.precision_recall_curves([r.pr() for r in ranked], names),
        "calibration": plots.calibration_picture(calibration.calibration_curve(held), error),
        "abstention": plots.risk_coverage_curves(risks),
    }
    figures = [Figure(name, _CAPTIONS[name][0], _CAPTIONS[name][1], png(figure)) for name, figure in made.items()]
    if features is not None and len(features) >= embedding.N_COMPONENTS // 5:
        figures += _embedding_figures(frames, features, seed)
    return figures


_CAPTIONS = {
    "confusion-frames": ("Confusion of frames", "Rows: true class, per cent of its frames and their number."),
    "confusion-clips": ("Confusion of clips", "Mean of the probabilities of the frames of a clip."),
    "roc": ("ROC by class", "Each class against all others, frames."),
    "precision-recall": ("Precision and recall by class", "Each class against all others, frames."),
    "calibration": ("Calibration", "Frames in 15 bins of confidence; points on the line mean what they say."),
    "abstention": ("Abstention", "Error among what is answered when the least certain is not."),
    "t-sne": ("Embedding by t-SNE", "What the network decides on: PCA to 50 dimensions, then t-SNE."),
    "umap": ("Embedding by UMAP", "What the network decides on: PCA to 50 dimensions, then UMAP."),
}


def _embedding_figures(frames: Predictions, features: np.ndarray, seed: int) -> list[Figure]:
    shown = embedding.drawn_items(len(features), seed=seed)
    own = frames.where(np.isin(np.arange(len(frames)), shown))
    groups = {"class": [own.class_names[k] for k in own.truth], "vendor": [str(v) for v in own.vendors]}
    methods = {"t-sne": embedding.t_sne} | ({"umap": embedding.umap} if embedding.has_umap() else {})
    figures = []
    for name, method in methods.items():
        picture = plots.embedding_pictures(method(features[shown], seed=seed), groups, note=name)
        figures.append(Figure(name, _CAPTIONS[name][0], _CAPTIONS[name][1], png(picture)))
    return figures
