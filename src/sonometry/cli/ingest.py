"""`sonometry ingest DIR`: a folder of recordings into the catalogue of a workspace."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sonometry.cli.progress import shown_progress


def command(tokens: Sequence[str]) -> Callable[..., int | None]:
    """The command; its flags depend on nothing."""
    return ingest


def ingest(
    folder: Annotated[Path, Parameter(help="Folder with the recordings.", metavar="DIR")],
    /,
    *,
    workspace: Annotated[Path, Parameter(help="Folder of the catalogue and of the secret key.", metavar="DIR")] = Path(
        "workspace"
    ),
    database: Annotated[
        str | None,
        Parameter(help="PostgreSQL instead of the file in the workspace: postgresql://user@host/name.", metavar="URL"),
    ] = None,
    workers: Annotated[int, Parameter(help="Processes; 0 takes one for every core.", metavar="N")] = 0,
) -> None:
    """Enter recordings into the catalogue, under pseudonyms, and write DIR/manifest.csv.

    Files are known by their content: copies are told, moved ones are found again. The same call goes on where an
    interrupted one ended, and takes over labels that were filled into manifest.csv by hand.
    """
    from sonometry.workflows.ingest import DUPLICATES, UNREADABLE
    from sonometry.workflows.ingest import ingest as run

    with shown_progress("ingest") as progress:
        result = run(folder, workspace=workspace, database=database, workers=workers, progress=progress)
    for reason, number in Counter(one.reason for one in result.unreadable).most_common():
        print(f"unreadable, {number} {_files(number)}: {reason}", file=sys.stderr)
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    print(
        f"clips: {result.n_clips}, subjects: {result.n_subjects}, studies: {result.n_studies}; "
        f"files read: {result.n_read}, unchanged: {result.n_unchanged}, "
        f"duplicates: {result.n_duplicates}, unreadable: {len(result.unreadable)}"
    )
    if result.n_missing:
        print(f"clips whose file has gone: {result.n_missing}")
    if result.unreadable:
        print(f"which files are unreadable: {workspace / UNREADABLE} (holds file names: keep it private)")
    if result.n_duplicates:
        print(f"which files are duplicates: {workspace / DUPLICATES} (holds file names: keep it private)")
    if result.manifest:
        print(result.manifest)


def _files(number: int) -> str:
    return "file" if number == 1 else "files"
