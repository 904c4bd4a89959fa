"""Options of `sonometry deidentify`, as flags and as YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from sonometry.core.errors import UsageError


@dataclass(frozen=True)
class DeidentifyOptions:
    """What is kept and how.

    dates : "shift" moves all dates of a patient by the same secret number of days, so that intervals stay; "remove"
        empties them.
    retain_device : keep station name, serial numbers and other identity of the device.
    retain_patient : keep age (90 and above as 90), sex, size, weight and the like.
    clean_descriptors : keep the clinical words of descriptions (study, series, protocol) instead of removing them.
    private_tags : YAML file of private attributes that may stay, by private creator.
    top_rows : rows from the top to mask in any case, pixels.
    lossless : never compress with loss; JPEG cines become lossless JPEG-LS and several times larger.
    workers : processes; 0 takes one for every core.
    """

    dates: Literal["shift", "remove"] = "shift"
    retain_device: bool = False
    retain_patient: bool = False
    clean_descriptors: bool = False
    private_tags: Path | None = None
    top_rows: int = 0
    lossless: bool = False
    workers: int = 0

    def __post_init__(self) -> None:
        if self.top_rows < 0:
            raise ValueError(f"--top-rows must be 0 or more, got {self.top_rows}")
        if self.workers < 0:
            raise ValueError(f"--workers must be 0 or more, got {self.workers}")

    def rules(self, key_folder: Path, threads: int) -> dict[str, Any]:
        """Plain types for the worker processes."""
        return {
            "key_folder": str(key_folder),
            "profile": {
                "shift_dates": self.dates == "shift",
                "retain_device": self.retain_device,
                "retain_patient_characteristics": self.retain_patient,
                "clean_descriptors": self.clean_descriptors,
            },
            "private": private_tags(self.private_tags) if self.private_tags else {},
            "pixels": {"top_rows": self.top_rows, "lossless": self.lossless, "threads": threads},
        }


def private_tags(path: Path) -> dict[str, list[str]]:
    """Creator -> last two hexadecimal digits of its elements, from a YAML mapping. Raises UsageError."""
    try:
        read = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(
            f"--private-tags {path.name} cannot be read as YAML; see configs/deid/private_tags.yaml"
        ) from error
    if not isinstance(read, Mapping):
        raise UsageError(f"--private-tags {path.name} must map private creators to elements, got {type(read).__name__}")
    tags = {}
    for creator, elements in read.items():
        texts = [str(element).upper() for element in elements] if isinstance(elements, list) else []
        if not texts or not all(re.fullmatch(r"[0-9A-F]{2}", text) for text in texts):
            raise UsageError(
                f"--private-tags {path.name}: every creator needs a list of elements, two hexadecimal digits in quotes"
            )
        tags[str(creator)] = texts
    return tags
