"""Pulse and beam of the scanner as measured from its own speckle, to correct what motion compensation leaves over.

An echo is the sum over scatterers of one point-spread function. Motion carries the scatterers along but leaves that
function as it is, so warping the later frame back stretches its pulses (by the axial strain e) and shears its beams
(by the change of axial displacement across the beam). The two frames then differ although the motion is known exactly,
at 2 % strain by more than usual noise. To first order the earlier frame is made alike by

    s = z + e G z - i w_c (da/dx) S dz/dx,     G(w) = -1 + w (w - w_0) / sigma^2

for a pulse with Gaussian spectrum (w_0, sigma) and a beam with Gaussian profile of variance S. Both follow from second
order statistics of speckle: the power spectrum, and the correlation between neighbouring lines, which is
exp(-n^2 / (4 S)) at n lines (for a curved wavefront S is complex; its imaginary part acts as a lateral displacement).
The idea of matching pulses before comparing them: Alam, Ophir & Konofagou 1998, doi:10.1109/58.710545 (stretching of
the frame), here as a filter that needs no resampling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from sonometry.numerics.baseband import Complex, EchoBand

#: Beams narrower than this (variance in lines^2) are not resolved by the lines; wider ones are structure, not beam.
BEAM_VARIANCE_RANGE = (0.0, 40.0)
#: Depth over which speckle statistics are averaged, as a share of the image.
SMOOTHING_SHARE = 0.08


@dataclass(frozen=True, eq=False)
class PulseModel:
    """Point-spread function along depth.

    carrier_rad, step : of the baseband. sigma_rad : of the Gaussian amplitude spectrum, rad per sample.
    centre_rad : (row,) centre of the pulse's spectrum. beam_variance : (row,) of the beam's profile, lines^2.
    """

    carrier_rad: float
    step: int
    sigma_rad: float
    centre_rad: npt.NDArray[np.float32]
    beam_variance: npt.NDArray[np.float32]


def measure_pulse(frames: tuple[Complex, ...], band: EchoBand) -> PulseModel:
    """Pulse and beam from the speckle of baseband frames (line, row)."""
    along = _along_depth(sum(np.mean(z[:, 1:] * z[:, :-1].conj(), axis=0) for z in frames))
    turn = np.angle(np.append(along, along[-1]))
    one, two = (np.abs(_along_depth(sum(np.mean(z[lag:] * z[:-lag].conj(), axis=0) for z in frames))) for lag in (1, 2))
    # Noise is white across lines: the ratio of lags 1 and 2 does not feel it, while that of lags 0 and 1 does.
    ratio = np.clip(two / np.maximum(one, 1e-30), 1e-6, 1 - 1e-6)
    variance = np.clip(-3 / (4 * np.log(ratio)), *BEAM_VARIANCE_RANGE)
    return PulseModel(
        band.carrier_rad,
        band.step,
        band.sigma_rad,
        (band.carrier_rad + turn / band.step).astype(np.float32),
        variance.astype(np.float32),
    )


def _along_depth(products: Any) -> npt.NDArray[np.complex128]:
    """Smoothed over depth."""
    values = np.asarray(products, dtype=np.complex128)
    width = max(2.0, SMOOTHING_SHARE * values.size)
    smooth: npt.NDArray[np.complex128] = gaussian_filter1d(values, width, mode="nearest")
    return smooth
