"""What was done with which file, so that a run goes on where the last one ended.

One line of JSON for every finished file, appended and flushed before the next one begins. Files are known by a keyed
digest of their path, size and time of change; their names stand only in `refused.csv`, which stays in the workspace.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sonometry.core.errors import OutputError
from sonometry.deid.keys import SecretKey
from sonometry.io.atomic import output_error, write_atomic


class Journal:
    """The file `journal.jsonl`. Lines that were cut by a crash are left out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, dict[str, Any]] = {}
        if path.is_file():
            for line in path.read_text("utf-8", "replace").splitlines():
                try:
                    entry = json.loads(line)
                    self.entries[str(entry["source"])] = entry
                except (ValueError, KeyError, TypeError):
                    continue

    def append(self, entry: dict[str, Any]) -> None:
        """Add one line and force it to the disk. Raises OutputError."""
        line = json.dumps(entry, sort_keys=True)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(handle, "rb+") as stream:
                size = stream.seek(0, os.SEEK_END)
                if size:
                    stream.seek(size - 1)
                    line = line if stream.read(1) == b"\n" else "\n" + line
                stream.write(line.encode() + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise output_error(self.path, error) from error
        self.entries[str(entry["source"])] = entry

    def done(self) -> list[dict[str, Any]]:
        """Entries of files that were written, in the order of the journal."""
        return [entry for entry in self.entries.values() if entry["status"] == "done"]

    def rewrite(self, entries: Iterable[dict[str, Any]]) -> None:
        """Replace the whole journal in one step."""
        kept = list(entries)
        write_atomic(self.path, "".join(json.dumps(entry, sort_keys=True) + "\n" for entry in kept))
        self.path.chmod(0o600)
        self.entries = {str(entry["source"]): entry for entry in kept}


def source_key(key: SecretKey, path: Path, relative: Path) -> str:
    """A file as the journal knows it: nothing can be learnt from it without the key. Raises OutputError."""
    try:
        status = path.stat()
    except OSError as error:
        raise OutputError("a file vanished while its folder was read; run again") from error
    text = f"{relative.as_posix()}|{status.st_size}|{status.st_mtime_ns}"
    return key.digest("source", text).hex()[:32]


def write_refused(path: Path, rows: Iterable[tuple[int, Path, str]]) -> None:
    """`refused.csv` with number, file and reason, readable by its owner only: file names can hold patients' names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["number", "file", "reason"])
    for number, file, reason in rows:
        writer.writerow([number, file.as_posix().encode("utf-8", "backslashreplace").decode(), reason])
    write_atomic(path, text.getvalue())
    path.chmod(0o600)


def read_refused(path: Path) -> list[tuple[int, Path, str]]:
    """What `write_refused` wrote; empty when there is no such file."""
    if not path.is_file():
        return []
    rows = list(csv.reader(path.read_text("utf-8").splitlines()))[1:]
    return [(int(number), Path(file), reason) for number, file, reason in rows]
