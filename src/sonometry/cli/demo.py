"""`sonometry demo`: simulate one recording of every kind, measure all, write one page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sonometry.cli.progress import shown_progress
from sonometry.cli.summary import print_numbers
from sonometry.core.report import NOTICE


def command(tokens: Sequence[str]) -> Callable[..., int | None]:
    """The command; its flags depend on nothing."""
    return demo


def demo(
    *, out: Annotated[Path, Parameter(help="Folder for recordings and reports.", metavar="DIR")] = Path("demo")
) -> None:
    """Simulate one recording of every kind, write it as a scanner would, read it back, measure it, write one page.

    The path of the page is printed last.
    """
    from sonometry.reports.html import shown_check
    from sonometry.workflows.demo import demo as run

    with shown_progress("demo") as progress:
        shown = run(out, progress=progress)
    for entry in shown.entries:
        print_numbers(entry.report, entry.application)
        for check in entry.checks:
            name, error, tolerance = shown_check(check)
            print(f"truth: {name} {error} of {tolerance} allowed{'' if check.holds else ': FAILS'}")
    print(NOTICE)
    print(shown.page)
