"""How good a displacement or strain image is: error against the truth, and the contrast of an inclusion.

Publications disagree on the formulas. The plain ratios here follow Varghese & Ophir 1997 (doi:10.1109/58.585212) and
Bilgen & Insana 1997; the decibel forms are those printed by Wu et al. 2018. They fit the printed numbers
only with the natural logarithm (10 ln of the power ratio) and, for SNRd, with the quotient the other way up; both are
inferred, not stated there. A flat image has a boundless SNRe: judge by RMSE and contrast, with the truth's own SNRe
and CNRe beside the method's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]

#: Inclusion and background as shares of the radius: the transition between the two is left out.
INSIDE_RADIUS = 0.7
OUTSIDE_RADIUS = 1.5


@dataclass(frozen=True, eq=False)
class Regions:
    """Where an image is judged: `inside` an inclusion and in its `background`, both (axial, line) bool."""

    inside: Mask
    background: Mask


def judged_window(
    depth_m: FloatArray,
    lateral_m: FloatArray,
    *,
    depth_range_m: tuple[float, float] = (3e-3, 47e-3),
    half_width_m: float = 14e-3,
) -> Mask:
    """Pixels that errors are averaged over: the edges of the image, where no method has data, are left out.

    depth_m : (axial,), lateral_m : (line,) pixel positions. Returns (axial, line) bool.
    """
    rows = (depth_m >= depth_range_m[0]) & (depth_m <= depth_range_m[1])
    columns = np.abs(lateral_m) <= half_width_m
    window: Mask = rows[:, None] & columns[None, :]
    return window


def inclusion_regions(
    depth_m: FloatArray,
    lateral_m: FloatArray,
    *,
    centre_m: tuple[float, float],
    radius_m: float,
    within: Mask | None = None,
) -> Regions:
    """Inside 0.7 r of a disc, and beyond 1.5 r of it within +-r of its depth.

    centre_m : (depth, lateral) of the disc. within : (axial, line) pixels allowed at all.
    """
    depth, lateral = depth_m[:, None] - centre_m[0], lateral_m[None, :] - centre_m[1]
    distance = np.hypot(depth, lateral)
    inside: Mask = distance <= INSIDE_RADIUS * radius_m
    background: Mask = (distance >= OUTSIDE_RADIUS * radius_m) & (np.abs(depth) <= radius_m)
    if within is not None:
        inside, background = inside & within, background & within
    return Regions(inside, background)


def rmse(estimate: FloatArray, truth: FloatArray, mask: Mask | None = None) -> float:
    """Root mean square error, in the unit of the arrays, over the pixels of `mask` (all by default).

    NaN in the estimate inside the mask makes the result NaN: an omitted pixel must be left out by the mask, knowingly.
    """
    error = _masked(estimate, mask) - _masked(truth, mask)
    if error.size == 0:
        raise ValueError("the mask leaves no pixel to compare")
    return float(np.sqrt(np.mean(error**2)))


def snr_e(strain: FloatArray, background: Mask) -> float:
    """Elastographic signal-to-noise ratio |mean| / sd of the strain over `background`, a plain ratio."""
    values = _masked(strain, background)
    return _ratio(abs(float(values.mean())), float(values.std()))


def cnr_e(strain: FloatArray, inside: Mask, background: Mask) -> float:
    """Elastographic contrast-to-noise ratio sqrt(2 (a - b)^2 / (var a + var b)), a plain ratio."""
    a, b = _masked(strain, inside), _masked(strain, background)
    difference = abs(float(a.mean() - b.mean()))
    return _ratio(math.sqrt(2) * difference, math.sqrt(float(a.var() + b.var())))


def strain_ratio(strain: FloatArray, inside: Mask, background: Mask) -> float:
    """Mean strain of the background over that of the region: above 1 where the region is stiffer."""
    return float(_masked(strain, background).mean() / _masked(strain, inside).mean())


def snr_d(displacement: FloatArray, truth: FloatArray, mask: Mask | None = None) -> float:
    """Displacement signal-to-noise ratio rms(truth) / rms(error), a plain ratio."""
    signal = _masked(truth, mask)
    return _ratio(float(np.sqrt(np.mean(signal**2))), rmse(displacement, truth, mask))


def interval_coverage(
    error: FloatArray, deviation: FloatArray, mask: Mask | None = None, *, deviations: float = 1.96
) -> float:
    """Share of pixels whose error lies within `deviations` stated standard deviations; 0.95 is right for 1.96."""
    stated = _masked(deviation, mask)
    return float(np.mean(np.abs(_masked(error, mask)) <= deviations * stated))


@dataclass(frozen=True)
class Marked:
    """What a threshold on quality does: share of the wrong pixels and of the right pixels below it, and their numbers.

    A share is NaN where there is no such pixel.
    """

    wrong_marked: float
    right_marked: float
    n_wrong: int
    n_right: int


def marked_by_quality(
    quality: FloatArray,
    error: FloatArray,
    mask: Mask,
    *,
    wrong_above: float,
    right_below: float,
    threshold: float = 0.5,
) -> Marked:
    """How a quality map tells pixels wrong by more than `wrong_above` from those right within `right_below`.

    error : signed, in the unit of the two bounds; pixels between the bounds count neither way.
    """
    size, is_low = np.abs(_masked(error, mask)), _masked(quality, mask) < threshold
    wrong, right = size > wrong_above, size < right_below
    shares = [float(is_low[kind].mean()) if kind.any() else math.nan for kind in (wrong, right)]
    return Marked(shares[0], shares[1], int(wrong.sum()), int(right.sum()))


def snr_e_paper_db(strain: FloatArray, inside: Mask) -> float:
    """SNRe as Wu et al. 2018 print it: 10 ln(|mean| / sd) of the strain inside the inclusion."""
    return 10 * _log(snr_e(strain, inside))


def cnr_e_paper_db(strain: FloatArray, inside: Mask, background: Mask) -> float:
    """CNRe as Wu et al. 2018 print it: 10 ln(2 (a - b)^2 / (var a + var b))."""
    return 20 * _log(cnr_e(strain, inside, background))


def snr_d_paper_db(displacement: FloatArray, truth: FloatArray, mask: Mask | None = None) -> float:
    """SNRd as Wu et al. 2018 must have meant it: 10 ln(sum truth^2 / sum error^2)."""
    return 20 * _log(snr_d(displacement, truth, mask))


def _masked(image: FloatArray, mask: Mask | None) -> npt.NDArray[np.float64]:
    """Float64 values under the mask; ValueError where there is none."""
    values = np.asarray(image if mask is None else image[mask], dtype=np.float64).ravel()
    if values.size == 0:
        raise ValueError("the mask leaves no pixel")
    return values


def _ratio(numerator: float, denominator: float) -> float:
    """Quotient that is infinite, not an error, for a noiseless image."""
    return numerator / denominator if denominator > 0 else math.inf


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf
