"""Every option of the view classifier; the field names are the flags, and the metadata is their documentation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sonometry.core.errors import UsageError

ClipMethod = Literal["average", "vote", "temporal"]
METHODS: tuple[ClipMethod, ...] = ("average", "vote", "temporal")
Prior = Literal["even", "clinic"]


@dataclass(frozen=True)
class ViewConfig:
    """Options of `measure --app view`."""

    method: ClipMethod = field(
        default="average",
        metadata={
            "help": "From frames to the clip: average (mean of calibrated probabilities), vote (majority of the "
            "frames, the thesis's way) or temporal (a network over the frames in order)",
            "source": "Madani et al. 2018, doi:10.1038/s41746-017-0013-1",
        },
    )
    abstain_at: float = field(
        default=0.05,
        metadata={
            "help": "Highest error rate among answered clips, as measured on held-out simulated clips: a less certain "
            "clip is withheld; 1 always answers",
            "unit": "1",
            "source": "El-Yaniv & Wiener 2010, JMLR 11:1605",
        },
    )
    prior: Prior = field(
        default="even",
        metadata={
            "help": "How often each view is expected: even, as the probabilities were calibrated, or clinic, as a "
            "hospital recorded them in a month (four-chamber three times as often as five-chamber)",
            "source": "echo view thesis, table 3.1",
        },
    )
    most_frames: int = field(
        default=240,
        metadata={
            "help": "Longer clips are classified at this many frames spread evenly; the others take the nearest one's",
            "unit": "{frame}",
        },
    )
    weights: Path | None = field(
        default=None,
        metadata={"help": "Weights of a training run (its weights folder) instead of those that come with Sonometry"},
    )

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"--method must be one of {', '.join(METHODS)}; got {self.method}")
        if self.prior not in ("even", "clinic"):
            raise UsageError(f"--prior must be even or clinic, got {self.prior}")
        if not 0 <= self.abstain_at <= 1:
            raise UsageError(f"--abstain-at must lie between 0 and 1, got {self.abstain_at}")
        if self.most_frames < 1:
            raise UsageError(f"--most-frames must be 1 or more, got {self.most_frames}")
