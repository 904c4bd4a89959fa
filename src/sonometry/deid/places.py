"""Folders of de-identification in a workspace, and what must not lie in what.

The folder `deid` of a workspace holds the key, the journal, the memory of every scanner and the audit page. It is
closed to everybody but its owner.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sonometry.core.errors import DataError, OutputError, UsageError
from sonometry.deid.journal import Journal
from sonometry.deid.scanners import Scanners
from sonometry.io.atomic import output_error


@dataclass(frozen=True, eq=False)
class Places:
    """Folders of the workspace."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "deid"

    @property
    def staging(self) -> Path:
        return self.folder / "staging"

    @property
    def audit(self) -> Path:
        return self.folder / "audit.html"

    @property
    def refused(self) -> Path:
        return self.folder / "refused.csv"

    @property
    def scanners(self) -> Scanners:
        return Scanners(self.folder / "scanners")

    def journal(self) -> Journal:
        return Journal(self.folder / "journal.jsonl")

    def make(self) -> None:
        """Make the folder, closed to others. Raises OutputError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o700)
        except OSError as error:
            raise output_error(self.root, error) from error

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One run at a time in a workspace. Raises UsageError."""
        self.make()
        try:
            import fcntl
        except ImportError:  # not on Windows
            yield
            return
        with (self.folder / "lock").open("w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise UsageError(
                    "another de-identification uses this --workspace; wait for it or choose another one"
                ) from None
            yield


def check_folders(source: Path, out: Path, workspace: Path) -> None:
    """UsageError unless originals, output and workspace are apart."""
    if not source.exists():
        raise DataError(f"{source.name} does not exist; check the path")
    inside, target, private = (path.resolve() for path in (source, out, workspace))
    if target.exists() and not target.is_dir():
        raise OutputError(f"{out.name} is a file; choose a folder for the output")
    if inside.is_dir() and (target.is_relative_to(inside) or inside.is_relative_to(target)):
        raise UsageError("the output folder and the originals must not lie in each other; choose another output folder")
    if private.is_relative_to(target):
        raise UsageError(
            "the workspace holds the secret key and must not lie in the output; choose another --workspace"
        )
    if inside.is_dir() and (private.is_relative_to(inside)):
        raise UsageError("the workspace must not lie in the originals; choose another --workspace")
