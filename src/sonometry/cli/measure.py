"""`sonometry measure PATH... --app NAME --out DIR`: the main job. The application named adds its options as flags."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from sonometry.applications import application, applications
from sonometry.cli.flags import asks_for_help, config_options, fact_options, given, value_of, with_signature
from sonometry.cli.progress import shown_progress
from sonometry.cli.summary import print_report
from sonometry.core.application import Application
from sonometry.core.errors import UsageError
from sonometry.core.options import field_types
from sonometry.io.facts import Facts


def command(tokens: Sequence[str]) -> Callable[..., int | None]:
    """The command, with the options of the application that is named among `tokens`."""
    name = value_of("--app", tokens)
    if name is None:
        if not asks_for_help(tokens):
            raise UsageError(f"measure needs --app NAME; there are: {', '.join(applications()) or 'none'}")
        return with_signature(measure, [*_common(), *fact_options()])
    chosen = application(name)
    group = Group(f"Options of {chosen.name}", sort_key=10)
    return with_signature(measure, [*_common(), *config_options(chosen.load("config"), group), *fact_options()])


def measure(paths: list[Path], /, *, app: str, out: Path, config: Path | None = None, **flags: Any) -> int:
    """Measure a recording and write a report: report.json, report.html, figures and fields.npz into DIR.

    Several files, given in order, form one sequence. An application has options of its own: --app NAME --help.
    """
    from sonometry.workflows.measure import measure as run

    chosen: Application = application(app)
    facts = Facts(**given(flags, list(Facts.__dataclass_fields__)))
    options = given(flags, list(field_types(chosen.load("config"))))
    with shown_progress(app) as progress:
        report = run(paths, chosen, config=config, facts=facts, out=out, progress=progress, **options)
    print_report(report, chosen, out / "report.html")
    return 0


def _common() -> list[Any]:
    keyword, none = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.empty
    flags = (
        ("app", str, none, Parameter(help=f"What to measure: {', '.join(applications())}.", metavar="NAME")),
        ("out", Path, none, Parameter(help="Folder for the report; made if needed.", metavar="DIR")),
        ("config", Path | None, None, Parameter(help="YAML file with options; flags override it.", metavar="FILE")),
    )
    paths = Annotated[list[Path], Parameter(help="The recording, one file or several.", metavar="PATH...", negative=())]
    return [
        inspect.Parameter("paths", inspect.Parameter.POSITIONAL_ONLY, annotation=paths),
        *(inspect.Parameter(n, keyword, default=d, annotation=Annotated[t, p]) for n, t, d, p in flags),
    ]
