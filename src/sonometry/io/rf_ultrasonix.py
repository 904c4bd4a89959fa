"""RF of Ultrasonix scanners (.rf): 19 integers, then int16 samples line by line.

Source: Ultrasonix WikiSonix, "uFileHeader": type, frames, w (lines), h (samples), ss (bits), the four corners, probe,
txf and sf (Hz), dr (frames per second), ld (lines of the full image), extra. Before version 6.0 of its software each
frame was preceded by its number (int32). The pitch of the lines is not in the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sonometry.core.errors import DataError
from sonometry.core.source import Device
from sonometry.io.named_arrays import reading
from sonometry.io.rf_fact_names import facts_from_numbers
from sonometry.io.rf_recording import PYTHON_ORDER, StoredRF
from sonometry.io.sniff import read_head

HEADER = np.dtype(
    [(name, "<i4") for name in ("type", "frames", "w", "h", "ss")]
    + [(f"{corner}{axis}", "<i4") for corner in ("ul", "ur", "br", "bl") for axis in "xy"]
    + [(name, "<i4") for name in ("probe", "txf", "sf", "dr", "ld", "extra")]
)
#: uData: the type of beam-formed B-mode RF, and of what else the scanner stores.
RF_TYPE = 16
_OTHER_TYPES = {
    2: "pre-scan B-mode",
    4: "post-scan B-mode",
    8: "post-scan B-mode in colour",
    32: "pre-scan M-mode",
    64: "post-scan M-mode",
    128: "pulsed Doppler RF",
    256: "pulsed Doppler spectrum",
    512: "colour Doppler RF",
    2048: "colour Doppler",
}


@dataclass(frozen=True)
class UltrasonixHeader:
    """The fields of the header that are used."""

    type: int
    n_frames: int
    n_lines: int
    n_samples: int
    sample_bits: int
    transmit_hz: int
    sampling_hz: int
    frame_rate_hz: int

    @property
    def frame_bytes(self) -> int:
        return self.n_lines * self.n_samples * self.sample_bits // 8


def ultrasonix_header(path: Path) -> UltrasonixHeader | None:
    """The header if the file begins with a sound one, else None. The size of the file is not looked at."""
    head = read_head(path, HEADER.itemsize)
    if len(head) < HEADER.itemsize:
        return None
    raw = np.frombuffer(head, HEADER)[0]
    header = UltrasonixHeader(*(int(raw[k]) for k in ("type", "frames", "w", "h", "ss", "txf", "sf", "dr")))
    is_known = header.type == RF_TYPE or header.type in _OTHER_TYPES
    is_sound = (
        0 < header.n_frames < 1 << 20
        and 0 < header.n_lines <= 1 << 14
        and 0 < header.n_samples <= 1 << 16
        and header.sample_bits in (8, 16, 32)
        and 0 <= header.transmit_hz < 100_000_000
        and 0 <= header.sampling_hz < 1_000_000_000
        and (header.transmit_hz > 100_000 or header.sampling_hz > 1_000_000)
    )
    return header if is_known and is_sound else None


def read_ultrasonix_rf(path: Path) -> StoredRF:
    """RF frames of an Ultrasonix file. DataError for other data of the scanner and for a truncated file."""
    header = ultrasonix_header(path)
    if header is None:
        raise DataError(f"{path.name} has no Ultrasonix header; expected 19 integers before the samples")
    if header.type != RF_TYPE or header.sample_bits != 16:
        kind = _OTHER_TYPES.get(header.type, f"type {header.type}") if header.type != RF_TYPE else "RF"
        raise DataError(
            f"{path.name} holds {kind} of {header.sample_bits} bits; expected B-mode RF of 16 bits (type {RF_TYPE})"
        )
    samples = _samples(path, header)
    numbers = [("sf", header.sampling_hz), ("txf", header.transmit_hz), ("framerate", header.frame_rate_hz)]
    names = {"sf": "samplingfrequency", "txf": "transmitfrequency"}
    stated = facts_from_numbers((names.get(name, name), float(value)) for name, value in numbers if value > 0)
    return StoredRF(samples, PYTHON_ORDER, stated, "Ultrasonix", (path,), Device("Ultrasonix"), is_order_certain=True)


def _samples(path: Path, header: UltrasonixHeader) -> np.ndarray:
    """(frame, sample, line) int16 view into the file."""
    there = path.stat().st_size - HEADER.itemsize
    plain, tagged = header.frame_bytes * header.n_frames, (header.frame_bytes + 4) * header.n_frames
    if there < plain:
        raise DataError(
            f"{path.name} is truncated: its header promises {header.n_frames} frames, "
            f"{there / header.frame_bytes:.3g} are there; copy it again"
        )
    tag = 4 if there == tagged else 0
    with reading(path, "Ultrasonix"):
        content = np.memmap(path, np.uint8, "r", HEADER.itemsize, (header.n_frames, tag + header.frame_bytes))
        lines = content[:, tag:].view("<i2") if not tag else np.ascontiguousarray(content[:, tag:]).view("<i2")
    return lines.reshape(header.n_frames, header.n_lines, header.n_samples).transpose(0, 2, 1)
