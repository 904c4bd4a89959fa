"""A colour Doppler box as a grey recording keeps it: a framed part of the sector where blood is painted over.

Only its looks: nothing about flow can be learned from it. Dark pixels inside the box take a slow random grey that
changes with time, as hue turned to grey does.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sonometry.simulation.echo.beams import Raster, Sector
from sonometry.simulation.echo.speckle import smooth_volume


@dataclass(frozen=True)
class ColourBox:
    """Bounds in range (m) and angle (rad), grey level up to which pixels count as blood (0 to 1), grey of the frame."""

    near_m: float
    far_m: float
    left_rad: float
    right_rad: float
    threshold: float
    frame_grey: float
    offset: tuple[int, int, int]

    def paint(self, shown: np.ndarray, image: np.ndarray, raster: Raster, time_s: float) -> None:
        """Paint into uint8-scaled float pixels `shown`; image : the same pixels 0 to 1 before the grey map."""
        lateral, axial = raster.points_m()
        reach, angle = np.hypot(lateral, axial), np.arctan2(lateral, axial)
        inside = (reach > self.near_m) & (reach < self.far_m) & (angle > self.left_rad) & (angle < self.right_rad)
        volume = smooth_volume()
        index = [
            (np.floor(c / 1.5e-3).astype(int) + o + int(30 * time_s)) % 64
            for c, o in zip((lateral, axial), self.offset, strict=False)
        ]
        flow = volume[index[0], index[1], (self.offset[2] + int(20 * time_s)) % 64]
        coloured = inside & (image < self.threshold) & (np.abs(flow) > 0.35)
        shown[coloured] = 70 + 45 * np.clip(np.abs(flow[coloured]), 0, 2.5)
        cv2.polylines(shown, [self._outline(raster)], True, self.frame_grey, 1)

    def _outline(self, raster: Raster) -> np.ndarray:
        arc = np.linspace(self.left_rad, self.right_rad, 24)
        reach = np.concatenate([np.full(24, self.near_m), np.full(24, self.far_m)])
        angle = np.concatenate([arc, arc[::-1]])
        rows, columns = raster.to_pixels(reach * np.sin(angle), reach * np.cos(angle))
        return np.round(np.stack([columns, rows], axis=-1)).astype(np.int32)


def sample_colour_box(rng: np.random.Generator, sector: Sector) -> ColourBox:
    """A box somewhere in the middle of the sector."""
    near = rng.uniform(0.15, 0.5) * sector.depth_m
    left = rng.uniform(-0.7, 0.0) * sector.half_angle_rad
    return ColourBox(
        near_m=float(near),
        far_m=float(min(near + rng.uniform(0.25, 0.5) * sector.depth_m, 0.97 * sector.depth_m)),
        left_rad=float(left),
        right_rad=float(left + rng.uniform(0.5, 1.0) * sector.half_angle_rad),
        threshold=float(rng.uniform(0.1, 0.35)),
        frame_grey=float(rng.uniform(120, 255)),
        offset=tuple(int(v) for v in rng.integers(0, 64, 3)),  # type: ignore[arg-type]
    )
