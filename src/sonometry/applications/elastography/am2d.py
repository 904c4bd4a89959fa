"""AM2D: dense axial and lateral displacement by 2-D analytic minimisation from the dynamic-programming seed.

Each round linearises the later frame about the present motion, reads the noise from what is left, and solves the smooth
quadratic for an update; early rounds only for updates that are smooth across lines. Weights and prior have units:

- the data term of a pixel is divided by the variance of its residual, a constant (electronic noise) plus a share of the
  local echo power (decorrelation), both fitted to the residuals of the round, so echo amplitude does not matter;
- strain is a random walk along depth and across lines whose step is a share of the applied strain over the square root
  of a millimetre, so neither do sampling, carrier, pitch and amount of compression; along depth its steps have the
  heavy tails of Student's t, so that an edge is dear but not forbidden.

See docs/elastography/trackers.md for the equations and what each part is worth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np

from sonometry.applications.elastography.coarse import SearchConfig, coarse_motion
from sonometry.applications.elastography.displacement import Displacement, TrackingSetup
from sonometry.applications.elastography.echo_pair import EchoPair, prepare_pair, to_displacement
from sonometry.numerics.am2d import linearise, normal_equations, residual_of
from sonometry.numerics.line_multigrid import Smoothness, solve_update
from sonometry.numerics.warp import Complex, Real


@dataclass(frozen=True)
class Am2dConfig:
    """Parameters of AM2D.

    strain_walk, shear_walk : change of axial strain along depth, and of the axial displacement's slope across lines,
        over 1 mm, as a share of the applied strain.
    lateral_shear_walk, lateral_strain_walk : the same for the lateral displacement, along depth and across lines.
    spread_weight : standard deviations of the strain over the image that count like as much applied strain.
    least_strain : applied strain assumed at least, so that a pair at rest is not smoothed flat.
    freedom, edge_freedom : degrees of freedom of Student's t for the residual and for the random walk along depth.
    rounds, tolerance_samples : linearisations on the full grid, after one on every fourth line, at most; fewer when the
        root mean square of an update of the axial displacement falls below the tolerance.
    correct_point_spread : whether pulses and beams are corrected for strain and shear.
    """

    search: SearchConfig = field(default_factory=SearchConfig)
    strain_walk: float = 0.13
    shear_walk: float = 0.36
    lateral_shear_walk: float = 1.3
    lateral_strain_walk: float = 0.45
    spread_weight: float = 3.0
    least_strain: float = 3e-4
    freedom: float = 4.0
    edge_freedom: float = 1.0
    rounds: int = 5
    tolerance_samples: float = 0.006
    correct_point_spread: bool = True


def track(
    earlier: np.ndarray, later: np.ndarray, *, context: TrackingSetup, config: Am2dConfig | None = None
) -> Displacement:
    """Displacement of a pair of RF frames (axial, line); see `displacement` for the convention.

    Raises DataError for frames of different size, too small or not finite.
    """
    pair, motion = track_baseband(earlier, later, context=context, config=config)
    return to_displacement(pair, motion)


def track_baseband(
    earlier: np.ndarray, later: np.ndarray, *, context: TrackingSetup, config: Am2dConfig | None = None
) -> tuple[EchoPair, Real]:
    """The pair as baseband and its motion (2, line, row), for those who go on from there."""
    config = config or Am2dConfig()
    pair = prepare_pair(earlier, later, context)
    motion = coarse_motion(pair, context, config.search)
    return pair, refine(pair, motion, context, config)


def refine(pair: EchoPair, motion: Real, context: TrackingSetup, config: Am2dConfig) -> Real:
    """Motion (2, line, row) after all rounds, from a start that is right to a quarter of a period."""
    power = _mean_power(pair)
    for skipped in (2, *[0] * config.rounds):
        evidence = evidence_at(pair, motion, config, power=power)
        smoothness = random_walk(evidence.walk, motion, pair, context, config)
        update = solve_update(evidence.data, evidence.right, motion, smoothness, coarsen=skipped)
        motion = motion + update
        if skipped == 0 and cv2.norm(update[0]) < config.tolerance_samples * math.sqrt(update[0].size):
            break
    return motion


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the echoes say about a motion, (line, row).

    residual : complex, what the warped later frame leaves over; 0 outside it. power : mean echo power of both frames.
    data, right : normal equations of an update, see `numerics.am2d`. walk : change of strain to be expected over 1 mm.
    """

    residual: Complex
    power: Real
    data: Real
    right: Real
    walk: float


