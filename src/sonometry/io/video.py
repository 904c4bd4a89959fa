"""Video file to a `Cine`: MP4, MOV, AVI, MKV, WebM, WMV, MPEG.

A video file's times are those of its player. Exports often play at a nominal rate (25, 30, 50 or 60 a second) whatever
the scanner's was, and a film of a screen repeats frames, so the times are used but noted.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sonometry.core.cine import Cine
from sonometry.core.source import Source, digest_files
from sonometry.io.dicom_timing import NOMINAL_RATE_HZ, uniform_times_s
from sonometry.io.facts import Facts
from sonometry.io.sniff import check_readable
from sonometry.io.told import told_spacing, told_times
from sonometry.io.video_stream import VideoFrames, VideoIndex

CONTAINERS = {"mov": "MP4", "avi": "AVI", "matroska": "Matroska", "asf": "WMV", "mpeg": "MPEG", "mpegts": "MPEG"}


def read_video(path: Path, facts: Facts | None = None) -> Cine:
    """Read a clip, decoded frame by frame on access; grey is the luminance.

    A video has no spacing: lengths need `facts.spacing_mm`. Times are the file's time stamps, else its mean rate, and
    `facts.fps` replaces them. Raises DataError for a file without frames, a damaged or a truncated one.
    """
    check_readable(path)
    facts = facts or Facts()
    frames = VideoFrames(path.name, path)
    times_s, is_timed, notes = video_times(frames.index)
    spacing_m, spacing_notes = told_spacing(facts, None)
    times_s, is_timed, told_notes = told_times(facts, times_s, is_timed)
    return Cine(
        frames,
        frame_times_s=times_s,
        spacing_m=spacing_m,
        is_timed=is_timed,
        source=Source(
            name="clip",
            format=video_format(frames.index),
            sha256=digest_files([path]),
            paths=(path,),
            notes=(*(told_notes or notes), *spacing_notes, *_aspect_notes(frames.index)),
        ),
    )


def video_format(index: VideoIndex) -> str:
    """Container and codec, such as "MP4 video (h264)"."""
    container = next((CONTAINERS[name] for name in index.container.split(",") if name in CONTAINERS), index.container)
    return f"{container} video ({index.codec})"


def video_times(index: VideoIndex) -> tuple[np.ndarray, bool, tuple[str, ...]]:
    """(T,) frame times, s, whether the file tells them, and notes."""
    if index.n_frames == 1:
        return np.zeros(1), False, ()
    if index.stamps is not None and index.seconds_per_stamp > 0:
        times_s = (np.array(index.stamps, np.float64) - index.stamps[0]) * index.seconds_per_stamp
        rate_hz = (len(times_s) - 1) / times_s[-1]
        return times_s, True, (_nominal_note(rate_hz, "the time stamps"),)
    if index.rate_hz:
        note = _nominal_note(index.rate_hz, "the mean rate")
        return uniform_times_s(index.n_frames, index.rate_hz), True, (note,)
    note = "the video tells no frame rate, so rates and times cannot be measured without --fps"
    return uniform_times_s(index.n_frames, NOMINAL_RATE_HZ), False, (note,)


def _nominal_note(rate_hz: float, basis: str) -> str:
    return (
        f"frame times are {basis} of the video file ({rate_hz:.4g} a second), which may be a nominal playing rate "
        "and not the scanner's; check it or pass --fps"
    )


def _aspect_notes(index: VideoIndex) -> tuple[str, ...]:
    if 0.99 < index.pixel_aspect < 1.01:
        return ()
    return (f"the video is meant to be shown with pixels {index.pixel_aspect:.3g} times as wide as high",)
