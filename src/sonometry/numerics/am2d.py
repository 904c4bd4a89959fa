"""2-D analytic minimisation: the normal equations of motion between two baseband frames, in closed form.

The motion (a, l) of row k, line j, in axial samples and lines, minimises

    E = sum  W |s - w(a, l)|^2  +  prior of `line_multigrid` (second differences of a and l)

where s is the earlier baseband frame (with its pulses stretched by the local strain, see `point_spread`) and
w(a, l) = Z(k + a / step, j + l) exp(i carrier a) the later one read at the displaced position. Linearised about the
present motion, dw = g_a da + g_l dl, this is a quadratic of an update whose data term is a 2 x 2 matrix a pixel.
W is the inverse variance of the residual times the robust weight 1 / (1 + W |r|^2 / freedom) of Student's t.
Source: Rivaz et al. 2011, doi:10.1109/TMI.2010.2091966: the analytic minimisation with iterative reweighting. Differing
from it: baseband instead of RF, an inverse variance instead of a threshold, and second instead of first differences,
so that the prior pulls the strain of an inclusion neither to zero nor to the mean.
"""

from __future__ import annotations

import cmath
from dataclasses import dataclass

import numpy as np
from numba import njit

from sonometry.numerics.point_spread import PulseModel
from sonometry.numerics.threads import in_threads
from sonometry.numerics.warp import Complex, Real, read_spline


@dataclass(frozen=True, eq=False)
class Linearised:
    """The earlier frame as the data term sees it, all complex64 (line, row).

    signal : with its point-spread function corrected. by_axial, by_lateral : change of the warped later frame per
    sample of axial and per line of lateral displacement. pulse_term, beam_term : the corrections at full share.
    """

    signal: Complex
    by_axial: Complex
    by_lateral: Complex
    pulse_term: Complex
    beam_term: Complex


def linearise(
    coefficients: Complex, strain: Real, shear: Real, model: PulseModel, *, share: tuple[float, float] = (1.0, 1.0)
) -> Linearised:
    """The earlier frame corrected for a strain, and its derivatives.

    coefficients : cubic B-spline coefficients of the earlier baseband frame.
    strain : axial strain. shear : change of axial displacement from line to line, samples. Both smooth.
    share : how much of the pulse and of the beam correction to apply, 0 to 1.
    """
    arrays = [np.empty(coefficients.shape, np.complex64) for _ in range(5)]
    in_threads(
        _linearise, len(coefficients), coefficients, strain, shear, model.carrier_rad, model.step, model.sigma_rad,
        model.centre_rad, model.beam_variance, share[0], share[1], *arrays,
    )  # fmt: skip
    return Linearised(*arrays)


def residual_of(frame: Linearised, later: Complex, motion: Real, model: PulseModel) -> Complex:
    """s - w (line, row) of a motion (2, line, row); 0 where it leaves the later frame.

    later : cubic B-spline coefficients of the later frame.
    """
    residual = np.empty(motion.shape[1:], np.complex64)
    in_threads(_residuals, len(residual), frame.signal, later, motion, model.carrier_rad, model.step, residual)
    return residual


def normal_equations(frame: Linearised, residual: Complex, precision: Real, *, freedom: float) -> tuple[Real, Real]:
    """Data term of an update: (3, line, row) D11, D12, D22 and the right side (2, line, row).

    precision : W above, before the robust weight. freedom : of the robust weight; infinity for least squares.
    """
    data = np.empty((3, *residual.shape), np.float32)
    right = np.empty((2, *residual.shape), np.float32)
    weights = precision, 1.0 / freedom
    in_threads(_normal_equations, len(residual), frame.by_axial, frame.by_lateral, residual, *weights, data, right)
    return data, right


@njit(cache=True, nogil=True, fastmath=True)
def _linearise(  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    start, stop, c, strain, shear, carrier, step, sigma, centre, beam_variance, pulse_share, beam_share, signal,
    by_axial, by_lateral, pulse_term, beam_term,
):  # fmt: skip
    n_lines, n_rows = c.shape
    for line in range(start, stop):
        # Mirrored neighbours: the derivative across the first and last line is 0.
        left, right = c[abs(line - 1)], c[n_lines - 1 - abs(n_lines - 2 - line)]
        here = c[line]
        for k in range(n_rows):
            above, below = abs(k - 1), n_rows - 1 - abs(n_rows - 2 - k)
            s0 = (left[above] + 4 * here[above] + right[above]) / 6
            s1 = (left[k] + 4 * here[k] + right[k]) / 6
            s2 = (left[below] + 4 * here[below] + right[below]) / 6
            z = (s0 + 4 * s1 + s2) / 6
            along = (s2 - s0) / (2 * step)
            bend = (s2 - 2 * s1 + s0) / (step * step)
            across = ((right[above] - left[above]) + 4 * (right[k] - left[k]) + (right[below] - left[below])) / 12
            e, gradient = strain[line, k], shear[line, k]
            offset = carrier - centre[k]
            pulse = (
                (-1 + carrier * offset / sigma**2) * z - 1j * ((carrier + offset) / sigma**2) * along - bend / sigma**2
            )
            pulse_term[line, k] = e * pulse
            beam_term[line, k] = -1j * carrier * gradient * beam_variance[k] * across
            signal[line, k] = z + pulse_share * pulse_term[line, k] + beam_share * beam_term[line, k]
            turn = 1j * carrier * z
            by_axial[line, k] = turn + (along - e * turn) / (1 + e)
            by_lateral[line, k] = across - gradient * by_axial[line, k]


@njit(cache=True, nogil=True)
def _residuals(start, stop, signal, later, motion, carrier, step, residual):  # type: ignore[no-untyped-def]  # pragma: no cover
    n_lines, n_rows = signal.shape
    for line in range(start, stop):
        for k in range(n_rows):
            axial = motion[0, line, k]
            y, x = k + axial / step, line + motion[1, line, k]
            if -0.5 <= y <= n_rows - 0.5 and -0.5 <= x <= n_lines - 0.5:
                residual[line, k] = signal[line, k] - read_spline(later, x, y) * cmath.exp(1j * carrier * axial)
            else:
                residual[line, k] = 0


@njit(cache=True, nogil=True, fastmath=True)
def _normal_equations(  # type: ignore[no-untyped-def]  # pragma: no cover (compiled)
    start, stop, by_axial, by_lateral, residual, precision, per_freedom, data, right
):
    n_rows = residual.shape[1]
    for line in range(start, stop):
        for k in range(n_rows):
            r, ga, gl = residual[line, k], by_axial[line, k], by_lateral[line, k]
            square = r.real**2 + r.imag**2
            weight = 0.0
            if square > 0:
                weight = precision[line, k] / (1 + precision[line, k] * square * per_freedom)
            data[0, line, k] = weight * (ga.real**2 + ga.imag**2)
            data[1, line, k] = weight * (ga.real * gl.real + ga.imag * gl.imag)
            data[2, line, k] = weight * (gl.real**2 + gl.imag**2)
            right[0, line, k] = weight * (ga.real * r.real + ga.imag * r.imag)
            right[1, line, k] = weight * (gl.real * r.real + gl.imag * r.imag)
