"""Intervals of the measurements of one pair.

Displacement: an echo whose correlation after motion compensation is c gives, in each independent speckle cell (a pulse
length times a beam width), a phase with the variance (1 - c^2) / (2 c^2), the Cramer-Rao bound (Cespedes et al. 1995,
doi:10.1177/016173469501700204, for the delay; Walker & Trahey 1995, doi:10.1109/58.375192). A mean strain is the slope
of displacement over its region, so its variance is that of a slope through that many independent values.
To it comes `MODEL_ERROR`, what tracking and differentiation leave without noise. Together they hold the true mean
strain of simulated pairs as often as they say (tests/applications/elastography/test_measure.py).

Contrast: SNRe and CNRe describe the picture, so their intervals resample its independent cells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sonometry.applications.elastography.displacement import TrackingSetup
from sonometry.applications.elastography.echo_pair import EchoPair, prepare_pair
from sonometry.applications.elastography.strain_image import StrainImage, line_distance_m
from sonometry.core.measurement import Interval
from sonometry.core.rf import RFFrames
from sonometry.evaluation.bootstrap import bootstrap_interval

LEVEL, STANDARD_DEVIATIONS = 0.95, 1.96
#: Error of a mean strain that is no noise, as a share of the strain: bound of what 72 simulated pairs showed.
MODEL_ERROR = 0.004
#: Correlation below which the bound of the phase has no meaning.
LEAST_CORRELATION = 0.2
RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class Noise:
    """Precision of one strain image.

    displacement_variance_m2 : (axial, line) of the displacement of one speckle cell. cell_m : its length and width.
    pixel_area_m2 : (axial, 1). depth_m : (axial, 1). strain_cell : samples and lines of an independent strain value.
    """

    displacement_variance_m2: np.ndarray
    cell_m: tuple[float, float]
    pixel_area_m2: np.ndarray
    depth_m: np.ndarray
    strain_cell: tuple[int, int]

    @classmethod
    def of(cls, recording: RFFrames, image: StrainImage, window_m: float) -> Noise:
        """Noise of a strain image whose strain was taken over `window_m`."""
        setup = TrackingSetup.of(recording)
        echo = prepare_pair(recording.samples[image.pair[0]], recording.samples[image.pair[1]], setup)
        metres_per_rad = recording.axial_step_m / echo.band.carrier_rad
        correlation = np.clip(image.agreement.astype(np.float64), LEAST_CORRELATION, 1.0)
        length_m, width_m = _cell_m(echo, setup)
        lines = max(1, round(2 * echo.beam_lines))
        return cls(
            (1 - correlation**2) / (2 * correlation**2) * metres_per_rad**2,
            (length_m, width_m),
            (line_distance_m(recording) * recording.axial_step_m)[:, None],
            recording.depth_m[:, None],
            (max(1, round(max(window_m, 2 * length_m) / recording.axial_step_m)), lines),
        )

    def strain_error(self, region: np.ndarray) -> float:
        """Standard error of the mean strain of a region (axial, line) bool, without `MODEL_ERROR`."""
        depth_m = np.broadcast_to(self.depth_m, region.shape)[region]
        area_m2 = float(np.broadcast_to(self.pixel_area_m2, region.shape)[region].sum())
        n_cells = max(1.0, area_m2 / (self.cell_m[0] * self.cell_m[1]))
        spread_m2 = max(float(depth_m.var()), self.cell_m[0] ** 2)
        return math.sqrt(float(self.displacement_variance_m2[region].mean()) / (n_cells * spread_m2))

    def cells(self, region: np.ndarray) -> np.ndarray:
        """(N,) number of the independent strain cell of every pixel of a region, in the order of `image[region]`."""
        rows, lines = np.nonzero(region)
        across = region.shape[1] // self.strain_cell[1] + 1
        numbers: np.ndarray = rows // self.strain_cell[0] * across + lines // self.strain_cell[1]
        return numbers


def _cell_m(echo: EchoPair, setup: TrackingSetup) -> tuple[float, float]:
    """Pulse length and beam width, m."""
    return echo.pulse_rows * echo.band.step * setup.axial_step_m, echo.beam_lines * setup.line_pitch_m


def around(value: float, standard_error: float) -> Interval:
    """Interval of a normally distributed value."""
    half = STANDARD_DEVIATIONS * standard_error
    return Interval(value - half, value + half, LEVEL)


def mean_strain_error(strain: float, noise: Noise, region: np.ndarray) -> float:
    """Standard error of the mean strain of a region, noise and model together."""
    return math.hypot(noise.strain_error(region), MODEL_ERROR / STANDARD_DEVIATIONS * strain)


def displacement_error_m(displacement_m: float, noise: Noise, region: np.ndarray) -> float:
    """Standard error of the displacement somewhere in a region: of one strain cell's mean."""
    speckle = noise.strain_cell[0] * noise.strain_cell[1] * float(noise.pixel_area_m2.mean())
    n_cells = max(1.0, speckle / (noise.cell_m[0] * noise.cell_m[1]))
    sd = math.sqrt(float(noise.displacement_variance_m2[region].mean()) / n_cells)
    return math.hypot(sd, MODEL_ERROR / STANDARD_DEVIATIONS * displacement_m)


def ratio_interval(ratio: float, relative_errors: tuple[float, float]) -> Interval:
    """Interval of a ratio of two independent positive values, on a logarithmic scale."""
    half = STANDARD_DEVIATIONS * math.hypot(*relative_errors)
    return Interval(ratio * math.exp(-half), ratio * math.exp(half), LEVEL)


def cell_sums(values: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """(cells, 3) number, sum and sum of squares of the values in each cell."""
    _, index = np.unique(cells, return_inverse=True)
    powers = np.ones_like(values, dtype=np.float64), values.astype(np.float64), values.astype(np.float64) ** 2
    return np.stack([np.bincount(index, weights=p) for p in powers], axis=1)


def moments(sums: np.ndarray) -> tuple[float, float]:
    """Mean and variance of the values behind `cell_sums`."""
    n, first, second = sums.sum(axis=0)
    mean = first / n
    return float(mean), float(max(second / n - mean**2, 0.0))


def resampled(statistic: object, samples: tuple[np.ndarray, ...], seed: int) -> Interval | None:
    """Bootstrap interval of a statistic of `cell_sums`; None with fewer than five cells in one of them."""
    if min(len(s) for s in samples) < 5:
        return None
    rng = np.random.default_rng(seed)
    return bootstrap_interval(samples, statistic, level=LEVEL, n_resamples=RESAMPLES, rng=rng)  # type: ignore[arg-type]
