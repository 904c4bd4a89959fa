"""What a damaged file does to an entrance: it is done or refused in one line, and nothing of it is ever shown.

An entrance may raise DataError and its relatives; everything else is a crash. Logs of all libraries, warnings and
messages are searched for the secrets of the file, and so is what was written.
"""

from __future__ import annotations

import io
import logging
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from sonometry.core.errors import SonometryError
from sonometry.deid.clip import ClipRules, deidentify_clip


@dataclass(frozen=True)
class Outcome:
    """status : "done", "refused" or the name of the exception that came through. said : logs, warnings, message.

    leaks : where a secret was found, in words without it.
    """

    status: str
    seconds: float
    said: str = field(repr=False)
    leaks: tuple[str, ...] = ()

    @property
    def is_crash(self) -> bool:
        return self.status not in ("done", "refused")


class _Listener(logging.Handler):
    """Keeps everything that any library logs."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def attempt(entrance: Callable[[], bytes | None], secrets: Iterable[str]) -> Outcome:
    """Call an entrance that returns what it wrote (or None), and look for secrets in everything that comes out."""
    listener, root = _Listener(), logging.getLogger()
    level, start_s, written = root.level, time.perf_counter(), None
    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    message, status = "", "done"
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            written = entrance()
        except SonometryError as error:
            status, message = "refused", str(error)
        except Exception as error:  # what must not happen is counted, not raised
            status, message = type(error).__name__, str(error)
        finally:
            root.removeHandler(listener)
            root.setLevel(level)
    seconds = time.perf_counter() - start_s
    said = "\n".join([message, *listener.lines, *(str(one.message) for one in heard)])
    leaks = [*(["messages"] if _has(said, secrets) else []), *(["more than one line"] if "\n" in message else [])]
    if written is not None and _has(_header_of(written), secrets):
        leaks.append("the written header")
    return Outcome(status, seconds, said, tuple(leaks))


def deidentified(content: bytes, rules: ClipRules) -> Callable[[], bytes]:
    """The entrance of `sonometry deidentify` for the bytes of a file."""
    return lambda: deidentify_clip(content, rules, {}).data


def _has(text: str, secrets: Iterable[str]) -> bool:
    folded = text.casefold()
    return any(secret.casefold() in folded for secret in secrets)


def _header_of(written: bytes) -> str:
    """Everything before the pixels; all of what is no DICOM."""
    stream = io.BytesIO(written)
    try:
        dcmread(stream, stop_before_pixels=True)
    except (InvalidDicomError, EOFError):
        return written.decode("latin-1")
    return written[: stream.tell()].decode("latin-1")
