"""Runs one command and turns whatever happens into an exit status and at most one line on stderr.

0 done, 1 internal error, 2 wrong call, 3 input unreadable or not finite, 4 output not writable, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

from cyclopts import App, CycloptsError

from sonometry import __version__
from sonometry.cli.commands import COMMANDS
from sonometry.core.errors import OutputError, SonometryError

OK, INTERNAL, USAGE, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143
EPILOGUE = "Options of a command: sonometry COMMAND --help. With --debug an error shows where it arose."
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})


class _Terminated(BaseException):
    """SIGTERM arrived; raised so that half-written output is cleaned up."""


def run(tokens: Sequence[str]) -> int:
    """Run the command line `tokens` (without the program's name) and return the exit status."""
    words, debug = _without_debug(tokens)
    with _quiet(debug), _stopped_by_sigterm():
        try:
            status = _dispatch(words)
            sys.stdout.flush()
            return status
        except BaseException as error:
            return _explained(error, words, debug)


def _dispatch(words: Sequence[str]) -> int:
    chosen = next((word for word in words if not word.startswith("-")), None)
    app = App(
        "sonometry",
        help="Measurements from ultrasound recordings that a person can check and trust.",
        help_format="plaintext",
        help_epilogue="" if chosen else EPILOGUE,
        version=__version__,
        version_flags=["--version"],
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for number, command in enumerate(COMMANDS):
        if command.name == chosen:
            usage = f"Usage: sonometry {command.name} {command.arguments} [OPTIONS]\n"
            app.command(command.function(words[1:]), name=command.name, usage=usage)
        else:
            app.command(_not_chosen, name=command.name, help=command.help, sort_key=number)
    result = app(words, exit_on_error=False, print_error=False)
    return result if isinstance(result, int) else OK


def _not_chosen() -> None:
    """Stands for a command that was not called; its module is not imported."""


def _without_debug(tokens: Sequence[str]) -> tuple[list[str], bool]:
    end = tokens.index("--") if "--" in tokens else len(tokens)
    words = [word for word in tokens[:end] if word != "--debug"]
    return [*words, *tokens[end:]], len(words) < end


def _explained(error: BaseException, words: Sequence[str], debug: bool) -> int:
    """Print one line about `error` and return its exit status."""
    if isinstance(error, BrokenPipeError) or isinstance(error.__context__, BrokenPipeError):  # rich raises SystemExit
        _forget_stdout()
        return OK
    if debug and not isinstance(error, (KeyboardInterrupt, SystemExit)):
        traceback.print_exception(error)
    status, line = _verdict(error, words)
    if line:
        _say(line)
    return status


def _verdict(error: BaseException, words: Sequence[str]) -> tuple[int, str]:
    if isinstance(error, SonometryError):
        return error.exit_status, str(error)
    if isinstance(error, CycloptsError):
        return USAGE, f"{_plain(error)} See: sonometry {_command_of(words)}--help"
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "interrupted; nothing half-written was left"
    if isinstance(error, _Terminated):
        return TERMINATED, "terminated; nothing half-written was left"
    if isinstance(error, SystemExit):
        return (error.code, "") if isinstance(error.code, int) else (OK if error.code is None else INTERNAL, "")
    if isinstance(error, MemoryError):
        return INTERNAL, "not enough memory for this recording; give fewer frames or use a larger machine"
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return OutputError.exit_status, f"the output cannot be written: {error.strerror}; choose another place"
    return INTERNAL, f"internal error ({type(error).__name__} {_place(error)}); run it again with --debug and report it"


def _plain(error: CycloptsError) -> str:
    text = " ".join(str(error).split()).replace("Unused Tokens", "Not understood (give all paths together)")
    return text if text.endswith((".", "?")) else text + "."


def _command_of(words: Sequence[str]) -> str:
    names = {command.name for command in COMMANDS}
    return f"{words[0]} " if words and words[0] in names else ""


def _place(error: BaseException) -> str:
    """Module and line where `error` arose; its text is left out, since it may quote what a file holds."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "sonometry" in frame.filename] or frames
    return f"at {os.path.basename(ours[-1].filename)}:{ours[-1].lineno}" if ours else ""


def _say(line: str) -> None:
    with contextlib.suppress(OSError):
        print("sonometry:", " ".join(line.split()), file=sys.stderr, flush=True)


def _forget_stdout() -> None:
    """The reader of stdout has gone: keep Python from complaining when it closes."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _quiet(debug: bool) -> Iterator[None]:
    """Libraries say nothing: their warnings may quote what a file holds. Ours are single lines on stderr."""
    import logging

    for stream in (sys.stdout, sys.stderr):
        reconfigure: Callable[..., Any] | None = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    with warnings.catch_warnings():
        if not debug:
            warnings.simplefilter("ignore")
            warnings.filterwarnings("always", message="the application ")
        warnings.showwarning = lambda message, *_args, **_kwargs: _say(str(message))
        try:
            yield
        finally:
            logging.getLogger().removeHandler(handler)


@contextlib.contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _Terminated

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread, as under a test runner
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
