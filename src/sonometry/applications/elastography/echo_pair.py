"""Two RF frames made ready for tracking: baseband, spline coefficients and point-spread function, and the way back.

Inside the trackers motion is float32 (2, line, row): axial samples and lateral lines, on the rows of the baseband.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sonometry.applications.elastography.displacement import Displacement, TrackingSetup, check_pair
from sonometry.numerics.baseband import Complex, EchoBand, measure_band, to_baseband, to_samples
from sonometry.numerics.correlate import coherence
from sonometry.numerics.point_spread import PulseModel, measure_pulse
from sonometry.numerics.warp import Real, spline_coefficients, warp

#: Window of the correlation map, in pulse lengths and beam widths.
CORRELATION_WINDOW = (6.0, 3.0)
#: Widest beam believed, m: lateral correlation beyond it is structure of tissue.
WIDEST_BEAM_M = 1.5e-3


@dataclass(frozen=True, eq=False)
class EchoPair:
    """Earlier and later frame as baseband (line, row).

    earlier_spline, later_spline : their cubic B-spline coefficients.
    n_samples : axial samples of the RF frames. pulse : point-spread function.
    pulse_rows, beam_lines : pulse length and beam width (full width at half amplitude) in rows and lines.
    """

    earlier: Complex
    later: Complex
    earlier_spline: Complex
    later_spline: Complex
    band: EchoBand
    pulse: PulseModel
    n_samples: int
    pulse_rows: float
    beam_lines: float

    @property
    def shape(self) -> tuple[int, int]:
        """(line, row)."""
        return self.earlier.shape[0], self.earlier.shape[1]

    @property
    def correlation_window(self) -> tuple[int, int]:
        """(lines, rows) over which the correlation of the warped frames is averaged."""
        return (
            max(3, round(CORRELATION_WINDOW[1] * self.beam_lines)),
            max(5, round(CORRELATION_WINDOW[0] * self.pulse_rows)),
        )

    def warped(self, motion: Real) -> Complex:
        """The later frame read at the positions of the earlier one; 0 outside."""
        values, _ = warp(self.later_spline, motion[0] / self.band.step, motion[1])
        turned: Complex = values * np.exp((1j * self.band.carrier_rad) * motion[0])
        return turned


def prepare_pair(earlier: np.ndarray, later: np.ndarray, context: TrackingSetup) -> EchoPair:
    """Filter two RF frames (axial, line) to their common band. Raises DataError as `check_pair`."""
    check_pair(earlier, later)
    frames = _standardised(earlier), _standardised(later)
    band = measure_band(frames, 2 * math.pi / context.samples_per_period)
    basebands = to_baseband(frames[0], band), to_baseband(frames[1], band)
    pulse = measure_pulse(basebands, band)
    full_width = 2 * math.sqrt(2 * math.log(2))
    beam = full_width * math.sqrt(float(np.median(pulse.beam_variance)))
    return EchoPair(
        *basebands,
        spline_coefficients(basebands[0]),
        spline_coefficients(basebands[1]),
        band,
        pulse,
        earlier.shape[0],
        full_width / band.sigma_rad / band.step,
        float(np.clip(beam, 1.0, max(1.0, WIDEST_BEAM_M / context.line_pitch_m))),
    )


def to_displacement(pair: EchoPair, motion: Real, has_lock: np.ndarray | None = None) -> Displacement:
    """Motion on the grid of the RF frame, with the correlation of the frames it aligns.

    has_lock : bool (line, row); by default where that correlation is above `LOCK_CORRELATION`.
    """
    correlation = coherence(pair.earlier, pair.warped(motion), pair.correlation_window)
    locked = correlation > LOCK_CORRELATION if has_lock is None else has_lock
    axial, lateral, matched = (to_samples(f, pair.n_samples, pair.band.step) for f in (*motion, correlation))
    rows = np.minimum(np.arange(pair.n_samples) // pair.band.step, locked.shape[1] - 1)
    return Displacement(axial, lateral, np.clip(matched, -1, 1), np.ascontiguousarray(locked.T[rows]))


#: Correlation above which the frames are taken to show the same tissue at the same place.
LOCK_CORRELATION = 0.5


def _standardised(frame: np.ndarray) -> np.ndarray:
    """Frame without the offset of its lines, of root mean square 1 (or all 0)."""
    centred = frame - frame.mean(axis=0, dtype=np.float64).astype(np.float32)
    flat = centred.ravel()
    level = math.sqrt(float(np.dot(flat, flat)) / flat.size)
    offset = float(np.abs(frame).max(initial=0.0))
    # What is left of a constant frame is rounding.
    return centred * np.float32(1 / level if level > 1e-5 * offset else 0.0)
