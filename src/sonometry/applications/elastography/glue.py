"""GLUE: the motion of all samples at once, as the solution of one global system.

Minimised over the motion u = (axial a, lateral l) of every sample is

    sum  g |b1 - b2(warped by u)|^2
       + (2 pi La)^2 sum (d_axial a - s)^2  +  (w Ll)^2 sum (d_lateral a - t)^2  +  the like for l,

with the baseband echoes b1, b2, first differences d between neighbours, smoothing lengths La, Ll and the carrier w.
The data term is linearised about the present motion, the quadratic is solved (`numerics.motion_system`), and both are
repeated a few times.
Source: Hashemi & Rivaz 2017, doi:10.1109/TUFFC.2017.2737379. Three things differ here, each measured on the simulated
pairs of docs/elastography:

- the data term takes the complex baseband and not the real RF, so that no sample has a vanishing gradient;
- the expected differences s, t are the local means of the present motion (the window of a strain estimate) and not
  zero: strain is smoothed without being drawn towards zero. Ashikuzzaman et al. 2019,
  doi:10.1109/TUFFC.2019.2923714, subtract the mean strain of the whole image for the same reason;
- the weight g is one over the local power of the present residual: noisy and decorrelated places count less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import gaussian_filter1d, uniform_filter, uniform_filter1d

from sonometry.applications.elastography.coarse import SearchConfig, coarse_motion
from sonometry.applications.elastography.displacement import Displacement, TrackingSetup
from sonometry.applications.elastography.echo_pair import EchoPair, prepare_pair, to_displacement
from sonometry.numerics.motion_system import MotionSystem, solve
from sonometry.numerics.motion_terms import DataTerms, data_terms, subtract_smoothness
from sonometry.numerics.strain import least_squares_strain


@dataclass(frozen=True)
class GlueConfig:
    """Options of GLUE; lengths along depth in periods of the echo, across lines in wavelengths.

    axial_length_periods : distance over which axial displacement is smoothed along depth where the echo is clean.
    lateral_length_wavelengths : the same across lines.
    lateral_motion_lengths : both for the lateral displacement, of which the echo says much less.
    expectation_periods : window of the local strain that smoothing is relative to.
    noise_periods, noise_lines : window of the residual power.
    clean_residual : residual over echo power at which the lengths above hold; smoothing grows with the square root.
    n_linearisations, tolerance, max_iterations : of the outer and the inner iteration.
    search : of the coarse motion that the first linearisation starts from.
    """

    axial_length_periods: float = 6.2
    lateral_length_wavelengths: float = 2.2
    lateral_motion_lengths: tuple[float, float] = (1.1, 4.3)
    expectation_periods: float = 6.5
    noise_periods: float = 9.0
    noise_lines: int = 9
    clean_residual: float = 0.02
    n_linearisations: int = 10
    tolerance: float = 0.05
    max_iterations: int = 20
    search: SearchConfig = field(default_factory=SearchConfig)


#: Residual power, over the local and over the mean echo power, below which nothing is gained (interpolation error).
LOCAL_FLOOR, GLOBAL_FLOOR = 1e-2, 1e-3
#: Largest change of the motion in one linearisation: beyond a quarter of a period the gradient has another sign.
LARGEST_TURN_RAD = 1.5


def track(
    earlier: np.ndarray, later: np.ndarray, *, context: TrackingSetup, config: GlueConfig | None = None
) -> Displacement:
    """Axial and lateral motion of every sample, from the coarse tracker's seed. See the module.

    Raises DataError as `check_pair`.
    """
    options = config or GlueConfig()
    pair = prepare_pair(earlier, later, context)
    seed = coarse_motion(pair, context, options.search)
    return to_displacement(pair, refine(pair, seed, context, options))


def refine(pair: EchoPair, seed: np.ndarray, context: TrackingSetup, config: GlueConfig) -> np.ndarray:
    """Motion (2, line, row) in samples and lines that minimises the global cost, from a seed of the same kind.

    The seed must lie within about a quarter of a period of the true axial motion, else another minimum is found.
    """
    problem = _Problem.of(pair, context, config)
    motion = np.ascontiguousarray(seed.transpose(0, 2, 1), dtype=np.float32)
    motion[0] /= pair.band.step
    limit = np.array([LARGEST_TURN_RAD / problem.carrier_rad, 1.0], np.float32)[:, None, None]
    for _ in range(config.n_linearisations):
        update = problem.update(motion, config)
        motion += np.clip(update, -limit, limit)
    motion[0] *= pair.band.step
    return np.ascontiguousarray(motion.transpose(0, 2, 1))


@dataclass(frozen=True, eq=False)
class _Problem:
    """What stays the same from one linearisation to the next; arrays (row, line), motion in rows and lines.

    carrier_rad : per row. axial_weights, lateral_weights : of the axial and the lateral component.
    expectation_rows : window of the local strain. noise_window : (rows, lines) of the residual power.
    """

    earlier: np.ndarray
    later_spline: np.ndarray
    power: np.ndarray
    carrier_rad: float
    axial_weights: tuple[float, float]
    lateral_weights: tuple[float, float]
    expectation_rows: int
    noise_window: tuple[int, int]

    @classmethod
    def of(cls, pair: EchoPair, context: TrackingSetup, config: GlueConfig) -> _Problem:
        """Frames turned to (row, line), and the lengths of `config` in rows and lines."""
        rows_per_period = 2 * math.pi / pair.band.carrier_rad / pair.band.step
        lines_per_wavelength = context.samples_per_wavelength * context.axial_step_m / context.line_pitch_m
        carrier = pair.band.carrier_rad * pair.band.step
        half = max(1, round(config.expectation_periods * rows_per_period / 2))
        axial, lateral = config.lateral_motion_lengths
        in_lines = lines_per_wavelength * carrier
        noise_window = max(3, round(config.noise_periods * rows_per_period)), config.noise_lines
        power = (np.abs(pair.earlier) ** 2 + np.abs(pair.later) ** 2).T / 2
        return cls(
            np.ascontiguousarray(pair.earlier.T),
            np.ascontiguousarray(pair.later_spline.T),
            uniform_filter(np.ascontiguousarray(power), (max(2, round(3 * rows_per_period)), 3)),
            carrier,
            ((2 * math.pi * config.axial_length_periods) ** 2, (2 * math.pi * axial) ** 2),
            ((config.lateral_length_wavelengths * in_lines) ** 2, (lateral * in_lines) ** 2),
            2 * half + 1,
            noise_window,
        )

    def update(self, motion: np.ndarray, config: GlueConfig) -> np.ndarray:
        """Solution of the system that is linearised about `motion`."""
        terms = data_terms(self.earlier, self.later_spline, motion, self.carrier_rad)
        weight = self._weight(terms, config.clean_residual)
        right_side = weight * terms.right_side
        subtract_smoothness(right_side, motion, self._expected(motion), self.axial_weights, self.lateral_weights)
        system = MotionSystem(weight * terms.matrix, right_side, self.axial_weights, self.lateral_weights)
        return solve(system, tolerance=config.tolerance, max_iterations=config.max_iterations).update

    def _weight(self, terms: DataTerms, clean_residual: float) -> np.ndarray:
        """Trust in the data term of every sample: one over the local residual power."""
        residual = uniform_filter(terms.residual_power, self.noise_window)
        mean_power = float(self.power.mean())
        floor = LOCAL_FLOOR * self.power + np.float32(GLOBAL_FLOOR * mean_power + 1e-30)
        weight: np.ndarray = np.float32(clean_residual) / (residual + floor)
        return weight.astype(np.float32)

    def _expected(self, motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Expected differences to the upper and to the left neighbour, both (2, row, line).

        Of the axial motion the local mean; of the lateral motion the mean spread of the whole image (tissue that is
        compressed gives way sideways), since its local differences are mostly noise.
        """
        axial_step, lateral_step = np.zeros_like(motion), np.zeros_like(motion)
        strain = least_squares_strain(motion[0], 1.0, window=min(self.expectation_rows, _odd(motion.shape[1])))
        axial_step[0] = gaussian_filter1d(strain.astype(np.float32), 1.0, axis=1)
        smooth = uniform_filter1d(motion[0], max(1, self.expectation_rows // 2), axis=0)
        lateral_step[0, :, 1:] = np.diff(gaussian_filter1d(smooth, 1.0, axis=1), axis=1)
        lines = np.arange(motion.shape[2])
        lateral_step[1] = np.polyfit(lines, motion[1].mean(axis=0), 1)[0]
        return axial_step, lateral_step


def _odd(count: int) -> int:
    """Largest odd number up to `count`."""
    return count - 1 + count % 2
