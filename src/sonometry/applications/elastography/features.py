"""What the refinement network sees of a pair of frames, and what its output means.

The later frame is warped by a tracker's displacement (the prior). What it left over shows as phase between the two
analytic signals, and how far to trust that as their coherence; what the tracker found shows as the prior's strain at
several smoothings. Everything is averaged over one carrier period, a "block", and normalised by the carrier: one
network then serves every ratio of sampling to centre frequency (phase in radians, strain by the applied strain).
Compression and decompression are made the same by the sign of the applied strain (time reversal).
Sources: phase of the cross product, Loupas et al. 1995, doi:10.1109/58.393110; coherence, Kasai et al. 1985,
doi:10.1109/T-SU.1985.31615.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.interpolate import CubicSpline

from sonometry.applications.elastography.displacement import Displacement, TrackingSetup
from sonometry.numerics.analytic import analytic_signal
from sonometry.numerics.warp_analytic import warp_analytic

#: Windows of the phase images: Gaussian sigma in blocks and in lines.
SCALES = ((1.0, 0.6), (3.0, 1.2), (8.0, 2.5))
#: Applied strain is taken as at least this when it normalises, so that a pair at rest is not blown up.
SMALLEST_SCALE = 5e-4
#: Units of the network's outputs: axial displacement in radians of carrier phase, lateral displacement in lines, and
#: strain as a share of the applied strain.
AXIAL_UNIT_RAD = 0.01
LATERAL_UNIT_LINES = 0.02
STRAIN_SHARE = 0.02
#: Smoothings of the prior's strain, Gaussian sigma in blocks and lines; the network corrects the middle one.
STRAIN_SCALES = ((1.0, 0.5), (3.0, 1.0), (8.0, 2.0))

CHANNELS = (
    "in_phase", "quadrature", "log_energy",
    "phase_fine", "coherence_fine", "phase_mid", "coherence_mid", "phase_coarse", "coherence_coarse",
    "lateral_mid", "lateral_coarse",
    "prior_strain", "detail_fine", "detail_coarse", "prior_shear", "prior_lateral_strain",
    "applied_strain", "pitch", "inside",
)  # fmt: skip
OUTPUTS = ("axial", "lateral", "strain", "axial_log_variance", "lateral_log_variance", "strain_log_variance")


@dataclass(frozen=True, eq=False)
class RefinementGrid:
    """The blocks of one pair and the units of its images.

    block : samples of one block. n_rows : blocks. sign : -1 where tissue is stretched, else 1.
    strain_unit : applied strain that images are divided by (positive).
    axial_unit : (rows, lines) samples of displacement per unit of network output.
    prior_axial, prior_lateral, prior_strain : (rows, lines) prior in samples, lines and as a fraction (smoothed); the
        network adds what is missing.
    """

    block: int
    n_rows: int
    sign: float
    strain_unit: float
    axial_unit: np.ndarray
    prior_axial: np.ndarray
    prior_lateral: np.ndarray
    prior_strain: np.ndarray


def refinement_features(
    earlier: np.ndarray, later: np.ndarray, prior: Displacement, *, context: TrackingSetup
) -> tuple[np.ndarray, RefinementGrid]:
    """Images the network sees, float32 (channel, rows, lines) in the order of `CHANNELS`, and their grid.

    earlier, later : float32 (axial, line). prior : motion from earlier to later, on the same grid.
    """
    block = max(2, round(context.samples_per_period))
    axial, lateral = (block_mean(u, block) for u in (prior.axial_samples, prior.lateral_lines))
    signal = analytic_signal(earlier)
    warped, inside = warp_analytic(
        analytic_signal(later),
        prior.axial_samples,
        prior.lateral_lines,
        carrier_rad=2 * np.pi / context.samples_per_period,
    )
    grid = _grid(axial, lateral, block, _local_frequency(signal, context))
    images = [*_phase_images(signal, warped, block, grid), *_prior_images(grid, context)]
    images.append(block_mean(inside.astype(np.float32), block))
    features = np.stack(images).astype(np.float32)
    return np.nan_to_num(np.clip(features, -12, 12)), grid


def _grid(axial: np.ndarray, lateral: np.ndarray, block: int, frequency: np.ndarray) -> RefinementGrid:
    applied = _applied_strain(axial, block)
    return RefinementGrid(
        block=block,
        n_rows=axial.shape[0],
        sign=-1.0 if applied > 1e-6 else 1.0,
        strain_unit=max(abs(applied), SMALLEST_SCALE),
        axial_unit=(AXIAL_UNIT_RAD / block_mean(frequency, block)).astype(np.float32),
        prior_axial=axial,
        prior_lateral=lateral,
        prior_strain=_smooth(np.gradient(axial, axis=0) / block, *STRAIN_SCALES[1]),
    )


def _applied_strain(axial: np.ndarray, block: int) -> float:
    """Slope of the median displacement over depth, as a fraction."""
    profile = np.median(axial, axis=1)
    depth = np.arange(len(profile)) * block
    return float(np.polyfit(depth, profile, 1)[0])


def _local_frequency(signal: np.ndarray, context: TrackingSetup) -> np.ndarray:
    """(axial, line) mean frequency of the echo in radians a sample, smoothed over many wavelengths.

    Phase of the lag-one product (Kasai 1985); attenuation lowers it with depth.
    """
    product = signal[1:] * np.conj(signal[:-1])
    product = np.concatenate([product, product[-1:]])
    length = 20 * context.samples_per_period
    smooth = _smooth_complex(product, length, 8.0)
    nominal = 2 * np.pi / context.samples_per_period
    return np.clip(np.angle(smooth), 0.5 * nominal, 1.5 * nominal).astype(np.float32)


def _phase_images(signal: np.ndarray, warped: np.ndarray, block: int, grid: RefinementGrid) -> list[np.ndarray]:
    """In-phase and quadrature of the cross product, its phase and coherence at every scale, and the lateral trend."""
    cross = block_mean(signal * np.conj(warped), block)
    energy = block_mean(0.5 * (np.abs(signal) ** 2 + np.abs(warped) ** 2), block)
    floor = 1e-6 * float(energy.mean()) + 1e-30
    local = _smooth(energy, 8.0, 4.0) + floor
    weight = np.sqrt((energy + floor) * local)
    images = [(cross.real - energy) / weight, grid.sign * cross.imag / weight, 0.5 * np.log(energy / local + 1e-3)]
    phases = []
    for rows, lines in SCALES:
        mean, power = _smooth_complex(cross, rows, lines), _smooth(energy, rows, lines) + floor
        phases.append(np.angle(mean))
        images += [grid.sign * phases[-1] / 0.05, 5 * (1 - np.abs(mean) / power)]
    rotation = np.repeat(np.exp(-1j * phases[1]).astype(np.complex64), block, axis=0)
    return images + _lateral_images(signal[: len(rotation)] * rotation, warped[: len(rotation)], block, grid.sign)


def _lateral_images(signal: np.ndarray, warped: np.ndarray, block: int, sign: float) -> list[np.ndarray]:
    """Least-squares lateral residual in lines, after the axial one was taken off, over the two wider windows.

    signal(x) = warped(x) + residual * d warped / dx to first order.
    """
    slope = np.gradient(warped, axis=1)
    product = block_mean(((signal - warped) * np.conj(slope)).real, block)
    power = block_mean(np.abs(slope) ** 2, block)
    power += 1e-3 * power.mean() + 1e-30
    return [sign * _smooth(product, *s) / _smooth(power, *s) / LATERAL_UNIT_LINES for s in SCALES[1:]]


def _prior_images(grid: RefinementGrid, context: TrackingSetup) -> list[np.ndarray]:
    """The prior's own strains by the applied strain, and the two numbers of the whole pair."""
    unit = grid.sign * grid.strain_unit
    raw = np.gradient(grid.prior_axial, axis=0) / grid.block
    fine, coarse = (_smooth(raw, *scale) for scale in (STRAIN_SCALES[0], STRAIN_SCALES[2]))
    shear = np.gradient(grid.prior_axial, axis=1) * context.axial_step_m / context.line_pitch_m
    lateral_strain = np.gradient(grid.prior_lateral, axis=1)
    shape = grid.prior_axial.shape
    pitch = context.line_pitch_m / (context.axial_step_m * grid.block)
    return [
        grid.prior_strain / unit,
        (fine - grid.prior_strain) / unit / STRAIN_SHARE,
        (coarse - grid.prior_strain) / unit / STRAIN_SHARE,
        _smooth(shear, 3.0, 0.6) / unit,
        _smooth(lateral_strain, 6.0, 1.0) / unit,
        np.full(shape, np.log10(grid.strain_unit / 0.01), np.float32),
        np.full(shape, np.log2(pitch / 2), np.float32),
    ]


