"""The demonstration: one simulated recording of every kind, written as a scanner would, read back and measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sonometry.applications import applications
from sonometry.core.application import Application, Findings, Progress, no_progress
from sonometry.core.errors import UsageError
from sonometry.core.report import NOTICE
from sonometry.io.atomic import write_atomic
from sonometry.io.read import read
from sonometry.reports.html import Entry, render_index
from sonometry.workflows.measure import measure
from sonometry.workflows.output import check_directory
from sonometry.workflows.progress import portion
from sonometry.workflows.recordings import FORMATS, marked_simulated, write_recording
from sonometry.workflows.simulate import simulated

SEED = 2
INTRODUCTION = (
    "One simulated recording of every kind, written in a format that scanners export, read back and measured. "
    "The exact truth is known, so that every result stands beside it."
)


@dataclass(frozen=True)
class Demonstration:
    """The page that leads to everything, and what it shows: a report for every application, beside the truth."""

    page: Path
    entries: tuple[Entry, ...]


def demo(out: Path | str, *, progress: Progress | None = None, seed: int = SEED) -> Demonstration:
    """Simulate, write, read back and measure one recording for every application; one page leads to all reports.

    Raises UsageError when no application is installed, OutputError when `out` cannot be written.
    """
    folder, told = Path(out), progress or no_progress
    check_directory(folder)
    found = applications()
    if not found:
        raise UsageError("no application is installed")
    entries = []
    for index, application in enumerate(found.values()):
        step = portion(told, index / len(found), (index + 1) / len(found))
        entries.append(_shown(application, folder, seed, step))
    page = render_index(entries, title="Sonometry demo", introduction=INTRODUCTION, notice=NOTICE)
    write_atomic(folder / "report.html", page)
    told(1.0, "done")
    return Demonstration(folder / "report.html", tuple(entries))


def _shown(application: Application, folder: Path, seed: int, progress: Progress) -> Entry:
    place = folder / application.name
    progress(0.0, f"{application.name}: simulating")
    made = simulated(application, seed=seed)
    progress(0.4, f"{application.name}: writing the recording")
    path = write_recording(made.recording, place, "recording")
    named = portion(progress, 0.45, 1.0)
    report = measure(
        marked_simulated(read(path)),
        application,
        out=place,
        progress=lambda share, step: named(share, f"{application.name}: {step}"),
    )
    note = f"{FORMATS[made.recording.kind]}, simulated with seed {seed}; kept as {application.name}/{path.name}"
    checks = application.load("check_truth")(Findings(report.measurements, report.fields), made.truth)
    return Entry(application, report, PurePosixPath(application.name, "report.html"), note, tuple(checks))
