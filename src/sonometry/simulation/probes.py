"""Probes: pulse, beam lines and the two-way lateral profile of the beam.

A beam is a Gaussian-apodised aperture in the Fresnel approximation, for which the field has a closed form. One way,
from an aperture of standard deviation a that is focused at F, at depth s and distance x from the line,
with k = 2 pi / wavelength and q = 1/(2 a^2) - (i k/2) (1/s - 1/F):

    field(x, s) ~ exp(i k x^2 / (2 s)) exp(-(k x / s)^2 / (4 q))

Transmit has a fixed focus; receive is focused at every depth with a constant f-number up to the largest aperture.
The two-way profile is the product: exp(-(alpha + i beta) x^2), evaluated at the centre frequency. It is normalised
to constant energy across the line at every depth, as time-gain compensation would do.
a = 0.299 D gives the two-way width at half amplitude of a rectangular aperture D: 0.886 wavelength x f-number.
Source: Goodman, Introduction to Fourier Optics, section 4; Szabo, Diagnostic Ultrasound Imaging, section 6.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from sonometry.core.rf import Geometry

#: Standard deviation of the Gaussian aperture over the width of the rectangular one it stands for.
GAUSSIAN_APERTURE = math.sqrt(math.log(2)) / (0.886 * math.pi)


@dataclass(frozen=True)
class Pulse:
    """What the two kinds of probe share: pulse, lines, focusing.

    fractional_bandwidth : two-way -6 dB bandwidth over centre frequency.
    transmit_f_number, focus_m : of the fixed transmit focus; its aperture is focus_m / transmit_f_number.
    receive_f_number, max_aperture_m : of the dynamic receive focus.
    elevation_aperture_m, elevation_focus_m : lens across the image plane; only felt by scatterers with elevation.
    """

    centre_frequency_hz: float = 6e6
    sampling_rate_hz: float = 40e6
    fractional_bandwidth: float = 0.6
    n_lines: int = 128
    transmit_f_number: float = 4.0
    focus_m: float = 0.025
    receive_f_number: float = 2.5
    max_aperture_m: float = 0.02
    elevation_aperture_m: float = 0.005
    elevation_focus_m: float = 0.025

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "radius_m" and not value > 0:
                raise ValueError(f"{name} of a probe must be positive, got {value}")
        if not self.sampling_rate_hz > 2 * self.centre_frequency_hz:
            raise ValueError(f"sampling_rate_hz {self.sampling_rate_hz} must exceed twice centre_frequency_hz")

    @property
    def bandwidth_sigma_hz(self) -> float:
        """Standard deviation of the Gaussian amplitude spectrum, Hz."""
        return self.fractional_bandwidth * self.centre_frequency_hz / (2 * math.sqrt(2 * math.log(2)))

    @property
    def line_index(self) -> np.ndarray:
        """(line,) index of each line counted from the middle of the probe."""
        return np.arange(self.n_lines) - (self.n_lines - 1) / 2

    def lateral_beam(self, depth_m: Any, wavenumber: float, xp: Any) -> tuple[Any, Any]:
        """alpha, beta (1/m2) of the two-way lateral profile at each depth (any shape)."""
        receive_aperture = xp.clip(depth_m / self.receive_f_number, None, self.max_aperture_m)
        transmit_aperture = min(self.focus_m / self.transmit_f_number, self.max_aperture_m)
        transmit = one_way_beam(depth_m, transmit_aperture, self.focus_m, wavenumber)
        receive = one_way_beam(depth_m, receive_aperture, depth_m, wavenumber)
        return transmit[0] + receive[0], transmit[1] + receive[1]

    def elevation_beam(self, depth_m: Any, wavenumber: float) -> tuple[Any, Any]:
        """alpha, beta (1/m2) of the two-way profile across the image plane."""
        alpha, beta = one_way_beam(depth_m, self.elevation_aperture_m, self.elevation_focus_m, wavenumber)
        return 2 * alpha, 2 * beta


@dataclass(frozen=True)
class LinearProbe(Pulse):
    """Parallel lines, centred on the probe. The defaults are the paper's: 128 lines over 3 cm at 6 MHz."""

    line_pitch_m: float = 0.03 / 128

    line_angle_rad = 0.0
    radius_m = 0.0

    geometry = Geometry.LINEAR

    @property
    def line_coordinate(self) -> np.ndarray:
        """(line,) lateral position of the lines, m."""
        return self.line_index * self.line_pitch_m

    def line_frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Origins on the surface and unit directions of the lines, both (line, 2) as depth, lateral."""
        origins = np.stack([np.zeros(self.n_lines), self.line_coordinate], axis=1)
        return origins, np.tile([1.0, 0.0], (self.n_lines, 1))

    def beam_coordinates(self, depth_m: Any, lateral_m: Any, xp: Any) -> tuple[Any, Any]:
        """Range along the line (m) and line coordinate (m) of points."""
        return depth_m, lateral_m


@dataclass(frozen=True)
class SectorProbe(Pulse):
    """Lines that fan out from a circle of radius `radius_m` (curved array), or from one point (0: phased array)."""

    centre_frequency_hz: float = 3e6
    sampling_rate_hz: float = 20e6
    focus_m: float = 0.07
    max_aperture_m: float = 0.03
    line_angle_rad: float = math.radians(0.6)
    radius_m: float = 0.0

    geometry = Geometry.SECTOR

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.radius_m < 0:
            raise ValueError(f"radius_m of a probe must not be negative, got {self.radius_m}")

    @property
    def line_pitch_m(self) -> float:
        """Distance between neighbouring lines on the surface, m."""
        return self.line_angle_rad * self.radius_m

    @property
    def line_coordinate(self) -> np.ndarray:
        """(line,) angle of the lines, rad."""
        return self.line_index * self.line_angle_rad

    def line_frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Origins on the surface and unit directions of the lines, both (line, 2) as depth, lateral."""
        directions = np.stack([np.cos(self.line_coordinate), np.sin(self.line_coordinate)], axis=1)
        return self.radius_m * (directions - [1.0, 0.0]), directions

    def beam_coordinates(self, depth_m: Any, lateral_m: Any, xp: Any) -> tuple[Any, Any]:
        """Range from the surface (m) and angle (rad) of points."""
        from_apex_m = depth_m + self.radius_m
        range_m = xp.sqrt(from_apex_m * from_apex_m + lateral_m * lateral_m) - self.radius_m
        return range_m, xp.atan2(lateral_m, from_apex_m)


Probe = LinearProbe | SectorProbe


def one_way_beam(depth_m: Any, aperture_m: Any, focus_m: Any, wavenumber: float) -> tuple[Any, Any]:
    """alpha, beta (1/m2): the one-way field is exp(-alpha x^2) with the phase lag beta x^2 at each depth."""
    sigma = GAUSSIAN_APERTURE * aperture_m
    real = 0.5 / (sigma * sigma)
    imaginary = 0.5 * wavenumber * (1 / depth_m - 1 / focus_m)
    steepness = (wavenumber / depth_m) ** 2 / (4 * (real * real + imaginary * imaginary))
    return steepness * real, 0.5 * wavenumber / depth_m - steepness * imaginary
