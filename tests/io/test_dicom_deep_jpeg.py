"""JPEG of more than 8 bits: gdcm in a process of its own, which may die without harm."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.encaps import generate_frames

from sonometry.io import gdcm_process
from sonometry.io.gdcm_process import Picture, decode

TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"
PICTURE = Picture(syntax=51, rows=1024, columns=256, samples=1, bits=12)


@pytest.fixture
def stream() -> bytes:
    """One 12-bit JPEG frame of 256 x 1024 pixels."""
    return next(generate_frames(pydicom.dcmread(TEST_FILES / "JPGExtended.dcm").PixelData, number_of_frames=1))


@pytest.fixture(autouse=True)
def _no_child_is_left() -> Iterator[None]:
    yield
    gdcm_process._CHILD.stop()


def test_samples_come_as_words(stream: bytes) -> None:
    words = decode(stream, PICTURE)
    assert words is not None
    assert len(words) == 2 * 1024 * 256
    assert max(words[1::2]) == 1  # the largest sample is 264


def test_one_child_serves_many_frames(stream: bytes) -> None:
    decode(stream, PICTURE)
    first = gdcm_process._CHILD.process
    decode(stream, PICTURE)
    assert gdcm_process._CHILD.process is first


def test_next_frame_is_decoded_after_the_child_died(stream: bytes) -> None:
    decode(stream, PICTURE)
    child = gdcm_process._CHILD.process
    assert child is not None
    child.kill()
    child.wait()
    assert decode(stream, PICTURE) is None
    assert decode(stream, PICTURE) is not None


def test_hanging_child_is_ended(stream: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gdcm_process, "TIMEOUT_S", 0.001)  # shorter than its start
    assert decode(stream, PICTURE) is None


def test_damaged_streams_do_no_harm(stream: bytes) -> None:
    chance = random.Random(8)
    for _ in range(25):
        content = bytearray(stream)
        for _ in range(chance.choice([1, 3, 10])):
            content[chance.randrange(2, 700)] = chance.choice([0, 255, chance.randrange(256)])
        decode(bytes(content), PICTURE)
    assert decode(stream, PICTURE) is not None
