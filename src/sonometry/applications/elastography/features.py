"""What the refinement network sees of a pair of frames, and what its output means.

AM2D leaves two things for a network. Its evidence: about its motion the data term of every pixel is a quadratic, and
the window means of that quadratic say how far the echoes still want to move (phase residual), how surely (information)
and how much of the echo does not match at all (decorrelation). And its prior: tissue is taken for a random walk of
strain, which blurs the edge of an inclusion and ripples in an even region; the same evidence solved with a looser and a
tighter walk shows which of the two is at work. The network sees all of it, on a grid of about 0.17 x 0.23 mm, in units
that do not depend on scanner and compression: phase in radians of the carrier, strain by the applied strain.
Compression and decompression look the same by the sign of the applied strain.
Sources: phase residual as in Loupas et al. 1995, doi:10.1109/58.393110.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.sparse import csr_array

from sonometry.applications.elastography import am2d
from sonometry.applications.elastography.displacement import TrackingSetup
from sonometry.applications.elastography.echo_pair import EchoPair
from sonometry.numerics.warp import Real

#: Height that a pixel should have, m, within one and two periods of the carrier, and its least width.
PIXEL_HEIGHT_M, PIXEL_WIDTH_M = 0.16e-3, 0.2e-3
#: Windows of the evidence: Gaussian sigma in pixels along depth and across.
SCALES = ((0.8, 0.5), (2.5, 1.2), (7.0, 3.0))
#: Smoothings of the prior's strain; the network corrects the first.
STRAIN_SCALES = ((0.8, 0.5), (2.0, 1.0), (6.0, 2.5))
#: Walks of the alternative solutions over that of AM2D.
LOOSER, TIGHTER = 3.0, 0.3
#: Applied strain is taken as at least this when it normalises, so that a pair at rest is not blown up.
SMALLEST_SCALE = 5e-4
#: Units of the network's outputs: axial displacement in radians of carrier phase, lateral displacement in lines, and
#: strain as a share of the applied strain.
AXIAL_UNIT_RAD = 0.01
LATERAL_UNIT_LINES = 0.02
STRAIN_SHARE = 0.02
#: Inputs beyond this many units are cut.
_LARGEST = 30.0

CHANNELS = (
    "phase_fine", "phase_mid", "phase_coarse", "lateral_mid", "lateral_coarse",
    "information", "decorrelation_fine", "decorrelation_coarse",
    "prior_strain", "detail_mid", "detail_coarse", "looser", "tighter", "prior_shear", "prior_lateral_strain",
    "applied_strain", "pixel_shape", "pixel_height", "inside",
)  # fmt: skip
OUTPUTS = ("axial", "lateral", "strain", "axial_log_variance", "lateral_log_variance", "strain_log_variance")


@dataclass(frozen=True, eq=False)
class RefinementGrid:
    """The pixels of one pair and the units of its images.

    rows_per_pixel, lines_per_pixel : baseband rows and lines that are averaged into one pixel.
    shape : (rows, columns) of the images. baseband : (lines, rows) of the motion.
    sign : -1 where tissue is stretched, else 1. strain_unit : applied strain that images are divided by (positive).
    axial_unit : samples of axial displacement per unit of network output.
    prior_strain : (rows, columns) strain that the network corrects, a fraction.
    """

    rows_per_pixel: int
    lines_per_pixel: int
    shape: tuple[int, int]
    baseband: tuple[int, int]
    sign: float
    strain_unit: float
    axial_unit: float
    prior_strain: np.ndarray

    def to_baseband(self, image: np.ndarray) -> np.ndarray:
        """(rows, columns) -> float32 (lines, rows) of the baseband: cubic inside, straight beyond the last pixels."""
        n_lines, n_rows = self.baseband
        along = interpolation(self.shape[0], self.rows_per_pixel, n_rows)
        across = interpolation(self.shape[1], self.lines_per_pixel, n_lines)
        resampled = across @ np.ascontiguousarray((along @ image.astype(np.float32)).T)
        return np.ascontiguousarray(resampled, dtype=np.float32)

    def from_baseband(self, image: np.ndarray) -> np.ndarray:
        """(lines, rows) -> float32 (rows, columns): mean over every pixel; what fills none is left out."""
        return pixel_mean(image, self.lines_per_pixel, self.rows_per_pixel)


def refinement_features(
    pair: EchoPair, motion: Real, *, context: TrackingSetup, config: am2d.Am2dConfig | None = None
) -> tuple[np.ndarray, RefinementGrid]:
    """Images the network sees, float32 (channel, rows, columns) in the order of `CHANNELS`, and their grid.

    motion : (2, line, row) of `am2d.refine` or one near it.
    """
    evidence = am2d.evidence_at(pair, motion, config or am2d.Am2dConfig())
    grid = _grid(pair, motion, context)
    images = _evidence_images(evidence, pair, grid)
    images += _prior_images(evidence, pair, motion, grid, context)
    images.append(grid.from_baseband((np.abs(evidence.residual) > 0).astype(np.float32)))
    features = np.stack(images).astype(np.float32)
    return np.nan_to_num(np.clip(features, -_LARGEST, _LARGEST)), grid


def _grid(pair: EchoPair, motion: Real, context: TrackingSetup) -> RefinementGrid:
    step_m = pair.band.step * context.axial_step_m
    period_m = 2 * np.pi / pair.band.carrier_rad * context.axial_step_m
    rows = max(1, round(float(np.clip(PIXEL_HEIGHT_M, period_m, 2 * period_m)) / step_m))
    lines = max(1, round(PIXEL_WIDTH_M / context.line_pitch_m))
    rows, lines = min(rows, max(1, pair.shape[1] // 16)), min(lines, max(1, pair.shape[0] // 8))
    strain = pixel_mean(_strain(motion[0], pair.band.step), lines, rows)
    applied = _applied_strain(motion[0], pair.band.step)
    return RefinementGrid(
        rows_per_pixel=rows,
        lines_per_pixel=lines,
        shape=(strain.shape[0], strain.shape[1]),
        baseband=pair.shape,
        sign=-1.0 if applied > 1e-6 else 1.0,
        strain_unit=max(abs(applied), SMALLEST_SCALE),
        axial_unit=AXIAL_UNIT_RAD / pair.band.carrier_rad,
        prior_strain=_smooth(strain, *STRAIN_SCALES[0]),
    )


def _strain(axial: Real, step: int) -> Real:
    """(line, row) slope along depth, a fraction: central differences."""
    slope: Real = np.gradient(axial, axis=1) / np.float32(step)
    return slope


def _applied_strain(axial: Real, step: int) -> float:
    """Slope of the median displacement over depth, as a fraction."""
    profile = np.median(axial, axis=0)
    return float(np.polyfit(np.arange(len(profile)) * step, profile, 1)[0])


def _evidence_images(evidence: am2d.Evidence, pair: EchoPair, grid: RefinementGrid) -> list[np.ndarray]:
    """Residual motion at every scale, information and decorrelation."""
    carrier, mean = pair.band.carrier_rad, grid.from_baseband
    score, information = mean(evidence.right[0]) / carrier, mean(evidence.data[0]) / carrier**2
    score_lateral, information_lateral = mean(evidence.right[1]), mean(evidence.data[2])
    floors = [1e-3 * float(image.mean()) + 1e-12 for image in (information, information_lateral)]
    images = [
        grid.sign * _smooth(score, *scale) / (_smooth(information, *scale) + floors[0]) / 0.05 for scale in SCALES
    ]
    images += [
        grid.sign * _smooth(score_lateral, *s) / (_smooth(information_lateral, *s) + floors[1]) / LATERAL_UNIT_LINES
        for s in SCALES[1:]
    ]
    images.append(np.log10(_smooth(information, *SCALES[0]) + 1e-3))
    lost, power = mean(np.abs(evidence.residual) ** 2), mean(evidence.power)
    floor = 1e-4 * float(power.mean()) + 1e-12
    images += [np.log10(_smooth(lost, *s) / (_smooth(power, *s) + floor) + 1e-4) + 2 for s in (SCALES[0], SCALES[2])]
    return images


def _prior_images(
    evidence: am2d.Evidence, pair: EchoPair, motion: Real, grid: RefinementGrid, context: TrackingSetup
) -> list[np.ndarray]:
    """The prior's own strains, those of the looser and the tighter walk, and the numbers of the whole pair."""
    unit, step, mean = grid.sign * grid.strain_unit, pair.band.step, grid.from_baseband
    raw = mean(_strain(motion[0], step))
    mid, coarse = (_smooth(raw, *scale) for scale in STRAIN_SCALES[1:])
    others = [
        _smooth(mean(_strain(am2d.resolve(evidence, pair, motion, context, walk)[0], step)), *STRAIN_SCALES[0])
        for walk in (LOOSER, TIGHTER)
    ]
    shear = mean(np.gradient(motion[0], axis=0)) * context.axial_step_m / context.line_pitch_m
    lateral_strain = mean(np.gradient(motion[1], axis=0))
    height_m = grid.rows_per_pixel * step * context.axial_step_m
    width_m = grid.lines_per_pixel * context.line_pitch_m
    numbers = np.log10(grid.strain_unit / 0.01), np.log2(width_m / height_m), np.log2(height_m / PIXEL_HEIGHT_M)
    return [
        grid.prior_strain / unit,
        *((image - grid.prior_strain) / unit / STRAIN_SHARE for image in (mid, coarse, *others)),
        _smooth(shear, *STRAIN_SCALES[0]) / unit,
        _smooth(lateral_strain, *STRAIN_SCALES[1]) / unit,
        *(np.full(grid.shape, number, np.float32) for number in numbers),
    ]