def evidence_at(pair: EchoPair, motion: Real, config: Am2dConfig, *, power: Real | None = None) -> Evidence:
    """Linearise the later frame about a motion (2, line, row)."""
    power = _mean_power(pair) if power is None else power
    strain, shear = local_slopes(motion[0], pair)
    share = _full_share(config.correct_point_spread)
    frame = linearise(pair.earlier_spline, strain, shear, pair.pulse, share=share)
    residual = residual_of(frame, pair.later_spline, motion, pair.pulse)
    precision = residual_precision(residual, power)
    data, right = normal_equations(frame, residual, precision, freedom=config.freedom)
    return Evidence(residual, power, data, right, expected_walk(strain, residual, power, config))


def resolve(evidence: Evidence, pair: EchoPair, motion: Real, context: TrackingSetup, walk: float) -> Real:
    """Motion that the same evidence gives under a prior whose walk is `walk` times that of the method."""
    smoothness = random_walk(walk * evidence.walk, motion, pair, context, Am2dConfig())
    return motion + solve_update(evidence.data, evidence.right, motion, smoothness)


def _mean_power(pair: EchoPair) -> Real:
    """Mean power of both frames over a few rows."""
    power: Real = cv2.blur(0.5 * (_square(pair.earlier) + _square(pair.later)), (9, 1))
    return power


def _full_share(correct_point_spread: bool) -> tuple[float, float]:
    return (1.0, 1.0) if correct_point_spread else (0.0, 0.0)


def _square(z: Complex) -> Real:
    return z.real * z.real + z.imag * z.imag


#: Windows (pulse lengths, beam widths) over which strain and shear are averaged before they correct the point spread.
_STRAIN_WINDOW, _SHEAR_WINDOW = (9.0, 2.5), (4.0, 2.5)


def local_slopes(axial: Real, pair: EchoPair) -> tuple[Real, Real]:
    """Axial strain, and change of axial displacement per line in samples, by least squares in windows."""
    along = _odd(_STRAIN_WINDOW[0] * pair.pulse_rows), _odd(_STRAIN_WINDOW[1] * pair.beam_lines)
    across = _odd(_SHEAR_WINDOW[0] * pair.pulse_rows), _odd(_SHEAR_WINDOW[1] * pair.beam_lines)
    strain = _filtered(axial, _slope_kernel(along[0]) / pair.band.step, _mean_kernel(along[1]))
    shear = _filtered(axial, _mean_kernel(across[0]), _slope_kernel(across[1]))
    return strain, shear


def _odd(size: float) -> int:
    return max(3, 2 * round((size - 1) / 2) + 1)


def _slope_kernel(size: int) -> Real:
    offset = np.arange(size) - (size - 1) / 2
    return np.asarray(offset / (offset**2).sum(), dtype=np.float32)


def _mean_kernel(size: int) -> Real:
    return np.full(size, 1 / size, np.float32)


