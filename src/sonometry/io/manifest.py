"""manifest.csv: one row a clip, the list that simulate, ingest, import and annotate write and train, evaluate read.

Columns: clip_key, path, kind, subject_key, study_key, vendor, device, time_point, plane, view, split, truth_path, then
the application's labels in any number. Paths are relative to the manifest and do not leave its folder. A subject is
pseudonymous and never in two splits.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from sonometry.core.errors import DataError
from sonometry.core.study import KEY_PATTERN
from sonometry.io.atomic import write_atomic
from sonometry.io.sniff import check_readable

COLUMNS = (
    "clip_key",
    "path",
    "kind",
    "subject_key",
    "study_key",
    "vendor",
    "device",
    "time_point",
    "plane",
    "view",
    "split",
    "truth_path",
)
#: Kinds of recording, as in `Recording.kind`.
KINDS = ("cine", "rf", "signals", "study")
#: "" where `sonometry splits` has not run yet.
SPLITS = ("", "train", "validation", "test")
#: Larger fields are no manifest.
LONGEST_FIELD = 1 << 16


@dataclass(frozen=True)
class ManifestRow:
    """One clip. `row["name"]` gives a column or label as text.

    path, truth_path : POSIX paths relative to the manifest; truth_path "" where there is no truth.
    time_point : days since the subject's first study, or None.
    labels : the application's columns as text, in the order of the file.
    """

    clip_key: str
    path: str
    kind: str
    subject_key: str
    study_key: str = ""
    vendor: str = ""
    device: str = ""
    time_point: float | None = None
    plane: str = ""
    view: str = ""
    split: str = ""
    truth_path: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("clip_key", "subject_key", "study_key"):
            key = getattr(self, name)
            if not KEY_PATTERN.fullmatch(key) and not (name == "study_key" and key == ""):
                raise DataError(f"{name} must be a pseudonym of at most 64 letters, digits, '.', '_' or '-'")
        if self.kind not in KINDS:
            raise DataError(f"kind {self.kind!r} is unknown; expected one of {', '.join(KINDS)}")
        if self.split not in SPLITS:
            raise DataError(f"split {self.split!r} is unknown; expected {', '.join(SPLITS[1:])} or nothing")
        if self.time_point is not None and not math.isfinite(self.time_point):
            raise DataError(f"time_point must be a number of days, got {self.time_point}")
        _check_inside("path", self.path)
        if self.truth_path:
            _check_inside("truth_path", self.truth_path)
        clashing = sorted(set(self.labels) & set(COLUMNS))
        if clashing:
            raise DataError(f"labels must not be called like columns of the manifest: {', '.join(clashing)}")

    @classmethod
    def from_mapping(cls, row: Mapping[str, Any]) -> ManifestRow:
        """From names and values in any order; what is no column is a label. Missing optional columns are empty."""
        missing = [name for name in ("clip_key", "path", "kind", "subject_key") if name not in row]
        if missing:
            raise DataError(f"a row of the manifest needs {', '.join(missing)}")
        columns = {name: _text(row[name]) for name in COLUMNS if name in row}
        time_point = _number(columns.pop("time_point", ""))
        labels = {str(name): _text(value) for name, value in row.items() if name not in COLUMNS}
        return cls(**columns, time_point=time_point, labels=labels)

    def __getitem__(self, name: str) -> str:
        """A column or label as text. KeyError names those there are."""
        if name in COLUMNS:
            return _text(getattr(self, name))
        if name in self.labels:
            return self.labels[name]
        raise KeyError(f"no column {name!r}; there are: {', '.join((*COLUMNS, *self.labels))}")


@dataclass(frozen=True)
class Manifest:
    """All rows of one manifest, and the folder its paths start from.

    label_names : the label columns in order, the same for all rows (a label that a row lacks is "").
    """

    rows: tuple[ManifestRow, ...]
    folder: Path = Path()
    label_names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for number, row in enumerate(self.rows, start=2):
            if row.clip_key in seen:
                raise DataError(f"row {number} repeats the clip_key {row.clip_key}; each clip has one row")
            seen.add(row.clip_key)
        _check_subjects(self.rows)
        names = tuple(dict.fromkeys(name for row in self.rows for name in row.labels))
        object.__setattr__(self, "label_names", names)

    def __iter__(self) -> Iterator[ManifestRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def of_split(self, split: str) -> tuple[ManifestRow, ...]:
        """Rows of one split, in order."""
        return tuple(row for row in self.rows if row.split == split)

    def file_of(self, row: ManifestRow) -> Path:
        """The recording of a row: a file, or the folder of a sequence or study."""
        return self.folder / row.path

    def truth_of(self, row: ManifestRow) -> Path | None:
        """The truth of a row, or None where it has none."""
        return self.folder / row.truth_path if row.truth_path else None


def read_manifest(path: Path | str, *, with_splits: bool = True) -> Manifest:
    """Read and check a manifest; files it names are not looked at. with_splits : False leaves `split` empty.

    Raises DataError with the number of the row (the header is row 1) for a missing column, a repeated clip_key, an
    unknown kind or split, a path that leaves the folder, a row of another length; and for an empty file.
    """
    path = Path(path)
    check_readable(path)
    rows: list[ManifestRow] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = _checked_header(path, next(reader, []))
            for cells in reader:
                if cells:
                    row = _row(path, header, cells, len(rows) + 2)
                    rows.append(row if with_splits else replace(row, split=""))
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} is no CSV text (row {len(rows) + 2}); save it as CSV in UTF-8") from error
    if not rows:
        raise DataError(f"{path.name} has no rows below its header; expected one a clip")
    try:
        return Manifest(tuple(rows), path.parent)
    except DataError as error:
        raise DataError(f"{path.name}: {error}") from error


def write_manifest(manifest: Manifest | Iterable[ManifestRow | Mapping[str, Any]], path: Path | str) -> None:
    """Write all rows in one step; `read_manifest` gives them back exactly. Raises DataError, OutputError."""
    if not isinstance(manifest, Manifest):
        rows = (row if isinstance(row, ManifestRow) else ManifestRow.from_mapping(row) for row in manifest)
        manifest = Manifest(tuple(rows))
    text = io.StringIO(newline="")
    plain = csv.writer(text, lineterminator="\n")
    quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    names = manifest.label_names
    body = ([*(row[name] for name in COLUMNS), *(row.labels.get(name, "") for name in names)] for row in manifest)
    for cells in ([*COLUMNS, *names], *body):
        # A lone carriage return is left bare by the csv module, and then ends the row when it is read.
        (quoted if any("\r" in cell for cell in cells) else plain).writerow(cells)
    write_atomic(path, text.getvalue())


def _checked_header(path: Path, header: list[str]) -> list[str]:
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise DataError(
            f"{path.name} lacks the columns {', '.join(missing)}; expected {', '.join(COLUMNS)}, then labels"
        )
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated or "" in header:
        raise DataError(
            f"{path.name} has columns without a name or with the same one: {', '.join(repeated) or '(none)'}"
        )
    return header


def _row(path: Path, header: list[str], cells: list[str], number: int) -> ManifestRow:
    if len(cells) != len(header):
        raise DataError(f"{path.name} row {number} has {len(cells)} fields; its header has {len(header)}")
    if any("\x00" in cell or len(cell) > LONGEST_FIELD for cell in cells):
        raise DataError(f"{path.name} row {number} holds no text; save the manifest as CSV in UTF-8")
    try:
        return ManifestRow.from_mapping(dict(zip(header, cells, strict=True)))
    except DataError as error:
        raise DataError(f"{path.name} row {number}: {error}") from error


def _check_inside(name: str, path: str) -> None:
    """DataError unless `path` is relative, with forward slashes, and stays below the manifest."""
    pure = PurePosixPath(path)
    is_absolute = pure.is_absolute() or bool(PureWindowsPath(path).anchor or PureWindowsPath(path).drive)
    if not path or path == "." or is_absolute or ".." in pure.parts or "\\" in path:
        raise DataError(f"{name} must be relative to the manifest and stay in its folder (a/b.dcm)")


def _check_subjects(rows: tuple[ManifestRow, ...]) -> None:
    """DataError where a subject is in two splits: what was learnt would be tested on the same person."""
    split_of: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        if row.split and split_of.setdefault(row.subject_key, row.split) != row.split:
            raise DataError(
                f"row {number} puts subject {row.subject_key} into {row.split}, another row into "
                f"{split_of[row.subject_key]}; run sonometry splits again"
            )


def _text(value: Any) -> str:
    """A cell: numbers as Python writes them (exact), nothing for None."""
    if value is None:
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)


def _number(text: str) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise DataError(f"time_point must be a number of days, got {text[:20]!r}") from error