def block_mean(image: np.ndarray, block: int) -> np.ndarray:
    """Mean over whole blocks along the first axis; a rest shorter than a block is left out."""
    n_rows = image.shape[0] // block
    return image[: n_rows * block].reshape(n_rows, block, -1).mean(axis=1)


def _smooth(image: np.ndarray, rows: float, lines: float) -> np.ndarray:
    """Gaussian of sigma `rows` x `lines` pixels, mirrored at the edges."""
    return cv2.GaussianBlur(image.astype(np.float32), (0, 0), sigmaX=lines, sigmaY=rows, borderType=cv2.BORDER_REFLECT)


def _smooth_complex(image: np.ndarray, rows: float, lines: float) -> np.ndarray:
    return _smooth(image.real, rows, lines) + 1j * _smooth(image.imag, rows, lines)


def block_centres(n_rows: int, block: int) -> np.ndarray:
    """(rows,) axial sample index of the middle of every block."""
    return np.arange(n_rows) * block + (block - 1) / 2


def to_samples(image: np.ndarray, block: int, n_samples: int) -> np.ndarray:
    """(rows, lines) on block centres -> float32 (n_samples, lines): natural spline, straight beyond the ends."""
    rows = block_centres(image.shape[0], block)
    spline = CubicSpline(rows, image, axis=0, bc_type="natural")
    samples = np.arange(n_samples)
    inner = np.clip(samples, rows[0], rows[-1])
    beyond = (samples - inner)[:, None]
    slope = np.where(beyond < 0, spline(rows[0], 1), spline(rows[-1], 1))
    return (spline(inner) + beyond * slope).astype(np.float32)
