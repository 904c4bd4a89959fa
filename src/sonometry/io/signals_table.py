"""Signals in text tables: CSV, TSV, semicolons or blanks, decimal comma, units in the header or in a row of their own.

The table is found by its numbers: whatever stands above it is looked through for the header, units and a sampling rate.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.core.errors import DataError
from sonometry.io.named_arrays import reading
from sonometry.io.signals_channels import Channel, StoredSignals
from sonometry.io.signals_clock import INDEX_NAME, TIME_NAME
from sonometry.io.signals_units import si_unit, split_unit
from sonometry.io.sniff import read_head

#: Lines that are looked at to find the delimiter; bytes of the first look at a file.
LINES_LOOKED_AT, BYTES_LOOKED_AT = 400, 1 << 16
#: Fewest rows of a table of signals.
FEWEST_ROWS = 8
_DELIMITERS = ("\t", ";", ",", " ")
_MISSING = frozenset({"", "nan", "na", "n/a", "null", "none", "-", "--", "#n/a"})
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
_MOMENT = re.compile(r"(\d{1,4}[-./]\d{1,2}[-./]\d{1,4}[ T])?\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?Z?")
_RATE = re.compile(
    r"(?:sampl\w*[ _-]*(?:rate|freq\w*)|data[ _-]*rate|rate|frequency|fs|srate|abtastrate)\s*"
    r"(?:[(\[]\s*(?P<before>k?hz)\s*[)\]])?\s*[:=;,\t ]+\s*\"?(?P<number>[\d.,]+)\"?\s*[;,]?\s*(?P<after>k?hz)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Layout:
    """How the table is written: columns, the first line of numbers, the lines above it."""

    delimiter: str
    has_decimal_comma: bool
    n_columns: int
    first: int


def is_text_table(path: Path) -> bool:
    """Whether the file is text with a table of numbers that has a clock, or nothing but numbers."""
    text = _decoded(read_head(path, BYTES_LOOKED_AT))
    if text is None:
        return False
    lines = text.splitlines()
    layout = _layout(lines[:-1] if len(lines) > FEWEST_ROWS + 1 else lines)
    if layout is None:
        return False
    cells = [_cells(line, layout) for line in lines[layout.first : layout.first + 50]]
    rows = [row for row in cells if len(row) == layout.n_columns]
    texts = [any(_kind(row[i], layout) == "text" for row in rows) for i in range(layout.n_columns)]
    names = _header(lines, layout)[0]
    has_time = any(TIME_NAME.fullmatch(split_unit(name)[0].lower()) for name in names)
    is_large = len(rows) >= (2 if layout.n_columns > 1 else FEWEST_ROWS) and len(rows) >= 0.9 * len(cells)
    return is_large and not all(texts) and (has_time or not any(texts))


def read_text_table(path: Path) -> StoredSignals:
    """Channels of a text table. Raises DataError with the row where a number cannot be read."""
    with reading(path, "CSV"):
        text = _decoded(path.read_bytes())
    if text is None:
        raise DataError(f"{path.name} is no text; expected a table of signals as CSV")
    lines = text.splitlines()
    layout = _layout(lines)
    if layout is None:
        raise DataError(f"{path.name} has no table of numbers; expected a row of numbers for each sample")
    names, units = _header(lines, layout)
    columns, dropped = _columns(path, lines, layout, names)
    notes = [f"Columns of text were left out: {', '.join(dropped)}."] if dropped else []
    channels = [Channel(names[i] or f"channel_{i + 1}", units[i], values) for i, values in columns.items()]
    return _with_clock(path, channels, "\n".join(lines[: layout.first]), notes)


def _decoded(content: bytes) -> str | None:
    """The text, in UTF-8, UTF-16 with a mark, or Latin; None for bytes that are no text."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    if b"\x00" in content:
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start > len(content) - 4:  # a character cut by the end of the first look
            return content[: error.start].decode("utf-8-sig")
    controls = sum(byte < 32 and byte not in (9, 10, 13) for byte in content[:4096])
    return None if controls > 4 else content.decode("cp1252", "replace")


def _cells(line: str, layout: _Layout) -> list[str]:
    return _split(line, layout.delimiter)


