"""A study as files: study.json (the record), study.html (one self-contained page), every table as CSV, every figure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sonometry.core.paper_study import Cell, PaperStudy, StudyResult, Table
from sonometry.core.report import NOTICE
from sonometry.core.units import format_number
from sonometry.io.atomic import atomic_dir, write_atomic
from sonometry.reports.html import environment

RECORD, PAGE = "study.json", "study.html"


def write_study(
    result: StudyResult, study: PaperStudy, directory: Path, *, provenance: Mapping[str, Any], stem: str = "study"
) -> Path:
    """Write every file of a study and return the path of its page. Raises OutputError; then nothing was written.

    stem : of the names of page and record.
    """
    record = {
        "schema": "sonometry.study/1",
        "name": study.name,
        "title": study.title,
        "source": study.source,
        "tables": [table.to_json() for table in result.tables],
        "figures": [figure.file_name for figure in result.figures],
        "notes": list(result.notes),
        "provenance": dict(provenance),
        "notice": NOTICE,
    }
    page = (
        environment()
        .get_template("study.html.j2")
        .render(study=study, result=result, shown=shown, notice=NOTICE, created=provenance.get("created", ""))
    )
    with atomic_dir(directory) as partial:
        for number, table in enumerate(result.tables, 1):
            write_atomic(partial / f"table-{number}.csv", as_csv(table))
        for figure in result.figures:
            write_atomic(partial / figure.file_name, figure.data)
        for name, data in result.files.items():
            write_atomic(partial / name, data)
        write_atomic(partial / f"{stem}.json", json.dumps(record, indent=2, allow_nan=False) + "\n")
        write_atomic(partial / f"{stem}.html", page)
    return directory / f"{stem}.html"


def as_csv(table: Table) -> str:
    """Comma-separated text with a header; numbers in full."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([["" if cell is None else cell for cell in row] for row in table.rows])
    return stream.getvalue()


def as_text(table: Table) -> str:
    """The table in aligned columns for a terminal."""
    cells = [list(table.columns), *([shown(cell) for cell in row] for row in table.rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(table.columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([table.title, lines[0], rule, *lines[1:], *([table.caption] if table.caption else [])])


def shown(cell: Cell) -> str:
    """A cell as a person reads it."""
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return format_number(cell) if abs(cell) >= 1e-3 or cell == 0 else f"{cell:.2e}"
    return str(cell)
