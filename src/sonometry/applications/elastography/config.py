"""Every option of elastography; the field names are the flags, and the metadata is their documentation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sonometry.core.errors import UsageError

TrackingMethod = Literal["sonometry", "am2d", "ncc", "glue", "wu2018"]
StrainEstimator = Literal["automatic", "least-squares", "kalman"]
Formula = Literal["plain", "paper"]


def _about(text: str, *, unit: str | None = None, source: str | None = None) -> dict[str, str | None]:
    """Metadata of an option: what a user needs to know about it."""
    return {"help": text, "unit": unit, "source": source}


@dataclass(frozen=True)
class ElastographyConfig:
    """Options of `measure --app elastography`."""

    method: TrackingMethod = field(
        default="sonometry",
        metadata=_about(
            "Tracker: sonometry (am2d corrected by a network trained on simulation), am2d (dynamic programming and 2-D "
            "analytic minimisation), ncc (windowed cross-correlation), glue (one global system over all samples) or "
            "wu2018 (the two networks of the paper)",
            source="Rivaz 2011, doi:10.1109/TMI.2010.2091966; Hashemi & Rivaz 2017, doi:10.1109/TUFFC.2017.2737379; "
            "Wu et al. 2018, doi:10.1007/978-3-030-00928-1_43",
        ),
    )
    pair: tuple[int, int] | None = field(
        default=None,
        metadata=_about(
            "Frames to compare, counted from 0: motion is that of the second since the first; chosen when absent"
        ),
    )
    maximum_gap_frames: int = field(
        default=5, metadata=_about("Furthest frames that the automatic choice of a pair compares", unit="{frame}")
    )
    target_strain: float = field(
        default=0.01,
        metadata=_about(
            "Mean strain beyond which a larger compression gains nothing in the choice of a pair",
            unit="1",
            source="strain filter, Varghese & Ophir 1997, doi:10.1109/58.585212",
        ),
    )
    strain_estimator: StrainEstimator = field(
        default="automatic",
        metadata=_about(
            "Strain: automatic (that of a learned method itself, else least-squares), least-squares (slope of the "
            "displacement over a window) or kalman (then filtered across lines)",
            source="Kallel & Ophir 1997, doi:10.1177/016173469701900302; Rivaz 2011, doi:10.1109/TMI.2010.2091966",
        ),
    )
    strain_window_mm: float = field(
        default=1.8,
        metadata=_about(
            "Length of the window of the least-squares strain along depth",
            unit="mm",
            source="93 samples at 40 MHz, Rivaz 2011 (liver); 43 samples (0.8 mm) for phantoms",
        ),
    )
    quality_threshold: float = field(
        default=0.5, metadata=_about("Quality, 0 to 1, below which a pixel is not valid", unit="1")
    )
    sequence: bool = field(
        default=True, metadata=_about("Of a sequence, compute the strain of every selected consecutive pair as well")
    )
    maximum_sequence_pairs: int = field(
        default=40, metadata=_about("Most pairs of a sequence whose strain is computed (memory)", unit="1")
    )
    temporal_filter: bool = field(
        default=True,
        metadata=_about("Of a sequence, carry the strain from pair to pair with the tissue and average it in time"),
    )
    weights: Path | None = field(
        default=None,
        metadata=_about("Weights of a learned method to use instead of the shipped ones: ONNX file, or its folder"),
    )
    region_mm: tuple[float, ...] | None = field(
        default=None,
        metadata=_about(
            "Region: a box as LATERAL DEPTH LATERAL DEPTH of two opposite corners, or a polygon as three or more "
            "LATERAL DEPTH points; lateral 0 is the middle of the probe. Found as the strain contrast when absent",
            unit="mm",
        ),
    )
    background_mm: tuple[float, ...] | None = field(
        default=None,
        metadata=_about(
            "Background to compare the region with, given like the region; beside it when absent", unit="mm"
        ),
    )
    formula: Formula = field(
        default="plain",
        metadata=_about(
            "SNRe and CNRe as plain ratios, or also in the decibels of the paper (10 ln of the power ratio)",
            source="Wu et al. 2018; see docs/elastography",
        ),
    )
    seed: int = field(default=0, metadata=_about("Seed of the resampling behind the intervals"))

    def __post_init__(self) -> None:
        for name, choices in (
            ("method", ("sonometry", "am2d", "ncc", "glue", "wu2018")),
            ("strain_estimator", ("automatic", "least-squares", "kalman")),
            ("formula", ("plain", "paper")),
        ):
            if getattr(self, name) not in choices:
                flag = name.replace("_", "-")
                raise UsageError(f"--{flag} must be one of {', '.join(choices)}; got {getattr(self, name)}")
        self._check_numbers()

    def _check_numbers(self) -> None:
        if self.pair is not None and (len(self.pair) != 2 or min(self.pair) < 0 or self.pair[0] == self.pair[1]):
            raise UsageError(f"--pair needs two different frames counted from 0, got {self.pair}")
        for flag, value in (
            ("maximum-gap-frames", self.maximum_gap_frames),
            ("target-strain", self.target_strain),
            ("maximum-sequence-pairs", self.maximum_sequence_pairs),
            ("strain-window-mm", self.strain_window_mm),
        ):
            if not value > 0:
                raise UsageError(f"--{flag} must be positive, got {value}")
        if not 0 <= self.quality_threshold <= 1:
            raise UsageError(f"--quality-threshold must lie between 0 and 1, got {self.quality_threshold}")
        for flag, points in (("region-mm", self.region_mm), ("background-mm", self.background_mm)):
            if points is not None and (len(points) < 4 or len(points) % 2):
                raise UsageError(
                    f"--{flag} needs two corners or three and more points as pairs, got {len(points)} numbers"
                )
