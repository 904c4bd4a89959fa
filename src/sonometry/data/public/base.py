"""What a converter of a public data set is: a name, the layout it expects, and a function that lists clips with labels.

A converter reads tables and names of files, never pixels that it need not; truth is made later, clip by clip. Paths are
relative to the folder of the set. Patients are those of the set; where a set does not tell who is who, what may be one
patient gets one `subject_key`.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.core.errors import DataError
from sonometry.core.study import KEY_PATTERN
from sonometry.io.manifest import ManifestRow
from sonometry.io.sniff import check_readable

Truth = Mapping[str, np.ndarray]

#: Splits as published, in lower case.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "tune": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class ImportOptions:
    """What a user may say about a set.

    fold : number of the published fold that is the test set, where a set is published in folds. subject : regular
    expression whose first group (or whole match) in the path of a file names its patient, for folders of pictures.
    """

    fold: int = 0
    subject: str | None = None


@dataclass(frozen=True)
class PublicClip:
    """One clip. row : without truth_path, its path relative to the set. truth : makes the arrays, None where none."""

    row: ManifestRow
    truth: Callable[[], Truth] | None = None


@dataclass(frozen=True)
class Listing:
    """Clips of a set in order, and one sentence about everything that was left out or guessed."""

    clips: tuple[PublicClip, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PublicSet:
    """A data set: how to call it, what it is, where it is described, and how it lies on disk."""

    name: str
    title: str
    source: str
    layout: str
    find: Callable[[Path, ImportOptions], Listing]

    def listing(self, folder: Path, options: ImportOptions) -> Listing:
        """Clips below `folder`; DataError that says what was expected where there are none."""
        found = self.find(folder, options)
        if not found.clips:
            raise self.wrong_layout(folder, "nothing of it is there")
        return found

    def wrong_layout(self, folder: Path, reason: str) -> DataError:
        return DataError(f"{folder.name or folder} does not look like {self.title}: {reason}; expected {self.layout}")


def key_of(*parts: object) -> str:
    """A key of letters, digits, '.', '_' and '-' from names of a set; a digest where they do not fit into one."""
    joined = "-".join(str(part) for part in parts)
    return joined if KEY_PATTERN.fullmatch(joined) else digest_key(joined)


def digest_key(text: str, prefix: str = "k") -> str:
    """A key that tells nothing of `text`, the same every time."""
    return prefix + hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def split_of(text: str) -> str:
    """Split by its published name; "" where there is none that is known."""
    return SPLIT_NAMES.get(text.strip().lower(), "")


def folded_split(fold: int, test_fold: int, n_folds: int) -> str:
    """Split of a published fold: the chosen one tests, the one after it validates, the others train."""
    if fold == test_fold % n_folds:
        return "test"
    return "validation" if fold == (test_fold + 1) % n_folds else "train"


def read_table(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """Rows of a CSV file by column, blanks around names and values taken off; what a short row lacks is "".

    Raises DataError for an unreadable file and for one that lacks `columns`.
    """
    check_readable(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            names = [(name or "").strip() for name in reader.fieldnames or ()]
            missing = [name for name in columns if name not in names]
            if missing:
                raise DataError(f"{path.name} lacks the columns {', '.join(missing)}; it has {_listed(names)}")
            return [
                {name.strip(): (value or "").strip() for name, value in row.items() if isinstance(name, str)}
                for row in reader
            ]
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} is no CSV text; copy it again from the set") from error


def number(text: str) -> float | None:
    """A number of a table, None for an empty or other cell and for NaN."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def folder_with(folder: Path, *names: str, depth: int = 3) -> Path | None:
    """The nearest folder at or below `folder` that holds all `names`, breadth first; None where there is none."""
    level = [folder]
    for _ in range(depth + 1):
        for place in level:
            if all((place / name).exists() for name in names):
                return place
        level = [child for place in level for child in sorted(_folders(place))]
    return None


def files_by_name(folder: Path, endings: tuple[str, ...]) -> dict[str, Path]:
    """Files below a folder by their name, hidden ones left out; the first in order where a name occurs twice."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in endings and not path.name.startswith("."):
            found.setdefault(path.name, path)
    return found


def natural_order(text: str) -> list[tuple[int, str]]:
    """ "frame10" after "frame9"."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text.lower())]


def relative(path: Path, folder: Path) -> str:
    """POSIX path below the folder of the set."""
    return path.relative_to(folder).as_posix()


def counted(n: int, what: str) -> str:
    """ "1 video", "3 videos"."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def shown(value: Any) -> str:
    """A label as text; nothing for None, numbers without needless digits."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _folders(place: Path) -> list[Path]:
    try:
        return [child for child in place.iterdir() if child.is_dir() and not child.name.startswith(".")]
    except OSError:
        return []


def _listed(names: list[str]) -> str:
    return ", ".join(" ".join(name.split())[:40] or "(no name)" for name in names[:8]) or "none"
