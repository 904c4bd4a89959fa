"""What the workspace remembers of every scanner: masks, the maximum of all pictures, and a person's decision.

A scanner is a manufacturer, model and size of the screen. Its folder holds `scanner.json`, `mask-N.png`, `before.png`
and `after.png`; `before.png` shows names and must stay in the workspace.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.core.errors import DataError, UsageError
from sonometry.core.options import nearest
from sonometry.deid.pictures import read_mask, read_png, write_png
from sonometry.io.atomic import write_atomic

#: Masks remembered per scanner; depth and probe change the sector, so one is not enough.
MAX_MASKS = 8
#: Masks that overlap at least this much (intersection over union) are the same one.
_SAME_MASK = 0.97


@dataclass(frozen=True, order=True)
class Scanner:
    """What decides the layout of a screen. Texts are those of the cleaned header."""

    manufacturer: str
    model: str
    rows: int
    columns: int

    @property
    def key(self) -> str:
        """Short name for files and flags: letters, digits and dashes."""
        words = re.sub(r"[^a-z0-9]+", "-", f"{self.manufacturer} {self.model}".casefold()).strip("-")
        return f"{words[:48].strip('-') or 'unknown'}-{self.columns}x{self.rows}"


class Decision(StrEnum):
    """What a person said of a scanner on the audit page."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass
class ScannerRecord:
    """Counts over all files of one scanner. `mask_uses` : how often each remembered mask was found."""

    manufacturer: str
    model: str
    rows: int
    columns: int
    decision: str = Decision.PENDING
    n_files: int = 0
    n_frames: int = 0
    n_text_inside: int = 0
    n_text_outside: int = 0
    n_proven: int = 0
    smallest_kept: float = 1.0
    methods: dict[str, int] = field(default_factory=dict)
    mask_uses: list[int] = field(default_factory=list)
    ocr: dict[str, int] = field(default_factory=dict)


class Scanners:
    """The folder `scanners` of a workspace."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """All known scanners, by name."""
        if not self.folder.is_dir():
            return []
        return sorted(path.parent.name for path in self.folder.glob("*/scanner.json"))

    def record(self, key: str) -> ScannerRecord:
        """What is known of a scanner. UsageError for an unknown one, DataError for a damaged file."""
        path = self.folder / key / "scanner.json"
        if not path.is_file():
            raise UsageError(f"unknown scanner {key!r}; {nearest(key, self.names())}")
        try:
            values: dict[str, Any] = json.loads(path.read_text("utf-8"))
            return ScannerRecord(**values)
        except (ValueError, TypeError) as error:
            raise DataError(f"scanner.json of {key} in the workspace is damaged; restore or remove it") from error

    def save(self, key: str, record: ScannerRecord) -> None:
        """Write the record in one step."""
        write_atomic(self.folder / key / "scanner.json", json.dumps(dataclasses.asdict(record), indent=1))

    def decide(self, key: str, decision: Decision) -> None:
        """Note a person's decision. UsageError for an unknown scanner."""
        record = self.record(key)
        record.decision = decision
        self.save(key, record)

    def rejected(self) -> list[str]:
        """Scanners that a person rejected."""
        return [key for key in self.names() if self.record(key).decision == Decision.REJECTED]

    def masks(self) -> dict[str, list[Path]]:
        """Remembered masks of every scanner, most used first."""
        found = {}
        for key in self.names():
            uses = self.record(key).mask_uses
            order = sorted(range(len(uses)), key=lambda number: -uses[number])
            found[key] = [self._mask_path(key, number) for number in order]
        return found

    def add(
        self, scanner: Scanner, before: np.ndarray, after: np.ndarray, mask: np.ndarray, facts: dict[str, Any]
    ) -> None:
        """Add one clip: fold its maxima in, remember its mask, count.

        Folding a maximum twice changes nothing, so a run that was killed between two steps does no harm.
        facts : n_frames, n_text_inside, n_text_outside, is_proven, kept_share, method.
        """
        key = scanner.key
        known = (self.folder / key / "scanner.json").is_file()
        values = dataclasses.asdict(scanner)
        record = self.record(key) if known else ScannerRecord(**values)
        for name, picture in (("before", before), ("after", after)):
            path = self.folder / key / f"{name}.png"
            write_png(path, np.maximum(read_png(path), picture) if path.is_file() else picture)
        if facts["method"] == "fit":
            self._remember(key, record, mask)
        record.n_files += 1
        for name in ("n_frames", "n_text_inside", "n_text_outside"):
            setattr(record, name, getattr(record, name) + facts[name])
        record.n_proven += bool(facts["is_proven"])
        record.smallest_kept = min(record.smallest_kept, facts["kept_share"])
        record.methods[facts["method"]] = record.methods.get(facts["method"], 0) + 1
        record.ocr = {}
        self.save(key, record)

    def _remember(self, key: str, record: ScannerRecord, mask: np.ndarray) -> None:
        for number in range(len(record.mask_uses)):
            other = read_mask(self._mask_path(key, number))
            if (mask & other).sum() >= _SAME_MASK * (mask | other).sum():
                record.mask_uses[number] += 1
                return
        number = len(record.mask_uses)
        if number >= MAX_MASKS:  # the least used one makes room
            number = int(np.argmin(record.mask_uses))
            record.mask_uses[number] = 0
        else:
            record.mask_uses.append(0)
        write_png(self._mask_path(key, number), mask)
        record.mask_uses[number] = 1

    def _mask_path(self, key: str, number: int) -> Path:
        return self.folder / key / f"mask-{number}.png"
