"""What a run measured, on stdout: one line a number, then where the report lies."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from sonometry.core.application import Application
from sonometry.core.measurement import Measurement, Status
from sonometry.core.report import Report

_COLOURS = {Status.OK: "\x1b[32m", Status.LIMITED: "\x1b[33m", Status.WITHHELD: "\x1b[31m"}
_PLAIN = "\x1b[0m"


def print_report(report: Report, application: Application, page: Path) -> None:
    """Print the numbers, the warnings, the notice and, last, the path of the page."""
    print_numbers(report, application)
    print(report.notice)
    print(page)


def print_numbers(report: Report, application: Application) -> None:
    """Print the numbers and the warnings; reasons that several numbers share stand once, below them."""
    print(f"{application.title} ({report.application} {report.application_version})")
    width = max((len(m.name) for m in report.measurements), default=0)
    shared = _shared_reasons(report)
    for measurement in report.measurements:
        print(f"  {measurement.name:<{width}}  {_line(measurement, shared)}")
    for reasons, mark in shared.items():
        print(f"  {mark} {'; '.join(reasons)}")
    for warning in report.warnings:
        print(f"warning: {warning}")


def _shared_reasons(report: Report) -> dict[tuple[str, ...], str]:
    """Marks of the reasons that more than one number has: [1], [2] ..."""
    counts = Counter(m.reasons for m in report.measurements if m.reasons)
    return {reasons: f"[{i}]" for i, reasons in enumerate((r for r, n in counts.items() if n > 1), 1)}


def _line(measurement: Measurement, shared: Mapping[tuple[str, ...], str]) -> str:
    text, status = str(measurement), str(measurement.status)
    if measurement.reasons in shared:
        text = text.removesuffix(f": {'; '.join(measurement.reasons)}") + f" {shared[measurement.reasons]}"
    if not sys.stdout.isatty():
        return text
    before, found, after = text.rpartition(status) if not measurement.reasons else text.partition(status)
    return f"{before}{_COLOURS[measurement.status]}{found}{_PLAIN}{after}"
