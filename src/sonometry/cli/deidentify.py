"""`sonometry deidentify IN OUT`, and the decisions afterwards: `--accept`, `--reject`, `--decisions`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from sonometry.cli.flags import config_options, given, with_signature
from sonometry.cli.progress import shown_progress
from sonometry.core.errors import UsageError
from sonometry.core.options import field_types
from sonometry.deid.options import DeidentifyOptions

if TYPE_CHECKING:
    from sonometry.workflows.deidentify import RefusedFile

_WORKSPACE = Path("workspace")
#: Numbers of refused files on one line; all of them are in refused.csv.
_MAX_LISTED = 12


def command(tokens: Sequence[str]) -> Callable[..., int | None]:
    """The command; its flags depend on nothing."""
    group = Group("What is kept, and how", sort_key=10)
    return with_signature(deidentify, [*_common(), *config_options(DeidentifyOptions, group)])


def deidentify(
    source: Path | None = None,
    out: Path | None = None,
    /,
    *,
    workspace: Path = _WORKSPACE,
    config: Path | None = None,
    accept: list[str] | None = None,
    reject: list[str] | None = None,
    decisions: Path | None = None,
    **flags: Any,
) -> int:
    """Take the patient out of the ultrasound DICOM files of IN and write them, under pseudonyms, to OUT.

    What is not certain is refused and not written: status 3, and a list with the reasons. The same call goes on where
    an interrupted one ended. Look at the audit page, then accept or reject every scanner:
    sonometry deidentify --accept SCANNER --workspace DIR
    """
    if accept or reject or decisions:
        if source is not None:
            raise UsageError("decisions are made alone: give --accept, --reject or --decisions without IN and OUT")
        return _reviewed(workspace, accept or [], reject or [], decisions)
    if source is None or out is None:
        raise UsageError(
            "deidentify needs the folder of the originals and an output folder: sonometry deidentify IN OUT"
        )
    from sonometry.workflows.deidentify import deidentify as run

    options = given(flags, list(field_types(DeidentifyOptions)))
    with shown_progress("deidentify") as progress:
        result = run(source, out, workspace=workspace, config=config, progress=progress, **options)
    for reason, numbers in _by_reason(result.refused).items():
        print(f"refused, {reason}: {_listed(numbers)}", file=sys.stderr)
    print(f"files done: {len(result.done)}, refused: {len(result.refused)}, skipped (no DICOM): {result.n_skipped}")
    if result.done:
        print(f"written under pseudonyms: {out}")
    print(f"secret key and journal: {workspace} (keep it private, and use it again: it makes the same pseudonyms)")
    if result.refused:
        print(f"which files were refused: {result.refused_list} (holds file names: keep it private)")
    if result.pending:
        print(f"to be looked at: {result.audit} (shows identified pixels: keep it private)")
    return result.exit_status


def _by_reason(refused: Sequence[RefusedFile]) -> dict[str, list[int]]:
    numbers: dict[str, list[int]] = {}
    for one in refused:
        numbers.setdefault(one.reason, []).append(one.number)
    return numbers


def _listed(numbers: Sequence[int]) -> str:
    """Numbers in words, at most `_MAX_LISTED` of them: "files no. 2, 5, 9"."""
    shown = ", ".join(map(str, numbers[:_MAX_LISTED]))
    more = f" and {len(numbers) - _MAX_LISTED} more" if len(numbers) > _MAX_LISTED else ""
    return f"{'file' if len(numbers) == 1 else 'files'} no. {shown}{more}"


def _reviewed(workspace: Path, accept: Sequence[str], reject: Sequence[str], decisions: Path | None) -> int:
    from sonometry.workflows.deidentify import review

    result = review(workspace, accept=accept, reject=reject, decisions=decisions)
    for name, decision in result.decisions.items():
        print(f"{name}: {decision}")
    if result.n_removed:
        print(f"removed from the output, of rejected scanners: {result.n_removed}")
    return 0


def _common() -> list[Any]:
    keyword, positional = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_ONLY
    places = (
        ("source", "File or folder with the originals.", "IN"),
        ("out", "Folder for the de-identified files; made if needed.", "OUT"),
    )
    flags = (
        ("workspace", Path, _WORKSPACE, "Folder of the secret key, the journal and the audit page.", "DIR"),
        ("config", Path | None, None, "YAML file with options; flags override it.", "FILE"),
        ("accept", list[str] | None, None, "Scanners of the audit page whose result is right.", "SCANNER..."),
        ("reject", list[str] | None, None, "Scanners to refuse; their files are removed from OUT.", "SCANNER..."),
        ("decisions", Path | None, None, "File that the audit page saves.", "FILE"),
    )
    return [
        *(
            inspect.Parameter(
                name,
                positional,
                default=None,
                annotation=Annotated[Path | None, Parameter(help=text, metavar=mark, show_default=False)],
            )
            for name, text, mark in places
        ),
        *(
            inspect.Parameter(
                name,
                keyword,
                default=default,
                annotation=Annotated[
                    hint, Parameter(help=text, metavar=mark, negative=(), consume_multiple=name in ("accept", "reject"))
                ],
            )
            for name, hint, default, text, mark in flags
        ),
    ]
