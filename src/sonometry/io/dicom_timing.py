"""When each frame was taken.

PS3.3 C.7.6.5 (Cine) and C.7.6.6 (Multi-frame): Frame Increment Pointer names the attribute that tells the time between
frames, usually Frame Time (ms) or Frame Time Vector (ms since the frame before, the first 0). Both are often missing,
short, or without the pointer, so every other source follows in a fixed order, and the choice is noted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from sonometry.io.dicom_header import number, numbers, value

FRAME_TIME, FRAME_TIME_VECTOR = 0x00181063, 0x00181065

#: Used only to give the frames an order when the file tells no rate at all.
NOMINAL_RATE_HZ = 30.0

#: Beyond these a rate is a mistake of the file (a still has none; the fastest plane-wave scanners reach 20 kHz).
PLAUSIBLE_RATE_HZ = (0.05, 50_000.0)

#: Rates of two attributes that differ by more than this contradict each other; CineRate is rounded to an integer.
RATE_AGREEMENT = 0.1


@dataclass(frozen=True, eq=False)
class FrameTiming:
    """times_s : (T,), first 0. basis : the attribute they come from, or "nominal". notes : what was decided."""

    times_s: np.ndarray
    basis: str
    notes: tuple[str, ...] = ()

    @property
    def is_timed(self) -> bool:
        return self.basis != "nominal"

    @property
    def jitter_s(self) -> float:
        """Largest deviation of a frame interval from the median one, s; 0 below three frames."""
        intervals = np.diff(self.times_s)
        return float(np.abs(intervals - np.median(intervals)).max()) if len(intervals) > 1 else 0.0


def uniform_times_s(n_frames: int, rate_hz: float) -> np.ndarray:
    """(n_frames,) times from 0 at a constant rate, s."""
    return np.arange(n_frames) / rate_hz


def frame_timing(dataset: Dataset, n_frames: int) -> FrameTiming:
    """Times of all frames, from the best source the header has."""
    if n_frames == 1:
        return FrameTiming(np.zeros(1), "nominal")
    notes: list[str] = []
    for basis, read in _in_order_of_trust(dataset):
        times_s = read(dataset, n_frames, notes)
        if times_s is not None:
            return FrameTiming(times_s, basis, (*notes, *_contradictions(dataset, basis, times_s)))
    notes.append(
        f"the file tells no frame rate; frames are {NOMINAL_RATE_HZ:g} a second apart only for display, "
        "so rates and times cannot be measured without --fps"
    )
    return FrameTiming(uniform_times_s(n_frames, NOMINAL_RATE_HZ), "nominal", tuple(notes))


Reader = Callable[[Dataset, int, list[str]], np.ndarray | None]


def _in_order_of_trust(dataset: Dataset) -> Iterator[tuple[str, Reader]]:
    """What the pointer names comes first, then the Standard's per-frame, constant and display times."""
    readers: dict[str, Reader] = {
        "FrameTimeVector": _from_vector,
        "FrameTime": _from_frame_time,
        "CineRate": _from_cine_rate,
        "RecommendedDisplayFrameRate": _from_display_rate,
    }
    pointer = value(dataset, "FrameIncrementPointer")
    pointed = pointer if isinstance(pointer, list) else [pointer]
    if FRAME_TIME in pointed and FRAME_TIME_VECTOR not in pointed:
        yield "FrameTime", readers.pop("FrameTime")
    yield from readers.items()


def _from_vector(dataset: Dataset, n_frames: int, notes: list[str]) -> np.ndarray | None:
    if value(dataset, "FrameTimeVector") is None:
        return None
    intervals_ms = np.array(numbers(dataset, "FrameTimeVector"))
    if len(intervals_ms) == n_frames - 1:
        intervals_ms = np.insert(intervals_ms, 0, 0.0)  # some vendors leave out the leading zero
    if len(intervals_ms) > n_frames:
        notes.append(
            f"FrameTimeVector has {len(intervals_ms)} values for {n_frames} frames; the first {n_frames} are used"
        )
    if len(intervals_ms) < n_frames:
        notes.append(f"FrameTimeVector has {len(intervals_ms)} values for {n_frames} frames and is not used")
        return None
    intervals_ms = intervals_ms[1:n_frames]
    if not np.isfinite(intervals_ms).all() or (intervals_ms <= 0).any() or intervals_ms.sum() > 1e9:
        notes.append("FrameTimeVector has intervals that are not positive and is not used")
        return None
    return np.concatenate([[0.0], np.cumsum(intervals_ms) / 1e3])


def _from_frame_time(dataset: Dataset, n_frames: int, notes: list[str]) -> np.ndarray | None:
    interval_ms = number(dataset, "FrameTime")
    return _at_rate(1e3 / interval_ms if interval_ms else None, "FrameTime", n_frames, notes)


def _from_cine_rate(dataset: Dataset, n_frames: int, notes: list[str]) -> np.ndarray | None:
    return _at_rate(number(dataset, "CineRate"), "CineRate", n_frames, notes, is_rounded=True)


def _from_display_rate(dataset: Dataset, n_frames: int, notes: list[str]) -> np.ndarray | None:
    rate_hz = number(dataset, "RecommendedDisplayFrameRate")
    return _at_rate(rate_hz, "RecommendedDisplayFrameRate", n_frames, notes, is_rounded=True)


def _at_rate(
    rate_hz: float | None, keyword: str, n_frames: int, notes: list[str], *, is_rounded: bool = False
) -> np.ndarray | None:
    if rate_hz is None or rate_hz == 0:
        return None
    if not PLAUSIBLE_RATE_HZ[0] <= rate_hz <= PLAUSIBLE_RATE_HZ[1]:
        notes.append(f"{keyword} means {rate_hz:.4g} frames a second, which is implausible, and is not used")
        return None
    if is_rounded:
        notes.append(f"the frame rate comes from {keyword}, a whole number meant for display; check it or pass --fps")
    return uniform_times_s(n_frames, rate_hz)


def _contradictions(dataset: Dataset, basis: str, times_s: np.ndarray) -> list[str]:
    """Attributes that give another mean rate than the one used."""
    used_hz = (len(times_s) - 1) / times_s[-1]
    interval_ms = number(dataset, "FrameTime")
    others = {
        "FrameTime": 1e3 / interval_ms if interval_ms else None,
        "CineRate": number(dataset, "CineRate"),
        "RecommendedDisplayFrameRate": number(dataset, "RecommendedDisplayFrameRate"),
    }
    return [
        f"{basis} gives {used_hz:.4g} frames a second but {keyword} {rate_hz:.4g}; {basis} is used"
        for keyword, rate_hz in others.items()
        if keyword != basis and rate_hz and rate_hz > 0 and abs(math.log(rate_hz / used_hz)) > RATE_AGREEMENT
    ]
