"""`sonometry evaluate APP --data manifest.csv --out DIR`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from sonometry.cli.progress import shown_progress


def command(_tokens: Sequence[str]) -> Callable[..., int | None]:
    """The command; its flags are the same for all applications."""
    return evaluate


def evaluate(
    app: Annotated[str, Parameter(help="What to evaluate.", metavar="APP")],
    /,
    *,
    data: Annotated[Path, Parameter(help="manifest.csv of labelled recordings.", metavar="FILE")],
    out: Annotated[Path, Parameter(help="Folder for page, tables, figures and predictions.", metavar="DIR")],
    run: Annotated[
        Path | None, Parameter(help="Training run or its weights; the shipped weights when absent.", metavar="RUN")
    ] = None,
    split: Annotated[
        Literal["train", "validation", "test"], Parameter(help="Part of the manifest to evaluate on.")
    ] = "test",
) -> None:
    """Measure how good an application is on labelled recordings, with intervals by patient."""
    from sonometry.reports.study import as_text
    from sonometry.workflows.evaluate import STEM
    from sonometry.workflows.evaluate import evaluate as job

    with shown_progress(f"evaluate {app}") as progress:
        result = job(app, data=data, out=out, run=run, split=split, progress=progress)
    for table in result.tables:
        print(as_text(table), end="\n\n")
    for note in result.notes:
        print(f"note: {note}")
    print(out / f"{STEM}.html")
