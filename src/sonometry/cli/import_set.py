"""`sonometry import SET DIR`: a public data set, as it lies on disk, into manifest.csv and truth files."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sonometry.cli.progress import shown_progress

LIST = "list"


def command(tokens: Sequence[str]) -> Callable[..., int | None]:
    """The command; its flags depend on nothing."""
    return import_set


def import_set(
    name: Annotated[str, Parameter(help="The set, or list to see all of them.", metavar="SET")],
    folder: Annotated[Path | None, Parameter(help="Folder of the set.", metavar="DIR")] = None,
    /,
    *,
    out: Annotated[
        Path | None, Parameter(help="Where to write instead of DIR; it links to the recordings.", metavar="DIR")
    ] = None,
    fold: Annotated[int, Parameter(help="Published fold that is the test set, for sets in folds.", metavar="N")] = 0,
    subject: Annotated[
        str | None,
        Parameter(
            help="Regular expression that finds the patient in a path, for a folder per class.", metavar="PATTERN"
        ),
    ] = None,
    workers: Annotated[int, Parameter(help="Threads.", metavar="N")] = 4,
) -> None:
    """Write manifest.csv and truth files for a public data set; nothing of it is copied or changed.

    Patients stay apart and published splits are kept. The same call goes on where an interrupted one ended.
    """
    from sonometry.core.errors import UsageError
    from sonometry.data.public.registry import SETS, public_set
    from sonometry.workflows.import_set import import_set as run

    if name == LIST and folder is None:
        for one in SETS.values():
            print(f"{one.name:<18} {one.title}; {one.source}\n{'':<18} {one.layout}")
        return
    if folder is None:
        raise UsageError(f"no folder given; expected {public_set(name).layout}: sonometry import {name} DIR")
    with shown_progress("import") as progress:
        result = run(name, folder, out=out, fold=fold, subject=subject, workers=workers, progress=progress)
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    for reason, number in Counter(reason for _, reason in result.left_out).most_common(5):
        print(f"no truth for {number} of {result.n_clips} clips: {reason}", file=sys.stderr)
    parts = ", ".join(f"{split or 'no split'} {number}" for split, number in result.splits.items())
    print(
        f"clips: {result.n_clips} ({parts}), subjects: {result.n_subjects}; "
        f"with truth: {result.n_truth}, of it made now: {result.n_made}"
    )
    print(result.manifest)
