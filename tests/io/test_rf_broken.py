"""Whatever happened to a file, the reader ends with RF or with one line, never with another exception."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from sonometry.core.errors import DataError
from sonometry.io.facts import Facts
from sonometry.io.rf_files import describe_rf, is_rf, read_rf
from sonometry.io.rf_write import write_rf

ALL = Facts(sampling_mhz=40, centre_mhz=6, pitch_mm=0.3)
#: 200 in all.
MUTATIONS = 25


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Bytes changed, cut, doubled, or dropped; mostly near the beginning, where the headers are."""
    data = bytearray(content)
    kind = rng.integers(5)
    at = int(rng.integers(min(len(data), 800) if rng.random() < 0.7 else len(data)))
    length = int(rng.integers(1, 64))
    if kind == 0:
        data[at : at + length] = rng.integers(0, 256, length, dtype=np.uint8).tobytes()
    elif kind == 1:
        del data[at:]
    elif kind == 2:
        del data[at : at + length]
    elif kind == 3:
        data[at:at] = data[at : at + length]
    else:
        for _ in range(8):
            data[int(rng.integers(min(len(data), 800)))] ^= 1 << int(rng.integers(8))
    return bytes(data)


def structured(path: Path, frames: np.ndarray) -> None:
    scipy.io.savemat(path, {"RfDataDouble": frames[0], "FileHeader": {"strf": {"SamplingRate": 4e7}}, "c": ["a", "b"]})


WRITERS: dict[str, Callable[..., object]] = {
    "a.mat": lambda rf, path: write_rf(rf, path),
    "b.mat": lambda rf, path: write_rf(rf, path, matlab_version="7.3"),
    "c.mat": lambda rf, path: structured(path, rf.samples),
    "a.mha": lambda rf, path: write_rf(rf, path),
    "a.mhd": lambda rf, path: write_rf(rf, path),
    "a.h5": lambda rf, path: write_rf(rf, path),
    "a.npz": lambda rf, path: write_rf(rf, path),
    "a.rf": lambda rf, path: write_rf(rf, path),
}


@pytest.mark.parametrize("name", list(WRITERS))
def test_mutated_files_end_in_rf_or_one_line(tmp_path: Path, make_rf, rng: np.random.Generator, name: str) -> None:
    path = tmp_path / name
    WRITERS[name](make_rf(n_frames=2, n_samples=100, n_lines=20), path)
    content = path.read_bytes()
    messages = []
    for _ in range(MUTATIONS):
        path.write_bytes(mutated(content, rng))
        for use in (is_rf, describe_rf, lambda p: read_rf([p], ALL)):
            try:
                use(path)
            except DataError as error:
                messages.append(str(error))
    assert messages
    assert not any("\n" in message or str(tmp_path) in message for message in messages)


@pytest.mark.parametrize("name", ["a.mat", "b.mat", "a.mha", "a.h5", "a.npz", "a.rf"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_truncated_files_are_refused(tmp_path: Path, make_rf, name: str, share: float) -> None:
    path = tmp_path / name
    WRITERS[name](make_rf(n_frames=2), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=rf"{name}"):
        read_rf([path], ALL)


def test_file_that_may_not_be_read_is_told(tmp_path: Path, make_rf, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rf(make_rf(), tmp_path / "a.npz")
    monkeypatch.setattr("os.access", lambda *_: False)  # root may read everything
    with pytest.raises(DataError, match=r"a\.npz cannot be read: permission denied"):
        read_rf([tmp_path / "a.npz"])
