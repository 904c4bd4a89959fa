"""Frame times from whatever the header has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from sonometry.io.dicom import read_dicom
from sonometry.io.dicom_timing import frame_timing

POINTER = {"time": 0x00181063, "vector": 0x00181065}


def header(**attributes: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def test_frame_time_is_in_milliseconds() -> None:
    timing = frame_timing(header(FrameTime="20", FrameIncrementPointer=POINTER["time"]), 4)
    np.testing.assert_allclose(timing.times_s, [0, 0.02, 0.04, 0.06])
    assert timing.basis == "FrameTime"


def test_vector_gives_every_interval() -> None:
    vector = ["0", "10", "30", "20"]
    timing = frame_timing(header(FrameTimeVector=vector, FrameIncrementPointer=POINTER["vector"]), 4)
    np.testing.assert_allclose(timing.times_s, [0, 0.01, 0.04, 0.06])
    assert timing.jitter_s == pytest.approx(0.01)


def test_vector_counts_without_pointer_and_frame_time() -> None:
    timing = frame_timing(header(FrameTimeVector=["0", "10", "30"]), 3)
    np.testing.assert_allclose(timing.times_s, [0, 0.01, 0.04])


def test_vector_without_leading_zero_is_understood() -> None:
    timing = frame_timing(header(FrameTimeVector=["10", "30"]), 3)
    np.testing.assert_allclose(timing.times_s, [0, 0.01, 0.04])


def test_first_value_of_the_vector_does_not_shift_the_first_frame() -> None:
    timing = frame_timing(header(FrameTimeVector=["33", "10", "30"]), 3)
    np.testing.assert_allclose(timing.times_s, [0, 0.01, 0.04])


def test_long_vector_is_cut_with_a_note() -> None:
    timing = frame_timing(header(FrameTimeVector=["0", "10", "30", "5", "5"]), 3)
    np.testing.assert_allclose(timing.times_s, [0, 0.01, 0.04])
    assert any("5 values for 3 frames" in note for note in timing.notes)


def test_short_vector_gives_way_to_frame_time() -> None:
    timing = frame_timing(header(FrameTimeVector=["0", "10"], FrameTime="20"), 4)
    assert timing.basis == "FrameTime"
    assert any("2 values for 4 frames and is not used" in note for note in timing.notes)


@pytest.mark.parametrize("bad", [["0", "10", "0"], ["0", "10", "-5"]])
def test_intervals_that_do_not_increase_are_not_used(bad: list[str]) -> None:
    timing = frame_timing(header(FrameTimeVector=bad, CineRate="25"), 3)
    assert timing.basis == "CineRate"
    assert any("not positive" in note for note in timing.notes)


def test_pointer_to_frame_time_outranks_a_vector() -> None:
    timing = frame_timing(
        header(FrameTimeVector=["0", "10", "30"], FrameTime="20", FrameIncrementPointer=POINTER["time"]), 3
    )
    assert timing.basis == "FrameTime"


@pytest.mark.parametrize("keyword", ["CineRate", "RecommendedDisplayFrameRate"])
def test_display_rates_are_used_with_a_note(keyword: str) -> None:
    timing = frame_timing(header(**{keyword: "25"}), 3)
    np.testing.assert_allclose(timing.times_s, [0, 0.04, 0.08])
    assert any(keyword in note and "--fps" in note for note in timing.notes)


def test_cine_rate_outranks_display_rate() -> None:
    assert frame_timing(header(CineRate="25", RecommendedDisplayFrameRate="30"), 3).basis == "CineRate"


def test_no_rate_at_all_is_nominal_and_said() -> None:
    timing = frame_timing(header(), 3)
    assert not timing.is_timed
    assert any("--fps" in note for note in timing.notes)


@pytest.mark.parametrize("value", ["0", "0.0001", "-20", "1e9"])
def test_implausible_frame_times_are_not_used(value: str) -> None:
    assert frame_timing(header(FrameTime=value, CineRate="25"), 3).basis == "CineRate"


def test_contradicting_rates_are_noted() -> None:
    timing = frame_timing(header(FrameTime="20", CineRate="30"), 3)
    assert any("FrameTime gives 50 frames a second but CineRate 30" in note for note in timing.notes)


def test_rounded_cine_rate_is_no_contradiction() -> None:
    assert frame_timing(header(FrameTime="54.241", CineRate="18"), 3).notes == ()


def test_a_still_has_one_time_and_no_rate() -> None:
    timing = frame_timing(header(FrameTime="20"), 1)
    assert timing.times_s.tolist() == [0.0]
    assert not timing.is_timed


@pytest.mark.data
def test_real_frame_time_vector(shared_data: Path) -> None:
    cine = read_dicom(shared_data / "dicom" / "acuson_doppler_raw_frametimevector.dcm")
    assert sorted({round(float(i) * 1e3) for i in np.diff(cine.frame_times_s)}) == [33, 43, 50]
    assert cine.is_timed
