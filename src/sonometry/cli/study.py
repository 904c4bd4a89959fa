"""`sonometry study list` and `sonometry study run NAME --out DIR`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from sonometry.cli.flags import asks_for_help, fact_options, first_word, given, with_signature
from sonometry.cli.progress import shown_progress
from sonometry.core.errors import UsageError
from sonometry.core.options import field_types
from sonometry.io.facts import Facts


def command(tokens: Sequence[str]) -> Callable[..., int | None]:
    """`list` or `run`, whichever comes first."""
    import inspect

    action = first_word(tokens)
    if action not in ("list", "run") and not asks_for_help(tokens):
        raise UsageError(f"study needs 'list' or 'run NAME --out DIR', got {action or 'nothing'}")
    own = list(inspect.signature(study).parameters.values())[:-1]
    return with_signature(study, [p.replace(annotation=_ANNOTATIONS[p.name]) for p in own] + fact_options())


_ANNOTATIONS: dict[str, Any] = {
    "action": Annotated[str, Parameter(help="list, or run.", metavar="list|run")],
    "name": Annotated[str | None, Parameter(help="The study to run, as list shows it.", metavar="NAME")],
    "out": Annotated[Path | None, Parameter(help="Folder for page, tables and figures.", metavar="DIR")],
    "data": Annotated[
        list[Path] | None,
        Parameter(help="Your recordings or manifests.", metavar="PATH", consume_multiple=True, negative_iterable=()),
    ],
    "quick": Annotated[bool, Parameter(help="The size that two cores finish in minutes.", negative=())],
    "weights": Annotated[Path | None, Parameter(help="Weights other than the shipped ones.", metavar="PATH")],
}


def study(
    action: str,
    name: str | None = None,
    /,
    *,
    out: Path | None = None,
    data: list[Path] | None = None,
    quick: bool = False,
    weights: Path | None = None,
    **flags: Any,
) -> None:
    """List the studies, or make a table or figure of a paper again with our number beside the paper's."""
    from sonometry.reports.study import PAGE, as_text
    from sonometry.workflows.study import studies
    from sonometry.workflows.study import study as run

    if action == "list":
        for key, entry in studies().items():
            print(f"{key:<24} {entry.title} ({entry.source})")
        return
    if name is None or out is None:
        raise UsageError("study run needs the name of a study and --out DIR; sonometry study list shows the names")
    facts = given(flags, list(field_types(Facts)))
    with shown_progress(f"study {name}") as progress:
        result = run(name, out=out, data=data or (), quick=quick, weights=weights, facts=facts, progress=progress)
    for table in result.tables:
        print(as_text(table), end="\n\n")
    for note in result.notes:
        print(f"note: {note}")
    print(out / PAGE)
