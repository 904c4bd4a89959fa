"""UCUM units of everything that is measured, and how a value is shown to a person.

Inside Sonometry values are SI (strain a fraction, angles in radians). `Unit.show` scales only for display.
Source: The Unified Code for Units of Measure, https://ucum.org.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Display:
    """How a quantity stored in a UCUM unit is shown: `value * factor` with `symbol` and significant digits."""

    symbol: str
    factor: float
    digits: int = 3


#: Every unit a measurement may carry, with the display used unless the output asks for another.
UCUM: dict[str, Display] = {
    "1": Display("", 1.0),
    "m": Display("mm", 1e3),
    "m2": Display("cm²", 1e4),
    "m3": Display("ml", 1e6),
    "m/s": Display("cm/s", 1e2),
    "s": Display("s", 1.0),
    "1/s": Display("1/s", 1.0),
    "1/min": Display("beats/min", 1.0),
    "Hz": Display("Hz", 1.0),
    "Pa": Display("kPa", 1e-3),
    "rad": Display("°", 180.0 / math.pi),
    "rad/s": Display("°/s", 180.0 / math.pi),
    "N.m": Display("N·m", 1.0),
    "V": Display("mV", 1e3),
    "dB": Display("dB", 1.0),
    "{score}": Display("", 1.0),
    "{view}": Display("", 1.0),
    "{frame}": Display("frames", 1.0),
    "{sample}": Display("samples", 1.0),
    "{pixel}": Display("px", 1.0),
}

PERCENT = Display("%", 100.0)
MICROMETRE = Display("µm", 1e6)

#: Displays an output may choose by name instead of its unit's default.
DISPLAYS: dict[str, Display] = {"%": PERCENT, "um": MICROMETRE}


def check_unit(unit: str) -> str:
    """Return `unit`; ValueError if it is not one of `UCUM`."""
    if unit not in UCUM:
        raise ValueError(f"unknown UCUM unit {unit!r}; known: {', '.join(UCUM)}")
    return unit


def display_of(unit: str, preferred: str | None = None) -> Display:
    """The display of `unit`, or the one named `preferred` (a key of `DISPLAYS`)."""
    return DISPLAYS[preferred] if preferred else UCUM[check_unit(unit)]


def format_number(value: float, digits: int = 3) -> str:
    """`value` with `digits` significant digits and no exponent between 1e-3 and 1e6."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    if abs(value) >= 1e6 or decimals > digits + 3:
        return f"{value:.{digits}g}"
    return f"{value:.{decimals}f}"
