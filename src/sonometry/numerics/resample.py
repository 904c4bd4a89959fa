"""Scan conversion: from beam lines (axial, line) to a picture with square pixels.

The picture's rows are depth and its columns lateral position, both in metres; the probe's surface centre is (0, 0).
A sector's lines start on a circle of radius R around the apex at depth -R (R = 0 for a phased array).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates


@dataclass(frozen=True, eq=False)
class Picture:
    """A scan-converted image.

    pixels : (row, column), NaN outside the insonified region.
    inside : (row, column) bool.
    depth_m : (row,), lateral_m : (column,) positions of the pixels.
    """

    pixels: np.ndarray
    inside: np.ndarray
    depth_m: np.ndarray
    lateral_m: np.ndarray


def scan_convert(
    image: np.ndarray,
    *,
    start_depth_m: float,
    axial_step_m: float,
    line_pitch_m: float = 0.0,
    line_angle_rad: float = 0.0,
    probe_radius_m: float = 0.0,
    pixel_m: float | None = None,
    order: int = 1,
) -> Picture:
    """Resample (axial, line) values to square pixels.

    image : (axial, line) real values on beam lines that are centred on the probe.
    line_pitch_m : distance between parallel lines, m; used when `line_angle_rad` is 0.
    line_angle_rad : angle between the lines of a sector; 0 means parallel lines.
    pixel_m : pixel size, m; None gives 500 rows, but no pixel smaller than `axial_step_m`.
    order : 0 nearest (for labels), 1 linear.
    Raises ValueError if neither pitch nor angle is positive.
    """
    if not (line_pitch_m > 0 or line_angle_rad > 0):
        raise ValueError("scan conversion needs a positive line_pitch_m or line_angle_rad")
    end_depth_m = start_depth_m + (image.shape[0] - 1) * axial_step_m
    half = (image.shape[1] - 1) / 2
    pixel = pixel_m or max((end_depth_m - start_depth_m) / 500, axial_step_m)
    if line_angle_rad > 0:
        top, bottom, side = sector_extent(start_depth_m, end_depth_m, half * line_angle_rad, probe_radius_m)
    else:
        top, bottom, side = start_depth_m, end_depth_m, half * line_pitch_m
    depth_m = np.arange(top, bottom + pixel / 2, pixel)
    lateral_m = np.arange(-np.floor(side / pixel), np.floor(side / pixel) + 1) * pixel
    depth, lateral = np.meshgrid(depth_m, lateral_m, indexing="ij")
    if line_angle_rad > 0:
        range_m = np.hypot(depth + probe_radius_m, lateral) - probe_radius_m
        line = np.arctan2(lateral, depth + probe_radius_m) / line_angle_rad + half
    else:
        range_m, line = depth, lateral / line_pitch_m + half
    axial = (range_m - start_depth_m) / axial_step_m
    inside = (axial >= -1e-6) & (axial <= image.shape[0] - 1 + 1e-6) & (np.abs(line - half) <= half + 1e-6)
    pixels = map_coordinates(image, [axial, line], order=order, mode="nearest", output=np.float32)
    pixels[~inside] = np.nan
    return Picture(pixels, inside, depth_m, lateral_m)


def sector_extent(
    start_depth_m: float, end_depth_m: float, half_angle_rad: float, probe_radius_m: float
) -> tuple[float, float, float]:
    """Top depth, bottom depth and half width of the box around a sector, m."""
    lowest_cosine = np.cos(min(half_angle_rad, np.pi))
    top = (start_depth_m + probe_radius_m) * lowest_cosine - probe_radius_m
    side = (end_depth_m + probe_radius_m) * np.sin(min(half_angle_rad, np.pi / 2))
    return float(min(top, start_depth_m)), float(end_depth_m), float(side)
