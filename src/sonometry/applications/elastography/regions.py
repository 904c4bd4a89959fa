"""The region whose strain is compared with its background: given in millimetres, or found as the strain contrast.

Positions are those of the picture a person sees: depth below the middle of the probe's surface and lateral distance
from it, m, also for a sector. A given region is taken as it is. A found one is cut down to its core, and the background
keeps a distance, so that neither holds the transition (the shares are those of `evaluation.elastography`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_closing, binary_dilation, binary_fill_holes, distance_transform_edt, gaussian_filter
from skimage.measure import find_contours, label, regionprops

from sonometry.applications.elastography.strain_image import line_distance_m
from sonometry.core.rf import Geometry, RFFrames
from sonometry.evaluation.elastography import INSIDE_RADIUS, OUTSIDE_RADIUS, Regions, cnr_e

#: Pixel of the coarse picture on which a contrast is looked for (larger where lines are further apart), and its blur.
SEARCH_PIXEL_M, SEARCH_BLUR_PIXELS = 0.4e-3, 1.5
#: Strain relative to the smooth background that an area stays below (stiffer) or above (softer).
CONTRAST_LEVELS = (0.85, 0.75, 0.65, 0.5, 1.18, 1.33, 1.54, 2.0)
#: What a contrast must have: area, share of the trusted image at most, filled share of its convex hull, share of its
#: border that lies on trusted tissue, ratio of strains (either way), and contrast-to-noise ratio.
LEAST_AREA_M2, LARGEST_SHARE, LEAST_SOLIDITY, LEAST_ENCLOSED = 6e-6, 0.3, 0.75, 0.9
LEAST_RATIO, LEAST_CNR = 1.25, 2.0
#: Fewest pixels that a mean is taken over.
LEAST_PIXELS = 50


@dataclass(frozen=True, eq=False)
class Comparison:
    """Region and background on the RF grid. found : whether the region was found and not given.

    outline_m : (N, 2) depth, lateral corners of the region as drawn in figures.
    """

    regions: Regions
    found: bool
    outline_m: np.ndarray


def pixel_positions_m(recording: RFFrames) -> tuple[np.ndarray, np.ndarray]:
    """Depth and lateral position of every sample, both (axial, line), m."""
    lines = np.arange(recording.samples.shape[2]) - (recording.samples.shape[2] - 1) / 2
    if recording.geometry is Geometry.SECTOR:
        angle = lines * recording.line_angle_rad
        radius = recording.probe_radius_m + recording.depth_m[:, None]
        return radius * np.cos(angle) - recording.probe_radius_m, radius * np.sin(angle)
    depth, lateral = np.meshgrid(recording.depth_m, recording.lateral_m, indexing="ij")
    return depth, lateral


def corners_m(points_mm: tuple[float, ...]) -> np.ndarray:
    """(N, 2) depth, lateral corners, m, of a box (two corners) or polygon given as LATERAL DEPTH pairs in mm."""
    points = np.array(points_mm, dtype=float).reshape(-1, 2)[:, ::-1] * 1e-3
    if len(points) > 2:
        return points
    (top, left), (bottom, right) = points
    return np.array([[top, left], [top, right], [bottom, right], [bottom, left]])


def inside_polygon(corners: np.ndarray, depth_m: np.ndarray, lateral_m: np.ndarray) -> np.ndarray:
    """Bool, of the shape of the positions: whether each lies inside the closed polygon (even-odd rule)."""
    inside = np.zeros(depth_m.shape, bool)
    for (z1, x1), (z2, x2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if z1 == z2:
            continue
        straddles = (z1 > depth_m) != (z2 > depth_m)
        inside ^= straddles & (lateral_m < x1 + (depth_m - z1) * (x2 - x1) / (z2 - z1))
    return inside


def given_comparison(
    recording: RFFrames, valid: np.ndarray, region_mm: tuple[float, ...], background_mm: tuple[float, ...] | None
) -> Comparison | str:
    """The region and background a user named; a sentence that says why they cannot be compared.

    Without a background, it is what lies at the region's depth, at least half its equivalent radius away from it.
    """
    depth, lateral = pixel_positions_m(recording)
    corners = corners_m(region_mm)
    region = inside_polygon(corners, depth, lateral)
    if background_mm is None:
        background = _beside(corners, region, depth, lateral)
    else:
        background = inside_polygon(corners_m(background_mm), depth, lateral)
    for name, mask in (("region", region), ("background", background)):
        if not mask.any():
            return f"the {name} lies outside the image; check --{name}-mm (LATERAL DEPTH, lateral 0 in the middle)"
        if (mask & valid).sum() < max(LEAST_PIXELS, 0.5 * mask.sum()):
            return f"lock was lost in most of the {name}; choose another one with --{name}-mm"
    return Comparison(Regions(region & valid, background & valid), False, corners)


def _beside(corners: np.ndarray, region: np.ndarray, depth: np.ndarray, lateral: np.ndarray) -> np.ndarray:
    """Pixels at the depth of a polygon, half its equivalent radius and more away from it."""
    rows = (depth >= corners[:, 0].min()) & (depth <= corners[:, 0].max())
    area_m2 = 0.5 * abs(np.sum(corners[:, 0] * np.roll(corners[:, 1], 1) - corners[:, 1] * np.roll(corners[:, 0], 1)))
    gap_m = (OUTSIDE_RADIUS - 1) * np.sqrt(area_m2 / np.pi)
    apart = (lateral < corners[:, 1].min() - gap_m) | (lateral > corners[:, 1].max() + gap_m)
    beside: np.ndarray = rows & apart & ~region
    return beside


def found_comparison(recording: RFFrames, strain: np.ndarray, valid: np.ndarray) -> Comparison | str:
    """The compact area whose strain stands out most from its surroundings; a sentence when there is none."""
    nothing = "no compact area stands out by its strain; name one with --region-mm"
    picture = _Picture.of(recording, strain, valid)
    if picture.trusted.sum() < 100:
        return nothing
    best: tuple[float, np.ndarray, np.ndarray] | None = None
    for area in _areas(_relative_strain(picture), picture):
        core, beside = _core_and_background(area, picture)
        worth = _worth(picture.strain, core, beside) * float(np.sqrt(area.sum()))
        if worth > 0 and (best is None or worth > best[0]):
            best = worth, area, np.stack([core, beside])
    if best is None:
        return nothing
    core, beside = (picture.on_grid(mask, recording) & valid for mask in best[2])
    if core.sum() < LEAST_PIXELS or beside.sum() < LEAST_PIXELS:
        return nothing
    return Comparison(Regions(core, beside), True, picture.outline_m(best[1]))


def _worth(strain: np.ndarray, core: np.ndarray, beside: np.ndarray) -> float:
    """Contrast-to-noise ratio times the logarithm of the strain ratio; 0 where one of them or an area is too small."""
    if core.sum() < 4 or beside.sum() < 8:
        return 0.0
    region, background = float(strain[core].mean()), float(strain[beside].mean())
    low, high = sorted((abs(region), abs(background)))
    if region * background <= 0 or high < LEAST_RATIO * low:
        return 0.0
    contrast = cnr_e(strain, core, beside)
    return contrast * math.log(high / max(low, 0.05 * high)) if contrast >= LEAST_CNR else 0.0


def _relative_strain(picture: _Picture) -> np.ndarray:
    """Strain over that of a quadratic surface through it, fitted with weights that forget what deviates (Tukey)."""
    rows, columns = (np.linspace(-1, 1, n) for n in picture.strain.shape)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * y, x**2, y**2], axis=-1)
    values, basis = picture.strain[picture.trusted], terms[picture.trusted]
    weight = np.ones_like(values)
    for _ in range(10):
        surface, *_rest = np.linalg.lstsq(basis * weight[:, None], values * weight, rcond=None)
        misfit = values - basis @ surface
        scale = 4.7 * 1.4826 * float(np.median(np.abs(misfit))) + 1e-12
        weight = np.clip(1 - (misfit / scale) ** 2, 0.0, None)
    background = terms @ surface
    typical = float(np.median(background[picture.trusted])) or 1e-12
    floor = 0.2 * abs(typical)
    ratio: np.ndarray = picture.strain / np.where(np.abs(background) < floor, np.copysign(floor, typical), background)
    return ratio


def _areas(ratio: np.ndarray, picture: _Picture) -> Iterator[np.ndarray]:
    """Connected areas of little or much strain that are large, compact and no layer from side to side."""
    smallest = LEAST_AREA_M2 / picture.pixel_m**2
    largest = LARGEST_SHARE * picture.trusted.sum()
    for level in CONTRAST_LEVELS:
        labels = label(picture.trusted & ((ratio < level) if level < 1 else (ratio > level)))
        for area in regionprops(labels):
            width = area.bbox[3] - area.bbox[1]
            is_layer = width > 0.7 * ratio.shape[1]
            if not smallest <= area.area <= largest or is_layer or area.solidity < LEAST_SOLIDITY:
                continue
            mask = labels == area.label
            if _enclosed_share(mask, picture.trusted) >= LEAST_ENCLOSED:
                yield mask


def _enclosed_share(area: np.ndarray, trusted: np.ndarray) -> float:
    """Share of the pixels around an area that are trusted; outside the picture nothing is."""
    area, trusted = np.pad(area, 1), np.pad(trusted, 1)
    area = binary_fill_holes(area)
    around = binary_dilation(area) & ~area
    return float(trusted[around].mean())


def _core_and_background(area: np.ndarray, picture: _Picture) -> tuple[np.ndarray, np.ndarray]:
    """Inner part of an area, and what is beside it at its depth, both at a distance from its border."""
    radius = np.sqrt(area.sum() / np.pi)
    core = distance_transform_edt(area) > (1 - INSIDE_RADIUS) * radius
    distance = distance_transform_edt(~area)
    rows = np.flatnonzero(area.any(axis=1))
    at_depth = np.zeros_like(area)
    at_depth[rows[0] : rows[-1] + 1] = True
    return core & picture.trusted, (distance > (OUTSIDE_RADIUS - 1) * radius) & at_depth & picture.trusted


@dataclass(frozen=True, eq=False)
class _Picture:
    """Strain on square pixels, smoothed over the trusted samples. origin_m : depth, lateral of the first corner."""

    strain: np.ndarray
    trusted: np.ndarray
    origin_m: tuple[float, float]
    pixel_m: float

    @classmethod
    def of(cls, recording: RFFrames, strain: np.ndarray, valid: np.ndarray) -> _Picture:
        """Mean of the valid samples in each pixel, under a Gaussian of `SEARCH_BLUR_PIXELS`."""
        depth, lateral = pixel_positions_m(recording)
        pixel_m = max(SEARCH_PIXEL_M, 1.1 * float(line_distance_m(recording).max()))
        origin = float(depth.min()), float(lateral.min())
        row, column = _bins(depth, lateral, origin, pixel_m)
        shape = int(row.max()) + 1, int(column.max()) + 1
        flat = (row * shape[1] + column).ravel()
        weights = valid.ravel() * strain.ravel(), valid.ravel().astype(float), np.ones(flat.size)
        images = [np.bincount(flat, weights=w, minlength=shape[0] * shape[1]).reshape(shape) for w in weights]
        inside = binary_closing(np.pad(images[2] > 0, 2), iterations=2)[2:-2, 2:-2]
        sums, counts, samples = (gaussian_filter(i, SEARCH_BLUR_PIXELS, mode="constant") for i in images)
        return cls(sums / np.maximum(counts, 1e-9), inside & (counts > 0.5 * samples), origin, pixel_m)

    def on_grid(self, mask: np.ndarray, recording: RFFrames) -> np.ndarray:
        """The mask at every sample of the RF grid."""
        values: np.ndarray = mask[_bins(*pixel_positions_m(recording), self.origin_m, self.pixel_m)]
        return values

    def outline_m(self, mask: np.ndarray) -> np.ndarray:
        """(N, 2) depth, lateral of the border of a mask."""
        smooth = gaussian_filter(np.pad(mask.astype(float), 3), 1.0)
        longest = max(find_contours(smooth, 0.5), key=len) - 3
        outline: np.ndarray = (longest + 0.5) * self.pixel_m + np.array(self.origin_m)
        return outline


def _bins(
    depth: np.ndarray, lateral: np.ndarray, origin_m: tuple[float, float], pixel_m: float
) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the search picture that each position falls into."""
    row, column = (depth - origin_m[0]) / pixel_m, (lateral - origin_m[1]) / pixel_m
    return row.astype(int), column.astype(int)
