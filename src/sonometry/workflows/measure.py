"""Measure one recording with one application: the main job."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sonometry.applications import application as find_application
from sonometry.core.application import Application, Progress, no_progress
from sonometry.core.errors import UsageError
from sonometry.core.options import build
from sonometry.core.report import Report
from sonometry.core.study import Recording, Study
from sonometry.io.facts import Facts
from sonometry.reports.build import build_report
from sonometry.reports.write import write_report
from sonometry.workflows.config import Configuration, resolve
from sonometry.workflows.output import check_directory
from sonometry.workflows.progress import portion

Source = Recording | str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

#: What a person calls the kinds of recording.
KIND_NAMES = {"cine": "a B-mode image or cine", "rf": "RF frames", "signals": "signals", "study": "an exam folder"}


def measure(
    source: Source,
    app: str | Application,
    *,
    config: Configuration = None,
    facts: Facts | Mapping[str, Any] | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Report:
    """Measure `source` with the application `app` and return the report.

    source : a recording, or the path(s) it is read from; several files in order form a sequence.
    config : configuration of the application (dataclass, mapping or YAML path); `options` override it by field name.
    facts : what the files lack, in the units of the flags (`spacing_mm`, `fps`, ...).
    out : folder for report.json, report.html, figures and fields.npz; None writes nothing.

    Raises UsageError (unknown application or option, a kind of input the application does not accept), DataError
    (unreadable or not finite) and OutputError (checked before the work begins).
    """
    told = progress or no_progress
    application = app if isinstance(app, Application) else find_application(app)
    settings = resolve(application.load("config"), config, options)
    given = facts if isinstance(facts, Facts) else build(Facts, facts or {}, what="fact")
    if out is not None:
        check_directory(Path(out))
    told(0.0, "reading")
    recording = accepted(_recording(source, given), application)
    report = _measured(recording, application, settings, given, portion(told, 0.05, 0.95))
    if out is not None:
        told(0.95, "writing the report")
        write_report(report, Path(out), application=application, recording=recording)
    told(1.0, "done")
    return report


def accepted(recording: Recording, application: Application) -> Recording:
    """`recording`, or the one part of a study that `application` takes; UsageError when there is none or a choice."""
    if recording.kind in application.accepts:
        return recording
    wanted = " or ".join(KIND_NAMES.get(kind, kind) for kind in sorted(application.accepts))
    if isinstance(recording, Study):
        fitting = [part for part in recording.recordings if part.kind in application.accepts]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise UsageError(f"{application.name} needs {wanted}, got {len(fitting)} of them; give one by its path")
    got = KIND_NAMES.get(recording.kind, recording.kind)
    raise UsageError(f"{application.name} needs {wanted}, got {got}; choose another --app or another file")


def _recording(source: Source, facts: Facts) -> Recording:
    if isinstance(source, Recording):
        if any(value is not None for value in dataclasses.asdict(facts).values()):
            raise UsageError("facts complete a file while it is read; they cannot change a recording in memory")
        return source
    from sonometry.io.read import read

    paths = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    if not paths:
        raise UsageError("no file given; pass at least one PATH")
    return read(*(Path(path) for path in paths), facts=facts)


def _measured(
    recording: Recording, application: Application, settings: Any, facts: Facts, progress: Progress
) -> Report:
    n_steps = len(application.prerequisites) + 1
    earlier: dict[str, Report] = {}
    for index, name in enumerate(application.prerequisites):
        before = find_application(name)
        step = portion(progress, index / n_steps, (index + 1) / n_steps)
        earlier[name] = _measured(accepted(recording, before), before, before.load("config")(), facts, step)
    step = portion(progress, (n_steps - 1) / n_steps, 1.0)
    run = application.load("measure")
    findings = run(recording, settings, prerequisites=earlier, progress=portion(step, 0.0, 0.85))
    step(0.85, "drawing figures")
    figures = application.load("figures")(recording, findings, settings)
    return build_report(
        application,
        recording,
        findings,
        figures=figures,
        config=settings,
        facts=dataclasses.asdict(facts),
        prerequisites=earlier,
    )
