"""The studies of the thesis: their numbers from the text, the clips they take, and one run from end to end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sonometry.applications.view import (
    study_baseline,
    study_clips,
    study_finetune,
    study_gradual,
    study_size,
    study_vendor,
)
from sonometry.applications.view.studies import studies
from sonometry.applications.view.study_clips import CohortSize, with_splits
from sonometry.applications.view.study_runs import Outcome, Runs, adam, check_ran, has_learnt, per_cent, unlearnt_note
from sonometry.core.echo_views import EchoView
from sonometry.core.errors import DataError, UsageError
from sonometry.core.paper_study import StudyRequest
from sonometry.io.manifest import Manifest, ManifestRow, read_manifest, write_manifest


def rows(n_patients: int = 12, **changes: str) -> list[ManifestRow]:
    """Two clips of each patient, views and vendors in turn."""
    views = list(EchoView)
    return [
        ManifestRow(
            f"p{i}-{c}",
            f"p{i}-{c}.dcm",
            "cine",
            f"p{i}",
            vendor=("a", "b", "c")[i % 3],
            view=views[(2 * i + c) % 8].value,
        )
        for i in range(n_patients)
        for c in range(2)
    ]


def test_there_is_a_study_for_every_table():
    assert [study.name for study in studies()] == ["baseline", "gradual", "finetune", "vendor", "size"]
    assert not any(study.needs_data for study in studies())


def test_numbers_of_the_thesis_are_complete():
    assert study_finetune.THESIS["inception_v3"][0][0] == "94.3 %"
    assert study_vendor.THESIS["ie33", "SC2000"] == ("87.3 %", "87.8 %")
    assert set(study_size.THESIS) == set(study_size.SHARES) == set(study_size.THESIS_FRAMES)
    assert [schedule for _, _, schedule in study_gradual.SUBPLOTS] == [
        "early_stopping",
        "fixed",
        "fixed_restore",
        "fixed",
    ]


def test_only_the_eight_views_are_used_and_patients_are_apart():
    extra = [replace(row, clip_key=f"{row.clip_key}-none", view="NONE") for row in rows()[:3]]
    clips, notes = with_splits(Manifest((*rows(), *extra)))
    assert len(clips) == 24
    assert clips.class_names == tuple(view.value for view in EchoView)
    sides = {row.subject_key: {r.split for r in clips.rows if r.subject_key == row.subject_key} for row in clips.rows}
    assert all(len(splits) == 1 for splits in sides.values())
    assert "no splits" in notes[0]


def test_splits_of_the_manifest_are_kept():
    given = [replace(row, split="test" if row.subject_key == "p0" else "train") for row in rows()]
    clips, notes = with_splits(Manifest(tuple(given)))
    assert {row.subject_key for row in clips.of_split("test").rows} == {"p0"}
    assert notes == ()


def test_a_manifest_without_views_is_refused():
    with pytest.raises(DataError, match="clips of 0 of the views"):
        with_splits(Manifest(tuple(replace(row, view="") for row in rows())))


def test_several_manifests_are_refused(tmp_path):
    with pytest.raises(UsageError, match="takes one manifest, got 2"):
        study_clips.study_clips(StudyRequest((tmp_path, tmp_path), tmp_path))


def test_one_make_is_too_few_for_the_vendor_study():
    clips, _ = with_splits(Manifest(tuple(replace(row, vendor="a") for row in rows())))
    with pytest.raises(DataError, match="names 1 vendors"):
        study_clips.three_vendors(clips)


def test_a_patient_under_two_makes_is_refused():
    mixed = [replace(row, vendor="z") if row.clip_key == "p0-1" else row for row in rows()]
    clips, _ = with_splits(Manifest(tuple(mixed)))
    with pytest.raises(DataError, match="subject p0 was recorded by a and z"):
        study_vendor._check_patients(clips)


def test_training_of_the_thesis_has_a_constant_rate_and_no_averaging():
    training = adam(1e-5, 50, batch_size=64)
    assert (training.learning_rate, training.schedule, training.average_decay, training.epochs) == (
        1e-5,
        "constant",
        0,
        50,
    )


def test_nothing_that_could_be_run_is_an_error():
    with pytest.raises(DataError, match=r"place vgg16\.pth in ~/x"):
        check_ran([Outcome(missing="not run: place vgg16.pth in ~/x")])
    check_ran([Outcome(missing="no"), Outcome(n_train=3)])


def test_shares_are_printed_as_the_thesis_does():
    assert (per_cent(0.937), per_cent(None), per_cent(float("nan"))) == ("93.7 %", None, None)


@pytest.fixture
def tiny(monkeypatch):
    """A cohort of a few patients, and the smallest trainings."""
    monkeypatch.setattr(study_clips, "QUICK", CohortSize(12, 4, 1))
    monkeypatch.setattr(study_size, "SHARES", (0.25, 0.001))
    monkeypatch.setattr(study_size, "_QUICK_SAMPLES", {"mobilenet": 16, "madani": 16})


def without_imagenet(monkeypatch, tmp_path):
    """No weights in the cache of torch, and no network to fetch them from."""
    from sonometry.models import pretrained

    def refuse(url: str, path: Path) -> None:
        raise OSError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(pretrained, "_fetch", refuse)


@pytest.mark.slow
def test_a_study_without_imagenet_weights_says_what_to_place_and_ends(tiny, monkeypatch, tmp_path):
    without_imagenet(monkeypatch, tmp_path)
    request = StudyRequest((), tmp_path / "partial", quick=True)
    result = study_size.size(request)
    (table,) = result.tables
    by_column = dict(zip(table.columns[3:], table.rows[0][3:], strict=True))
    assert by_column["MobileNet, ImageNet"].startswith("not run: place mobilenetv1_100")
    assert "/" in by_column["MobileNet, random"]
    assert table.rows[0][2] == 93035
    assert (tmp_path / "partial" / "cohort-12x4x1" / "manifest.csv").is_file()


@pytest.mark.slow
def test_an_interrupted_study_goes_on_where_it_ended(tiny, monkeypatch, tmp_path):
    without_imagenet(monkeypatch, tmp_path)
    monkeypatch.setattr(study_size, "NETWORKS", (("baseline", "madani", False),))
    monkeypatch.setattr(study_size, "THESIS", {share: ("x",) for share in study_size.SHARES})
    request = StudyRequest((), tmp_path / "partial", quick=True)
    learnt = Runs._learnt
    calls: list[str] = []

    def killed(self, recipe, folder, *tables):
        calls.append(folder.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return learnt(self, recipe, folder, *tables)

    monkeypatch.setattr(Runs, "_learnt", killed)
    with pytest.raises(KeyboardInterrupt):
        study_size.size(request)
    result = study_size.size(request)
    assert len(calls) == 3
    records = list((tmp_path / "partial" / "runs").glob("*/outcome.json"))
    assert len(records) == 2
    assert all(json.loads(r.read_text())["n_parameters"] > 3.9e6 for r in records)
    assert len(result.figures) == 1


@pytest.mark.slow
def test_the_same_frames_of_each_class_whatever_the_makes(tmp_path, monkeypatch):
    monkeypatch.setattr(study_clips, "QUICK", CohortSize(12, 4, 1))
    request = StudyRequest((), tmp_path / "partial", quick=True)
    clips, _ = study_clips.study_clips(request)
    vendors = study_clips.three_vendors(clips)
    table = study_clips.prepared(request, clips, (60, 80))
    sizes = study_vendor._sizes(table, vendors)
    for number, chosen in enumerate([vendors[:1], vendors[1:]]):
        train, validation = study_vendor._sides(table, chosen, sizes, number)
        assert np.bincount(train.labels, minlength=8).sum() == sum(sizes)
        assert set(train.keys()["vendors"]) <= set(chosen)
        assert not set(validation.keys()["vendors"]) & set(chosen)
        assert not set(train.keys()["subjects"]) & set(validation.keys()["subjects"])


@pytest.mark.slow
def test_recordings_are_learnt_from_and_evaluated_with_the_shipped_start(tmp_path, monkeypatch):
    from sonometry.applications.view.evaluate import evaluate
    from sonometry.core.paper_study import EvaluationRequest
    from sonometry.workflows.train import train

    monkeypatch.setattr(study_clips, "QUICK", CohortSize(12, 4, 1))
    study_clips.study_clips(StudyRequest((), tmp_path, quick=True))
    manifest = tmp_path / "cohort-12x4x1" / "manifest.csv"
    result = train("view", tmp_path / "run", data=manifest, epochs=1, batch_size=8, workers=0, learning_rate=1e-4)
    assert np.isfinite(result.best)
    found = evaluate(EvaluationRequest(manifest, "test", tmp_path / "cache", tmp_path / "run" / "weights"))
    assert found.tables[0].title == "Overall"
    broken = [replace(row, view="LIVER") if i == 0 else row for i, row in enumerate(read_manifest(manifest))]
    write_manifest(broken, manifest.with_name("broken.csv"))
    with pytest.raises(DataError, match="unknown view 'LIVER'; expected one of: A2C"):
        evaluate(EvaluationRequest(manifest.with_name("broken.csv"), "test", tmp_path / "cache"))


def test_a_network_that_got_nowhere_is_not_compared():
    assert not has_learnt([0.2, None, 0.13], 8)
    assert has_learnt([0.1, 0.25], 8)
    assert not has_learnt([], 8)
    assert "20 % where chance gives 12 %" in unlearnt_note("MobileNet", [0.2, None], 8)


def test_quick_pictures_are_easy_and_say_so():
    assert "of good quality and cut to the sector" in str(study_clips.QUICK)
    assert "quality" not in str(study_clips.FULL)


@pytest.mark.parametrize(
    ("reached", "said"), [((0.12, 0.17, 0.21), "says nothing"), ((0.9, 0.93, 0.94), "as in the thesis")]
)
def test_the_baseline_compares_only_trainings_that_got_somewhere(reached, said):
    outcomes = {str(i): SimpleNamespace(validation_accuracy=share) for i, share in enumerate(reached)}
    assert said in study_baseline._order_note(outcomes, n_classes=8)
