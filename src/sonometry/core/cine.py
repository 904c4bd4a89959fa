"""B-mode frames in time, with calibration only where the file has it.

Axes are (time, row, column). A cine may stand on a lazy frame source: opening a large file decodes nothing,
`frame(i)` decodes one frame, `pixels` decodes all of them once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, overload

import numpy as np

from sonometry.core.errors import DataError
from sonometry.core.signals import Signals
from sonometry.core.source import Source


class FrameSource(Protocol):
    """Frames that are decoded on demand."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def frame(self, index: int) -> np.ndarray: ...


class DecodedOnAccess:
    """Descriptor of `Cine.pixels`: keeps an array or a FrameSource, and hands out an array."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.slot = f"_{name}"

    @overload
    def __get__(self, cine: None, owner: type) -> DecodedOnAccess: ...
    @overload
    def __get__(self, cine: object, owner: type) -> np.ndarray: ...
    def __get__(self, cine: object | None, owner: type) -> DecodedOnAccess | np.ndarray:
        if cine is None:
            raise AttributeError(self.slot)  # so that the dataclass sees no default
        frames: Any = cine.__dict__[self.slot]
        if not isinstance(frames, np.ndarray):
            frames = np.stack([frames.frame(i) for i in range(frames.shape[0])])
            cine.__dict__[self.slot] = frames
        pixels: np.ndarray = frames
        return pixels

    def __set__(self, cine: object, frames: np.ndarray | FrameSource) -> None:
        cine.__dict__[self.slot] = frames


@dataclass(frozen=True, eq=False)
class Cine:
    """Frames of one clip or still.

    pixels : uint8 or float32 (T, H, W); may be given as a FrameSource, then it is decoded on first access.
    frame_times_s : (T,) strictly increasing, s.
    spacing_m : (row, column) distance between pixels, m; None means uncalibrated.
    sector : (H, W) bool, True where tissue is imaged; None when unknown.
    ecg : signals on the same clock, or None.
    is_timed : False when the file tells no frame rate and the times are a nominal one.
    """

    pixels: DecodedOnAccess = DecodedOnAccess()
    frame_times_s: np.ndarray = field(kw_only=True)
    spacing_m: tuple[float, float] | None = None
    sector: np.ndarray | None = None
    ecg: Signals | None = None
    is_timed: bool = True
    source: Source = field(default_factory=Source)

    kind = "cine"

    def __post_init__(self) -> None:
        shape, dtype = self._frames.shape, self._frames.dtype
        if len(shape) != 3 or min(shape) < 1:
            raise DataError(f"a cine needs grey frames of shape (T, H, W), got {tuple(shape)}")
        if dtype not in (np.uint8, np.float32):
            raise DataError(f"a cine needs uint8 or float32 pixels, got {dtype}")
        if self.frame_times_s.shape != (shape[0],):
            raise DataError(f"{shape[0]} frames need as many times, got {self.frame_times_s.shape}")
        if not np.isfinite(self.frame_times_s).all() or (np.diff(self.frame_times_s) <= 0).any():
            raise DataError("frame times must be finite and strictly increase")
        if self.spacing_m is not None and not all(0 < s < 0.1 for s in self.spacing_m):
            raise DataError(f"pixel spacing must lie between 0 and 100 mm, got {self.spacing_m} m")
        if self.sector is not None and (self.sector.shape != shape[1:] or self.sector.dtype != np.bool_):
            raise DataError(f"the sector mask must be bool {tuple(shape[1:])}, got {self.sector.shape}")
        if isinstance(self._frames, np.ndarray) and dtype == np.float32 and not np.isfinite(self._frames).all():
            raise DataError("pixels contain NaN or infinite values")

    @property
    def _frames(self) -> Any:
        return self.__dict__["_pixels"]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, H, W), without decoding."""
        n_frames, height, width = self._frames.shape
        return n_frames, height, width

    @property
    def n_frames(self) -> int:
        return self.shape[0]

    @property
    def frame_rate_hz(self) -> float | None:
        """Mean frames per second; None for a still or where the file has no timing."""
        if self.n_frames < 2 or not self.is_timed:
            return None
        return float((self.n_frames - 1) / (self.frame_times_s[-1] - self.frame_times_s[0]))

    def frame(self, index: int) -> np.ndarray:
        """(H, W) one frame; decodes only that one."""
        if not -self.n_frames <= index < self.n_frames:
            raise IndexError(f"frame {index} of {self.n_frames}")
        index %= self.n_frames
        frames = self._frames
        one: np.ndarray = frames[index] if isinstance(frames, np.ndarray) else frames.frame(index)
        return one

    def frames(self) -> Iterator[np.ndarray]:
        """Frames in order, decoded one at a time."""
        return (self.frame(i) for i in range(self.n_frames))
