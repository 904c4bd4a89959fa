"""RF of every format, with what its file states and what the user adds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io

from sonometry.core.errors import DataError, UsageError
from sonometry.io.facts import Facts
from sonometry.io.rf_files import describe_rf, is_rf, read_rf, rf_problems, without_raw_companions
from sonometry.io.rf_write import write_rf, write_rf_sequence

ALL = Facts(sampling_mhz=40, centre_mhz=6, pitch_mm=0.3)


def save_matlab73(path: Path, **variables: Any) -> None:
    """A v7.3 file as MATLAB lays it out: axes reversed, complex numbers as compounds."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            array = np.atleast_2d(value).T
            if np.iscomplexobj(array):
                array = array.astype(np.complex128).view([("real", "f8"), ("imag", "f8")])
            file[name] = array
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


@pytest.fixture
def frames(make_rf) -> np.ndarray:
    return make_rf(n_frames=3).samples


# --- formats ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["4", "5", "7.3"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
def test_matlab_of_any_version_and_type_gives_the_same_frame(
    tmp_path: Path, frames: np.ndarray, version: str, dtype: type
) -> None:
    rf = frames[0].astype(dtype)
    if version == "7.3":
        save_matlab73(tmp_path / "a.mat", data=rf)
    else:
        scipy.io.savemat(tmp_path / "a.mat", {"data": rf}, format=version)
    read = read_rf([tmp_path / "a.mat"], ALL)
    np.testing.assert_array_equal(read.samples, rf[np.newaxis].astype(np.float32))
    assert read.samples.flags.c_contiguous


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_matlab_sequence_has_time_last(tmp_path: Path, frames: np.ndarray, version: str) -> None:
    save = save_matlab73 if version == "7.3" else lambda path, **v: scipy.io.savemat(path, v, do_compression=True)
    save(tmp_path / "a.mat", data=frames.transpose(1, 2, 0))
    np.testing.assert_array_equal(read_rf([tmp_path / "a.mat"], ALL).samples, frames)


def test_python_made_matlab_file_has_time_first(tmp_path: Path, frames: np.ndarray) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"data": frames})
    read = read_rf([tmp_path / "a.mat"], ALL)
    np.testing.assert_array_equal(read.samples, frames)
    assert read.source.notes == ("Depth was found along axis 2 and time along axis 1 of 3 x 600 x 48.",)


