"""The reference of the command line as Markdown, from the commands themselves.

`python -m sonometry.cli.reference` prints docs/reference/cli.md; a test fails when the two differ.
"""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from cyclopts import Parameter

from sonometry.applications import applications
from sonometry.cli.commands import COMMANDS, Command
from sonometry.simulation.named import SIMULATIONS

_HEAD = """\
# Command line

Written by `make reference` from the commands themselves.

Every command prints its result on stdout, progress and errors on stderr, and ends with

| status | meaning |
|---|---|
| 0 | done; a report was written (a withheld measurement is a result) |
| 1 | internal error; `--debug`, given to any command, shows where it arose |
| 2 | wrong call: unknown flag or value, or a kind of input that the application does not accept |
| 3 | input unreadable or not finite |
| 4 | output not writable; nothing half-written is left |
| 130 | interrupted |

An error is one line: what was expected, what came, what to do. The same jobs are functions of Python: `sonometry.read`,
`sonometry.measure`, `sonometry.simulate`.
"""


def reference() -> str:
    """The whole page."""
    sections = [_HEAD]
    for command in COMMANDS:
        sections.append(f"## sonometry {command.name}\n\n`sonometry {command.name} {command.arguments}`\n")
        own = command.function(["--help"])
        sections.append(_prose(own))
        common = _rows(own)
        sections.append(_table(common.values()))
        for name, rows in _of_applications(command, common):
            sections.append(f"### sonometry {command.name}: options of {name}\n")
            sections.append(_table(rows))
    return "\n".join(section for section in sections if section).rstrip() + "\n"


def flags_of(function: Callable[..., Any]) -> list[str]:
    """The flags of a command's function, each with its dashes."""
    return [name for name in _rows(function) if name.startswith("--")]


def _of_applications(command: Command, common: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    ours = [name for name, one in applications().items() if one.package.startswith("sonometry.")]
    named = [name for name in SIMULATIONS if name not in ours] if command.name == "simulate" else []
    for name in (*ours, *named):
        words = {"measure": ["--app", name], "simulate": [name]}.get(command.name)
        if words is not None:
            rows = _rows(command.function([*words, "--help"]))
            own = [row for flag, row in rows.items() if flag not in common]
            if own:
                yield name, own


def _prose(function: Callable[..., Any]) -> str:
    return inspect.cleandoc(function.__doc__ or "") + "\n"


def _table(rows: Iterable[str]) -> str:
    lines = list(rows)
    return "\n".join(["| flag | value | meaning | default |", "|---|---|---|---|", *lines]) + "\n" if lines else ""


def _rows(function: Callable[..., Any]) -> dict[str, str]:
    """One line of the table for every parameter, by flag (or by metavar for what has no flag)."""
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except TypeError:
        hints = function.__annotations__
    rows = {}
    for parameter in inspect.signature(function).parameters.values():
        hint, about = typing.get_args(hints[parameter.name])[:2]
        flag = "--" + parameter.name.replace("_", "-")
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            flag = str(about.metavar)
        rows[flag] = _row(flag, hint, about, parameter)
    return rows


def _row(flag: str, hint: Any, about: Parameter, parameter: inspect.Parameter) -> str:
    written, shown = _value(hint, about), f"`{flag}`"
    default = "" if about.show_default in (None, False) else f"`{about.show_default}`"
    if parameter.default is inspect.Parameter.empty:
        default = "required"
    elif not default and parameter.default not in (None, False):
        default = f"`{parameter.default}`"
    if written == "" and flag.startswith("--") and about.negative is None:
        shown += f" `--no-{flag[2:]}`"
    return f"| {shown} | {written} | {_escaped(str(about.help or ''))} | {default} |"


def _value(hint: Any, about: Parameter) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _value(next(a for a in arguments if a is not type(None)), about)
    if hint is bool:
        return ""
    if origin is Literal:
        return " ".join(f"`{choice}`" for choice in arguments)
    if about.metavar:
        return str(about.metavar)
    if origin is tuple and Ellipsis not in arguments:
        return " ".join(_kind(a) for a in arguments)
    if origin in (tuple, list):
        return f"{_kind(arguments[0])}..."
    return _kind(hint)


def _kind(hint: Any) -> str:
    return {int: "INT", float: "NUMBER", str: "TEXT"}.get(hint, getattr(hint, "__name__", str(hint)).upper())


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference())
