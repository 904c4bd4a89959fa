"""Errors a user can act on, each with the exit status of the command line.

A message is one line: what was expected, what came, where, what to do. Nothing of a patient stands in it.
"""


class SonometryError(Exception):
    """Base of all expected errors. `exit_status` is what the command line returns."""

    exit_status = 1


class UsageError(SonometryError):
    """A wrong call: unknown option, or a kind of input that the application does not accept."""

    exit_status = 2


class DataError(SonometryError, ValueError):
    """Input that cannot be read, is not finite or contradicts itself."""

    exit_status = 3


class OutputError(SonometryError):
    """A result that could not be written."""

    exit_status = 4


class MissingExtraError(UsageError, ImportError):
    """An optional dependency is absent; the message names the command that installs it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}, which is not installed. Run: pip install 'sonometry[{extra}]'")
