"""`evaluate` asks the application, writes its page, and tells wrong calls in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sonometry.applications import application
from sonometry.core.errors import DataError, UsageError
from sonometry.core.paper_study import EvaluationRequest, StudyResult, Table
from sonometry.io.manifest import ManifestRow, write_manifest
from sonometry.workflows.evaluate import evaluate


def counting(request: EvaluationRequest) -> StudyResult:
    """An evaluation that tells what it was asked."""
    asked = (request.split, request.manifest.name, str(request.weights and request.weights.name))
    return StudyResult((Table("Asked", ("split", "manifest", "weights"), (asked,)),), files={"extra.txt": b"more"})


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    write_manifest([ManifestRow("c0", "c0.dcm", "cine", "s0")], tmp_path / "manifest.csv")
    return tmp_path / "manifest.csv"


def test_the_page_the_record_and_further_files_are_written(manifest: Path, tmp_path: Path) -> None:
    app = replace(application("elastography"), evaluate=counting)
    run = tmp_path / "run"
    (run / "weights").mkdir(parents=True)
    result = evaluate(app, data=manifest, out=tmp_path / "out", run=run, split="validation")
    assert result.tables[0].rows == (("validation", "manifest.csv", "weights"),)
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert record["name"] == "elastography/evaluation"
    assert "validation split of manifest.csv, weights of run" in (tmp_path / "out" / "evaluation.html").read_text()
    assert (tmp_path / "out" / "extra.txt").read_bytes() == b"more"
    assert (tmp_path / "out" / "table-1.csv").is_file()


def test_an_application_without_evaluation_is_refused(manifest: Path, tmp_path: Path) -> None:
    app = replace(application("elastography"), evaluate=None)
    with pytest.raises(UsageError, match="elastography has no evaluation on a manifest"):
        evaluate(app, data=manifest, out=tmp_path / "out")


def test_a_run_without_weights_and_a_wrong_split_are_told(manifest: Path, tmp_path: Path) -> None:
    app = replace(application("elastography"), evaluate=counting)
    with pytest.raises(DataError, match=r"holds no weights; pass the folder of a training run that has ended"):
        evaluate(app, data=manifest, out=tmp_path / "out", run=tmp_path)
    with pytest.raises(UsageError, match="--split must be one of train, validation, test, got all"):
        evaluate(app, data=manifest, out=tmp_path / "out", split="all")
    assert not (tmp_path / "out").exists()
