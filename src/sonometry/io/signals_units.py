"""Units of signals as files write them, and their conversion to SI."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import pi


@dataclass(frozen=True)
class SIUnit:
    """UCUM code of the SI unit, and the factor from the unit of the file."""

    code: str
    factor: float


_VOLT = {"V": 1.0, "mV": 1e-3, "uV": 1e-6, "volt": 1.0, "volts": 1.0, "millivolt": 1e-3, "millivolts": 1e-3}
_TORQUE = {"Nm": 1.0, "kNm": 1e3, "Nmm": 1e-3, "Ncm": 1e-2, "newtonmeter": 1.0, "newtonmeters": 1.0}
_ANGLE = {"rad": 1.0, "deg": pi / 180, "degree": pi / 180, "degrees": pi / 180, "grad": pi / 180, "radians": 1.0}
_FORCE = {"N": 1.0, "kN": 1e3, "mN": 1e-3, "newton": 1.0, "newtons": 1.0}
_LENGTH = {"m": 1.0, "mm": 1e-3, "cm": 1e-2, "um": 1e-6}
_TIME = {"s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "us": 1e-6}
_TIME |= {"millisecond": 1e-3, "milliseconds": 1e-3, "min": 60.0}
_PRESSURE = {"Pa": 1.0, "kPa": 1e3, "MPa": 1e6, "mmHg": 133.322387415}
_RATE = {"Hz": 1.0, "kHz": 1e3}

#: Spelling without signs and blanks -> SI. Case counts where two units differ in it (mN, MN).
_UNITS: dict[str, SIUnit] = {
    spelling: SIUnit(code, factor)
    for code, spellings in (
        ("V", _VOLT),
        ("N.m", _TORQUE),
        ("rad", _ANGLE),
        ("N", _FORCE),
        ("m", _LENGTH),
        ("s", _TIME),
        ("Pa", _PRESSURE),
        ("Hz", _RATE),
        ("rad/s", {f"{unit}/s": factor for unit, factor in _ANGLE.items()}),
        ("m/s", {f"{unit}/s": factor for unit, factor in _LENGTH.items()}),
        ("m/s2", {f"{unit}/s2": factor for unit, factor in _LENGTH.items()} | {"g": 9.80665}),
    )
    for spelling, factor in spellings.items()
}
_LOWER = {spelling.lower(): unit for spelling, unit in reversed(_UNITS.items())}


def si_unit(text: str) -> SIUnit | None:
    """The SI unit that `text` ("mV", "°/s", "N·m", "deg") means; None where it is no known unit."""
    spelling = text.strip().strip("()[]{}").strip()
    spelling = spelling.replace("µ", "u").replace("μ", "u").replace("²", "2").replace("^", "").replace("s-2", "/s2")
    spelling = spelling.replace("deg.", "deg").replace("°", "deg").replace("º", "deg").replace("s-1", "/s")
    spelling = re.sub(r"[\s·⋅•*_.-]", "", spelling)
    spelling = re.sub(r"/(sec|second)$", "/s", spelling)
    return _UNITS.get(spelling) or _LOWER.get(spelling.lower())


def split_unit(header: str) -> tuple[str, str]:
    """Name and unit of a column header: "Torque (Nm)", "Torque [Nm]", "Torque, Nm", "torque_Nm"; "" without a unit."""
    header = header.strip().strip('"').strip()
    bracketed = re.fullmatch(r"(.*?)[\s_]*[(\[{]\s*([^()\[\]{}]*?)\s*[)\]}]", header)
    if bracketed and bracketed[1].strip():
        return bracketed[1].strip(), bracketed[2].strip()
    for pattern in (r"(.+?)\s*[,;]\s*([^,;]+)", r"(.+)_([^_\s]+)", r"(.+)\s(\S+)"):
        parted = re.fullmatch(pattern, header)
        # Single letters and "min" after a blank or underscore are rather a part of the name.
        is_word = parted is not None and (parted[2].lower() == "min" or parted[2] in ("m", "g"))
        if parted and not is_word and si_unit(parted[2]) is not None:
            return parted[1].strip(), parted[2]
    return header, ""
