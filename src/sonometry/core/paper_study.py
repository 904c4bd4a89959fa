"""A table or figure of a paper, made again: its number beside ours.

An application lists its studies as `PaperStudy`; the workflow gives each a `StudyRequest` and writes what comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sonometry.core.application import Progress, no_progress
from sonometry.core.report import Figure

Cell = str | float | int | None


@dataclass(frozen=True)
class Table:
    """Rows under named columns; a number is shown with three significant digits, None as a dash."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.title!r} has {len(self.columns)} columns, a row has {len(row)} cells")

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "title": self.title,
            "columns": list(self.columns),
            "rows": [list(row) for row in self.rows],
            "caption": self.caption,
        }


@dataclass(frozen=True, eq=False)
class StudyResult:
    """What a study found. notes : what a reader must know: what is inferred, what was not run and why.

    files : further files by name, written beside the page.
    """

    tables: tuple[Table, ...]
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyRequest:
    """What a study is run on.

    data : recordings or manifests of the user; empty for a study on simulation alone.
    cache : folder for partial results, so that an interrupted study goes on where it ended.
    quick : the size that two cores finish in minutes; False is the paper's size.
    facts : what the recordings lack, by the names of the reader's facts.
    """

    data: tuple[Path, ...]
    cache: Path
    quick: bool = False
    weights: Path | None = None
    facts: Any = None
    progress: Progress = no_progress


@dataclass(frozen=True)
class EvaluationRequest:
    """What an application is evaluated on.

    manifest : manifest.csv with the truth. split : "train", "validation" or "test". cache : folder for prepared data.
    weights : folder or file of exported weights; None takes those that come with Sonometry.
    """

    manifest: Path
    split: str
    cache: Path
    weights: Path | None = None
    progress: Progress = no_progress


@dataclass(frozen=True)
class PaperStudy:
    """One study: its name ("table1"), what it shows, its source, and what runs it.

    needs_data : True when it cannot run without recordings of the user.
    """

    name: str
    title: str
    source: str
    run: Callable[[StudyRequest], StudyResult]
    needs_data: bool = False