def pixel_mean(image: np.ndarray, n_lines: int, n_rows: int) -> np.ndarray:
    """(line, row) -> float32 (rows // n_rows, lines // n_lines): means; a rest smaller than a pixel is left out."""
    lines, rows = image.shape[0] // n_lines, image.shape[1] // n_rows
    kept = image[: lines * n_lines, : rows * n_rows]
    means = kept.reshape(lines, n_lines, rows, n_rows).mean(axis=(1, 3), dtype=np.float32)
    return np.ascontiguousarray(means.T)


def interpolation(n_pixels: int, size: int, n_fine: int) -> csr_array:
    """Sparse (n_fine, n_pixels): Catmull-Rom values at 0, 1, ... of pixels whose middles lie (size - 1) / 2 + k size.

    Beyond the first and the last pixel the image goes on straight. A single pixel is repeated.
    """
    if n_pixels == 1:
        return csr_array(np.ones((n_fine, 1), np.float32))
    position = (np.arange(n_fine) - (size - 1) / 2) / size
    first = np.clip(np.floor(position).astype(int), 0, n_pixels - 2)
    t = position - first
    is_inner = (t >= 0) & (t <= 1)
    before, after = ((-0.5 * t + 1) * t - 0.5) * t, (t - 1) * t**2 / 2
    cubic = np.stack([before, (1.5 * t - 2.5) * t * t + 1, ((-1.5 * t + 2) * t + 0.5) * t, after])
    straight = np.stack([np.zeros_like(t), 1 - t, t, np.zeros_like(t)])
    weights = np.where(is_inner, cubic, straight)
    matrix = np.zeros((n_fine, n_pixels + 2), np.float32)
    for k in range(4):
        matrix[np.arange(n_fine), first + k] += weights[k].astype(np.float32)
    # Pixels beyond the ends continue the image straight: twice the last one less the one before.
    matrix[:, 1] += 2 * matrix[:, 0]
    matrix[:, 2] -= matrix[:, 0]
    matrix[:, -2] += 2 * matrix[:, -1]
    matrix[:, -3] -= matrix[:, -1]
    return csr_array(matrix[:, 1:-1])


def _smooth(image: np.ndarray, rows: float, columns: float) -> np.ndarray:
    """Gaussian of sigma `rows` x `columns` pixels, mirrored at the edges."""
    smoothed: np.ndarray = cv2.GaussianBlur(
        image.astype(np.float32), (0, 0), sigmaX=columns, sigmaY=rows, borderType=cv2.BORDER_REFLECT
    )
    return smoothed
