"""Make a table or figure of a paper again, on simulation or on the user's own recordings."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sonometry.applications import applications
from sonometry.core.application import Progress, no_progress
from sonometry.core.errors import UsageError
from sonometry.core.options import build, nearest
from sonometry.core.paper_study import PaperStudy, StudyRequest, StudyResult
from sonometry.core.provenance import provenance
from sonometry.io.facts import Facts
from sonometry.reports.study import write_study
from sonometry.workflows.output import check_directory


def studies() -> dict[str, PaperStudy]:
    """Every study of every application, by "application/name"."""
    found = {}
    for name, application in applications().items():
        if application.studies is not None:
            found.update({f"{name}/{study.name}": study for study in application.load("studies")()})
    return found


def study(
    name: str,
    *,
    out: str | os.PathLike[str],
    data: Sequence[str | os.PathLike[str]] = (),
    quick: bool = False,
    weights: str | os.PathLike[str] | None = None,
    facts: Facts | Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> StudyResult:
    """Run the study `name` ("elastography/table1") and write its page, tables and figures into `out`.

    data : recordings or manifests for studies that use the user's own. weights : other than the shipped ones.
    Partial results are kept in `out`/partial, so that the same call goes on after an interruption.
    Raises UsageError for an unknown study or missing data, DataError and OutputError as `measure` does.
    """
    known = studies()
    if name not in known:
        raise UsageError(f"unknown study {name!r}; {nearest(name, known)}")
    chosen, folder = known[name], Path(out)
    if chosen.needs_data and not data:
        raise UsageError(f"study {name} needs recordings; pass --data PATH...")
    check_directory(folder)
    given = facts if isinstance(facts, Facts) else build(Facts, facts or {}, what="fact")
    options = {"study": name, "quick": quick, "n_data": len(data), "weights": weights is not None}
    request = StudyRequest(
        data=tuple(Path(path) for path in data),
        cache=folder / "partial",
        quick=quick,
        weights=None if weights is None else Path(weights),
        facts=given,
        progress=progress or no_progress,
    )
    result = chosen.run(request)
    write_study(result, chosen, folder, provenance=provenance(options))
    return result
