"""Several recordings of one examination, pseudonymous by construction."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from sonometry.core.cine import Cine
from sonometry.core.errors import DataError
from sonometry.core.rf import RFFrames
from sonometry.core.signals import Signals
from sonometry.core.source import Device, Source


class Deidentification(StrEnum):
    """What is known about a patient's name in tags and pixels."""

    UNKNOWN = "unknown"
    IDENTIFIED = "identified"
    DEIDENTIFIED = "deidentified"
    SIMULATED = "simulated"


#: Keys are made by the program (digests, counters); free text does not fit.
KEY_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, eq=False)
class Study:
    """Recordings of one examination.

    study_key, subject_key : pseudonyms; letters, digits, '.', '_' and '-' only.
    time_point : days since the first study of the subject, or None.
    """

    study_key: str
    subject_key: str
    recordings: tuple[Cine | RFFrames | Signals, ...]
    device: Device = field(default_factory=Device)
    time_point: float | None = None
    deidentification: Deidentification = Deidentification.UNKNOWN
    source: Source = field(default_factory=Source)

    kind = "study"

    def __post_init__(self) -> None:
        for name in ("study_key", "subject_key"):
            if not KEY_PATTERN.fullmatch(getattr(self, name)):
                raise DataError(f"{name} must be a pseudonym of at most 64 letters, digits, '.', '_' or '-'")
        if not self.recordings:
            raise DataError("a study needs at least one recording")

    def of_kind(self, kind: str) -> tuple[Cine | RFFrames | Signals, ...]:
        """Recordings of one kind ("cine", "rf", "signals"), in order."""
        return tuple(r for r in self.recordings if r.kind == kind)


#: What a reader returns and an application measures.
Recording = Cine | RFFrames | Signals | Study
