"""Depth, lines and time are told apart by what echoes look like, not by the order of the axes."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from sonometry.io.rf_axes import carrier, orientation

ORDERS = list(itertools.permutations(range(3)))
#: (time, axial, line) as NumPy and MATLAB users store them.
PYTHON, MATLAB = (0, 1, 2), (2, 0, 1)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("usual", [PYTHON, MATLAB])
def test_any_order_of_axes_is_recognised(make_rf, order: tuple[int, int, int], usual: tuple[int, int, int]) -> None:
    frames = make_rf(n_frames=5).samples
    found = orientation(frames.transpose(order), usual)
    np.testing.assert_array_equal(frames.transpose(order).transpose(found.order), frames)


@pytest.mark.parametrize("order", ORDERS)
def test_one_frame_of_any_order_is_recognised(make_rf, order: tuple[int, int, int]) -> None:
    frame = make_rf(n_frames=1).samples
    assert frame.transpose(order).transpose(orientation(frame.transpose(order), PYTHON).order).shape == frame.shape


def test_more_lines_than_samples_is_recognised(make_rf) -> None:
    wide = make_rf(n_frames=1, n_samples=120, n_lines=256).samples
    assert orientation(wide, PYTHON).order == PYTHON
    assert orientation(wide.transpose(0, 2, 1), PYTHON).order == (0, 2, 1)


def test_more_frames_than_lines_is_recognised(make_rf) -> None:
    frames = make_rf(n_frames=60, n_samples=300, n_lines=24).samples
    assert orientation(frames.transpose(1, 2, 0), PYTHON).order == (2, 0, 1)


def test_usual_order_has_no_note_and_another_one_has(make_rf) -> None:
    frames = make_rf(n_frames=2).samples
    assert orientation(frames, PYTHON).note is None
    assert "Depth was found along axis 3 and time along axis 1 of 2 x 48 x 600" in str(
        orientation(frames.transpose(0, 2, 1), PYTHON).note
    )


@pytest.mark.parametrize(
    "content",
    [np.zeros((2, 50, 40), np.float32), np.random.default_rng(1).normal(size=(2, 300, 64)).astype(np.float32)],
)
def test_data_without_a_carrier_keep_the_usual_order(content: np.ndarray) -> None:
    assert orientation(content, PYTHON).order == PYTHON
    assert orientation(content.transpose(1, 2, 0), MATLAB).order == MATLAB


def test_offset_and_scale_do_not_matter(make_rf) -> None:
    frames = make_rf(n_frames=2).samples.transpose(0, 2, 1)
    assert orientation(frames * 1e-6 + 1e-2, PYTHON).order == (0, 2, 1)


def test_carrier_frequency_is_the_imposed_one(make_rf) -> None:
    lines = make_rf(n_frames=1).samples[0].T
    ratio, peak = carrier(lines)
    assert ratio < 0.01
    assert peak == pytest.approx(6 / 40, abs=0.02)  # the peak of a finite speckle sample wanders in the pulse's band


def test_envelope_has_no_carrier(make_rf) -> None:
    lines = np.abs(make_rf(n_frames=1).samples[0].T)
    smooth = np.apply_along_axis(lambda line: np.convolve(line, np.ones(20) / 20, "same"), 1, lines)
    assert carrier(smooth)[0] > 1


@pytest.mark.data
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", ["arm_in_vivo/299", "arm_in_vivo/300", "mouse_liver"])
def test_real_recordings_are_recognised_in_any_order(shared_data: Path, name: str, order: tuple[int, int, int]) -> None:
    files = sorted((shared_data / "elastography" / name).glob("*.mh[ad]"))
    frames = np.concatenate([sitk.GetArrayFromImage(sitk.ReadImage(str(file))) for file in files])
    if name == "mouse_liver":
        frames = frames.transpose(0, 2, 1)
    found = orientation(frames.transpose(order), PYTHON)
    assert frames.transpose(order).transpose(found.order).shape == frames.shape
