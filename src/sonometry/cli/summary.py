"""What a run measured, on stdout: one line a number, then where the report lies."""

from __future__ import annotations

import sys
from pathlib import Path

from sonometry.core.application import Application
from sonometry.core.measurement import Measurement, Status
from sonometry.core.report import Report

_COLOURS = {Status.OK: "\x1b[32m", Status.LIMITED: "\x1b[33m", Status.WITHHELD: "\x1b[31m"}
_PLAIN = "\x1b[0m"


def print_report(report: Report, application: Application, page: Path) -> None:
    """Print the numbers, the warnings, the notice and, last, the path of the page."""
    print(f"{application.title} ({report.application} {report.application_version})")
    width = max((len(m.name) for m in report.measurements), default=0)
    for measurement in report.measurements:
        print(f"  {measurement.name:<{width}}  {_line(measurement)}")
    for warning in report.warnings:
        print(f"warning: {warning}")
    print(report.notice)
    print(page)


def _line(measurement: Measurement) -> str:
    text = str(measurement)
    if not sys.stdout.isatty():
        return text
    word = str(measurement.status)
    before, found, after = text.rpartition(word) if not measurement.reasons else text.partition(word)
    return f"{before}{_COLOURS[measurement.status]}{found}{_PLAIN}{after}"
