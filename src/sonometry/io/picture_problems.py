"""What the pictures of a cine themselves make suspicious: damaged, constant and repeated frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from sonometry.core.cine import Cine
from sonometry.core.errors import DataError

#: All frames are decoded below this many pixels in total, else this many, evenly spread.
CHECKED_PIXELS = 400_000_000
SPREAD_FRAMES = 48

#: A frame repeats the one before when it differs from it by less than this share of the usual difference.
REPEAT_SHARE = 0.05

NAMED_FRAMES = 5


def picture_problems(cine: Cine) -> tuple[str, ...]:
    """Problems found by decoding the frames one at a time."""
    n_frames, height, width = cine.shape
    is_whole = n_frames * height * width <= CHECKED_PIXELS
    indices = (
        range(n_frames) if is_whole else np.unique(np.linspace(0, n_frames - 1, SPREAD_FRAMES).astype(int)).tolist()
    )
    damaged, constant, differences = _look_at(cine, indices)
    problems = list(_damaged_problems(damaged))
    if constant:
        problems.append(f"{_named(constant)} {'has' if len(constant) == 1 else 'have'} no contrast at all")
    if is_whole and len(differences) == n_frames - 1 and n_frames > 2:
        problems += _repeat_problems(np.array(differences))
    return tuple(problems)


def _look_at(cine: Cine, indices: Sequence[int]) -> tuple[dict[int, str], list[int], list[float]]:
    """Reasons of damaged frames, indices of constant ones, mean differences between neighbours."""
    damaged: dict[int, str] = {}
    constant: list[int] = []
    differences: list[float] = []
    before: np.ndarray | None = None
    for index in indices:
        try:
            frame = cine.frame(index)
        except DataError as error:
            damaged[index] = str(error)
            before = None
            continue
        if frame.min() == frame.max():
            constant.append(index)
        if before is not None:
            differences.append(float(cv2.absdiff(frame, before).mean()))
        before = frame
    return damaged, constant, differences


def _damaged_problems(damaged: dict[int, str]) -> Iterator[str]:
    if len(damaged) == 1:
        yield next(iter(damaged.values()))
    elif damaged:
        yield f"{_named(list(damaged))} cannot be decoded: {next(iter(damaged.values())).partition(': ')[2]}"


def _repeat_problems(differences: np.ndarray) -> Iterator[str]:
    usual = float(np.median(differences))
    if differences.max() == 0:
        yield "all frames are equal: a still picture stored as a clip"
        return
    n_repeats = int((differences <= REPEAT_SHARE * usual).sum()) if usual > 0 else int((differences == 0).sum())
    if n_repeats:
        yield (
            f"{n_repeats} of {len(differences) + 1} frames {'repeats' if n_repeats == 1 else 'repeat'} the one before: "
            "the clip was resampled in time and its frame rate is not the scanner's"
        )


def _named(indices: list[int]) -> str:
    """ "frame 3" or "frames 3, 4, 5, 6, 7 and 12 more"."""
    if len(indices) == 1:
        return f"frame {indices[0]}"
    listed = ", ".join(map(str, indices[:NAMED_FRAMES]))
    return f"frames {listed}" + (f" and {len(indices) - NAMED_FRAMES} more" if len(indices) > NAMED_FRAMES else "")
