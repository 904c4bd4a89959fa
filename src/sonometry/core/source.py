"""Where a recording came from, without anything of the patient.

`paths` serve the program (to write a DICOM result into the same study); they never enter a report or a log.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Device:
    """The scanner: manufacturer, model and probe as the file names them."""

    manufacturer: str = ""
    model: str = ""
    probe: str = ""


@dataclass(frozen=True)
class Source:
    """Origin of one recording.

    name : role in the report ("clip", "rf", "signals"), never a file name.
    format : what was read, e.g. "DICOM JPEG Baseline" or "MetaImage".
    sha256 : digest of the file bytes (of all files of a sequence, in order); empty for data made in memory.
    paths : the files, for the program only.
    notes : what the reader decided or was told to override, one sentence each; shown as warnings in the report.
    """

    name: str = "recording"
    format: str = "memory"
    sha256: str = ""
    paths: tuple[Path, ...] = ()
    device: Device = Device()
    notes: tuple[str, ...] = ()


def digest_files(paths: tuple[Path, ...] | list[Path]) -> str:
    """SHA-256 over the bytes of all files in the given order."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
