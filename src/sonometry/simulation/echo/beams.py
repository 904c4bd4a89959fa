"""Sector of beams and its scan conversion to square pixels.

Beam samples lie at range r from the virtual apex and angle b to the axis of the sector, arrays (sample, beam). Images
are (row, column), rows downwards into the body.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from sonometry.simulation.echo.arrays import Array, like, namespace


@dataclass(frozen=True)
class Sector:
    """Beams of one image. start_m : range of the first sample. depth_m : range of the last one.

    half_angle_rad : from the axis to the outer beam. apex_m : how far the virtual apex lies behind the probe's face.
    """

    depth_m: float
    half_angle_rad: float
    n_samples: int = 288
    n_beams: int = 120
    start_m: float = 1e-3
    apex_m: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.start_m < self.depth_m:
            raise ValueError(f"a sector starts before it ends, got {self.start_m} and {self.depth_m} m")
        if not 0 < self.half_angle_rad < 1.4:
            raise ValueError(f"the half angle must lie between 0 and 1.4 rad, got {self.half_angle_rad}")
        if min(self.n_samples, self.n_beams) < 8:
            raise ValueError("a sector needs at least 8 samples and 8 beams")

    @property
    def ranges_m(self) -> np.ndarray:
        """(sample,) distance from the virtual apex."""
        return np.linspace(self.start_m + self.apex_m, self.depth_m + self.apex_m, self.n_samples)

    @property
    def angles_rad(self) -> np.ndarray:
        """(beam,) angle to the axis, from left to right."""
        return np.linspace(-self.half_angle_rad, self.half_angle_rad, self.n_beams)

    @property
    def range_step_m(self) -> float:
        return (self.depth_m - self.start_m) / (self.n_samples - 1)

    @property
    def angle_step_rad(self) -> float:
        return 2 * self.half_angle_rad / (self.n_beams - 1)

    def points_m(self) -> tuple[np.ndarray, np.ndarray]:
        """Lateral and axial position of the samples relative to the probe's face, float32 (sample, beam)."""
        r, b = self.ranges_m[:, None], self.angles_rad[None]
        return (r * np.sin(b)).astype(np.float32), (r * np.cos(b) - self.apex_m).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Raster:
    """Square pixels over a sector. row_m, column_m : axial and lateral position of pixel (0, 0); pixel_m : spacing."""

    shape: tuple[int, int]
    pixel_m: float
    row_m: float
    column_m: float

    def points_m(self) -> tuple[np.ndarray, np.ndarray]:
        """Lateral and axial position of the pixels, float32 (row, column)."""
        rows, columns = self.shape
        lateral = self.column_m + self.pixel_m * np.arange(columns)
        axial = self.row_m + self.pixel_m * np.arange(rows)
        lateral, axial = np.broadcast_arrays(lateral[None], axial[:, None])
        return lateral.astype(np.float32), axial.astype(np.float32)

    def to_pixels(self, lateral: np.ndarray, axial: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row and column (fractions) of positions in m."""
        return (axial - self.row_m) / self.pixel_m, (lateral - self.column_m) / self.pixel_m


def fitted_raster(sector: Sector, shape: tuple[int, int], *, margin: float = 0.02, crop: float = 0.0) -> Raster:
    """Raster in which the sector fits centred with a margin (share of the height).

    crop : share of the width beyond what the height needs that is cut off at the sides.
    """
    rows, columns = shape
    reach = sector.depth_m + sector.apex_m
    top = (sector.start_m + sector.apex_m) * math.cos(sector.half_angle_rad) - sector.apex_m
    height = (sector.depth_m - min(top, 0.0)) * (1 + 2 * margin)
    width = 2 * reach * math.sin(sector.half_angle_rad) * (1 + 2 * margin)
    pixel = max(height / rows, width / columns)
    pixel += crop * (height / rows - pixel)
    middle = 0.5 * (sector.depth_m + min(top, 0.0))
    return Raster(shape, pixel, middle - pixel * (rows - 1) / 2, -pixel * (columns - 1) / 2)


@dataclass(eq=False)
class ScanConverter:
    """Bilinear interpolation from beams to pixels; the geometry is worked out once."""

    sector: Sector
    raster: Raster
    mask: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        lateral, axial = self.raster.points_m()
        axial = axial + np.float32(self.sector.apex_m)
        reach = np.sqrt(lateral * lateral + axial * axial)
        sample = (reach - np.float32(self.sector.ranges_m[0])) * np.float32(1 / self.sector.range_step_m)
        angle = np.arctan2(lateral, axial) + np.float32(self.sector.half_angle_rad)
        beam = angle * np.float32(1 / self.sector.angle_step_rad)
        last_sample, last_beam = self.sector.n_samples - 1, self.sector.n_beams - 1
        self.mask = (sample >= 0) & (sample <= last_sample) & (beam >= 0) & (beam <= last_beam)
        inside = np.flatnonzero(self.mask)
        sample, beam = sample.ravel()[inside], beam.ravel()[inside]
        row = np.minimum(sample.astype(np.int32), last_sample - 1)
        column = np.minimum(beam.astype(np.int32), last_beam - 1)
        self._inside = inside
        self._corner = (row * self.sector.n_beams + column).astype(np.intp)
        self._fractions = (sample - row).astype(np.float32), (beam - column).astype(np.float32)

    def convert(self, beams: Array, *, outside: float = 0.0) -> Array:
        """Image (..., row, column) of beam values (..., sample, beam); `outside` beyond the sector."""
        xp = namespace(beams)
        corner, inside, (down, right) = self._corner, self._inside, self._fractions
        if not isinstance(beams, np.ndarray):
            down, right = like(down, beams), like(right, beams)
            corner, inside = (xp.asarray(i, device=beams.device) for i in (corner, inside))
        if isinstance(beams, np.ndarray) and beams.ndim == 2:
            return self._converted(beams, outside)
        lead = tuple(beams.shape[:-2])
        flat = xp.reshape(beams, (*lead, -1))
        upper = xp.take(flat, corner, axis=-1) * (1 - right) + xp.take(flat, corner + 1, axis=-1) * right
        corner = corner + self.sector.n_beams
        lower = xp.take(flat, corner, axis=-1) * (1 - right) + xp.take(flat, corner + 1, axis=-1) * right
        image = xp.zeros_like(flat[..., :1]) + outside + xp.zeros_like(like(np.zeros(self.mask.size), beams))
        image[..., inside] = upper * (1 - down) + lower * down
        return xp.reshape(image, (*lead, *self.raster.shape))

    def _converted(self, beams: np.ndarray, outside: float) -> np.ndarray:
        """One frame of NumPy's, the same as many."""
        flat, (down, right) = beams.ravel(), self._fractions
        values = []
        for start in (0, self.sector.n_beams):
            near, far = (flat[start + k :].take(self._corner, mode="clip") for k in (0, 1))
            far -= near
            far *= right
            far += near
            values.append(far)
        upper, lower = values
        lower -= upper
        lower *= down
        lower += upper
        image = np.full(self.mask.size, outside, beams.dtype)
        image[self._inside] = lower
        return image.reshape(self.raster.shape)

    def nearest(self, labels: np.ndarray) -> np.ndarray:
        """Labels (row, column) of the nearest beam sample, 0 outside; NumPy only."""
        down, right = self._fractions
        index = self._corner + (down > 0.5) * self.sector.n_beams + (right > 0.5)
        image = np.zeros(self.mask.size, labels.dtype)
        image[self._inside] = labels.ravel()[index]
        return image.reshape(self.raster.shape)
