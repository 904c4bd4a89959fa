"""Radio-frequency echo frames on the grid of the beam lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from sonometry.core.errors import DataError
from sonometry.core.source import Source

#: Beyond these lies no ultrasound (hydrophones to acoustic microscopes): a value in the wrong unit, or a typing error.
LOWEST_FREQUENCY_HZ, HIGHEST_RATE_HZ = 1e3, 1e10
PITCH_M = (1e-7, 1e-2)
DEEPEST_M = 1.0


class Geometry(StrEnum):
    """How the lines lie: parallel, or a fan."""

    LINEAR = "linear"
    SECTOR = "sector"


@dataclass(frozen=True, eq=False)
class RFFrames:
    """Beam-formed RF of one or more frames.

    samples : float32 (T, axial, line); depth increases with the axial index.
    sampling_rate_hz, centre_frequency_hz : of the RF; the rate exceeds twice the centre frequency.
    line_pitch_m : distance between lines, m; for a sector, along the arc at `probe_radius_m` (its apex angle is
        `line_angle_rad` per line, and then `line_pitch_m` may be 0 for a phased array).
    start_depth_m : depth of axial sample 0.
    frame_times_s : (T,) or None when the file has no timing.
    """

    samples: np.ndarray
    sampling_rate_hz: float
    centre_frequency_hz: float
    line_pitch_m: float
    sound_speed_m_s: float = 1540.0
    start_depth_m: float = 0.0
    frame_times_s: np.ndarray | None = None
    geometry: Geometry = Geometry.LINEAR
    line_angle_rad: float = 0.0
    probe_radius_m: float = 0.0
    source: Source = field(default_factory=Source)

    kind = "rf"

    def __post_init__(self) -> None:
        if self.samples.ndim != 3 or min(self.samples.shape) < 1:
            raise DataError(f"RF needs at least one frame of shape (axial, line), got {self.samples.shape}")
        if self.samples.dtype != np.float32:
            raise DataError(f"RF samples must be float32, got {self.samples.dtype}")
        if not np.isfinite(self.samples).all():
            raise DataError("RF contains NaN or infinite samples; export it again or cut the bad frames")
        object.__setattr__(self, "geometry", Geometry(self.geometry))
        self._check_physics()
        if self.frame_times_s is not None and (
            self.frame_times_s.shape != (self.n_frames,) or (np.diff(self.frame_times_s) <= 0).any()
        ):
            raise DataError(f"frame times must be {self.n_frames} strictly increasing values")

    def _check_physics(self) -> None:
        if not self.centre_frequency_hz >= LOWEST_FREQUENCY_HZ:
            raise DataError(
                f"centre frequency must be {LOWEST_FREQUENCY_HZ:g} Hz or more, got {self.centre_frequency_hz:g}; "
                "check --centre-mhz"
            )
        if not self.sampling_rate_hz <= HIGHEST_RATE_HZ:
            raise DataError(
                f"sampling rate must be {HIGHEST_RATE_HZ / 1e6:g} MHz or less, got {self.sampling_rate_hz / 1e6:g}; "
                "check --sampling-mhz"
            )
        if not self.sampling_rate_hz > 2 * self.centre_frequency_hz:
            raise DataError(
                f"sampling rate {self.sampling_rate_hz / 1e6:g} MHz must exceed twice the centre frequency "
                f"({self.centre_frequency_hz / 1e6:g} MHz); check --sampling-mhz and --centre-mhz"
            )
        if not 300 < self.sound_speed_m_s < 6000:
            raise DataError(f"sound speed must lie between 300 and 6000 m/s, got {self.sound_speed_m_s}")
        is_sector = self.geometry is Geometry.SECTOR
        if is_sector and not self.line_angle_rad > 0:
            raise DataError("a sector needs the angle between its lines")
        if not (PITCH_M[0] <= self.line_pitch_m <= PITCH_M[1] or (is_sector and self.line_pitch_m == 0)):
            raise DataError(
                f"line pitch must lie between {PITCH_M[0] * 1e3:g} and {PITCH_M[1] * 1e3:g} mm, "
                f"got {self.line_pitch_m * 1e3:g}; check --pitch-mm"
            )
        if not abs(self.start_depth_m) <= DEEPEST_M:
            raise DataError(
                f"start depth must lie within {DEEPEST_M * 1e3:g} mm, got {self.start_depth_m * 1e3:g}; "
                "check --start-depth-mm"
            )

    @property
    def n_frames(self) -> int:
        return int(self.samples.shape[0])

    @property
    def axial_step_m(self) -> float:
        """Depth between two samples of one line (two-way travel), m."""
        return self.sound_speed_m_s / (2 * self.sampling_rate_hz)

    @property
    def wavelength_m(self) -> float:
        return self.sound_speed_m_s / self.centre_frequency_hz

    @property
    def depth_m(self) -> np.ndarray:
        """(axial,) depth of every sample, m."""
        depth: np.ndarray = self.start_depth_m + np.arange(self.samples.shape[1]) * self.axial_step_m
        return depth

    @property
    def lateral_m(self) -> np.ndarray:
        """(line,) position across the probe, centred on it, m (along the surface for a sector)."""
        n_lines = self.samples.shape[2]
        lateral: np.ndarray = (np.arange(n_lines) - (n_lines - 1) / 2) * self.line_pitch_m
        return lateral
