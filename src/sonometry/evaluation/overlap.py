"""How well two segmentations of the same picture agree: overlap of areas, and distance of outlines in metres.

Distances need the spacing of pixels; rows and columns may differ. Source of the definitions: Taha & Hanbury 2015,
doi:10.1186/s12880-015-0068-x.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sonometry.evaluation.estimate import Estimate, estimate
from sonometry.numerics.polygons import distance_to_line, resampled_line

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Overlap:
    """Agreement of many pairs of masks, the mean over pairs with its interval by patient.

    Distances are None without a spacing, and rest on the pairs where both masks have pixels.
    n_empty : pairs where exactly one is empty, which have Dice 0 and no distance.
    """

    dice: Estimate
    jaccard: Estimate
    hausdorff_m: Estimate | None
    hausdorff_95_m: Estimate | None
    mean_distance_m: Estimate | None
    n_empty: int


@dataclass(frozen=True)
class OutlineDistance:
    """Distances between two outlines, m: the largest, the 95th percentile, and the mean, each of both directions."""

    hausdorff_m: float
    hausdorff_95_m: float
    mean_m: float


def dice(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """2 |A and B| / (|A| + |B|) of two bool masks of one shape; 1 where both are empty."""
    a, b = _masks(first, second)
    both = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / both if both else 1.0


def jaccard(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """|A and B| / |A or B| of two bool masks of one shape; 1 where both are empty."""
    a, b = _masks(first, second)
    either = int((a | b).sum())
    return int((a & b).sum()) / either if either else 1.0


def mask_distance(first: npt.ArrayLike, second: npt.ArrayLike, spacing_m: tuple[float, float]) -> OutlineDistance:
    """Distances between the border pixels of two masks (H, W). Raises ValueError where one is empty."""
    a, b = _masks(first, second)
    if not (a.any() and b.any()):
        raise ValueError("distances need two masks with pixels")
    border_a, border_b = _border(a), _border(b)
    from_a = ndimage.distance_transform_edt(~border_b, sampling=spacing_m)[border_a]
    from_b = ndimage.distance_transform_edt(~border_a, sampling=spacing_m)[border_b]
    return _summary(from_a, from_b)


def contour_distance(
    first_px: npt.ArrayLike,
    second_px: npt.ArrayLike,
    spacing_m: tuple[float, float],
    *,
    is_closed: bool = True,
    step_px: float = 0.5,
) -> OutlineDistance:
    """Point-to-line distances of two contours (N, 2) row, column, each along its whole length, not at its points.

    Raises ValueError where one has no point.
    """
    a = np.asarray(first_px, np.float64).reshape(-1, 2)
    b = np.asarray(second_px, np.float64).reshape(-1, 2)
    if not (len(a) and len(b)):
        raise ValueError("distances need two contours with points")
    scale = np.asarray(spacing_m, np.float64)
    from_a = distance_to_line(
        resampled_line(a, step=step_px, is_closed=is_closed) * scale, b * scale, is_closed=is_closed
    )
    from_b = distance_to_line(
        resampled_line(b, step=step_px, is_closed=is_closed) * scale, a * scale, is_closed=is_closed
    )
    return _summary(from_a, from_b)


def overlap(
    first: Sequence[npt.ArrayLike],
    second: Sequence[npt.ArrayLike],
    *,
    spacing_m: Sequence[tuple[float, float] | None] | None = None,
    groups: Sequence[Hashable] | None = None,
    level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Overlap:
    """Compare pairs of masks. spacing_m : of every pair, None where unknown. groups : patient of every pair.

    Raises ValueError for unequal numbers of masks, none at all, or two of unequal shape.
    """
    pairs = [_masks(a, b) for a, b in zip(first, second, strict=True)]
    if not pairs:
        raise ValueError("there is no pair of masks to compare")
    spacings = spacing_m if spacing_m is not None else [None] * len(pairs)
    members = _numbers(groups if groups is not None else range(len(pairs)))
    distances = [
        mask_distance(a, b, spacing) if spacing is not None and a.any() and b.any() else None
        for (a, b), spacing in zip(pairs, spacings, strict=True)
    ]

    def mean_of(values: Sequence[float]) -> Estimate | None:
        kept = np.asarray(values, np.float64)
        there = np.isfinite(kept)
        if not there.any():
            return None
        return estimate(
            kept[there],
            lambda v: float(v.mean()),
            groups=members[there],
            level=level,
            n_resamples=n_resamples,
            seed=seed,
        )

    dice_mean, jaccard_mean = mean_of([dice(a, b) for a, b in pairs]), mean_of([jaccard(a, b) for a, b in pairs])
    if dice_mean is None or jaccard_mean is None:  # they are finite by construction
        raise ValueError("there is no pair of masks to compare")
    return Overlap(
        dice=dice_mean,
        jaccard=jaccard_mean,
        hausdorff_m=mean_of([math.nan if d is None else d.hausdorff_m for d in distances]),
        hausdorff_95_m=mean_of([math.nan if d is None else d.hausdorff_95_m for d in distances]),
        mean_distance_m=mean_of([math.nan if d is None else d.mean_m for d in distances]),
        n_empty=sum(bool(a.any()) != bool(b.any()) for a, b in pairs),
    )


def _masks(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[Mask, Mask]:
    a, b = np.asarray(first).astype(np.bool_), np.asarray(second).astype(np.bool_)
    if a.shape != b.shape:
        raise ValueError(f"both masks must have one shape, got {a.shape} and {b.shape}")
    return a, b


def _border(mask: Mask) -> Mask:
    """Pixels of a mask with a neighbour outside; what lies beyond the picture is outside."""
    inner: Mask = ndimage.binary_erosion(mask)
    return mask & ~inner


def _summary(from_a: Array, from_b: Array) -> OutlineDistance:
    return OutlineDistance(
        hausdorff_m=float(max(from_a.max(), from_b.max())),
        hausdorff_95_m=float(max(np.percentile(from_a, 95), np.percentile(from_b, 95))),
        mean_m=float((from_a.mean() + from_b.mean()) / 2),
    )


def _numbers(groups: Sequence[Hashable]) -> npt.NDArray[np.intp]:
    number: dict[Hashable, int] = {}
    return np.array([number.setdefault(group, len(number)) for group in groups], dtype=np.intp)
