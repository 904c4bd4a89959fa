"""Whether results can be written, asked before the long work begins."""

from __future__ import annotations

import os
from pathlib import Path

from sonometry.core.errors import OutputError


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