def _split(line: str, delimiter: str) -> list[str]:
    """Cells of a line without surrounding blanks; quotes are respected."""
    if delimiter == " ":
        return line.split()
    try:
        row = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        row = line.split(delimiter)
    return [cell.strip() for cell in row]


def _kind(cell: str, layout: _Layout | None = None) -> str:
    """ "number", "missing", "moment" (a date or time of day) or "text"."""
    if cell.lower() in _MISSING:
        return "missing"
    if _NUMBER.fullmatch(cell):
        is_broken = layout is not None and not layout.has_decimal_comma and "," in cell
        return "text" if is_broken else "number"
    return "moment" if _MOMENT.fullmatch(cell) else "text"


def _is_row(cells: list[str]) -> bool:
    kinds = [_kind(cell) for cell in cells]
    return kinds.count("number") >= max(1, len(cells) // 2) and cells != []


def _layout(lines: list[str]) -> _Layout | None:
    """The delimiter that makes most lines into rows of equally many numbers."""
    filled = [i for i, line in enumerate(lines) if line.strip()]
    middle = filled[len(filled) // 2 :][:LINES_LOOKED_AT]
    best: tuple[float, int, str] | None = None
    for delimiter in _DELIMITERS:
        rows = [_split(lines[i], delimiter) for i in middle]
        sound = [row for row in rows if _is_row(row)]
        if not sound:
            continue
        n_columns = Counter(len(row) for row in sound).most_common(1)[0][0]
        equal = [row for row in sound if len(row) == n_columns]
        n_texts = sum(_kind(cell) == "text" for row in equal for cell in row) / (len(equal) * n_columns)
        score = (round(len(equal) / len(rows) - n_texts, 2), n_columns, delimiter)
        if best is None or score[:2] > best[:2]:
            best = score
    if best is None or best[0] < 0.5:
        return None
    _, n_columns, delimiter = best
    cells = [cell for i in middle for cell in _split(lines[i], delimiter)]
    commas = sum("," in cell for cell in cells if _kind(cell) == "number")
    points = sum("." in cell for cell in cells if _kind(cell) == "number")
    first = _first_row(lines, filled, delimiter, n_columns)
    return None if first is None else _Layout(delimiter, commas > points, n_columns, first)


def _first_row(lines: list[str], filled: list[int], delimiter: str, n_columns: int) -> int | None:
    """The first line from which on the table runs."""
    for at, line in enumerate(filled):
        following = [_split(lines[i], delimiter) for i in filled[at : at + 3]]
        if all(len(cells) == n_columns and _is_row(cells) for cells in following):
            return line
    return None


def _header(lines: list[str], layout: _Layout) -> tuple[list[str], list[str]]:
    """Names and units of the columns, from the one or two rows above the numbers; "" where there is none."""
    above = [_cells(line.lstrip("#% "), layout) for line in lines[: layout.first] if line.strip()][-3:]
    above = [row for row in above if len(row) == layout.n_columns]
    nothing = [""] * layout.n_columns
    if not above:
        return nothing, nothing
    is_units = [_are_units(row) for row in above]
    names = next((row for row, units in zip(reversed(above), reversed(is_units), strict=True) if not units), nothing)
    given = next((row for row, units in zip(reversed(above), reversed(is_units), strict=True) if units), nothing)
    split = [split_unit(name) for name in names]
    return [name for name, _ in split], [
        unit or cell.strip("()[]") for (_, unit), cell in zip(split, given, strict=True)
    ]


def _are_units(row: list[str]) -> bool:
    named = [cell for cell in row if cell.strip("()[]- ")]
    return bool(named) and sum(si_unit(cell) is not None for cell in named) > len(named) / 2


def _columns(
    path: Path, lines: list[str], layout: _Layout, names: list[str]
) -> tuple[dict[int, np.ndarray], list[str]]:
    """Values of the columns that hold numbers or times of day, by position; and the names of those that hold text."""
    import pandas as pd

    body = "\n".join(line for line in lines[layout.first :] if line.strip())
    separator = r"\s+" if layout.delimiter == " " else layout.delimiter
    try:
        table = pd.read_csv(
            io.StringIO(body),
            sep=separator,
            header=None,
            names=list(range(layout.n_columns)),
            decimal="," if layout.has_decimal_comma else ".",
            na_values=sorted(_MISSING | {text.upper() for text in _MISSING}),
            skipinitialspace=True,
            index_col=False,
            low_memory=False,
            on_bad_lines="error",
        )
    except (pd.errors.ParserError, ValueError, OverflowError) as error:
        raise DataError(f"{path.name} has rows of different length or with open quotes; export it again") from error
    columns: dict[int, np.ndarray] = {}
    dropped = []
    for i in range(layout.n_columns):
        values = _values(path, table[i], names[i] or f"column {i + 1}")
        if values is None:
            dropped.append(names[i] or f"column {i + 1}")
        elif names[i] or not np.isnan(values).all():
            columns[i] = values
    if not columns:
        raise DataError(f"{path.name} has no column of numbers; expected a table of signals")
    return columns, dropped


def _values(path: Path, column: Any, name: str) -> np.ndarray | None:
    """float64 values; seconds for times of day; None for text. DataError where text spoils a column of numbers."""
    import pandas as pd

    if column.dtype.kind in "biuf":
        return np.asarray(column, np.float64)
    cells = column.astype(str).str.strip()
    numbers = pd.to_numeric(cells, errors="coerce")
    is_number = numbers.notna() | column.isna()
    if is_number.mean() > 0.5:
        if not is_number.all():
            row = int(np.argmin(is_number.to_numpy())) + 1
            raise DataError(f"{path.name} has text among the numbers of {name} (row {row} of its data); mend the cell")
        return np.asarray(numbers, np.float64)
    if cells.str.fullmatch(_MOMENT.pattern).mean() > 0.9:
        moments = pd.to_datetime(cells.str.replace(",", "."), errors="coerce", format="mixed")
        seconds = (moments - moments.iloc[0]).dt.total_seconds().to_numpy(np.float64)
        return np.asarray(seconds, np.float64)
    return None


def _with_clock(path: Path, channels: list[Channel], above: str, notes: list[str]) -> StoredSignals:
    """Take the column of times, or the rate stated above the table, out of the channels."""
    time = next((c for c in channels if TIME_NAME.fullmatch(c.name.lower())), None)
    if time is None:
        time = next((c for c in channels if (unit := si_unit(c.unit)) and unit.code == "s"), None)
    if time is None and channels[0].name.startswith("channel_") and len(channels) > 1 and _is_even(channels[0].values):
        time = channels[0]
        notes = [*notes, "The first column, which rises evenly, is taken as time in s."]
    rest = tuple(c for c in channels if c is not time and not (time and np.array_equal(c.values, time.values)))
    rest = tuple(c for c in rest if not (INDEX_NAME.fullmatch(c.name.lower()) and _is_count(c.values))) or rest
    if not rest:
        raise DataError(f"{path.name} has a column of times but no signal; expected at least one channel")
    times = None
    if time is not None:
        unit = si_unit(time.unit) or si_unit(time.name if time.name.lower() in ("ms", "sec") else "s")
        times = time.values * (unit.factor if unit and unit.code == "s" else 1.0)
    return StoredSignals(rest, "CSV", times_s=times, rate_hz=_stated_rate(above), notes=tuple(notes))


def _is_even(values: np.ndarray) -> bool:
    """Rises by equal steps that are no whole numbers (those would be a running number)."""
    steps = np.diff(values)
    return bool(len(steps) and (steps > 0).all() and np.ptp(steps) < 0.1 * steps.mean() and not _is_count(values))


def _is_count(values: np.ndarray) -> bool:
    return bool((np.diff(values) == 1).all())


def _stated_rate(above: str) -> float | None:
    """A sampling rate in the lines above the table."""
    found = _RATE.search(above)
    if found is None:
        return None
    try:
        rate = float(found["number"].strip(".,").replace(",", "."))
    except ValueError:
        return None
    unit = (found["after"] or found["before"] or "Hz").lower()
    return rate * (1e3 if unit == "khz" else 1.0) if rate > 0 else None
