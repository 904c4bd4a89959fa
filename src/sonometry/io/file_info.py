"""What `sonometry info` tells of a file: facts, notes and problems, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sonometry.core.source import Device

#: Arrays of a container that are listed by name.
LISTED_ARRAYS = 8


@dataclass(frozen=True)
class Timing:
    """rate_hz : mean, None when unknown. jitter_s : largest deviation of an interval from the median one."""

    rate_hz: float | None
    duration_s: float
    jitter_s: float
    is_timed: bool
    basis: str = ""


@dataclass(frozen=True)
class RegionInfo:
    """One ultrasound region: what it shows, its box (top, bottom, left, right; ends excluded) and pixel distances."""

    shows: str
    layout: str
    box: tuple[int, int, int, int]
    units: tuple[str, str]
    deltas: tuple[float, float]


@dataclass(frozen=True)
class ChannelInfo:
    """One signal: unit, rate and range."""

    name: str
    unit: str
    sampling_rate_hz: float
    minimum: float | None
    maximum: float | None


@dataclass(frozen=True)
class FileInfo:
    """A file in facts. shape : (T, H, W), (T, axial, line) or (N, channels). problems : one sentence each."""

    name: str
    format: str
    kind: str
    size_bytes: int
    shape: tuple[int, ...] = ()
    dtype: str = ""
    spacing_m: tuple[float, float] | None = None
    timing: Timing | None = None
    regions: tuple[RegionInfo, ...] = ()
    device: Device = field(default_factory=Device)
    heart_rate_per_min: float | None = None
    deidentification: str = "unknown"
    rf: Mapping[str, Any] = field(default_factory=dict)
    channels: tuple[ChannelInfo, ...] = ()
    recordings: tuple[FileInfo, ...] = ()
    arrays: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def frames(self) -> int | None:
        """Number of frames, None for signals and studies."""
        return self.shape[0] if self.kind in ("cine", "rf") and self.shape else None

    def to_json(self) -> dict[str, Any]:
        """Plain types, SI units."""
        record = asdict(self)
        record["recordings"] = [recording.to_json() for recording in self.recordings]
        record["rf"] = dict(self.rf)
        return {**record, "frames": self.frames}

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.format}, {self.kind}, {_size(self.size_bytes)}"]
        lines += [f"  {label:<9} {text}" for label, text in self._rows()]
        for recording in self.recordings:
            lines += [f"  {line}" for line in str(recording).splitlines()]
        return "\n".join(lines)

    def _rows(self) -> Iterator[tuple[str, str]]:
        if self.shape:
            yield ("samples" if self.kind == "signals" else "frames"), _shape(self.kind, self.shape, self.dtype)
        if self.timing is not None:
            yield "time", _timing(self.timing)
        if self.kind == "cine":
            yield "spacing", _spacing(self.spacing_m)
        for region in self.regions:
            yield "region", _region(region)
        for key, fact in self.rf.items():
            yield "rf", f"{key} {fact}"
        for array in self.arrays[:LISTED_ARRAYS]:
            yield "array", array
        if len(self.arrays) > LISTED_ARRAYS:
            yield "array", f"and {len(self.arrays) - LISTED_ARRAYS} more"
        for channel in self.channels:
            yield "channel", _channel(channel)
        if any(device := (self.device.manufacturer, self.device.model, self.device.probe)):
            yield "device", ", ".join(part for part in device if part)
        if self.heart_rate_per_min is not None:
            yield "heart", f"{self.heart_rate_per_min:g} beats/min"
        if self.deidentification == "identified":
            yield "patient", "the header names a patient (not shown here)"
        for note in self.notes:
            yield "note", note
        for problem in self.problems:
            yield "problem", problem


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.3g} MB" if n_bytes >= 1e5 else f"{n_bytes / 1e3:.3g} kB"


def _shape(kind: str, shape: tuple[int, ...], dtype: str) -> str:
    rest = " x ".join(map(str, shape[1:]))
    what = {"rf": f"of {rest} (samples x lines)", "signals": f"of {rest} channels"}.get(kind, f"of {rest}")
    return f"{shape[0]} {what}" + (f", {dtype}" if dtype else "")


def _timing(timing: Timing) -> str:
    if not timing.is_timed or timing.rate_hz is None:
        return "unknown frame rate"
    text = f"{timing.rate_hz:.4g} frames/s, {timing.duration_s:.3g} s"
    if timing.jitter_s > 1e-3 / timing.rate_hz:
        text += f", intervals vary by up to {timing.jitter_s * 1e3:.3g} ms"
    return text + (f" (from {timing.basis})" if timing.basis else "")


def _spacing(spacing_m: tuple[float, float] | None) -> str:
    if spacing_m is None:
        return "unknown: not calibrated"
    return f"{spacing_m[0] * 1e3:.5g} x {spacing_m[1] * 1e3:.5g} mm (row x column)"


def _region(region: RegionInfo) -> str:
    top, bottom, left, right = region.box
    steps = [f"{d:.6g} {u}" if u != "none" else "no unit" for d, u in zip(region.deltas, region.units, strict=True)]
    step = f"{' x '.join(steps)} a pixel" if region.units != ("none", "none") else "no physical units"
    return f"{region.shows} ({region.layout}), rows {top}-{bottom - 1}, columns {left}-{right - 1}, {step}"


def _channel(channel: ChannelInfo) -> str:
    text = f"{channel.name} [{channel.unit}], {channel.sampling_rate_hz:.5g} samples/s"
    if channel.minimum is not None:
        text += f", {channel.minimum:.4g} to {channel.maximum:.4g}"
    return text
