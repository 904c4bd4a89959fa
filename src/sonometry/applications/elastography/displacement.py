"""What a tracker takes and gives: the one contract between the trackers and all that stands on them.

Arrays are (axial, line) on the grid of the EARLIER frame. Displacement is later minus earlier: positive axial is away
from the probe, positive lateral is towards a larger line index. A tracker is a function
`track(earlier, later, *, context, config=None) -> Displacement`; `METHODS` lists them by name.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from sonometry.core.errors import DataError
from sonometry.core.rf import RFFrames


@dataclass(frozen=True)
class TrackingSetup:
    """The physics a tracker needs to choose its windows and search ranges.

    axial_step_m : depth between two samples, m.
    line_pitch_m : distance between two lines, m (at mid-depth for a sector).
    bandwidth_hz : full width of the echo spectrum at half its amplitude (-6 dB), Hz; None lets the tracker measure it.
    """

    sampling_rate_hz: float
    centre_frequency_hz: float
    axial_step_m: float
    line_pitch_m: float
    bandwidth_hz: float | None = None

    @property
    def samples_per_period(self) -> float:
        """Samples in one period of the centre frequency: the axial distance at which the echo phase repeats."""
        return self.sampling_rate_hz / self.centre_frequency_hz

    @property
    def samples_per_wavelength(self) -> float:
        """Samples in one wavelength of depth (two periods, since the echo travels there and back)."""
        return 2.0 * self.samples_per_period

    @classmethod
    def of(cls, frames: RFFrames) -> TrackingSetup:
        """The setup of an RF recording; for a sector the pitch is the arc between lines at mid-depth."""
        mid_depth_m = frames.start_depth_m + frames.axial_step_m * frames.samples.shape[1] / 2
        pitch_m = frames.line_pitch_m
        if frames.line_angle_rad > 0:
            pitch_m = frames.line_angle_rad * (frames.probe_radius_m + mid_depth_m)
        return cls(frames.sampling_rate_hz, frames.centre_frequency_hz, frames.axial_step_m, pitch_m)


@dataclass(frozen=True, eq=False)
class Displacement:
    """Motion from an earlier to a later frame, on the grid of the earlier one.

    axial_samples, lateral_lines : float32 (axial, line), finite everywhere (extrapolated where lock was lost).
    correlation : float32 (axial, line), -1 to 1, normalised correlation of the earlier frame with the later one warped
        back by this displacement, in a window of a few wavelengths; 0 where the warp leaves the later frame.
    has_lock : bool (axial, line), False where the tracker knows that it did not follow the tissue.
    """

    axial_samples: np.ndarray
    lateral_lines: np.ndarray
    correlation: np.ndarray
    has_lock: np.ndarray

    def __post_init__(self) -> None:
        shape = self.axial_samples.shape
        for name in ("axial_samples", "lateral_lines", "correlation"):
            field = getattr(self, name)
            if field.shape != shape or field.ndim != 2 or field.dtype != np.float32:
                raise ValueError(f"{name} must be float32 {shape}, got {field.dtype} {field.shape}")
            if not np.isfinite(field).all():
                raise ValueError(f"{name} must be finite everywhere")
        if self.has_lock.shape != shape or self.has_lock.dtype != np.bool_:
            raise ValueError(f"has_lock must be bool {shape}, got {self.has_lock.dtype} {self.has_lock.shape}")

    @property
    def lock_share(self) -> float:
        """Share of the image, 0 to 1, in which the tracker followed the tissue."""
        return float(self.has_lock.mean())


@dataclass(frozen=True, eq=False)
class LearnedDisplacement(Displacement):
    """A displacement whose method also gives the strain, and perhaps how far off it may be; float32 (axial, line).

    axial_strain : d(axial displacement)/d(depth), a fraction.
    axial_sd_samples, lateral_sd_lines, strain_sd : standard deviations in samples, lines and as a fraction, or None.
    believed_sd_samples : standard deviation of the axial displacement at which a pixel is as likely wrong as right.
    is_refined : False where a correction was not believed and the motion is that of the tracker before it.
    """

    axial_strain: np.ndarray
    axial_sd_samples: np.ndarray | None = None
    lateral_sd_lines: np.ndarray | None = None
    strain_sd: np.ndarray | None = None
    believed_sd_samples: float = math.inf
    is_refined: bool = True


@dataclass(frozen=True)
class LearnedConfig:
    """weights : ONNX file or folder of other weights than the shipped ones. iterations : passes of the network."""

    weights: Path | None = None
    iterations: int = 1


class Tracker(Protocol):
    """earlier, later float32 (axial, line) of equal shape -> Displacement; `config` None means the defaults."""

    def __call__(
        self, earlier: np.ndarray, later: np.ndarray, *, context: TrackingSetup, config: Any = None
    ) -> Displacement: ...


@dataclass(frozen=True)
class _Deferred:
    """A tracker that is imported when it is first called, since its compiled loops are slow to load."""

    reference: str

    def __call__(
        self, earlier: np.ndarray, later: np.ndarray, *, context: TrackingSetup, config: Any = None
    ) -> Displacement:
        module, _, attribute = self.reference.partition(":")
        track: Tracker = getattr(importlib.import_module(module), attribute)
        return track(earlier, later, context=context, config=config)


_PACKAGE = "sonometry.applications.elastography"

#: Those of `METHODS` that need no weights.
CLASSICAL = ("am2d", "ncc", "glue")
#: Modules of those that do.
LEARNED: Mapping[str, str] = MappingProxyType({"sonometry": f"{_PACKAGE}.refine", "wu2018": f"{_PACKAGE}.wu2018"})
#: Trackers by the name of `--method`.
METHODS: Mapping[str, Tracker] = MappingProxyType(
    {
        "ncc": _Deferred(f"{_PACKAGE}.ncc:track"),
        "am2d": _Deferred(f"{_PACKAGE}.am2d:track"),
        "glue": _Deferred(f"{_PACKAGE}.glue:track"),
        "sonometry": _Deferred(f"{_PACKAGE}.refine:track"),
        "wu2018": _Deferred(f"{_PACKAGE}.wu2018:track"),
    }
)


def weights_digest(method: str, weights: Path | None) -> str:
    """SHA-256 of the ONNX files that a learned method uses; DataError for weights that are missing or unusable."""
    module = importlib.import_module(LEARNED[method])
    digest: str = module.digest(weights)
    return digest


#: Smallest frame a tracker accepts, (axial, line).
MINIMUM_SHAPE = (128, 4)


def check_pair(earlier: np.ndarray, later: np.ndarray) -> None:
    """Raise DataError unless both frames are finite, of equal shape and large enough to hold a window."""
    if earlier.shape != later.shape or earlier.ndim != 2:
        raise DataError(f"a pair needs two frames of equal (axial, line) shape, got {earlier.shape} and {later.shape}")
    if earlier.shape[0] < MINIMUM_SHAPE[0] or earlier.shape[1] < MINIMUM_SHAPE[1]:
        raise DataError(
            f"tracking needs frames of at least {MINIMUM_SHAPE[0]} samples x {MINIMUM_SHAPE[1]} lines, "
            f"got {earlier.shape[0]} x {earlier.shape[1]}; pass a larger crop"
        )
    if not (np.isfinite(earlier).all() and np.isfinite(later).all()):
        raise DataError("RF contains NaN or infinite samples; export it again or cut the bad frames")
