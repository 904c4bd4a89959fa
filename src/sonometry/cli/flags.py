"""Flags from dataclasses: the options of an application, of a simulation, and the facts that a file lacks."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import types
import typing
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, Optional

from cyclopts import Group, Parameter

from sonometry.core.options import default_of, field_help, field_types
from sonometry.io.facts import Facts

FACTS = Group("Facts that a file lacks, or that override it", sort_key=20)

#: What each fact is, and how its value is written in the help.
_FACTS = {
    "spacing_mm": ("ROW COL", "Distance between pixel rows and between columns, mm."),
    "fps": ("FPS", "Frames per second."),
    "sampling_mhz": ("MHZ", "Sampling rate of RF, MHz."),
    "centre_mhz": ("MHZ", "Centre frequency of RF, MHz."),
    "pitch_mm": ("MM", "Distance between RF lines, mm."),
    "sound_speed_m_s": ("M/S", "Speed of sound, m/s [default: 1540]."),
    "start_depth_mm": ("MM", "Depth of the first RF sample, mm [default: 0]."),
    "variable": ("NAME", "Name of the array in a .mat, .h5 or .npz file."),
}


def option(name: str, hint: Any, text: str, *, group: Group, default: str = "", metavar: str | None = None) -> Any:
    """An optional flag `--name`, None when it is not given; `default` is only shown."""
    parameter = Parameter(
        help=text,
        group=group,
        show_default=default or False,
        metavar=metavar,
        negative_iterable=(),
        negative_none=(),
        consume_multiple=_is_open(_bare(hint)) or None,
    )
    written: Any = _written(hint)
    annotation: Any = Annotated[Optional[written], parameter]  # noqa: UP045 (the type is a variable)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def fact_options() -> list[Any]:
    """The flags of `Facts`."""
    hints = field_types(Facts)
    return [option(name, hints[name], text, group=FACTS, metavar=mark) for name, (mark, text) in _FACTS.items()]


def config_options(cls: type, group: Group) -> list[Any]:
    """One flag for every field of the dataclass `cls`, with its help and default."""
    texts, hints = field_help(cls), field_types(cls)
    flags = []
    for field in dataclasses.fields(cls):
        if field.name in hints:
            default = default_of(field)
            shown = "" if default in (None, dataclasses.MISSING) else _shown(default)
            flags.append(option(field.name, hints[field.name], texts.get(field.name, ""), group=group, default=shown))
    return flags


def with_signature(function: Callable[..., int | None], parameters: Sequence[Any]) -> Callable[..., int | None]:
    """A function that calls `function` and shows the command line the given parameters."""

    def called(*args: Any, **kwargs: Any) -> int | None:
        return function(*args, **kwargs)

    called.__doc__ = function.__doc__
    called.__signature__ = inspect.Signature(list(parameters))  # type: ignore[attr-defined]
    called.__annotations__ = {p.name: p.annotation for p in parameters}
    return called


def value_of(flag: str, tokens: Sequence[str]) -> str | None:
    """The value that follows `flag` among `tokens`, as "--app NAME" or "--app=NAME"; None when it is absent."""
    for index, token in enumerate(tokens):
        if token == "--":
            break
        if token == flag and index + 1 < len(tokens):
            return tokens[index + 1]
        if token.startswith(flag + "="):
            return token[len(flag) + 1 :]
    return None


def first_word(tokens: Sequence[str]) -> str | None:
    """The first word that is no flag; None when there is none."""
    return next((token for token in tokens if not token.startswith("-")), None)


def asks_for_help(tokens: Sequence[str]) -> bool:
    """Whether the words contain --help or -h."""
    return any(token in ("--help", "-h") for token in tokens)


def given(values: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Those of `names` that the user gave."""
    return {name: values[name] for name in names if values.get(name) is not None}


def _bare(hint: Any) -> Any:
    """`hint` without None."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kept = [a for a in typing.get_args(hint) if a is not type(None)]
        return kept[0] if len(kept) == 1 else hint
    return hint


def _is_open(hint: Any) -> bool:
    """Whether a tuple or list takes any number of values."""
    return typing.get_origin(hint) is list or Ellipsis in typing.get_args(hint)


def _written(hint: Any) -> Any:
    """The type as the command line reads it: an enum by the values of its members."""
    bare = _bare(hint)
    if isinstance(bare, type) and issubclass(bare, enum.Enum):
        return Literal[tuple(str(member.value) for member in bare)]
    return bare


def _shown(default: Any) -> str:
    if isinstance(default, enum.Enum):
        return str(default.value)
    if isinstance(default, bool):
        return "yes" if default else "no"
    if isinstance(default, (tuple, list)):
        return " ".join(map(str, default))
    return str(default)
