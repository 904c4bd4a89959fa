"""Evaluate an application on labelled recordings that it has not learnt from."""

from __future__ import annotations

import os
from pathlib import Path

from sonometry.applications import application as find_application
from sonometry.core.application import Application, Progress, no_progress
from sonometry.core.errors import DataError, UsageError
from sonometry.core.paper_study import EvaluationRequest, PaperStudy, StudyResult
from sonometry.core.provenance import provenance
from sonometry.io.manifest import SPLITS
from sonometry.io.sniff import check_readable
from sonometry.reports.study import write_study
from sonometry.workflows.output import check_directory

STEM = "evaluation"
_SPLITS = SPLITS[1:]


def evaluate(
    app: str | Application,
    *,
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    run: str | os.PathLike[str] | None = None,
    split: str = "test",
    progress: Progress | None = None,
) -> StudyResult:
    """Evaluate `app` on the recordings of a manifest; write evaluation.html, tables, figures and predictions to `out`.

    run : folder of a training run, or of its weights; None takes the weights that come with Sonometry.
    Raises UsageError for an application that cannot be evaluated so, DataError for an unusable manifest or run.
    """
    application = app if isinstance(app, Application) else find_application(app)
    if application.evaluate is None:
        raise UsageError(f"{application.name} has no evaluation on a manifest; see sonometry study list")
    if split not in _SPLITS:
        raise UsageError(f"--split must be one of {', '.join(_SPLITS)}, got {split}")
    manifest, folder = Path(data), Path(out)
    check_readable(manifest)
    weights = None if run is None else weights_of(Path(run))
    check_directory(folder)
    request = EvaluationRequest(manifest, split, folder / "cache", weights, progress or no_progress)
    result: StudyResult = application.load("evaluate")(request)
    told = f"{split} split of {manifest.name}, weights {'as shipped' if run is None else 'of ' + Path(run).name}"
    page = PaperStudy(f"{application.name}/{STEM}", f"Evaluation: {application.title}", told, lambda _: result)
    options = {"application": application.name, "split": split, "weights": run is not None}
    write_study(result, page, folder, provenance=provenance(options), stem=STEM)
    return result


def weights_of(run: Path) -> Path:
    """The weights of a run folder, or `run` itself where it is weights already. DataError where there are none."""
    if (run / "weights").is_dir():
        return run / "weights"
    if run.is_file() or (run.is_dir() and any(run.glob("*.onnx"))):
        return run
    raise DataError(f"{run.name} holds no weights; pass the folder of a training run that has ended")
