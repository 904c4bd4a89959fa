"""What the parameter structures of known scanners, stored beside the RF in a .mat file, say about it.

Siemens Antares: `FileHeader` of the Ultrasound Research Interface (its MATLAB reader, S. Brunke, Siemens 2003), kept in
the recordings of Rivaz et al. 2011, doi:10.1109/TMI.2010.2091966, beside `RfDataDouble` or `RfDataFilt`.
`strf.SamplingRate` and, despite its name, `rfsd(n).TxFrequencyMhz` are in hertz; `rfbd.PositionX` is in millimetres.
Alpinion E-Cube: `System`, `Roi`, `Parameter`, `Tw` of its research package, beside `BfData` (`AdcData*` are channels).
Verasonics: `Trans`, `Receive`, `Resource`, in MHz, mm and m/s.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sonometry.core.rf import Geometry
from sonometry.core.source import Device
from sonometry.io.named_arrays import NamedArrays
from sonometry.io.rf_fact_names import facts_from_numbers
from sonometry.io.rf_facts import StatedFacts, merged

#: Arrays with RF by convention, in the order in which one of them is preferred to another.
KNOWN_RF_NAMES = ("RfDataDouble", "RfDataFilt", "BfData")
#: Longest list of frame times that is believed.
MOST_FRAMES = 1 << 20
#: Clock of the Antares digitiser, for files that were saved without `strf`.
ANTARES_SAMPLING_RATE_HZ = 40e6


def file_facts(arrays: NamedArrays, chosen: str, n_lines: int) -> tuple[StatedFacts, Device]:
    """All that the file states about the RF array called `chosen` with `n_lines` lines."""
    if any(entry.name.startswith("FileHeader.") for entry in arrays.arrays):
        return _antares(arrays, n_lines)
    stated = _generic(arrays, chosen)
    if arrays.number("System.Parameters.sampleFreqMHz") is not None:
        return merged(_alpinion(arrays, n_lines), stated), Device("Alpinion")
    if arrays.number("Trans.spacingMm") is not None or arrays.number("Receive(1).decimSampleRate") is not None:
        return merged(_verasonics(arrays, n_lines), stated), Device(
            "Verasonics", probe=arrays.texts.get("Trans.name", "")
        )
    device = Device(*(arrays.texts.get(key, "") for key in ("manufacturer", "model", "probe")))
    return stated, device


def _generic(arrays: NamedArrays, chosen: str) -> StatedFacts:
    """Facts by name: attributes and neighbours of the array first, then the rest of the file."""
    owner = chosen.replace("/", ".").rpartition(".")[0]
    near: list[tuple[str, float]] = []
    far: list[tuple[str, float]] = []
    for name, number in arrays.numbers():
        holder, is_attribute, _ = name.partition("@")
        if is_attribute and holder not in ("", chosen) and not chosen.startswith(holder + "/"):
            continue  # of another set
        is_near = holder == chosen or name.replace("/", ".").rpartition(".")[0] == owner
        (near if is_near else far).append((name, number))
    stated = merged(facts_from_numbers(near), facts_from_numbers(far))
    times = arrays.get("frame_times_s")
    if times is not None and 1 < times.size <= MOST_FRAMES and times.dtype != "complex":
        stated = replace(stated, frame_times_s=times.load().astype(np.float64).reshape(-1))
    return stated


def _antares(arrays: NamedArrays, n_lines: int) -> tuple[StatedFacts, Device]:
    beam_set = arrays.get("FileHeader.rfbd.Set")
    used = int(np.asarray(beam_set.load()).reshape(-1)[0]) + 1 if beam_set is not None and beam_set.size else 1
    transmit = next(
        (arrays.number(f"FileHeader.rfsd{at}.TxFrequencyMhz") for at in (f"({used})", "(1)", "")
         if arrays.number(f"FileHeader.rfsd{at}.TxFrequencyMhz") is not None),
        None,
    )  # fmt: skip
    rate = arrays.number("FileHeader.strf.SamplingRate")
    numbers = [("SamplingRate", rate), ("TxFrequency", transmit)]
    stated = facts_from_numbers((name, value) for name, value in numbers if value is not None)
    notes = []
    if stated.sampling_rate_hz is None:
        stated = replace(stated, sampling_rate_hz=ANTARES_SAMPLING_RATE_HZ)
        notes.append("The file states no sampling rate; the 40 MHz of the Antares digitiser were used.")
    start_cm = arrays.number("FileHeader.rfgi.RfAxialMinCm")
    if start_cm is not None and 0 < start_cm < 50:
        stated = replace(stated, start_depth_m=start_cm * 1e-2)
    stated = _antares_lines(arrays, n_lines, stated)
    probe = arrays.texts.get("FileHeader.rfam.ProbeName", "").replace("\x00", "").strip()
    return replace(stated, notes=(*stated.notes, *notes)), Device("Siemens", "Antares", probe)


def _antares_lines(arrays: NamedArrays, n_lines: int, stated: StatedFacts) -> StatedFacts:
    """Pitch, and the angle between lines of a curved probe, from the beam table; else the pitch from LineDensity."""
    positions = _vector(arrays, "FileHeader.rfbd.PositionX")
    angles = _vector(arrays, "FileHeader.rfbd.ThetaRad")
    if positions is not None and len(positions) >= n_lines > 1:
        pitch = abs(float(np.median(np.diff(positions[:n_lines])))) * 1e-3
        angle = (
            abs(float(np.median(np.diff(angles[:n_lines])))) if angles is not None and len(angles) >= n_lines else 0.0
        )
        if 1e-4 < angle < 0.1:
            radius = (arrays.number("FileHeader.rfam.ProbeRadiusCm") or 0.0) * 1e-2
            return replace(
                stated,
                geometry=Geometry.SECTOR,
                line_angle_rad=angle,
                probe_radius_m=radius,
                line_pitch_m=radius * angle,
            )
        if 1e-5 < pitch < 5e-3:
            return replace(stated, line_pitch_m=pitch)
    density = arrays.number("FileHeader.rfbm.LineDensity")
    if density is not None and 4 <= density <= 200:
        note = f"The line pitch of {10 / density:.3g} mm is the header's LineDensity taken as lines per cm."
        return replace(stated, line_pitch_m=1e-2 / density, notes=(*stated.notes, note))
    return stated


def _vector(arrays: NamedArrays, name: str) -> np.ndarray | None:
    entry = arrays.get(name)
    if entry is None or entry.dtype == "complex":
        return None
    values = entry.load().astype(np.float64).reshape(-1)
    return values if len(values) > 1 and np.isfinite(values).all() else None


def _alpinion(arrays: NamedArrays, n_lines: int) -> StatedFacts:
    """The field of view (`Roi{1}.lateralLength`, cm) is spread over the lines; without it lines are elements."""
    numbers = [
        ("SamplingRate", arrays.number("System.Parameters.sampleFreqMHz")),
        ("TxFrequency", arrays.number("Tw{1}.freqMHz") or arrays.number("System.Transducer.frequencyMHz")),
        ("SpeedOfSound", arrays.number("Parameter{1}.speedOfSoundMps")),
    ]
    stated = facts_from_numbers((name, value) for name, value in numbers if value is not None)
    length_cm, elements = arrays.number("Roi{1}.lateralLength"), arrays.number("System.Transducer.elementCnt")
    pitch_cm = arrays.number("System.Transducer.elementPitchCm")
    if length_cm is not None and n_lines > 1 and not arrays.number("System.Transducer.radiusCm"):
        return replace(stated, line_pitch_m=length_cm * 1e-2 / (n_lines - 1))
    if pitch_cm is not None and elements == n_lines:
        return replace(stated, line_pitch_m=pitch_cm * 1e-2)
    return stated


def _verasonics(arrays: NamedArrays, n_lines: int) -> StatedFacts:
    """Lines are a pitch apart only where there are as many as elements."""
    demodulation = arrays.number("Receive(1).demodFrequency") or arrays.number("Receive.demodFrequency")
    numbers = [
        ("SamplingRate", arrays.number("Receive(1).decimSampleRate") or arrays.number("Receive.decimSampleRate")),
        ("TxFrequency", arrays.number("Trans.frequency") or demodulation),
        ("SpeedOfSound", arrays.number("Resource.Parameters.speedOfSound")),
    ]
    stated = facts_from_numbers((name, value) for name, value in numbers if value is not None)
    spacing_mm, elements = arrays.number("Trans.spacingMm"), arrays.number("Trans.numelements")
    if spacing_mm is not None and elements in (n_lines, None):
        stated = replace(stated, line_pitch_m=spacing_mm * 1e-3)
    return stated
