"""Analogue channels of C3D files.

They are decoded here, and the tests compare with ezc3d: on a damaged file ezc3d 1.7 may run without end (the eighth of
400 randomly changed files), and there is no way to stop it inside the process. Names of subjects, which C3D files hold,
are not read. Source: The C3D File Format User Guide, Motion Lab Systems, https://www.c3d.org.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.core.errors import DataError
from sonometry.io.named_arrays import reading
from sonometry.io.signals_channels import Channel, StoredSignals
from sonometry.io.sniff import read_head

BLOCK = 512
_KEY = 0x50
#: Processor that wrote the file: Intel, DEC (other floats), MIPS (big endian).
_INTEL, _DEC, _MIPS = 84, 85, 86


def is_c3d(path: Path) -> bool:
    """Whether header and parameter section both have the key of C3D."""
    head = read_head(path, 128 * BLOCK)
    if len(head) < BLOCK or head[1] != _KEY or head[0] < 2:
        return False
    section = head[(head[0] - 1) * BLOCK :][:4]
    return len(section) == 4 and section[3] in (_INTEL, _DEC, _MIPS)


def read_c3d(path: Path) -> StoredSignals:
    """Analogue channels with their units and rate. DataError where there are none, or the file is cut or damaged."""
    with reading(path, "C3D"):
        content = path.read_bytes()
        file = _File(content, _INTEL if len(content) < BLOCK else content[(content[0] - 1) * BLOCK + 3])
        layout = _layout(path, file)
        raw = _analogue(path, file, layout)
        offsets = _per_channel(file.parameter("OFFSET"), layout.n_channels, 0.0, file.is_unsigned)
        scales = _per_channel(file.parameter("SCALE"), layout.n_channels, 1.0)
        general = _per_channel(file.parameter("GEN_SCALE"), 1, 1.0)[0]
        values = (raw - offsets) * (scales * general)
        names, units = (_texts(file, key, layout.n_channels) for key in ("LABELS", "UNITS"))
    start_s = (layout.first_frame - 1) / layout.frame_rate_hz if layout.frame_rate_hz else 0.0
    notes = (f"The file begins {start_s:.3f} s after the start of its trial.",) if start_s > 0 else ()
    channels = tuple(Channel(names[i], units[i], values[:, i]) for i in range(layout.n_channels))
    return StoredSignals(channels, "C3D", rate_hz=layout.rate_hz, notes=notes)


@dataclass(frozen=True)
class _Layout:
    """Where the analogue samples lie: in every frame after the points, `per_frame` samples of each channel."""

    start: int
    n_frames: int
    first_frame: int
    n_points: int
    n_channels: int
    per_frame: int
    is_float: bool
    frame_rate_hz: float
    rate_hz: float


class _File:
    """Numbers of a C3D file in the byte order of the processor that wrote it, and its ANALOG parameters."""

    def __init__(self, content: bytes, processor: int) -> None:
        self.content, self.processor = content, processor
        self.order = ">" if processor == _MIPS else "<"
        self._analog, self._others = self._parameters()

    def array(self, kind: str, start: int, count: int) -> np.ndarray:
        """`count` numbers ("u1", "i1", "i2", "u2" or "f4") at byte `start`."""
        if kind == "f4" and self.processor == _DEC:
            words = np.frombuffer(self.content, "<u2", 2 * count, start).reshape(-1, 2)
            return np.asarray(np.ascontiguousarray(words[:, ::-1]).view("<f4").reshape(-1) / 4)
        return np.frombuffer(self.content, self.order + kind, count, start)

    def number(self, kind: str, start: int) -> float:
        return float(self.array(kind, start, 1)[0])

    def parameter(self, name: str, group: str = "ANALOG") -> np.ndarray | list[str] | None:
        """A parameter, or None."""
        return self._analog.get(name) if group == "ANALOG" else self._others.get((group, name))

    @property
    def is_unsigned(self) -> bool:
        text = self.parameter("FORMAT")
        return isinstance(text, list) and bool(text) and text[0].upper() == "UNSIGNED"

    def _parameters(self) -> tuple[dict[str, Any], dict[tuple[str, str], Any]]:
        names: dict[int, str] = {}
        found: list[tuple[int, str, Any]] = []
        for group, name, body in self._records():
            if group < 0:
                names[-group] = name
            else:
                found.append((group, name, body))
        analog = {name: self._value(at) for group, name, at in found if names.get(group) == "ANALOG"}
        wanted = {"POINT": ("FRAMES", "RATE"), "TRIAL": ("ACTUAL_START_FIELD", "ACTUAL_END_FIELD")}
        others = {
            (owner, name): self._value(at)
            for group, name, at in found
            if name in wanted.get(owner := names.get(group, ""), ())
        }
        return analog, others

    def _records(self) -> Iterator[tuple[int, str, int]]:
        """Group number (negative for a group itself), name, and where its content begins."""
        section = (self.content[0] - 1) * BLOCK
        at, stop = section + 4, min(len(self.content), section + max(1, self.content[section + 2]) * BLOCK)
        while at + 4 < stop:
            length, group = abs(int(self.number("i1", at))), int(self.number("i1", at + 1))
            if length == 0 or group == 0:
                return
            name = self.content[at + 2 : at + 2 + length].decode("latin-1").strip().upper()
            link = at + 2 + length
            step = int(self.number("u2", link))
            yield group, name, link + 2
            if step < 3:
                return
            at = link + step

    def _value(self, at: int) -> np.ndarray | list[str]:
        """Numbers flattened in the order of the file, or texts."""
        kind, n_axes = int(self.number("i1", at)), self.content[at + 1]
        shape = [self.content[at + 2 + i] for i in range(n_axes)]
        count, start = int(np.prod(shape, dtype=np.int64)), at + 2 + n_axes
        if start + count > len(self.content):
            raise ValueError("a parameter is longer than the file")  # told as damage by the caller
        if kind == -1:
            width = shape[0] if shape else 1
            text = self.content[start : start + count]
            return [_decoded(text[i * width : (i + 1) * width]) for i in range(count // width if width else 0)]
        return self.array({1: "u1", 2: "i2", 4: "f4"}[kind], start, count)


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8").strip("\x00 ")
    except UnicodeDecodeError:
        return text.decode("latin-1").strip("\x00 ")


def _layout(path: Path, file: _File) -> _Layout:
    n_points, n_analogue = int(file.number("u2", 2)), int(file.number("u2", 4))
    first, last = int(file.number("u2", 6)), int(file.number("u2", 8))
    per_frame, frame_rate = int(file.number("u2", 18)), file.number("f4", 20)
    if n_analogue == 0 or per_frame == 0:
        raise DataError(f"{path.name} has no analogue channels; expected EMG, torque or the like in a C3D file")
    n_channels = n_analogue // per_frame
    rate = _first(file.parameter("RATE"), frame_rate * per_frame)
    if n_channels < 1 or n_analogue % per_frame or not 0 < rate < 1e7:
        raise DataError(f"{path.name} is damaged: its header has {n_analogue} values at {rate:g} Hz; export it again")
    return _Layout(
        start=(int(file.number("u2", 16)) - 1) * BLOCK,
        n_frames=_n_frames(file, first, last),
        first_frame=first,
        n_points=n_points,
        n_channels=n_channels,
        per_frame=per_frame,
        is_float=file.number("f4", 12) < 0,
        frame_rate_hz=frame_rate if 0 < frame_rate < 1e7 else 0.0,
        rate_hz=rate,
    )


def _n_frames(file: _File, first: int, last: int) -> int:
    """The header counts to 65535; longer trials have their ends in two words each, low word first."""
    ends = [file.parameter(name, "TRIAL") for name in ("ACTUAL_START_FIELD", "ACTUAL_END_FIELD")]
    if last == 0xFFFF and all(isinstance(end, np.ndarray) and len(end) >= 2 for end in ends):
        first, last = (int(np.uint16(end[0])) + 65536 * int(np.uint16(end[1])) for end in ends if end is not None)
    return last - first + 1


def _analogue(path: Path, file: _File, layout: _Layout) -> np.ndarray:
    """(N, channels) numbers as stored."""
    kind, width = ("f4", 4) if layout.is_float else ("u2" if file.is_unsigned else "i2", 2)
    per_frame = layout.n_points * 4 + layout.n_channels * layout.per_frame
    there = max(0, len(file.content) - layout.start) // (per_frame * width)
    if layout.n_frames < 1 or layout.start < BLOCK or there < layout.n_frames:
        raise DataError(
            f"{path.name} is truncated: its header promises {layout.n_frames} frames, {there} are there; "
            "export it again"
        )
    frames = file.array(kind, layout.start, layout.n_frames * per_frame).reshape(layout.n_frames, per_frame)
    analogue = frames[:, layout.n_points * 4 :].reshape(-1, layout.n_channels)
    return np.asarray(analogue, np.float64)


def _first(value: np.ndarray | list[str] | None, default: float) -> float:
    return float(value[0]) if isinstance(value, np.ndarray) and len(value) and value[0] > 0 else default


def _per_channel(value: np.ndarray | list[str] | None, n: int, default: float, is_unsigned: bool = False) -> np.ndarray:
    """(n,) numbers, `default` where the file has fewer."""
    numbers = np.full(n, default)
    if isinstance(value, np.ndarray) and value.dtype.kind in "iuf":
        stored = value.astype(np.uint16) if is_unsigned and value.dtype.kind == "i" else value
        numbers[: len(stored)] = stored[:n]
    return numbers


def _texts(file: _File, key: str, n: int) -> list[str]:
    """`n` texts; more than 255 go on in LABELS2, LABELS3 ..."""
    texts: list[str] = []
    for suffix in ("", *map(str, range(2, 9))):
        part = file.parameter(key + suffix)
        texts += part if isinstance(part, list) else []
    return (texts + [""] * n)[:n]
