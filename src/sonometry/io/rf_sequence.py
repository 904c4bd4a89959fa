"""Several RF files as one sequence: one order of axes, one frame size, one setting of the scanner."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sonometry.core.errors import DataError
from sonometry.io.rf_axes import orientation
from sonometry.io.rf_facts import StatedFacts
from sonometry.io.rf_recording import StoredRF

#: Plausible spacings of a grid of RF, m; what lies outside is no calibration.
PLAUSIBLE_AXIAL_STEP_M = (5e-7, 4.9e-4)
PLAUSIBLE_LINE_PITCH_M = (1e-5, 4.9e-3)


def common_order(stored: list[StoredRF]) -> tuple[tuple[int, int, int], str | None]:
    """Positions of (time, axial, line), the same for all files. DataError where their shapes or types do not fit."""
    first = stored[0]
    for other in stored[1:]:
        if other.usual_order != first.usual_order or other.format.split()[0] != first.format.split()[0]:
            raise DataError(
                f"{first.paths[0].name} is {first.format} and {other.paths[0].name} {other.format}: "
                "a sequence needs files of one format"
            )
    if first.is_order_certain:
        return first.usual_order, None
    is_sequence = len(stored) > 1 and first.samples.shape[first.usual_order[0]] == 1
    if is_sequence and all(rf.samples.shape == first.samples.shape for rf in stored):
        frames = np.concatenate([rf.samples for rf in stored[:16]], axis=first.usual_order[0])
        found = orientation(frames, first.usual_order)
    else:
        found = orientation(first.samples, first.usual_order)
    return found.order, found.note


def _frame_shape(rf: StoredRF, order: tuple[int, int, int]) -> tuple[int, int]:
    return rf.samples.shape[order[1]], rf.samples.shape[order[2]]


def joined_samples(stored: list[StoredRF], order: tuple[int, int, int]) -> np.ndarray:
    """float32 (T, axial, line) of all files, written once. DataError that names the shapes where they differ."""
    wanted = _frame_shape(stored[0], order)
    for rf in stored:
        if _frame_shape(rf, order) != wanted:
            mine, other = (" x ".join(map(str, shape)) for shape in (wanted, _frame_shape(rf, order)))
            raise DataError(
                f"frames differ in size: {stored[0].paths[0].name} has {mine} samples x lines, {rf.paths[0].name} "
                f"{other}; a sequence needs equal frames"
            )
    counts = [rf.samples.shape[order[0]] for rf in stored]
    joined = np.empty((sum(counts), *wanted), np.float32)
    at = 0
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit becomes infinite, and RFFrames tells
        for rf, count in zip(stored, counts, strict=True):
            joined[at : at + count] = rf.samples.transpose(order)
            at += count
    return joined


def common_facts(stored: list[StoredRF], order: tuple[int, int, int]) -> StatedFacts:
    """Facts of the first file, which those of the others must not contradict."""
    all_facts = [_with_spacing(rf, order) for rf in stored]
    first = all_facts[0]
    for rf, other in zip(stored[1:], all_facts[1:], strict=True):
        for name, value in first.stated().items():
            theirs = other.stated().get(name, value)
            if name != "frame_rate_hz" and not np.isclose(theirs, value, rtol=1e-3, atol=1e-12):
                raise DataError(
                    f"{stored[0].paths[0].name} and {rf.paths[0].name} differ in {name} ({value:g} and {theirs:g}); "
                    "a sequence needs one setting of the scanner"
                )
    notes = tuple(dict.fromkeys(note for each in all_facts for note in each.notes))
    times = first.frame_times_s if len(stored) == 1 else None
    return replace(first, notes=notes, frame_times_s=times)


def _with_spacing(rf: StoredRF, order: tuple[int, int, int]) -> StatedFacts:
    """Facts with the grid of the file, now that its axes are known."""
    stated, spacing = rf.stated, rf.axis_spacing_m
    if spacing is None:
        return stated
    step, pitch = abs(spacing[order[1]]), abs(spacing[order[2]])
    if stated.axial_step_m is None and PLAUSIBLE_AXIAL_STEP_M[0] <= step <= PLAUSIBLE_AXIAL_STEP_M[1]:
        stated = replace(stated, axial_step_m=step)
    if stated.line_pitch_m is None and PLAUSIBLE_LINE_PITCH_M[0] <= pitch <= PLAUSIBLE_LINE_PITCH_M[1]:
        stated = replace(stated, line_pitch_m=pitch)
    return stated
