"""Options as dataclasses: to and from plain types, from the words of a command line, with help per field.

A configuration is a dataclass whose every field has a default. Plain types (dict, list, str, float, int, bool, None)
are what YAML, JSON and a report hold. A wrong name or value is a `UsageError` that says what would be right.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import numbers
import re
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from sonometry.core.errors import UsageError

T = TypeVar("T")


def field_types(cls: type) -> dict[str, Any]:
    """Name -> resolved type of every field of the dataclass `cls` that can be given, in order."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}


def default_of(field: dataclasses.Field[Any]) -> Any:
    """Default of a field; `dataclasses.MISSING` when it has none."""
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def field_help(cls: type) -> dict[str, str]:
    """What each field means: `metadata["help"]`, else the line `name : text` of the docstring (also `a, b : text`).

    Text may go on over indented lines; a sentence that starts with another field's name ends it. Both the usual
    numpydoc section and the short form of this code base are understood.
    """
    names = list(field_types(cls))
    found = _documented(cls.__doc__ or "", names)
    for field in dataclasses.fields(cls):
        if "help" in field.metadata:
            found[field.name] = str(field.metadata["help"])
    return {name: found[name] for name in names if name in found}


def _documented(docstring: str, names: Iterable[str]) -> dict[str, str]:
    name = "|".join(map(re.escape, names))
    if not name:
        return {}
    text = re.sub(r"[ \t]*\n[ \t]*", "\n", docstring)
    starts = list(re.finditer(rf"(?:^|(?<=\. ))((?:{name})(?:, (?:{name}))*) : ", text, re.MULTILINE))
    found = {}
    ends = [start.start() for start in starts[1:]] + [len(text)]
    for start, end in zip(starts, ends, strict=False):
        body = text[start.end() : end].split("\n\n")[0]
        for one in start.group(1).split(", "):
            found[one] = " ".join(body.split())
    return found


def nearest(word: str, words: Iterable[str]) -> str:
    """ "did you mean 'x'? " for a close match, then the list of all; the tail of an error message."""
    known = list(words)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}there are: {', '.join(known) or 'none'}"


def build(cls: type[T], values: Mapping[str, Any], *, base: T | None = None, what: str = "option") -> T:
    """An instance of the dataclass `cls` from plain values; what is not named keeps its default (or that of `base`).

    Raises UsageError for an unknown name (naming the nearest), a value of the wrong type, or one that `cls` refuses.
    """
    hints = field_types(cls)
    for name in values:
        if name not in hints:
            raise UsageError(f"unknown {what} {name!r}; {nearest(name, hints)}")
    given = {name: coerce(value, hints[name], name) for name, value in values.items()}
    try:
        return cls(**given) if base is None else dataclasses.replace(base, **given)  # type: ignore[type-var]
    except (TypeError, ValueError) as error:
        raise UsageError(f"{what}s do not fit together: {error}" if len(given) != 1 else str(error)) from error


def plain(value: Any) -> Any:
    """`value` in plain types; inverse of `build` for a dataclass."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init}
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list, set, frozenset)):
        return [plain(item) for item in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return value.tolist()
    return value


def coerce(value: Any, hint: Any, name: str) -> Any:
    """`value` (plain or already right) as the type `hint`; UsageError names the option `name` and what was expected."""
    try:
        return _coerced(value, hint)
    except (TypeError, ValueError) as error:
        raise UsageError(f"--{name.replace('_', '-')} must be {expected(hint)}, got {value!r}") from error


def _coerced(value: Any, hint: Any) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _coerced_union(value, arguments)
    if origin is Literal:
        if value not in arguments:
            raise ValueError(value)
        return value
    if origin is tuple or hint is tuple:
        return _coerced_tuple(value, arguments)
    if origin in (list, frozenset, set):
        return origin(_coerced(item, arguments[0]) for item in _sequence(value))
    if origin is not None:
        return value
    return _coerced_scalar(value, hint)


def _coerced_union(value: Any, arguments: tuple[Any, ...]) -> Any:
    if value is None and type(None) in arguments:
        return None
    for argument in arguments:
        try:
            return _coerced(value, argument)
        except (TypeError, ValueError):
            continue
    raise ValueError(value)


def _sequence(value: Any) -> Iterable[Any]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise TypeError(value)
    return value


def _coerced_tuple(value: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    items = tuple(_sequence(value))
    if not arguments:
        return items
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_coerced(item, arguments[0]) for item in items)
    if len(items) != len(arguments):
        raise ValueError(value)
    return tuple(_coerced(item, argument) for item, argument in zip(items, arguments, strict=True))


def _coerced_scalar(value: Any, hint: Any) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, Mapping):
        return build(hint, value)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if hint is float and is_number:
        return float(value)
    if hint is int and is_number and float(value).is_integer():
        return int(value)
    if not isinstance(hint, type) or (isinstance(value, hint) and (hint is bool or not isinstance(value, bool))):
        return value
    raise TypeError(value)


def expected(hint: Any) -> str:
    """The type `hint` in the words of an error message."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(expected(a) for a in arguments if a is not type(None))
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin is tuple and arguments[-1:] != (Ellipsis,):
        return f"{len(arguments)} values"
    if origin is not None:
        return "several values"
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return "one of " + ", ".join(str(member.value) for member in hint)
    return {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}.get(hint, str(hint))
