"""Annotations as JSON lines: one mark a line, appended as readers work, never rewritten.

A later line of the same author and round on the same clip, frame and structure replaces an earlier one (`latest`), so
that the file keeps the whole history. Appending is safe with several readers at once: a lock, one write, and the file
is cut back to where it was if the disk is full.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.core.annotation import Annotation
from sonometry.core.errors import DataError
from sonometry.core.study import KEY_PATTERN
from sonometry.io.atomic import output_error, write_atomic
from sonometry.io.sniff import check_readable

SCHEMA = "sonometry.annotation/1"
_REQUIRED = ("clip_key", "structure", "author", "round", "time")
_OPTIONAL = ("frame", "contour_px", "label", "score")


def to_line(annotation: Annotation) -> str:
    """One line of JSON; numbers are exact."""
    fields: dict[str, Any] = {"schema": SCHEMA}
    for name in (*_REQUIRED, *_OPTIONAL):
        value = getattr(annotation, name)
        if isinstance(value, datetime):
            value = value.isoformat()
        elif isinstance(value, np.ndarray):
            value = value.astype(np.float64).tolist()
        if value is not None:
            fields[name] = value
    return json.dumps(fields, ensure_ascii=False, allow_nan=False)


def from_line(line: str) -> Annotation:
    """The annotation of one line. DataError where it is no JSON, lacks a field or holds one that makes no sense."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError("it is no JSON") from error
    if not isinstance(fields, dict) or fields.get("schema") != SCHEMA:
        raise DataError(f"its schema is not {SCHEMA}")
    missing = [name for name in _REQUIRED if name not in fields]
    if missing:
        raise DataError(f"it lacks {', '.join(missing)}")
    unknown = sorted(set(fields) - {"schema", *_REQUIRED, *_OPTIONAL})
    if unknown:
        raise DataError(f"it has unknown fields: {', '.join(unknown)[:80]}")
    return Annotation(
        clip_key=_key(fields["clip_key"]),
        structure=_string("structure", fields["structure"]),
        author=_string("author", fields["author"]),
        round=_whole("round", fields["round"]),
        time=_time(fields["time"]),
        frame=_optional("frame", fields, _whole),
        contour_px=_optional("contour_px", fields, _contour),
        label=_optional("label", fields, _string),
        score=_optional("score", fields, _finite),
    )


def read_annotations(path: Path | str) -> tuple[Annotation, ...]:
    """All annotations of a file in order; blank lines are passed over. DataError with the number of the line."""
    path = Path(path)
    if path.exists() and path.stat().st_size == 0:
        return ()
    check_readable(path)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is no text in UTF-8; expected one annotation in JSON a line") from error
    annotations = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                annotations.append(from_line(line))
            except DataError as error:
                raise DataError(f"{path.name} line {number} is no annotation: {error}") from error
    return tuple(annotations)


def write_annotations(annotations: Iterable[Annotation], path: Path | str) -> None:
    """Write a new file in one step. Raises OutputError."""
    write_atomic(path, "".join(to_line(annotation) + "\n" for annotation in annotations))


def append_annotations(annotations: Iterable[Annotation], path: Path | str) -> None:
    """Add annotations to the end of a file, all or none; a missing file is made.

    Raises OutputError where that fails, and DataError where the file ends in something else than a whole line.
    """
    path = Path(path)
    content = "".join(to_line(annotation) + "\n" for annotation in annotations).encode()
    if not content:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b", buffering=0) as stream, _locked(stream):
            before = stream.seek(0, os.SEEK_END)
            _check_ending(path, stream, before)
            try:
                if stream.write(content) != len(content):
                    raise OSError(28, os.strerror(28))  # ENOSPC: the disk took only a part
                os.fsync(stream.fileno())
            except BaseException:
                stream.truncate(before)
                raise
    except OSError as error:
        raise output_error(path, error) from error


def latest(annotations: Iterable[Annotation]) -> tuple[Annotation, ...]:
    """The last annotation of every clip, frame, structure, author and round, in the order of first appearance."""
    last: dict[tuple[object, ...], Annotation] = {}
    for mark in annotations:
        last[(mark.clip_key, mark.frame, mark.structure, mark.author, mark.round)] = mark
    return tuple(last.values())


@contextmanager
def _locked(stream: Any) -> Iterator[None]:
    """Hold the file against other processes, where the system has locks."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    fcntl.flock(stream, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(stream, fcntl.LOCK_UN)


def _check_ending(path: Path, stream: Any, size: int) -> None:
    if size:
        stream.seek(size - 1)
        if stream.read(1) != b"\n":
            raise DataError(f"{path.name} does not end with a whole line; repair its last line before adding to it")


def _key(value: Any) -> str:
    if not isinstance(value, str) or not KEY_PATTERN.fullmatch(value):
        raise DataError("clip_key must be a pseudonym of at most 64 letters, digits, '.', '_' or '-'")
    return value


def _string(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 200:
        raise DataError(f"{name} must be a text of at most 200 characters")
    return value


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise DataError(f"{name} must be a whole number of 0 or more")
    return value


def _finite(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DataError(f"{name} must be a number")
    return float(value)


def _time(value: Any) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise DataError("time must be a date and time with a zone, as 2026-01-31T12:00:00+00:00") from error


def _contour(name: str, value: Any) -> np.ndarray:
    try:
        contour = np.asarray(value, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{name} must be a list of (row, column)") from error
    if contour.ndim != 2 or contour.shape[1] != 2 or not len(contour):
        raise DataError(f"{name} must be a list of (row, column)")
    return contour


def _optional(name: str, fields: dict[str, Any], read: Any) -> Any:
    value = fields.get(name)
    return None if value is None else read(name, value)
