"""`sonometry annotate`: the annotation page; `annotate export` and `annotate people` beside it."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from sonometry.core.errors import UsageError

_DEFAULT = Path("workspace")


def command(tokens: Sequence[str]) -> Callable[..., int | None]:
    """The command; its flags depend on nothing."""
    return annotate


def annotate(
    action: Annotated[
        Literal["serve", "export", "people"],
        Parameter(
            help="serve the page, export what was marked, or give people passwords.", metavar="serve|export|people"
        ),
    ] = "serve",
    /,
    *,
    workspace: Annotated[Path, Parameter(help="Folder that sonometry ingest filled.", metavar="DIR")] = _DEFAULT,
    database: Annotated[
        str | None, Parameter(help="PostgreSQL catalogue: postgresql://user@host/name.", metavar="URL")
    ] = None,
    port: Annotated[int, Parameter(help="Port of the page; 0 takes a free one.", metavar="PORT")] = 8642,
    host: Annotated[
        str, Parameter(help="Address to listen on; others than loopback need people with passwords.", metavar="ADDRESS")
    ] = "127.0.0.1",
    host_name: Annotated[
        list[str] | None,
        Parameter(help="Further name under which browsers call the page.", metavar="NAME", negative_iterable=()),
    ] = None,
    reader: Annotated[
        str, Parameter(help="Author of the marks while one person works without a password.", metavar="NAME")
    ] = "reader",
    survey: Annotated[
        list[Path] | None,
        Parameter(help="A score form in YAML, beside the shipped ones.", metavar="FILE", negative_iterable=()),
    ] = None,
    cache_gb: Annotated[float, Parameter(help="Most that decoded frames take on disk.", metavar="GB")] = 20.0,
    to: Annotated[
        str | None,
        Parameter(help="Of export: manifest, marks, camus, dicom or coco; several with commas.", metavar="FORMATS"),
    ] = None,
    out: Annotated[Path | None, Parameter(help="Of export: folder for the files.", metavar="DIR")] = None,
    name: Annotated[str | None, Parameter(help="Of people: who gets a password.", metavar="NAME")] = None,
    admin: Annotated[bool, Parameter(help="Of people: may add people and lists.", negative=())] = False,
) -> None:
    """Label views and phases, draw contours and score exams in the browser; nothing leaves this computer.

    Every action is kept at once. The page works without a network, for one person, or for several with passwords.
    """
    from sonometry.annotate.desk import Desk

    if cache_gb <= 0:
        raise UsageError(f"--cache-gb must be above 0, got {cache_gb}")
    most_bytes = int(cache_gb * 1e9)
    with Desk(workspace, database=database, surveys=survey or (), most_bytes=most_bytes) as desk:
        if action == "people":
            _add_person(desk, name, is_admin=admin)
        elif action == "export":
            _export(desk, to or "manifest,marks", out)
        else:
            from sonometry.annotate.server import serve

            try:
                serve(desk, host=host, port=port, names=tuple(host_name or ()), reader=reader, told=_tell)
            finally:
                _finish(desk)


def _tell(served: Any) -> None:
    print(f"open in a browser: {served.url}")
    if served.is_alone:
        print(
            "one person, no password; the address holds the key, so keep it. Ctrl-C ends; nothing is lost.", flush=True
        )
    else:
        print("people log in with name and password. Ctrl-C ends; nothing is lost.", flush=True)


def _finish(desk: Any) -> None:
    """The manifest with everything that was marked, so that splits and training can follow at once."""
    from sonometry.annotate.manifest import export_labels

    paths, notes = export_labels(desk)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    for path in paths:
        print(path)


def _add_person(desk: Any, name: str | None, *, is_admin: bool) -> None:
    if name is None:
        for one in desk.people.names():
            print(f"{one['name']}{' (administrator)' if one['is_admin'] else ''}")
        return
    if sys.stdin.isatty():
        password = getpass.getpass("password: ")
        if getpass.getpass("again: ") != password:
            raise UsageError("the two passwords differ; nothing was changed")
    else:
        password = sys.stdin.readline().rstrip("\n")
    if name in [one["name"] for one in desk.people.names()]:
        desk.people.set_password(name, password)
        print(f"{name} has a new password")
    else:
        desk.people.add(name, password, is_admin=is_admin)
        print(f"{name} can log in")


def _export(desk: Any, formats: str, out: Path | None) -> None:
    from sonometry.annotate.export import export

    result = export(desk, [word.strip() for word in formats.split(",") if word.strip()], out)
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    for path in result.paths:
        print(path)
