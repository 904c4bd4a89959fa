"""The page of a classifier's evaluation: its numbers are those of the measures, its files hold every prediction."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from sonometry.core.paper_study import StudyResult
from sonometry.evaluation.predictions import Predictions
from sonometry.reports.classification import abstention_table, classification_result

NAMES = ("A2C", "A4C", "PLAX")
SIGNATURE = b"\x89PNG"


def drawn(n_clips: int = 18, *, subjects: int = 6, right: float = 0.8) -> Predictions:
    """Clips of two frames; most are right."""
    rng = np.random.default_rng(3)
    truth = np.repeat(np.arange(n_clips) % 3, 2)
    named = np.where(rng.random(len(truth)) < right, truth, (truth + 1) % 3)
    probabilities = 0.1 + 0.7 * np.eye(3)[named]
    clips = np.repeat([f"c{i}" for i in range(n_clips)], 2)
    owners = np.repeat([f"s{i % subjects}" for i in range(n_clips)], 2)
    vendors = np.repeat([("Alpha", "Beta")[i % 2] for i in range(n_clips)], 2)
    return Predictions(NAMES, probabilities, truth, clips, owners, vendors)


@pytest.fixture(scope="module")
def result() -> StudyResult:
    features = np.random.default_rng(0).standard_normal((36, 5))
    return classification_result(drawn(), features=features, n_resamples=20)


def test_tables_give_frames_and_clips_with_intervals(result: StudyResult) -> None:
    overall = result.tables[0]
    accuracy = dict(zip(overall.columns, overall.rows[0], strict=True))
    assert accuracy["measure"] == "accuracy"
    assert float(str(accuracy["frames"]).split()[0]) == pytest.approx(drawn().is_right.mean(), abs=0.005)
    assert "to" in str(accuracy["frames"])
    assert [table.title for table in result.tables] == [
        "Overall", "By class: frames", "By class: clips by mean probability", "By vendor", "Clips when it may abstain",
    ]  # fmt: skip
    assert [row[:3] for row in result.tables[3].rows] == [("Alpha", 3, 18), ("Beta", 3, 18)]


def test_every_prediction_is_in_the_files(result: StudyResult) -> None:
    rows = list(csv.DictReader(io.StringIO(result.files["frames.csv"].decode())))
    assert len(rows) == 36
    assert all(max(NAMES, key=lambda name: float(row[name])) == row["named"] for row in rows)
    assert len(result.files["clips.csv"].splitlines()) == 19
    metrics = json.loads(result.files["metrics.json"])
    assert metrics["frames"]["overall"]["accuracy"]["value"] == pytest.approx(drawn().is_right.mean())
    assert np.sum(metrics["frames"]["confusion"]) == 36


def test_figures_are_pictures_and_show_class_and_vendor(result: StudyResult) -> None:
    names = [figure.name for figure in result.figures]
    assert names[:6] == ["confusion-frames", "confusion-clips", "roc", "precision-recall", "calibration", "abstention"]
    assert "t-sne" in names
    assert all(figure.data.startswith(SIGNATURE) for figure in result.figures)


def test_too_few_patients_and_missing_classes_are_told_first() -> None:
    few = drawn(subjects=2)
    told = classification_result(few.where(few.truth < 2), n_resamples=5).notes
    assert told == (
        "2 patients are too few for intervals, which need at least 5",
        "no clip of this split shows PLAX; these classes are left out of the means",
    )


def test_abstaining_from_the_least_certain_lowers_the_error() -> None:
    confidence = np.linspace(0.51, 0.9, 20)
    probabilities = np.stack([confidence, 1 - confidence, 0 * confidence], axis=1)
    truth = np.where(np.arange(20) < 2, 2, probabilities.argmax(axis=1))
    keys = np.array([str(i) for i in range(20)])
    table = abstention_table(Predictions(NAMES, probabilities, truth, keys, keys, keys))
    errors = [row[3] for row in table.rows]
    assert errors[0] > errors[1] > errors[2] == 0.0
