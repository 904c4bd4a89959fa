"""Agreement of simulated readers whose errors are known, and their consensus."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from sonometry.core.annotation import Annotation
from sonometry.evaluation.overlap import dice
from sonometry.numerics.polygons import polygon_mask
from sonometry.workflows import reader_agreement as workflow
from sonometry.workflows.reader_agreement import ClipFacts, consensus, reader_agreement

TIME = datetime(2026, 3, 1, tzinfo=UTC)
ANGLE = np.linspace(0, 2 * np.pi, 40, endpoint=False)
CLIPS = {f"c{i}": ClipFacts(f"s{i // 2}", (20, 100, 100), (1e-3, 1e-3)) for i in range(24)}


def ring(radius):
    return np.stack([50 + radius * np.sin(ANGLE), 50 + radius * np.cos(ANGLE)], axis=1)


def reading(author, number, *, radius=30.0, offset=0, wrong=0):
    marks = []
    for i, clip_key in enumerate(CLIPS):
        views = ["A4C", "A2C", "PLAX"]
        common = {"author": author, "round": number, "time": TIME}
        label = views[(i + (i < wrong)) % 3]
        marks += [
            Annotation(clip_key, "view", label=label, **common),
            Annotation(clip_key, "score:SCT", score=float(1 + i % 5 + offset), **common),
            Annotation(clip_key, "phase", label="ES", frame=8 + offset, **common),
            Annotation(clip_key, "lv_endocardium", frame=3, contour_px=ring(radius), **common),
        ]
    return marks


def by_name(rows, structure, comparison):
    return {row.statistic: row for row in rows if row.structure == structure and row.comparison == comparison}


@pytest.fixture(scope="module")
def rows():
    marks = [
        *reading("anna", 1),
        *reading("ben", 1, radius=33.0, offset=1, wrong=6),
        *reading("anna", 2, radius=30.5),
        *reading("cleo", 1, radius=36.0),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workflow, "N_RESAMPLES", 60)
        return reader_agreement(marks, CLIPS)


def test_contours_of_two_readers_lie_their_known_distance_apart(rows):
    found = by_name(rows, "lv_endocardium", "anna and ben, round 1")
    assert found["mean distance"].estimate.value == pytest.approx(0.003, rel=0.01)
    assert found["Dice"].estimate.value == pytest.approx(2 * 30**2 / (30**2 + 33**2), abs=0.005)
    assert found["Dice"].estimate.n_groups == 12


def test_rounds_of_one_reader_are_compared_and_rounds_of_others_are_not(rows):
    comparisons = {row.comparison for row in rows}
    assert "anna, round 1 and 2" in comparisons
    assert not any("ben" in name and "2" in name for name in comparisons)


def test_scores_have_bias_correlation_and_kappa(rows):
    found = by_name(rows, "SCT", "anna and ben, round 1")
    assert found["bias"].estimate.value == pytest.approx(-1)
    assert found["mean absolute difference"].estimate.value == pytest.approx(1)
    assert 0 < found["ICC(2,1)"].estimate.value < 1
    assert 0 < found["quadratic weighted kappa"].estimate.value < 1


def test_views_and_frames_of_the_beat_are_compared(rows):
    found = by_name(rows, "view", "anna and ben, round 1")
    assert found["share that agrees"].estimate.value == pytest.approx(18 / 24)
    assert found["Cohen's kappa"].estimate.value == pytest.approx(0.625, abs=0.02)
    assert by_name(rows, "phase:ES", "anna and ben, round 1")["mean absolute difference"].estimate.value == 1


def test_three_readers_have_fleiss_kappa_and_all_forms_of_icc(rows):
    assert 0.5 < by_name(rows, "view", "all 3 readers, round 1")["Fleiss' kappa"].estimate.value < 1
    assert len(by_name(rows, "SCT", "all 3 readers, round 1")) == 6


def test_the_consensus_takes_majority_median_and_staple():
    marks = [
        *reading("anna", 1),
        *reading("ben", 1, radius=33.0, offset=1, wrong=6),
        *reading("cleo", 1, radius=30.0),
    ]
    agreed = [m for m in consensus(marks, CLIPS, time=TIME) if m.clip_key == "c0"]
    values = {mark.structure: mark for mark in agreed}
    assert values["view"].label == "A4C"
    assert values["score:SCT"].score == 1
    assert values["phase:ES"].frame == 8
    mask = polygon_mask(values["lv_endocardium"].contour_px, (100, 100))
    assert dice(mask, polygon_mask(ring(30), (100, 100))) > 0.98
    assert {m.author for m in agreed} == {"consensus"}


def test_a_later_mark_replaces_an_earlier_one():
    first = Annotation("c0", "view", "anna", 1, TIME, label="A2C")
    assert consensus([first, *reading("anna", 1)[:1]], CLIPS, time=TIME)[0].label == "A4C"


def test_one_reader_has_nothing_to_be_compared_with():
    assert reader_agreement(reading("anna", 1), CLIPS) == ()
