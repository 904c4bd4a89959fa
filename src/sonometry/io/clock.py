"""A cine and the signals recorded with it on one clock, where the signals' file knows when each frame was taken.

Such files name the signal sample of each frame, so their times are rounded to samples. An even clip keeps even times:
those of the straight line through the rounded ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sonometry.core.cine import Cine
from sonometry.core.rf import RFFrames
from sonometry.core.signals import Signals
from sonometry.core.source import Source
from sonometry.io.facts import Facts

#: Rounded times lie this near to the line of an even clip, in samples; a frame left out lies further away.
ROUNDING_SAMPLES = 1.5


def on_one_clock(readings: Sequence[Cine | RFFrames | Signals], facts: Facts) -> list[Cine | RFFrames | Signals]:
    """The cine with the frame times that the signals' file states, and a note; unchanged where it states none."""
    from sonometry.io.signals import read_frame_times

    signals = next(reading for reading in readings if isinstance(reading, Signals))
    stated_s = read_frame_times(signals.source.paths[0], facts) if signals.source.paths else None
    if stated_s is None:
        return list(readings)
    sample_s = 1 / signals.sampling_rate_hz
    return [_timed(item, stated_s, sample_s) if isinstance(item, Cine) else item for item in readings]


def _timed(cine: Cine, stated_s: np.ndarray, sample_s: float) -> Cine:
    if len(stated_s) != cine.n_frames:
        note = f"the signals' file has times of {len(stated_s)} frames, not {cine.n_frames}; they are not used"
        return _with_times(cine, cine.frame_times_s, cine.is_timed, note)
    frames = np.arange(cine.n_frames)
    even_s = np.polyval(np.polyfit(frames, stated_s, 1), frames) if cine.n_frames > 1 else stated_s
    if np.abs(even_s - stated_s).max() <= ROUNDING_SAMPLES * sample_s and (np.diff(even_s) > 0).all():
        rate_hz = (cine.n_frames - 1) / (even_s[-1] - even_s[0]) if cine.n_frames > 1 else 0.0
        note = f"frame times ({rate_hz:.4g} a second) follow the signals' file, which names the sample of each frame"
        return _with_times(cine, even_s, True, note)
    if (np.diff(stated_s) > 0).all():
        return _with_times(cine, stated_s, True, "frame times are those of the signals' file, one by one")
    note = "the frame times of the signals' file do not increase and are not used"
    return _with_times(cine, cine.frame_times_s, cine.is_timed, note)


def _with_times(cine: Cine, times_s: np.ndarray, is_timed: bool, note: str) -> Cine:
    """The same cine, still lazy, with these times; notes about the times that are replaced are dropped."""
    is_replaced = times_s is not cine.frame_times_s
    kept = (old for old in cine.source.notes if not (is_replaced and "--fps" in old))
    source = cine.source
    return Cine(
        cine._frames,
        frame_times_s=times_s,
        spacing_m=cine.spacing_m,
        sector=cine.sector,
        ecg=cine.ecg,
        is_timed=is_timed,
        source=Source(source.name, source.format, source.sha256, source.paths, source.device, (*kept, note)),
    )
