"""The many names and units under which files state the same fact about RF.

Units do not always follow the name: the Siemens Antares stores hertz in `TxFrequencyMhz`. A frequency is therefore
read by its size, because RF sampling rates (1 MHz to 1 GHz) and transmit frequencies (0.2 to 100 MHz) cannot be
confused between Hz, kHz and MHz. A length without a unit in its name is taken only where just one unit makes sense.
Sonometry's own names (the fields of `StatedFacts`) are always SI and exact.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sonometry.core.rf import Geometry
from sonometry.io.rf_facts import SHOWN, StatedFacts

#: Unit at the end of a name -> factor to SI.
_LENGTHS = {"mm": 1e-3, "cm": 1e-2, "um": 1e-6, "m": 1.0}

#: Reader of a value: (unit at the end of its name or "", value) -> SI, or None where it makes no sense.
Reader = Callable[[str, float], float | None]


def facts_from_numbers(numbers: Iterable[tuple[str, float]]) -> StatedFacts:
    """Facts among named numbers (the last part of each name counts).

    Values that contradict each other are left out, with a note; values that make no sense are ignored.
    """
    found: dict[str, dict[float, str]] = {}
    numbers = list(numbers)
    for name, value in numbers:
        leaf = re.split(r"[./@]", name)[-1]
        for fact, (spellings, read) in _FACTS.items():
            unit = spellings.get(re.sub(r"[^a-z0-9]", "", leaf.lower()))
            si = value if leaf == fact else read(unit, value) if unit is not None else None
            known = found.setdefault(fact, {})
            if si is not None and not any(np.isclose(si, other, rtol=1e-6, atol=0) for other in known):
                known[si] = name
    stated = {fact: next(iter(values)) for fact, values in found.items() if len(values) == 1}
    notes = tuple(
        f"The file states different values for the {SHOWN[fact][0]} ({', '.join(values.values())}); none was used."
        for fact, values in found.items()
        if len(values) > 1
    )
    return StatedFacts(**stated, **_sector(numbers), notes=notes)  # type: ignore[arg-type]


def _sector(numbers: list[tuple[str, float]]) -> dict[str, Any]:
    """Geometry of a fan, which only Sonometry itself stores under these names."""
    own = {re.split(r"[./@]", name)[-1]: value for name, value in numbers}
    angle, radius = own.get("line_angle_rad", 0.0), own.get("probe_radius_m", 0.0)
    if not (0 < angle < np.pi and radius >= 0):
        return {}
    return {"geometry": Geometry.SECTOR, "line_angle_rad": angle, "probe_radius_m": radius}


def _frequency(low_hz: float, high_hz: float) -> Reader:
    """A frequency in Hz, kHz or MHz, whichever lies in the range; the unit of the name is not trusted."""

    def read(_: str, value: float) -> float | None:
        return next((value * factor for factor in (1.0, 1e6, 1e3) if low_hz <= value * factor <= high_hz), None)

    return read


def _length(low_m: float, high_m: float) -> Reader:
    """A length in the unit of the name, else in metres or millimetres where only one of them is plausible."""

    def read(unit: str, value: float) -> float | None:
        factors = (_LENGTHS[unit],) if unit in _LENGTHS else (1.0, 1e-3)
        fits = [value * factor for factor in factors if low_m <= value * factor <= high_m]
        return fits[0] if len(fits) == 1 else None

    return read


def _depth(unit: str, value: float) -> float | None:
    """A depth, only where its name tells the unit."""
    si = value * _LENGTHS.get(unit, np.nan)
    return si if abs(si) < 0.5 else None


def _speed(_: str, value: float) -> float | None:
    """A sound speed of soft tissue or water, in m/s or mm/us."""
    return next((value * factor for factor in (1.0, 1e3) if 1300 <= value * factor <= 1800), None)


def _rate(_: str, value: float) -> float | None:
    """Frames per second."""
    return value if 0.01 <= value <= 1e5 else None


@dataclass(frozen=True)
class _Units:
    """Units that may end the spelling of a fact."""

    of: tuple[str, ...]

    def spellings(self, *stems: str) -> Mapping[str, str]:
        """Lower-case names without separators -> the unit they end with."""
        return {stem + unit: unit for unit in ("", *self.of) for stem in stems}


_IN_HERTZ = _Units(("hz", "khz", "mhz"))
_IN_METRES = _Units(tuple(_LENGTHS))
_IN_METRES_PER_SECOND = _Units(("ms", "mps"))

_FACTS: dict[str, tuple[Mapping[str, str], Reader]] = {
    "sampling_rate_hz": (
        _IN_HERTZ.spellings(
            *("fs", "fsample", "fsampling", "sampfreq", "samplingrate", "samplerate", "samplingfrequency"),
            *("samplingfreq", "samplefrequency", "samplefreq", "rffs", "rfsamplingrate", "rfsamplingfrequency"),
            *("decimsamplerate", "adcrate"),
        ),
        _frequency(1e6, 9.99e8),
    ),
    "centre_frequency_hz": (
        _IN_HERTZ.spellings(
            *("fc", "f0", "ftx", "fcentre", "fcenter", "centrefrequency", "centerfrequency", "centrefreq"),
            *("centerfreq", "transmitfrequency", "transmitfreq", "txfrequency", "txfreq", "transducerfrequency"),
            *("carrierfrequency", "probefrequency"),
        ),
        _frequency(2e5, 9.99e7),
    ),
    "line_pitch_m": (
        _IN_METRES.spellings(
            *("linepitch", "pitch", "linespacing", "lateralspacing", "lateralpitch", "lateralstep", "beamspacing"),
            *("scanlinespacing", "scanlinepitch", "linedistance"),
        ),
        _length(1e-5, 4.9e-3),
    ),
    "axial_step_m": (
        _IN_METRES.spellings("axialstep", "axialspacing", "axialpitch", "depthstep"),
        _length(5e-7, 4.9e-4),
    ),
    "sound_speed_m_s": (
        _IN_METRES_PER_SECOND.spellings("soundspeed", "speedofsound", "soundvelocity", "sos", "c", "c0"),
        _speed,
    ),
    "start_depth_m": (_IN_METRES.spellings("startdepth", "firstdepth", "depthoffset", "mindepth"), _depth),
    "frame_rate_hz": (_IN_HERTZ.spellings("framerate", "fps", "framefrequency"), _rate),
}
