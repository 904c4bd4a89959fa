"""Whether results can be written, asked before the long work begins."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from sonometry.core.errors import OutputError
from sonometry.io.atomic import PARTIAL_PREFIX

try:
    import fcntl
except ImportError:  # Windows has none; there two runs into one folder are not noticed
    fcntl = None  # type: ignore[assignment]


def check_directory(directory: Path) -> None:
    """Raise OutputError unless `directory` is, or can become, a folder that may be written to. Makes nothing."""
    if not directory.name and not directory.exists():
        raise OutputError("no output folder given; pass --out DIR")
    try:
        existing = next(place for place in (directory, *directory.absolute().parents) if os.path.lexists(place))
        is_folder = existing.is_dir()
    except OSError as error:
        raise OutputError(f"--out {directory.name}: {error.strerror}; choose another folder") from error
    if not is_folder:
        what = "a file" if existing == directory else f"below {existing.name}, which is a file"
        raise OutputError(f"--out {directory.name} is {what}; choose a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise OutputError(f"no permission to write to {existing.name or existing}; choose another --out DIR")


@contextlib.contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold the existing `folder` for one run, and remove what a killed one left half-written.

    OutputError while another run holds it. The hold ends with the process, however that ends.
    """
    handle = os.open(folder, os.O_RDONLY) if fcntl is not None else None
    try:
        if handle is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise OutputError(
                    f"another run writes into --out {folder.name}; wait for it or choose another folder"
                ) from error
            for leftover in folder.glob(f"{PARTIAL_PREFIX}*"):
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)
        yield
    finally:
        if handle is not None:
            os.close(handle)
