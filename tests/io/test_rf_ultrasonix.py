"""Ultrasonix .rf, laid out by hand as its documentation says."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from sonometry.core.errors import DataError
from sonometry.io.facts import Facts
from sonometry.io.rf_files import describe_rf, is_rf, read_rf

PITCH = Facts(pitch_mm=0.3)


@pytest.fixture
def frames(make_rf) -> np.ndarray:
    return np.round(make_rf(n_frames=3).samples).astype("<i2")


def content(frames: np.ndarray, *, kind: int = 16, bits: int = 16, is_tagged: bool = False, rate: int = 30) -> bytes:
    n_frames, n_samples, n_lines = frames.shape
    corners = [0, 0, n_lines - 1, 0, n_lines - 1, n_samples - 1, 0, n_samples - 1]
    header = [kind, n_frames, n_lines, n_samples, bits, *corners, 2, 6_000_000, 40_000_000, rate, n_lines, 0]
    body = b"".join((struct.pack("<i", i) if is_tagged else b"") + frame.T.tobytes() for i, frame in enumerate(frames))
    return struct.pack("<19i", *header) + body


@pytest.mark.parametrize("is_tagged", [False, True])
def test_lines_are_read_one_after_the_other(tmp_path: Path, frames: np.ndarray, is_tagged: bool) -> None:
    (tmp_path / "a.rf").write_bytes(content(frames, is_tagged=is_tagged))
    read = read_rf([tmp_path / "a.rf"], PITCH)
    np.testing.assert_array_equal(read.samples, frames.astype(np.float32))
    assert (read.centre_frequency_hz, read.sampling_rate_hz) == (6e6, 40e6)
    np.testing.assert_allclose(read.frame_times_s, np.arange(3) / 30)
    assert read.source.device.manufacturer == "Ultrasonix"


def test_content_is_recognised_without_its_ending(tmp_path: Path, frames: np.ndarray) -> None:
    (tmp_path / "10-58-09").write_bytes(content(frames))
    assert is_rf(tmp_path / "10-58-09")


def test_pitch_is_asked_for(tmp_path: Path, frames: np.ndarray) -> None:
    (tmp_path / "a.rf").write_bytes(content(frames))
    with pytest.raises(DataError, match=r"^a\.rf has no line pitch; pass --pitch-mm P$"):
        read_rf([tmp_path / "a.rf"])
    assert describe_rf(tmp_path / "a.rf")["missing"] == ["--pitch-mm P"]


def test_truncated_file_tells_how_many_frames_there_are(tmp_path: Path, frames: np.ndarray) -> None:
    (tmp_path / "a.rf").write_bytes(content(frames)[: -frames[0].nbytes // 2])
    with pytest.raises(DataError, match=r"a\.rf is truncated: its header promises 3 frames, 2\.5 are there"):
        read_rf([tmp_path / "a.rf"], PITCH)


@pytest.mark.parametrize(("kind", "bits", "what"), [(4, 8, "post-scan B-mode of 8 bits"), (16, 32, "RF of 32 bits")])
def test_other_data_of_the_scanner_is_refused(
    tmp_path: Path, frames: np.ndarray, kind: int, bits: int, what: str
) -> None:
    (tmp_path / "a.b8").write_bytes(content(frames, kind=kind, bits=bits))
    with pytest.raises(DataError, match=rf"a\.b8 holds {what}; expected B-mode RF of 16 bits \(type 16\)"):
        read_rf([tmp_path / "a.b8"], PITCH)
