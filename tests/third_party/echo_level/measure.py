"""Measure the echo level."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np

from sonometry.core import Findings, Interval, Measurement, Method, Status

METHOD = Method("grey level statistics", "1.0")
UNCALIBRATED = "the clip has no pixel spacing; pass --spacing-mm ROW COL"


class Region(StrEnum):
    ALL = "all"
    CENTRE = "centre"


@dataclass(frozen=True)
class Config:
    """Options of the echo level.

    threshold : grey level, 0 to 1, above which a pixel is bright.
    statistic : how frames are joined.
    region : where to measure.
    box : rows from and to, columns from and to, px.
    invert : whether the screen shows dark echoes on white.
    gains : factors to try.
    """

    threshold: float = 0.5
    statistic: Literal["mean", "median"] = "mean"
    region: Region = Region.ALL
    box: tuple[int, int, int, int] | None = None
    invert: bool = False
    gains: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise ValueError(f"--threshold must lie between 0 and 1, got {self.threshold}")


def measure(recording, config, *, prerequisites, progress):
    from echo_level import APPLICATION

    progress(0.5, "averaging frames")
    level = recording.pixels.astype(np.float64) / 255
    if config.box is not None:
        top, bottom, left, right = config.box
        level = level[:, top:bottom, left:right]
    if config.invert:
        level = 1 - level
    if recording.n_frames < 2:
        return APPLICATION.withhold_all("one frame where at least two are needed", method=METHOD)
    if level.std() < 1e-9:
        return APPLICATION.withhold_all("the image is constant", method=METHOD)
    per_frame = getattr(np, config.statistic)(level, axis=(1, 2))
    if not 0.1 < level.std() < 0.25:
        return APPLICATION.withhold_all("this does not look like tissue", method=METHOD)
    low, high = np.percentile(per_frame, [2.5, 97.5])
    mean = Measurement(
        "mean_level", float(per_frame.mean()), "1", Status.OK, METHOD, interval=Interval(low, high), display="%"
    )
    if recording.spacing_m is None:
        area = Measurement.withheld("bright_area", "m2", UNCALIBRATED, method=METHOD)
    else:
        pixels = float((level.mean(axis=0) > config.threshold).sum())
        reason = ("speckle was not removed",)
        area = Measurement("bright_area", pixels * np.prod(recording.spacing_m), "m2", Status.LIMITED, METHOD, reason)
    return Findings((mean, area), {"level": per_frame})
