"""One answer from several readers: majority of labels, mean or median of scores, and STAPLE of masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Label = TypeVar("Label", bound=Hashable)
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Staple:
    """mask : (H, W) bool where the true structure is probable. probability : (H, W) float32.

    sensitivity, specificity : (readers,) of every reader against the hidden truth.
    """

    mask: Mask
    probability: npt.NDArray[np.float32]
    sensitivity: npt.NDArray[np.float64]
    specificity: npt.NDArray[np.float64]


def majority_label(labels: Sequence[Label | None]) -> Label | None:
    """The label that most readers gave; None where two share the first place or nobody gave one."""
    counts = Counter(label for label in labels if label is not None).most_common(2)
    if not counts or (len(counts) == 2 and counts[0][1] == counts[1][1]):
        return None
    return counts[0][0]


def mean_score(scores: npt.ArrayLike) -> float:
    """Mean of the scores that are there (not NaN); NaN where there is none."""
    given = _given(scores)
    return float(given.mean()) if given.size else float("nan")


def median_score(scores: npt.ArrayLike) -> float:
    """Median of the scores that are there (not NaN); NaN where there is none. Half-way where two lie in the middle."""
    given = _given(scores)
    return float(np.median(given)) if given.size else float("nan")


def majority_mask(masks: Sequence[npt.ArrayLike]) -> Mask:
    """Pixels that more than half of the readers marked. Raises ValueError without masks or for unequal shapes."""
    stack = _stack(masks)
    result: Mask = stack.sum(axis=0) * 2 > len(stack)
    return result


def staple(masks: Sequence[npt.ArrayLike], *, threshold: float = 0.5, margin_px: int = 8) -> Staple:
    """The probable true mask of several readers, each weighed by how well he agrees with it.

    Computed within the box around all masks, `margin_px` wider: the rest of the picture, where all agree, would only
    drive every specificity to 1. Source: Warfield, Zou, Wells 2004, doi:10.1109/TMI.2004.828354 (SimpleITK's filter).
    Raises ValueError for fewer than two masks or unequal shapes. Where nobody marked a pixel the mask is empty.
    """
    import SimpleITK as sitk

    stack = _stack(masks)
    if len(stack) < 2:
        raise ValueError(f"STAPLE needs the masks of at least two readers, got {len(stack)}")
    probability = np.zeros(stack.shape[1:], np.float32)
    if not stack.any():
        one = np.ones(len(stack))
        return Staple(probability > threshold, probability, one, one.copy())
    box = _box(np.asarray(stack.any(axis=0)), margin_px)
    if (stack == stack[:1]).all():  # the filter has nothing to estimate
        one = np.ones(len(stack))
        return Staple(stack[0], stack[0].astype(np.float32), one, one.copy())
    make: Any = sitk.STAPLEImageFilter
    work = make()
    work.SetForegroundValue(1.0)
    work.SetMaximumIterations(200)
    images = [sitk.GetImageFromArray(mask[box].astype(np.uint8)) for mask in stack]
    probability[box] = sitk.GetArrayFromImage(work.Execute(images))
    return Staple(
        mask=probability > threshold,
        probability=probability,
        sensitivity=np.array(work.GetSensitivity()),
        specificity=np.array(work.GetSpecificity()),
    )


def _given(scores: npt.ArrayLike) -> npt.NDArray[np.float64]:
    values = np.asarray(scores, np.float64).ravel()
    kept: npt.NDArray[np.float64] = values[~np.isnan(values)]
    return kept


def _stack(masks: Sequence[npt.ArrayLike]) -> Mask:
    arrays = [np.asarray(mask).astype(np.bool_) for mask in masks]
    if not arrays:
        raise ValueError("a consensus needs at least one mask")
    if len({array.shape for array in arrays}) > 1:
        raise ValueError(f"all masks must have one shape, got {sorted({array.shape for array in arrays})}")
    return np.stack(arrays)


def _box(marked: Mask, margin: int) -> tuple[slice, ...]:
    """Slices around all that is True, `margin` wider where there is room."""
    sides = []
    for axis, size in enumerate(marked.shape):
        others = tuple(a for a in range(marked.ndim) if a != axis)
        there = np.flatnonzero(marked.any(axis=others))
        sides.append(slice(max(0, int(there[0]) - margin), min(size, int(there[-1]) + 1 + margin)))
    return tuple(sides)
