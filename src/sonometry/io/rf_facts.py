"""What a file states about its RF, and what the user adds or overrides by flag."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sonometry.core.errors import DataError
from sonometry.core.rf import Geometry, RFFrames
from sonometry.core.source import Source
from sonometry.io.facts import Facts

#: Speed of sound in soft tissue on which scanners agree, m/s.
TISSUE_SOUND_SPEED_M_S = 1540.0


@dataclass(frozen=True, eq=False)
class StatedFacts:
    """Facts a file states, SI; None where it is silent. `axial_step_m` is one sample in depth (two-way)."""

    sampling_rate_hz: float | None = None
    centre_frequency_hz: float | None = None
    line_pitch_m: float | None = None
    axial_step_m: float | None = None
    sound_speed_m_s: float | None = None
    start_depth_m: float | None = None
    frame_rate_hz: float | None = None
    frame_times_s: np.ndarray | None = None
    geometry: Geometry = Geometry.LINEAR
    line_angle_rad: float = 0.0
    probe_radius_m: float = 0.0
    notes: tuple[str, ...] = ()

    def stated(self) -> dict[str, float]:
        """The numbers that are there, by name."""
        named = {name: getattr(self, name) for name in _NUMBERS}
        return {name: float(value) for name, value in named.items() if value is not None}


_NUMBERS = (
    "sampling_rate_hz",
    "centre_frequency_hz",
    "line_pitch_m",
    "axial_step_m",
    "sound_speed_m_s",
    "start_depth_m",
    "frame_rate_hz",
)


def merged(first: StatedFacts, second: StatedFacts) -> StatedFacts:
    """`first`, completed by `second` where it is silent."""
    missing: dict[str, Any] = {n: value for n, value in second.stated().items() if getattr(first, n) is None}
    if first.frame_times_s is None:
        missing["frame_times_s"] = second.frame_times_s
    if first.geometry is Geometry.LINEAR and second.geometry is Geometry.SECTOR:
        missing |= {n: getattr(second, n) for n in ("geometry", "line_angle_rad", "probe_radius_m")}
    return replace(first, **missing, notes=first.notes + second.notes)


#: What each fact is called, and the factor and symbol of its unit for display.
SHOWN: dict[str, tuple[str, tuple[float, str]]] = {
    "sampling_rate_hz": ("sampling rate", (1e6, "MHz")),
    "centre_frequency_hz": ("centre frequency", (1e6, "MHz")),
    "line_pitch_m": ("line pitch", (1e-3, "mm")),
    "axial_step_m": ("axial spacing", (1e-3, "mm")),
    "sound_speed_m_s": ("sound speed", (1.0, "m/s")),
    "start_depth_m": ("start depth", (1e-3, "mm")),
    "frame_rate_hz": ("frame rate", (1.0, "frames/s")),
}

#: Flag of each fact that must be known, as the error line shows it.
_FLAGS = {
    "sampling_rate_hz": "--sampling-mhz F",
    "centre_frequency_hz": "--centre-mhz F",
    "line_pitch_m": "--pitch-mm P",
}


def known_facts(stated: StatedFacts) -> tuple[dict[str, float], tuple[str, ...]]:
    """What the file alone tells, with the rate that follows from its grid; and how that came about."""
    known, notes = _known(stated, Facts())
    if stated.sound_speed_m_s is None:
        del known["sound_speed_m_s"]  # an assumption, not a fact of the file
    return known, notes


def missing_flags(stated: StatedFacts, facts: Facts) -> tuple[str, ...]:
    """The flags that are needed to measure this recording, "--centre-mhz F" and so on."""
    known, _ = _known(stated, facts)
    return tuple(flag for name, flag in _FLAGS.items() if name not in known)


def rf_frames(samples: np.ndarray, stated: StatedFacts, facts: Facts, *, file_name: str, source: Source) -> RFFrames:
    """RFFrames from samples (T, axial, line), what the file states and what the user gave.

    The notes of both are added to `source`. Raises DataError that names every missing flag in one line.
    """
    known, notes = _known(stated, facts)
    missing = [fact for fact in _FLAGS if fact not in known]
    if missing:
        what = " and no ".join(SHOWN[fact][0] for fact in missing)
        raise DataError(f"{file_name} has no {what}; pass {' '.join(_FLAGS[fact] for fact in missing)}")
    times = _frame_times(len(samples), known.get("frame_rate_hz"), stated, facts)
    return RFFrames(
        samples,
        sampling_rate_hz=known["sampling_rate_hz"],
        centre_frequency_hz=known["centre_frequency_hz"],
        line_pitch_m=known["line_pitch_m"],
        sound_speed_m_s=known["sound_speed_m_s"],
        start_depth_m=known.get("start_depth_m", 0.0),
        frame_times_s=times,
        geometry=stated.geometry,
        line_angle_rad=stated.line_angle_rad,
        probe_radius_m=stated.probe_radius_m,
        source=replace(source, notes=(*source.notes, *stated.notes, *notes)),
    )


def _known(stated: StatedFacts, facts: Facts) -> tuple[dict[str, float], tuple[str, ...]]:
    """All facts after the flags, and a note for every one that a flag overrode or that was derived."""
    known, given, notes = stated.stated(), _given(facts), []
    if "sampling_rate_hz" not in known and "axial_step_m" in known:
        # A scanner laid its grid with its own sound speed; a flag changes the tissue's, not the scanner's clock.
        known["sampling_rate_hz"], note = _rate_of_grid(known["axial_step_m"], stated.sound_speed_m_s)
        notes += [] if {"sampling_rate_hz", "axial_step_m"} & set(given) else [note]
    if "axial_step_m" in given and "sampling_rate_hz" not in given:
        rate, note = _rate_of_grid(given["axial_step_m"][1], facts.sound_speed_m_s or stated.sound_speed_m_s)
        given["sampling_rate_hz"] = ("--spacing-mm", rate)
        notes.append(note)
    for fact, (flag, value) in given.items():
        if fact in known and fact != "axial_step_m" and not np.isclose(known[fact], value, rtol=1e-6):
            told, unit = SHOWN[fact]
            was, now = f"{known[fact] / unit[0]:.6g}", f"{value / unit[0]:.6g} {unit[1]}"
            notes.append(f"The {told} of the file, {was} {unit[1]}, was overridden by {flag}: {now}.")
        known[fact] = value
    known.setdefault("sound_speed_m_s", TISSUE_SOUND_SPEED_M_S)
    return known, tuple(notes)


def _rate_of_grid(step_m: float, speed_m_s: float | None) -> tuple[float, str]:
    """Sampling rate of a grid in depth, and how it came about."""
    speed = speed_m_s or TISSUE_SOUND_SPEED_M_S
    rate = speed / (2 * step_m)
    return rate, (
        f"The sampling rate of {rate / 1e6:.4g} MHz is derived from the axial spacing of {step_m * 1e3:g} mm "
        f"at {speed:g} m/s."
    )


def _given(facts: Facts) -> dict[str, tuple[str, float]]:
    """The facts the user gave, SI, each with its flag."""
    given: dict[str, tuple[str, float]] = {}
    if facts.spacing_mm is not None:
        given["axial_step_m"] = ("--spacing-mm", facts.spacing_mm[0] * 1e-3)
        given["line_pitch_m"] = ("--spacing-mm", facts.spacing_mm[1] * 1e-3)
    for name, flag, value, unit in (
        ("sampling_rate_hz", "--sampling-mhz", facts.sampling_mhz, 1e6),
        ("centre_frequency_hz", "--centre-mhz", facts.centre_mhz, 1e6),
        ("line_pitch_m", "--pitch-mm", facts.pitch_mm, 1e-3),
        ("sound_speed_m_s", "--sound-speed-m-s", facts.sound_speed_m_s, 1.0),
        ("start_depth_m", "--start-depth-mm", facts.start_depth_mm, 1e-3),
        ("frame_rate_hz", "--fps", facts.fps, 1.0),
    ):
        if value is not None:
            given[name] = (flag, value * unit)
    return given


def _frame_times(n_frames: int, rate_hz: float | None, stated: StatedFacts, facts: Facts) -> np.ndarray | None:
    """(T,) times of the frames: of the flag, else of the file, else of the file's rate, else None."""
    times = stated.frame_times_s
    if facts.fps is None and times is not None and times.shape == (n_frames,) and (np.diff(times) > 0).all():
        return times
    return None if rate_hz is None else np.arange(n_frames) / rate_hz
