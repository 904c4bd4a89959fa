"""The page of a report: one file that needs nothing else, neither network nor scripts.

Everything that comes from a report is escaped by the template engine; figures are embedded as data URIs. A content
security policy in the page forbids scripts and anything from elsewhere, so that the page can be opened on a hospital
computer and sent by mail.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from sonometry.core.application import Application, TruthCheck
from sonometry.core.measurement import Measurement, Method, Status
from sonometry.core.report import Figure, Report
from sonometry.core.units import display_of, format_number

#: How many numbers stand in large print above the table.
N_HEADLINES = 4
#: Width over height from which a figure stands alone in its row.
WIDE = 1.7


@dataclass(frozen=True)
class Row:
    """One measurement as the page shows it."""

    measurement: Measurement
    title: str

    @property
    def value(self) -> str:
        m = self.measurement
        if isinstance(m.value, str):
            return m.value
        return "" if m.value is None else _typeset(m.shown(m.value))

    @property
    def interval(self) -> str:
        m = self.measurement
        if m.interval is None:
            return ""
        return f"{_typeset(m.shown(m.interval.low))} to {_typeset(m.shown(m.interval.high))}"

    @property
    def level(self) -> str:
        return f"{100 * self.measurement.interval.level:g} %" if self.measurement.interval else ""


@dataclass(frozen=True)
class Entry:
    """One report as an index shows it: where its page lies, what was measured, and how far it is from the truth."""

    application: Application
    report: Report
    page: PurePosixPath
    note: str = ""
    checks: tuple[TruthCheck, ...] = ()

    @property
    def rows(self) -> list[Row]:
        return rows_of(self.report, self.application)

    @property
    def picture(self) -> Figure | None:
        return next((f for f in self.report.figures if f.media_type.startswith("image/")), None)


def render_report(report: Report, application: Application) -> str:
    """The page of one report; titles of the numbers come from the outputs that `application` declares."""
    rows = rows_of(report, application)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            application=application,
            rows=rows,
            headline_rows=headlines(rows),
            refusals=refusals(rows),
            counts=counts(rows),
            provenance=_flat(report.provenance),
        )
    )


def render_index(entries: Sequence[Entry], *, title: str, introduction: str, notice: str) -> str:
    """A page that leads to several reports, with the first picture and the main numbers of each."""
    template = environment().get_template("index.html.j2")
    return template.render(entries=entries, title=title, introduction=introduction, notice=notice)


def rows_of(report: Report, application: Application) -> list[Row]:
    """Measurements in the order of the report, titled as declared (by their name where they are not)."""
    titles = {output.name: output.title for output in application.outputs}
    return [Row(m, titles.get(m.name) or m.name.replace("_", " ").capitalize()) for m in report.measurements]


def headlines(rows: Sequence[Row]) -> list[Row]:
    """The first few numbers there are; none when all are withheld."""
    return [row for row in rows if row.measurement.value is not None][:N_HEADLINES]


def refusals(rows: Sequence[Row]) -> list[str]:
    """Why there are hardly any numbers: the reasons of what is withheld, where that is at least half; else nothing."""
    withheld = [row.measurement for row in rows if row.measurement.status is Status.WITHHELD]
    if 2 * len(withheld) < len(rows):
        return []
    return list(dict.fromkeys(reason for measurement in withheld for reason in measurement.reasons))


def counts(rows: Sequence[Row]) -> dict[str, int]:
    """How many measurements have each status; only those that occur, in order of trust."""
    tally = {str(s): sum(row.measurement.status is s for row in rows) for s in Status}
    return {status: count for status, count in tally.items() if count}


def shown_check(check: TruthCheck) -> tuple[str, str, str]:
    """Name, error and tolerance of a comparison with the truth, as a person reads them: small ones in µm or %."""
    finer = {"m": (1e-3, "um"), "1": (1e-2, "%")}
    below, preferred = finer.get(check.unit, (0.0, None))
    display = display_of(check.unit, preferred if check.tolerance < below else None)
    error, tolerance = (
        f"{format_number(value * display.factor, 2)} {display.symbol}".rstrip()
        for value in (check.error, check.tolerance)
    )
    return check.name.replace("_m_rmse", "_rmse").replace("_", " ").replace("rmse", "RMSE"), error, tolerance


def shared_method(rows: Sequence[Row]) -> Method | None:
    """The method behind every number, when there is only one; it is then said once."""
    methods = {row.measurement.method for row in rows}
    return methods.pop() if len(methods) == 1 else None


def size_of(figure: Figure) -> tuple[int, int] | None:
    """(width, height) in pixels of a PNG, from its header; None for anything else. Source: PNG specification 11.2.1."""
    if figure.data[:8] != b"\x89PNG\r\n\x1a\n" or len(figure.data) < 24:
        return None
    width, height = struct.unpack(">II", figure.data[16:24])
    return width, height


def is_wide(figure: Figure, *, is_first: bool = False) -> bool:
    """Whether a figure wants the whole width of the page; the first one already when it is not taller than wide."""
    size = size_of(figure)
    return size is not None and size[0] > (1.0 if is_first else WIDE) * size[1]


def _typeset(number: str) -> str:
    """A number with the minus sign that typographers use."""
    return number.replace("-", "−")


def _flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Nested provenance as (path, text) lines."""
    if isinstance(value, dict) and value:
        return [line for key, item in value.items() for line in _flat(item, f"{prefix}{key} · ")]
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return [line for number, item in enumerate(value, 1) for line in _flat(item, f"{prefix}{number} · ")]
    text = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    return [(prefix.removesuffix(" · "), text or "none")]


@functools.cache
def environment() -> Environment:
    """The templates of all pages, with what they need to lay out figures and numbers; everything is escaped."""
    templates = Environment(
        loader=PackageLoader("sonometry.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    functions = (headlines, is_wide, shared_method, shown_check, size_of)
    templates.globals.update({function.__name__: function for function in functions})
    return templates