def _filtered(image: Real, along: Real, across: Real) -> Real:
    """Correlation with a separable kernel; beyond its edges the image continues oddly, which keeps slopes."""
    half = len(along) // 2, len(across) // 2
    half = min(half[0], image.shape[1] - 1), min(half[1], image.shape[0] - 1)
    padded = np.pad(image, ((half[1],) * 2, (half[0],) * 2), mode="reflect", reflect_type="odd")
    filtered = cv2.sepFilter2D(padded, cv2.CV_32F, along, across, borderType=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(filtered[half[1] : half[1] + image.shape[0], half[0] : half[0] + image.shape[1]])


def expected_walk(strain: Real, residual: Complex, power: Real, config: Am2dConfig) -> float:
    """Change of strain to be expected over 1 mm, before the shares of the prior, from the strain so far.

    Applied strain and its spread over the image, which for tissue of many layers is the larger: a spread of sd with a
    correlation length of 10 mm is a walk of 0.45 sd over 1 mm. Taken where the residual is below the echo power.
    """
    window = (15, 3)
    trusted = (cv2.blur(_square(residual), window) < 0.8 * cv2.blur(power, window))[::2, ::4]
    values = strain[::2, ::4][trusted] if np.count_nonzero(trusted) > 100 else strain[::2, ::4].ravel()
    low, high = np.quantile(values, [0.025, 0.975])
    kept = values[(values >= low) & (values <= high)]
    return max(config.least_strain, math.hypot(float(kept.mean()), config.spread_weight * float(kept.std())))


def random_walk(strain: float, motion: Real, pair: EchoPair, context: TrackingSetup, config: Am2dConfig) -> Smoothness:
    """Prior of motion whose slopes change by shares of `strain` over a millimetre, and now and then by much more.

    motion : (2, line, row) so far; where its slope along depth changes by more than the prior expects (an edge, a slip
        plane) the prior gives way as for Student's t.
    """
    row_m, line_m = pair.band.step * context.axial_step_m, context.line_pitch_m
    units_m = context.axial_step_m, line_m
    along = np.zeros_like(motion)
    for component, walk in enumerate((config.strain_walk, config.lateral_shear_walk)):
        precision = (units_m[component] / _step_deviation_m(walk * strain, row_m)) ** 2
        here = motion[component]
        bend = here[:, :-2] - 2 * here[:, 1:-1] + here[:, 2:]
        along[component, :, 1:-1] = precision / (1 + (precision / config.edge_freedom) * bend * bend)
    across = [
        (units_m[component] / _step_deviation_m(walk * strain, line_m)) ** 2
        for component, walk in enumerate((config.shear_walk, config.lateral_strain_walk))
    ]
    return Smoothness.of(along, (across[0], across[1]))


def _step_deviation_m(walk: float, step_m: float) -> float:
    """Standard deviation of a second difference over `step_m` of a motion whose slope walks by `walk` over 1 mm."""
    return walk * step_m * math.sqrt(step_m / 1e-3)


#: Pixels looked at, and classes of echo power, when the noise is fitted.
_FITTED_PIXELS, _CLASSES = 12_000, 12


def residual_precision(residual: Complex, power: Real) -> Real:
    """Inverse variance of the residual, noise + share * echo power, times `information_share`.

    Noise and share are fitted to medians in classes of power.

    The median of |r|^2 of complex normal noise is ln 2 of its mean; it does not see the pixels that lost lock.
    """
    every = max(1, residual.size // _FITTED_PIXELS)
    square, level = _square(residual).ravel()[::every], power.ravel()[::every]
    inside = square > 0
    if np.count_nonzero(inside) < 2 * _CLASSES:
        return np.zeros_like(power)
    square, level = square[inside], level[inside]
    classes = np.array_split(np.argsort(level), _CLASSES)
    x = np.array([level[c].mean() for c in classes])
    y = np.array([np.median(square[c]) for c in classes]) / math.log(2)
    y = np.maximum(y, 1e-12 * max(float(x.max()), 1e-30))
    share, noise = np.polyfit(x, y, 1, w=1 / y)
    noise, share = max(noise, 0.3 * y.min()), max(share, 1e-6)
    variance = noise + share * power
    return np.asarray(information_share(power, variance) / variance, dtype=np.float32)


def information_share(power: Real, variance: Real) -> Real:
    """What the least-squares weight of a pixel overstates, 0 to 1: its gradient is that of echo and noise together.

    With echo power s and noise power n = variance / 2 in either frame, the phase between the frames is known to a
    precision of s^2 / (n (2 s + n)) (Cramer-Rao), while least squares takes (s + n) / (2 n). Where there is only noise
    the data then say nothing, instead of following the noise.
    Source: Knapp & Carter 1976, doi:10.1109/TASSP.1976.1162830.
    """
    noise = 0.5 * variance
    echo = np.maximum(power - noise, 0)
    share: Real = 2 * echo * echo / ((2 * echo + noise) * (echo + noise))
    return share
