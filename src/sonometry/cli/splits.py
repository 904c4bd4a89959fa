"""`sonometry splits`: train, validation and test, patient by patient."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def command(tokens: Sequence[str]) -> Callable[..., int | None]:
    """The command; its flags depend on nothing."""
    return splits


def splits(
    *,
    workspace: Annotated[
        Path | None, Parameter(help="Whose catalogue is split [default: workspace].", metavar="DIR")
    ] = None,
    data: Annotated[Path | None, Parameter(help="A manifest.csv to split instead.", metavar="FILE")] = None,
    database: Annotated[
        str | None, Parameter(help="PostgreSQL catalogue: postgresql://user@host/name.", metavar="URL")
    ] = None,
    train: Annotated[float, Parameter(help="Share of the clips to learn from.", metavar="SHARE")] = 0.7,
    validation: Annotated[float, Parameter(help="Share to choose settings with.", metavar="SHARE")] = 0.15,
    test: Annotated[float, Parameter(help="Share to test on once.", metavar="SHARE")] = 0.15,
    seed: Annotated[int, Parameter(help="The same seed gives the same splits.", metavar="S")] = 0,
    label: Annotated[
        str | None,
        Parameter(help="Column whose classes are kept in proportion [default: view].", metavar="COLUMN"),
    ] = None,
    redo: Annotated[
        bool, Parameter(help="Split all subjects anew, also those that have a split.", negative=())
    ] = False,
) -> None:
    """Split by patient, with classes and vendors in the same proportion everywhere, and write manifest.csv.

    A patient is in one split only. Those that have a split keep it, so new recordings never move old ones.
    """
    from sonometry.workflows.splits import splits as run

    result = run(
        workspace=workspace,
        data=data,
        database=database,
        train=train,
        validation=validation,
        test=test,
        seed=seed,
        label=label,
        redo=redo,
    )
    print("\n\n".join("\n".join(table.lines()) for table in result.distributions), end="\n\n")
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"subjects split now: {result.n_new}, before: {len(result.splits) - result.n_new}")
    for manifest in result.manifests:
        print(manifest)
