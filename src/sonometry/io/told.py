"""A user's facts beside those of a file: an explicit fact wins, and a note says what it replaced."""

from __future__ import annotations

import numpy as np

from sonometry.io.facts import Facts


def told_spacing(
    facts: Facts, spacing_m: tuple[float, float] | None
) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """Pixel spacing (row, column), m, and a note when `facts` gave it (none when the file's stands)."""
    if facts.spacing_mm is None:
        return spacing_m, ()
    row_mm, column_mm = facts.spacing_mm
    note = f"pixel spacing {row_mm:g} x {column_mm:g} mm was given by --spacing-mm"
    if spacing_m is not None:
        note += f" and replaces the file's {spacing_m[0] * 1e3:.5g} x {spacing_m[1] * 1e3:.5g} mm"
    return (row_mm / 1e3, column_mm / 1e3), (note,)


def told_times(facts: Facts, times_s: np.ndarray, is_timed: bool) -> tuple[np.ndarray, bool, tuple[str, ...]]:
    """Frame times, whether they are known, and a note when `facts` gave them."""
    if facts.fps is None or len(times_s) < 2:
        return times_s, is_timed, ()
    note = f"the frame rate of {facts.fps:g} a second was given by --fps"
    if is_timed:
        note += f" and replaces the file's {(len(times_s) - 1) / (times_s[-1] - times_s[0]):.5g}"
    return np.arange(len(times_s)) / facts.fps, True, (note,)