def test_npy_and_npz_and_hdf5_are_read(tmp_path: Path, frames: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", frames)
    np.savez_compressed(tmp_path / "a.npz", anything=frames.astype(np.int16), fs=40e6)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("scan/raw", data=frames, compression="gzip")
    for name in ("a.npy", "a.npz", "a.h5"):
        assert is_rf(tmp_path / name)
        samples = read_rf([tmp_path / name], ALL).samples
        np.testing.assert_allclose(samples, frames, atol=1 if name == "a.npz" else 0)


def test_lines_of_any_order_come_out_right(tmp_path: Path, frames: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", frames.transpose(2, 1, 0))
    np.testing.assert_array_equal(read_rf([tmp_path / "a.npy"], ALL).samples, frames)


def test_content_counts_and_not_the_ending(tmp_path: Path, make_rf) -> None:
    write_rf(make_rf(), tmp_path / "a.npz")
    (tmp_path / "a.npz").rename(tmp_path / "a.dat")
    assert is_rf(tmp_path / "a.dat")
    assert read_rf([tmp_path / "a.dat"]).source.format == "NumPy npz"


def test_source_tells_format_and_digest_of_all_files(tmp_path: Path, make_rf) -> None:
    header, raw = write_rf(make_rf(), tmp_path / "a.mhd")
    before = read_rf([header]).source
    assert (before.name, before.format, before.paths) == ("rf", "MetaImage", (header, raw))
    content = bytearray(raw.read_bytes())
    content[5] ^= 1
    raw.write_bytes(content)
    assert read_rf([header]).source.sha256 != before.sha256


# --- which array ----------------------------------------------------------------------------------------------------


def test_several_arrays_are_listed_with_their_shapes(tmp_path: Path, frames: np.ndarray) -> None:
    scipy.io.savemat(tmp_path / "m.mat", {"pre": frames[0], "post": frames[1], "depth": np.arange(600.0)})
    message = (
        r"m\.mat has several arrays that could be RF: pre \(600 x 48 float32\), post \(600 x 48 float32\); "
        r"choose with --variable NAME"
    )
    with pytest.raises(DataError, match=message):
        read_rf([tmp_path / "m.mat"], ALL)


def test_named_array_is_read(tmp_path: Path, frames: np.ndarray) -> None:
    np.savez(tmp_path / "m.npz", pre=frames[0], post=frames[1])
    samples = read_rf([tmp_path / "m.npz"], Facts(variable="post", sampling_mhz=40, centre_mhz=6, pitch_mm=0.3)).samples
    np.testing.assert_array_equal(samples[0], frames[1])


def test_two_named_arrays_are_a_sequence(tmp_path: Path, frames: np.ndarray) -> None:
    scipy.io.savemat(tmp_path / "m.mat", {"data": {"pre": frames[0], "post": frames[1]}})
    facts = Facts(variable="data.post, pre", sampling_mhz=40, centre_mhz=6, pitch_mm=0.3)
    np.testing.assert_array_equal(read_rf([tmp_path / "m.mat"], facts).samples, frames[[1, 0]])


def test_small_arrays_beside_a_large_one_do_not_matter(tmp_path: Path, frames: np.ndarray) -> None:
    content = {"rf": frames, "gain": np.ones((20, 20)), "image": np.zeros((500, 500), np.uint8), "t": np.arange(9e4)}
    np.savez(tmp_path / "m.npz", **content)
    np.testing.assert_array_equal(read_rf([tmp_path / "m.npz"], ALL).samples, frames)


def test_missing_name_is_told_with_what_is_there(tmp_path: Path, frames: np.ndarray) -> None:
    np.savez(tmp_path / "m.npz", pre=frames[0])
    with pytest.raises(DataError, match=r"m\.npz has no single array called rf; it has pre \(600 x 48 float32\)"):
        read_rf([tmp_path / "m.npz"], Facts(variable="rf"))


def test_file_without_frames_is_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", torque=np.arange(1000.0), markers=np.ones((1000, 3)))
    with pytest.raises(DataError, match=r"m\.npz has no array of RF frames .* it has torque \(1000 float64\), markers"):
        read_rf([tmp_path / "m.npz"], ALL)


@pytest.mark.parametrize("save", ["mat", "mat73", "npz", "npy", "h5"])
def test_iq_is_refused(tmp_path: Path, frames: np.ndarray, save: str) -> None:
    iq = frames[0] + 1j * frames[1]
    path = tmp_path / f"iq.{save.removesuffix('73')}"
    if save == "mat":
        scipy.io.savemat(path, {"iq": iq})
    elif save == "mat73":
        save_matlab73(path, iq=iq)
    elif save == "npz":
        np.savez(path, iq=iq)
    elif save == "npy":
        np.save(path, iq)
    else:
        with h5py.File(path, "w") as file:
            file["iq"] = iq
    with pytest.raises(DataError, match=r"holds complex \(IQ\) samples in iq \(600 x 48\); expected real RF"):
        read_rf([path], ALL)
    assert not is_rf(path)


def test_unfocused_channels_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((2, 300, 20, 20), np.float32))
    with pytest.raises(DataError, match=r"no array of RF frames"):
        read_rf([tmp_path / "a.npy"], ALL)
    with pytest.raises(DataError, match=r"has 4 axes \(2 x 300 x 20 x 20\); expected beam-formed lines"):
        read_rf([tmp_path / "a.npy"], Facts(variable="a"))


# --- facts ----------------------------------------------------------------------------------------------------------


def test_all_missing_flags_are_named_at_once(tmp_path: Path, frames: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", frames)
    message = (
        r"^a\.npy has no sampling rate and no centre frequency and no line pitch; "
        r"pass --sampling-mhz F --centre-mhz F --pitch-mm P$"
    )
    with pytest.raises(DataError, match=message):
        read_rf([tmp_path / "a.npy"])
    with pytest.raises(DataError, match=r"^a\.npy has no centre frequency; pass --centre-mhz F$"):
        read_rf([tmp_path / "a.npy"], Facts(sampling_mhz=40, pitch_mm=0.3))


def test_flags_override_the_file_with_a_note(tmp_path: Path, make_rf) -> None:
    write_rf(make_rf(), tmp_path / "a.npz")
    read = read_rf([tmp_path / "a.npz"], Facts(centre_mhz=7, sampling_mhz=40, sound_speed_m_s=1480, start_depth_mm=2))
    assert (read.centre_frequency_hz, read.sound_speed_m_s, read.start_depth_m) == (7e6, 1480, 0.002)
    assert read.source.notes == (
        "The centre frequency of the file, 6 MHz, was overridden by --centre-mhz: 7 MHz.",
        "The sound speed of the file, 1540 m/s, was overridden by --sound-speed-m-s: 1480 m/s.",
        "The start depth of the file, 0 mm, was overridden by --start-depth-mm: 2 mm.",
    )


def test_frame_rate_flag_gives_times(tmp_path: Path, frames: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", frames)
    read = read_rf([tmp_path / "a.npy"], Facts(fps=50, sampling_mhz=40, centre_mhz=6, pitch_mm=0.3))
    np.testing.assert_allclose(read.frame_times_s, [0, 0.02, 0.04])


def test_spacing_flag_gives_rate_and_pitch(tmp_path: Path, frames: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", frames)
    read = read_rf([tmp_path / "a.npy"], Facts(spacing_mm=(0.01925, 0.3), centre_mhz=6))
    assert read.sampling_rate_hz == pytest.approx(40e6)
    assert read.line_pitch_m == pytest.approx(3e-4)
    assert "derived from the axial spacing of 0.01925 mm at 1540 m/s" in read.source.notes[0]


def test_sampling_below_twice_the_centre_frequency_is_refused(tmp_path: Path, frames: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", frames)
    with pytest.raises(DataError, match="sampling rate 10 MHz must exceed twice the centre frequency"):
        read_rf([tmp_path / "a.npy"], Facts(sampling_mhz=10, centre_mhz=6, pitch_mm=0.3))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_sample_that_is_not_finite_is_refused(tmp_path: Path, frames: np.ndarray, bad: float) -> None:
    broken = frames.astype(np.float64)
    broken[1, 20, 3] = bad
    np.save(tmp_path / "a.npy", broken)
    with pytest.raises(DataError, match="RF contains NaN or infinite samples"):
        read_rf([tmp_path / "a.npy"], ALL)


# --- sequences ------------------------------------------------------------------------------------------------------


def test_several_files_form_a_sequence_in_the_given_order(tmp_path: Path, frames: np.ndarray) -> None:
    paths = [tmp_path / f"{i}.npy" for i in range(3)]
    for path, frame in zip(paths, frames, strict=True):
        np.save(path, frame)
    np.testing.assert_array_equal(read_rf(paths[::-1], ALL).samples, frames[::-1])


def test_frames_of_different_size_are_told_with_their_shapes(tmp_path: Path, frames: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", frames[0])
    np.save(tmp_path / "b.npy", frames[1, :-7])
    message = r"a\.npy has 600 x 48 samples x lines, b\.npy 593 x 48; a sequence needs equal frames"
    with pytest.raises(DataError, match=message):
        read_rf([tmp_path / "a.npy", tmp_path / "b.npy"], ALL)


def test_files_of_different_settings_are_refused(tmp_path: Path, make_rf) -> None:
    write_rf(make_rf(), tmp_path / "a.npz")
    write_rf(make_rf(centre_frequency_hz=7e6), tmp_path / "b.npz")
    with pytest.raises(DataError, match=r"a\.npz and b\.npz differ in centre_frequency_hz \(6e\+06 and 7e\+06\)"):
        read_rf([tmp_path / "a.npz", tmp_path / "b.npz"])


def test_files_of_different_formats_are_refused(tmp_path: Path, make_rf) -> None:
    write_rf(make_rf(), tmp_path / "a.npz")
    write_rf(make_rf(), tmp_path / "b.mhd")
    with pytest.raises(DataError, match="a sequence needs files of one format"):
        read_rf([tmp_path / "a.npz", tmp_path / "b.mhd"])


def test_raw_files_of_a_glob_are_not_read_twice(tmp_path: Path, make_rf) -> None:
    headers = write_rf_sequence(make_rf(n_frames=2), tmp_path)
    everything = sorted(tmp_path.iterdir())
    assert len(everything) == 4
    assert tuple(without_raw_companions(everything)) == headers
    assert read_rf(everything).n_frames == 2


def test_raw_file_alone_is_told_what_is_missing(tmp_path: Path, make_rf) -> None:
    _, raw = write_rf(make_rf(), tmp_path / "a.mhd")
    with pytest.raises(DataError, match=r"a\.raw is raw data without a header; pass its header \(\.mhd\) instead"):
        read_rf([raw], ALL)


def test_no_files_is_a_wrong_call() -> None:
    with pytest.raises(UsageError, match="no RF file was given"):
        read_rf([])


# --- what is not RF ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.mat", b"torque,angle\n1,2\n", r"a\.mat is not a MATLAB file: its content has another or no known format"),
        ("a.mat", b"", r"a\.mat is empty"),
        ("a.rf", bytes(76), r"a\.rf is not an Ultrasonix RF file"),
        ("a.mhd", b"hello", r"a\.mhd is not a MetaImage header"),
        ("a.xyz", b"hello", r"a\.xyz is not an RF file \(MATLAB, MetaImage, HDF5, NumPy or Ultrasonix\)"),
    ],
)
def test_other_content_is_told_in_one_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_rf([tmp_path / name], ALL)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_missing_file_and_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^a\.mat does not exist"):
        read_rf([tmp_path / "a.mat"])
    with pytest.raises(DataError, match="is a folder"):
        read_rf([tmp_path])
    with pytest.raises(DataError, match="does not exist"):
        is_rf(tmp_path / "a.mat")


def test_signals_and_images_are_not_rf(tmp_path: Path) -> None:
    np.savez(tmp_path / "signals.npz", emg=np.random.default_rng(0).normal(size=(5000, 8)), time=np.arange(5000.0))
    np.save(tmp_path / "image.npy", np.random.default_rng(0).integers(0, 255, (5, 300, 200), dtype=np.uint8))
    smooth = np.cumsum(np.cumsum(np.random.default_rng(0).random((300, 200)), 0), 1).astype(np.float32)
    np.save(tmp_path / "float_image.npy", smooth)
    (tmp_path / "text.txt").write_text("nothing")
    for name in ("signals.npz", "image.npy", "float_image.npy", "text.txt"):
        assert not is_rf(tmp_path / name), name


def test_constant_rf_is_readable(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 300, 64), np.float32))
    assert is_rf(tmp_path / "a.npy")
    assert rf_problems(read_rf([tmp_path / "a.npy"], ALL)) == ("All samples are equal: nothing can be measured.",)


# --- info -------------------------------------------------------------------------------------------------------------


def test_sound_rf_has_no_problems(make_rf) -> None:
    assert rf_problems(make_rf()) == ()


def test_envelope_is_suspicious(make_rf) -> None:
    frames = make_rf()
    envelope = np.abs(frames.samples)
    smooth = np.stack([np.cumsum(f, axis=0)[40:] - np.cumsum(f, axis=0)[:-40] for f in envelope])
    suspicious = rf_problems(type(frames)(smooth, 40e6, 6e6, 3e-4))
    assert suspicious == ("No negative samples and no carrier: looks like envelope, not RF.",)


def test_wrong_centre_frequency_is_suspicious(make_rf) -> None:
    (problem,) = rf_problems(make_rf(centre_frequency_hz=15e6))
    assert re.match(
        r"The spectrum peaks at (5|6)\.\d MHz, far from the centre frequency of 15 MHz; check --centre-mhz", problem
    )


def test_saturated_and_single_frames_are_suspicious(make_rf) -> None:
    frames = make_rf(n_frames=1)
    clipped = np.clip(frames.samples, -800, 800)
    problems = rf_problems(type(frames)(clipped, 40e6, 6e6, 3e-4))
    assert problems[0] == "One frame: displacement needs two."
    assert "of the samples have the lowest or highest value" in problems[1]


def test_description_works_without_the_missing_facts(tmp_path: Path, frames: np.ndarray) -> None:
    np.savez(tmp_path / "a.npz", rf=frames, fs=40.0, note="x")
    assert describe_rf(tmp_path / "a.npz") == {
        "format": "NumPy npz",
        "arrays": [{"name": "rf", "shape": [3, 600, 48], "dtype": "float32"}],
        "frames": 3,
        "samples": 600,
        "lines": 48,
        "facts": {"sampling_rate_hz": 40e6},
        "missing": ["--centre-mhz F", "--pitch-mm P"],
        "notes": [],
    }


def test_description_lists_the_choices(tmp_path: Path, frames: np.ndarray) -> None:
    scipy.io.savemat(tmp_path / "m.mat", {"pre": frames[0], "post": frames[1]})
    described = describe_rf(tmp_path / "m.mat")
    assert [array["name"] for array in described["arrays"]] == ["pre", "post"]
    assert "several arrays that could be RF" in described["notes"][0]


# --- real recordings --------------------------------------------------------------------------------------------------


@pytest.mark.data
def test_arm_sequence_is_time_depth_line(shared_data: Path) -> None:
    files = sorted((shared_data / "elastography/arm_in_vivo/299").glob("*"))
    assert all(is_rf(file) for file in files if file.suffix == ".mhd")
    rf = read_rf(files, Facts(centre_mhz=5))
    assert rf.samples.shape == (6, 2000, 128)
    assert rf.sampling_rate_hz == pytest.approx(38.5e6)
    assert rf.line_pitch_m == pytest.approx(2e-4)
    assert rf_problems(rf) == ()


@pytest.mark.data
def test_arm_without_centre_frequency_names_the_flag(shared_data: Path) -> None:
    file = shared_data / "elastography/arm_in_vivo/300/igtlTestImage1.mhd"
    with pytest.raises(DataError, match=r"^igtlTestImage1\.mhd has no centre frequency; pass --centre-mhz F$"):
        read_rf([file])


@pytest.mark.data
def test_mouse_whose_first_axis_is_depth_is_turned(shared_data: Path) -> None:
    rf = read_rf([shared_data / "elastography/mouse_liver/MouseLiverRF.mha"], Facts(centre_mhz=13))
    assert rf.samples.shape == (4, 1536, 128)
    assert rf.sampling_rate_hz == pytest.approx(1540 / 2 / 0.0128417e-3)
    assert rf.line_pitch_m == pytest.approx(1e-4)
    assert "Depth was found along axis 3" in rf.source.notes[0]
    assert rf_problems(rf) == ()


@pytest.mark.data
def test_real_files_of_other_kinds_are_not_rf(shared_data: Path) -> None:
    others = [
        *sorted((shared_data / "dicom").glob("*.dcm")),
        shared_data / "muscle/gastrocnemius_dynamometer/Clips/AGR003_push_data.mat",
        shared_data / "muscle/gastrocnemius_dynamometer/p6_params.mat",
        shared_data / "echo/apical_clips/NORM1.avi",
        next((shared_data / "muscle/fascicle/images").glob("*.tif")),
    ]
    assert [file.name for file in others if is_rf(file)] == []
