"""What is written is read back: every sample and every fact."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import SimpleITK as sitk

from sonometry.core.errors import OutputError, UsageError
from sonometry.core.rf import Geometry, RFFrames
from sonometry.io import rf_write
from sonometry.io.facts import Facts
from sonometry.io.rf_files import is_rf, read_rf
from sonometry.io.rf_write import write_rf, write_rf_sequence

EXACT = [("a.mat", "5"), ("a.mat", "7.3"), ("a.mhd", ""), ("a.mha", ""), ("a.h5", ""), ("a.hdf5", ""), ("a.npz", "")]


def assert_same(read: RFFrames, written: RFFrames) -> None:
    for field in dataclasses.fields(RFFrames):
        if field.name != "source":
            np.testing.assert_array_equal(getattr(read, field.name), getattr(written, field.name), field.name)


@pytest.mark.parametrize(("name", "version"), EXACT)
def test_round_trip_is_exact(tmp_path: Path, make_rf, name: str, version: str) -> None:
    written = make_rf(
        n_frames=4, sound_speed_m_s=1480.1, start_depth_m=0.00123, line_pitch_m=1 / 3e3, frame_times_s=np.arange(4) / 7
    )
    write_rf(written, tmp_path / name, matlab_version=version)
    assert is_rf(tmp_path / name)
    read = read_rf([tmp_path / name])
    assert_same(read, written)
    assert read.source.notes == ()


@pytest.mark.parametrize(("name", "version"), EXACT)
def test_round_trip_of_one_frame(tmp_path: Path, make_rf, name: str, version: str) -> None:
    written = make_rf(n_frames=1)
    write_rf(written, tmp_path / name, matlab_version=version)
    assert_same(read_rf([tmp_path / name]), written)


@pytest.mark.parametrize(("name", "version"), EXACT)
@pytest.mark.parametrize(("radius_m", "pitch_m"), [(0.06, 0.06 * 0.004), (0.0, 0.0)])
def test_round_trip_of_a_fan(tmp_path: Path, make_rf, name: str, version: str, radius_m: float, pitch_m: float) -> None:
    fan = {"geometry": Geometry.SECTOR, "line_angle_rad": 0.004, "probe_radius_m": radius_m, "line_pitch_m": pitch_m}
    written = make_rf(n_frames=2, **fan)
    write_rf(written, tmp_path / name, matlab_version=version)
    assert_same(read_rf([tmp_path / name]), written)


def test_ultrasonix_keeps_whole_numbers_and_frequencies(tmp_path: Path, make_rf) -> None:
    written = make_rf(n_frames=3, frame_times_s=np.arange(3) / 25)
    written = dataclasses.replace(written, samples=np.round(written.samples))
    write_rf(written, tmp_path / "a.rf")
    assert is_rf(tmp_path / "a.rf")
    assert_same(read_rf([tmp_path / "a.rf"], Facts(pitch_mm=0.3)), written)


def test_ultrasonix_scales_other_samples_to_16_bits(tmp_path: Path, make_rf) -> None:
    written = make_rf(n_frames=2)
    small = dataclasses.replace(written, samples=written.samples * np.float32(1e-5))
    write_rf(small, tmp_path / "a.rf")
    read = read_rf([tmp_path / "a.rf"], Facts(pitch_mm=0.3)).samples
    assert np.abs(read).max() == 32767
    scale = 32767 / np.abs(small.samples).max()
    np.testing.assert_allclose(read, small.samples * scale, atol=0.51)  # half a step, and float32


def test_sequence_of_one_file_a_frame_is_read_in_order(tmp_path: Path, make_rf) -> None:
    written = make_rf(n_frames=11)
    headers = write_rf_sequence(written, tmp_path, "frame")
    assert [h.name for h in headers][:2] == ["frame01.mhd", "frame02.mhd"]
    assert_same(read_rf(headers), written)
    assert_same(read_rf(sorted(tmp_path.iterdir())), written)


def test_matlab_5_is_what_scipy_reads(tmp_path: Path, make_rf) -> None:
    written = make_rf(n_frames=2)
    write_rf(written, tmp_path / "a.mat")
    content = scipy.io.loadmat(tmp_path / "a.mat")
    np.testing.assert_array_equal(content["rf"][:, :, 1], written.samples[1])
    assert content["sampling_rate_hz"].item() == 40e6


def test_matlab_73_has_reversed_axes_and_its_own_header(tmp_path: Path, make_rf) -> None:
    written = make_rf(n_frames=2)
    write_rf(written, tmp_path / "a.mat", matlab_version="7.3")
    assert (tmp_path / "a.mat").read_bytes()[:10] == b"MATLAB 7.3"
    with h5py.File(tmp_path / "a.mat") as file:
        np.testing.assert_array_equal(file["rf"][1].T, written.samples[1])
        assert file["rf"].attrs["MATLAB_class"] == b"single"


def test_metaimage_is_what_simpleitk_reads(tmp_path: Path, make_rf) -> None:
    written = make_rf(n_frames=2)
    write_rf(written, tmp_path / "a.mhd")
    image = sitk.ReadImage(str(tmp_path / "a.mhd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), written.samples)
    assert image.GetSpacing() == pytest.approx((0.3, 0.01925, 1))


@pytest.mark.parametrize(("name", "version"), [*EXACT, ("a.rf", "")])
def test_same_frames_give_the_same_bytes(tmp_path: Path, make_rf, name: str, version: str) -> None:
    for folder in ("one", "two"):
        write_rf(make_rf(n_frames=2), tmp_path / folder / name, matlab_version=version)
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_unknown_ending_is_refused(tmp_path: Path, make_rf) -> None:
    with pytest.raises(UsageError, match=r"RF cannot be written as a\.png; choose one of the endings \.mat"):
        write_rf(make_rf(), tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.mat", "a.mhd", "a.mha", "a.h5", "a.npz", "a.rf"])
def test_unwritable_place_is_one_line(tmp_path: Path, make_rf, name: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written: Not a directory"):
        write_rf(make_rf(), tmp_path / "file" / name)


def test_recording_beyond_2_gb_is_refused_as_matlab_5(tmp_path: Path, make_rf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rf_write, "LARGEST_V5_BYTES", 1000)
    with pytest.raises(OutputError, match=r"MATLAB v5 holds at most 2 GB a variable; write \.h5 instead"):
        write_rf(make_rf(), tmp_path / "a.mat")
