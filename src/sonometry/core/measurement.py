"""One measured number with its unit, interval, status and method."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sonometry.core.units import Display, check_unit, display_of, format_number


class Status(StrEnum):
    """Whether a number can be trusted: fully, within the stated limits, or not at all."""

    OK = "ok"
    LIMITED = "limited"
    WITHHELD = "withheld"


@dataclass(frozen=True)
class Interval:
    """Bounds that hold the true value with probability `level`."""

    low: float
    high: float
    level: float = 0.95

    def __post_init__(self) -> None:
        if not (self.low <= self.high and 0 < self.level < 1):
            raise ValueError(f"interval needs low <= high and a level in (0, 1), got {self}")


@dataclass(frozen=True)
class Method:
    """What computed a number; `weights_sha256` only for learned methods."""

    name: str
    version: str
    weights_sha256: str | None = None


@dataclass(frozen=True)
class Measurement:
    """A named number in a UCUM unit, or a stated refusal.

    value : float (str for a category such as a view); None if and only if withheld.
    reasons : why it is limited or withheld; at least one then.
    display : key of `units.DISPLAYS` when the default display of the unit is not wanted ("%" for strain).
    """

    name: str
    value: float | str | None
    unit: str
    status: Status
    method: Method
    reasons: tuple[str, ...] = ()
    interval: Interval | None = None
    display: str | None = None

    def __post_init__(self) -> None:
        check_unit(self.unit)
        object.__setattr__(self, "status", Status(self.status))
        object.__setattr__(self, "reasons", tuple(self.reasons))
        if (self.value is None) != (self.status is Status.WITHHELD):
            raise ValueError(f"{self.name}: a value is absent if and only if it is withheld")
        if self.status is not Status.OK and not self.reasons:
            raise ValueError(f"{self.name}: {self.status} needs a reason")
        if isinstance(self.value, float) and not math.isfinite(self.value):
            raise ValueError(f"{self.name}: value must be finite; withhold it instead")
        if self.value is None and self.interval is not None:
            raise ValueError(f"{self.name}: a withheld value has no interval")

    @classmethod
    def withheld(cls, name: str, unit: str, *reasons: str, method: Method, display: str | None = None) -> Measurement:
        """A measurement that was refused, with the reasons."""
        return cls(name, None, unit, Status.WITHHELD, method, reasons, display=display)

    @property
    def _display(self) -> Display:
        return display_of(self.unit, self.display)

    def shown(self, value: float) -> str:
        """`value` (in this measurement's unit) as a person reads it, without the symbol."""
        return format_number(value * self._display.factor, self._display.digits)

    @property
    def symbol(self) -> str:
        """Unit as shown beside the number."""
        return self._display.symbol

    def __str__(self) -> str:
        if self.value is None:
            return f"withheld: {'; '.join(self.reasons)}"
        if isinstance(self.value, str):
            text = self.value
        else:
            text = f"{self.shown(self.value)} {self.symbol}".rstrip()
        if self.interval is not None:
            low, high = self.shown(self.interval.low), self.shown(self.interval.high)
            text += f" ({100 * self.interval.level:g} % interval {low} to {high})"
        text += f", {self.status}"
        return text + (f": {'; '.join(self.reasons)}" if self.reasons else "")

    __repr__ = __str__

    def to_json(self) -> dict[str, Any]:
        """Plain types, as in report.json."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "interval": asdict(self.interval) if self.interval else None,
            "status": str(self.status),
            "reasons": list(self.reasons),
            "display": self.display,
            "method": asdict(self.method),
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Measurement:
        """Inverse of `to_json`."""
        interval = record.get("interval")
        return cls(
            name=record["name"],
            value=record["value"],
            unit=record["unit"],
            status=Status(record["status"]),
            method=Method(**record["method"]),
            reasons=tuple(record["reasons"]),
            interval=Interval(**interval) if interval else None,
            display=record.get("display"),
        )
