"""Where the tissue went, to within a fraction of a period, from motion of any size the search range holds.

1. Envelopes, which know no period, are compared in blocks over all lags of the range; dynamic programming over the
   blocks picks lags that agree with their neighbours; a robust smooth field is fitted to them.
2. The later envelope is stretched back by that field and smaller blocks are compared over the few lags that are left.

The range covers compression and decompression and is the same at every depth: a hand-held probe also moves as a whole.
Sources: see `numerics.dynamic_programming`; second pass after stretching: Alam et al. 1998, doi:10.1109/58.710545.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.interpolate import CubicSpline

from sonometry.applications.elastography.displacement import Displacement, TrackingSetup
from sonometry.applications.elastography.echo_pair import EchoPair, prepare_pair, to_displacement
from sonometry.numerics.correlate import block_correlation, cell_centres, parabolic_peak, standardise
from sonometry.numerics.dynamic_programming import StepPenalty, aggregate
from sonometry.numerics.line_multigrid import Smoothness, solve_update
from sonometry.numerics.warp import Real


@dataclass(frozen=True)
class SearchConfig:
    """How far and how finely to look.

    largest_strain : axial range is this share of the imaged depth, and at least `least_range_wavelengths`.
    lateral_range_mm : largest motion across lines.
    first_cell, second_cell : (pulse lengths, beam widths) of a cell of the two passes; blocks are twice as wide.
    step_price : penalty per pulse length or beam width of difference between neighbouring cells, as correlation.
    jump_price : largest penalty, whatever the difference.
    """

    largest_strain: float = 0.06
    least_range_wavelengths: float = 5.0
    lateral_range_mm: float = 1.2
    first_cell: tuple[float, float] = (5.0, 2.5)
    second_cell: tuple[float, float] = (3.0, 1.5)
    step_price: float = 0.08
    jump_price: float = 0.8


def track(
    earlier: np.ndarray, later: np.ndarray, *, context: TrackingSetup, config: SearchConfig | None = None
) -> Displacement:
    """Coarse displacement of a pair of RF frames: good to about a quarter of a period, the seed of finer trackers."""
    pair = prepare_pair(earlier, later, context)
    return to_displacement(pair, coarse_motion(pair, context, config or SearchConfig()))


def coarse_motion(pair: EchoPair, context: TrackingSetup, config: SearchConfig) -> Real:
    """Motion (2, line, row) from the two passes over the envelopes."""
    every = max(1, int(0.5 * pair.beam_lines)), max(1, int(0.85 * pair.pulse_rows))
    envelopes = [np.sqrt(np.abs(z)) for z in (pair.earlier, pair.later)]
    depth = pair.n_samples
    range_rows = max(config.largest_strain * depth, config.least_range_wavelengths * context.samples_per_wavelength)
    range_rows = min(range_rows, depth / 3) / pair.band.step
    range_lines = min(config.lateral_range_mm * 1e-3 / context.line_pitch_m, pair.shape[0] / 3)
    still = np.zeros((2, *pair.shape), np.float32)
    first = _match(pair, envelopes, still, every, config.first_cell, (range_lines, range_rows), context, config)
    left_over = 1.5 * pair.beam_lines, 1.5 * pair.pulse_rows
    return _match(pair, envelopes, first, (every[0], 1), config.second_cell, left_over, context, config)


def _match(
    pair: EchoPair,
    envelopes: list[Real],
    motion: Real,
    every: tuple[int, int],
    cell_size: tuple[float, float],
    search: tuple[float, float],
    context: TrackingSetup,
    config: SearchConfig,
) -> Real:
    """`motion` corrected by what block matching finds within `search` (lines, rows) around it."""
    warped = _stretch(envelopes[1], motion[0] / pair.band.step, motion[1])
    cell = (
        max(2, round(cell_size[1] * pair.beam_lines / every[0])),
        max(4, round(cell_size[0] * pair.pulse_rows / every[1])),
    )
    images = [_reduce(e, every) for e in (envelopes[0], warped)]
    first, second = (standardise(i, (2 * cell[0], 2 * cell[1])) for i in images)
    lags = [max(1, math.ceil(s / e)) for s, e in zip(search, every, strict=True)]
    correlation = block_correlation(first, second, cell=cell, line_lags=lags[0], row_lags=lags[1])
    penalty = StepPenalty(
        config.step_price * every[0] / pair.beam_lines,
        config.step_price * every[1] / pair.pulse_rows,
        config.jump_price,
    )
    found, trust = _peaks(correlation, aggregate(1 - correlation + _distance(*lags), penalty))
    centres = [cell_centres(n, c) * e + (e - 1) / 2 for n, c, e in zip(images[0].shape, cell, every, strict=True)]
    found[0] *= every[1] * pair.band.step
    found[1] *= every[0]
    base = np.stack([_at(m, centres) for m in motion])
    smooth = _fit_smooth(base + found, trust, pair, context, cell, every)
    return np.stack([spread_from_cells(s, centres, pair.shape) for s in smooth])


def _reduce(image: Real, every: tuple[int, int]) -> Real:
    """Mean over blocks of (lines, rows); the remainder is dropped."""
    lines, rows = image.shape[0] // every[0], image.shape[1] // every[1]
    cut = image[: lines * every[0], : rows * every[1]]
    return np.ascontiguousarray(cut.reshape(lines, every[0], rows, every[1]).mean(axis=(1, 3)), dtype=np.float32)


def _stretch(image: Real, rows: Real, lines: Real) -> Real:
    """Image read at displaced positions (cubic), 0 outside."""
    if not (rows.any() or lines.any()):
        return image
    line, row = np.indices(image.shape, dtype=np.float32)
    return cv2.remap(image, row + rows, line + lines, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=0)


#: Cost of the largest lag: where nothing is known, the lag is 0.
_LARGEST_LAG_COST = 1e-5


def _distance(line_lags: int, row_lags: int) -> Real:
    """Cost of a lag (line, row) by its size."""
    lines, rows = (np.abs(np.arange(-n, n + 1)) / n for n in (line_lags, row_lags))
    return np.asarray(0.5 * _LARGEST_LAG_COST * (lines[:, None] + rows), dtype=np.float32)


def _peaks(correlation: Real, cost: Real) -> tuple[np.ndarray, np.ndarray]:
    """Lags (2, cell line, cell row) as rows, lines of least cost to a fraction of a lag, and trust in them, 0 to 1."""
    n_line_lags, n_row_lags = cost.shape[2:]
    flat = np.argmin(cost.reshape(*cost.shape[:2], -1), axis=2)
    i, j = np.unravel_index(flat, (n_line_lags, n_row_lags))
    a, b = np.indices(i.shape)
    inner_i, inner_j = np.clip(i, 1, n_line_lags - 2), np.clip(j, 1, n_row_lags - 2)
    rows = parabolic_peak(cost[a, b, i, inner_j - 1], cost[a, b, i, inner_j], cost[a, b, i, inner_j + 1])
    lines = parabolic_peak(cost[a, b, inner_i - 1, j], cost[a, b, inner_i, j], cost[a, b, inner_i + 1, j])
    found = np.stack([j - n_row_lags // 2 + rows, i - n_line_lags // 2 + lines])
    at_edge = (i != inner_i) | (j != inner_j)
    peak = correlation[a, b, i, j]
    return found, np.where(at_edge, 0.1, 1.0) * np.clip((peak - 0.2) / 0.6, 0.02, 1.0)


def _fit_smooth(
    found: np.ndarray,
    trust: np.ndarray,
    pair: EchoPair,
    context: TrackingSetup,
    cell: tuple[int, int],
    every: tuple[int, int],
) -> np.ndarray:
    """Smooth field through the lags of the cells, with weights that forget outliers (Student's t, 3 degrees)."""
    height, width = cell[1] * every[1] * pair.band.step, cell[0] * every[0]
    spread = 0.15 * pair.pulse_rows * pair.band.step, 0.2 * pair.beam_lines
    bend = _BEND[0] + _BEND[1] * abs(_mean_slope(found[0], trust) / height)
    pitch = context.line_pitch_m / context.axial_step_m
    along, across = (bend * height, bend * height / pitch), (bend * width * pitch, bend * width)
    smoothness = Smoothness.uniform(
        (along[0] ** -2, along[1] ** -2), (across[0] ** -2, across[1] ** -2), (trust.shape[0], trust.shape[1])
    )
    motion = found.astype(np.float32)
    for tolerance in (np.inf, np.inf, 16.0, 8.0, 4.0, 2.0, 1.0, 1.0, 1.0):
        data = np.zeros((3, *trust.shape), np.float32)
        for component, row in ((0, 0), (1, 2)):
            misfit = (found[component] - motion[component]) / (tolerance * spread[component])
            data[row] = trust / spread[component] ** 2 / (1 + misfit**2 / 3)
        right = np.stack([data[0] * (found[0] - motion[0]), data[2] * (found[1] - motion[1])]).astype(np.float32)
        motion = motion + solve_update(data, right, motion, smoothness, cycles=3)
    return motion


#: Standard deviation of the change of strain (or shear) from cell to cell: at rest, and per applied strain.
_BEND = 0.0045, 0.37


def _mean_slope(found: np.ndarray, trust: np.ndarray) -> float:
    """Change from cell to cell along depth of the straight line through all cells."""
    if found.shape[1] < 2:
        return 0.0
    row = np.arange(found.shape[1]) - (found.shape[1] - 1) / 2
    return float((trust * found * row).sum() / (trust * row**2).sum())


def _at(field: Real, centres: list[np.ndarray]) -> np.ndarray:
    """Field (line, row) at the centres of cells, linearly."""
    columns, rows = (np.asarray(c, dtype=np.float32) for c in centres)
    grid = np.meshgrid(rows, columns)
    return cv2.remap(field, *grid, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def spread_from_cells(values: np.ndarray, centres: list[np.ndarray], shape: tuple[int, int]) -> Real:
    """Field on every line and row from its values at cell centres: natural spline, linear beyond the outer centres."""
    field = values.astype(np.float64)
    for axis in (0, 1):
        at, size = centres[axis], shape[axis]
        if len(at) == 1:
            field = np.repeat(field, size, axis=axis)
            continue
        spline = CubicSpline(at, field, axis=axis, bc_type="natural")
        wanted = np.arange(size)
        inside = np.clip(wanted, at[0], at[-1])
        beyond = (wanted - inside).reshape([-1 if n == axis else 1 for n in range(2)])
        field = spline(inside) + beyond * spline(inside, 1)
    return field.astype(np.float32)
