"""MetaImage headers of every sort, compared with SimpleITK where it writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from sonometry.core.errors import DataError
from sonometry.io.facts import Facts
from sonometry.io.rf_files import is_rf, read_rf
from sonometry.io.rf_metaimage import read_metaimage_rf

CENTRE = Facts(centre_mhz=6)
HEADER = """ObjectType = Image
NDims = 2
DimSize = 48 600
ElementSpacing = 0.3 0.01925
ElementType = MET_FLOAT
"""


@pytest.fixture
def frame(make_rf) -> np.ndarray:
    return make_rf(n_frames=1).samples[0]


def write(folder: Path, frame: np.ndarray, text: str = HEADER, name: str = "a.mhd") -> Path:
    (folder / "a.raw").write_bytes(frame.tobytes())
    (folder / name).write_text(text + "ElementDataFile = a.raw\n")
    return folder / name


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize("ending", ["mha", "mhd"])
def test_files_of_simpleitk_are_read(tmp_path: Path, make_rf, dtype: type, is_compressed: bool, ending: str) -> None:
    samples = (make_rf(n_frames=2).samples / 50).astype(dtype)
    image = sitk.GetImageFromArray(samples)
    image.SetSpacing((0.3, 0.01925, 1))
    sitk.WriteImage(image, str(tmp_path / f"a.{ending}"), useCompression=is_compressed)
    read = read_rf([tmp_path / f"a.{ending}"], CENTRE)
    np.testing.assert_array_equal(read.samples, samples.astype(np.float32))
    assert read.sampling_rate_hz == pytest.approx(40e6)
    assert read.line_pitch_m == pytest.approx(3e-4)


def test_big_endian_samples_are_read(tmp_path: Path, frame: np.ndarray) -> None:
    path = write(tmp_path, frame.astype(">f4"), HEADER + "BinaryDataByteOrderMSB = True\n")
    np.testing.assert_array_equal(read_rf([path], CENTRE).samples[0], frame)


def test_decimal_samples_are_read(tmp_path: Path, frame: np.ndarray) -> None:
    text = " ".join(f"{value:.9g}" for value in frame.reshape(-1))
    (tmp_path / "a.mha").write_text(HEADER + "BinaryData = False\nElementDataFile = LOCAL\n" + text)
    np.testing.assert_array_equal(read_rf([tmp_path / "a.mha"], CENTRE).samples[0], frame)


@pytest.mark.parametrize("header_size", [100, -1])
def test_samples_behind_a_foreign_header_are_read(tmp_path: Path, frame: np.ndarray, header_size: int) -> None:
    path = write(tmp_path, frame, HEADER + f"HeaderSize = {header_size}\n")
    (tmp_path / "a.raw").write_bytes(bytes(100) + frame.tobytes())
    np.testing.assert_array_equal(read_rf([path], CENTRE).samples[0], frame)


@pytest.mark.parametrize("named", ["LIST\nf1.raw\nf2.raw\nf3.raw", "f%d.raw 1 3 1"])
def test_series_of_data_files_is_read(tmp_path: Path, make_rf, named: str) -> None:
    samples = make_rf(n_frames=3).samples
    for i, frame in enumerate(samples, start=1):
        (tmp_path / f"f{i}.raw").write_bytes(frame.tobytes())
    header = HEADER.replace("NDims = 2", "NDims = 3").replace("48 600", "48 600 3").replace("0.01925", "0.01925 1")
    (tmp_path / "a.mhd").write_text(header + f"ElementDataFile = {named}\n")
    np.testing.assert_array_equal(read_rf([tmp_path / "a.mhd"], CENTRE).samples, samples)


def test_raw_samples_stay_on_disk_until_used(tmp_path: Path, frame: np.ndarray) -> None:
    assert isinstance(read_metaimage_rf(write(tmp_path, frame)).samples.base, np.memmap)


def test_facts_in_extra_fields_count(tmp_path: Path, frame: np.ndarray) -> None:
    fields = "TransmitFrequency = 6000000\nSamplingFrequency = 40000000\nSoundSpeed = 1480\n"
    read = read_rf([write(tmp_path, frame, HEADER + fields)])
    assert (read.centre_frequency_hz, read.sampling_rate_hz, read.sound_speed_m_s) == (6e6, 40e6, 1480)


@pytest.mark.parametrize("spacing", ["ElementSpacing = 1 1\n", "ElementSpacing = 0 0\n", "ElementSpacing = x\n", ""])
def test_spacing_that_means_unknown_is_no_calibration(tmp_path: Path, frame: np.ndarray, spacing: str) -> None:
    path = write(tmp_path, frame, HEADER.replace("ElementSpacing = 0.3 0.01925\n", spacing))
    with pytest.raises(
        DataError, match=r"a\.mhd has no sampling rate and no line pitch; pass --sampling-mhz F --pitch"
    ):
        read_rf([path], CENTRE)


def test_sound_speed_of_the_user_does_not_change_the_clock_of_the_scanner(tmp_path: Path, frame: np.ndarray) -> None:
    read = read_rf([write(tmp_path, frame)], Facts(centre_mhz=6, sound_speed_m_s=1480))
    assert read.sampling_rate_hz == pytest.approx(40e6)
    assert read.axial_step_m == pytest.approx(1480 / 80e6)


def test_truncated_samples_are_told_with_both_sizes(tmp_path: Path, frame: np.ndarray) -> None:
    path = write(tmp_path, frame[:-5])
    message = r"a\.raw is truncated: a\.mhd promises 115200 bytes of samples, 114240 are there"
    with pytest.raises(DataError, match=message):
        read_rf([path], CENTRE)


def test_truncated_compressed_samples_are_told(tmp_path: Path, make_rf) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(make_rf().samples), str(tmp_path / "a.mha"), useCompression=True)
    content = (tmp_path / "a.mha").read_bytes()
    (tmp_path / "a.mha").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"a\.mha is truncated"):
        read_rf([tmp_path / "a.mha"], CENTRE)


def test_small_file_cannot_promise_a_huge_image(tmp_path: Path) -> None:
    huge = HEADER.replace("48 600", "2000000000 2000000000") + "CompressedData = True\nElementDataFile = LOCAL\n"
    (tmp_path / "a.mha").write_bytes(huge.encode() + bytes(100))
    with pytest.raises(DataError, match=r"a\.mha is truncated: 100 compressed bytes cannot hold"):
        read_rf([tmp_path / "a.mha"], CENTRE)


def test_missing_data_file_is_named(tmp_path: Path, frame: np.ndarray) -> None:
    path = write(tmp_path, frame)
    (tmp_path / "a.raw").unlink()
    with pytest.raises(DataError, match=r"a\.mhd names the data file a\.raw, which is not beside it"):
        read_rf([path], CENTRE)


@pytest.mark.parametrize("name", ["../secret.raw", "/etc/passwd"])
def test_data_file_outside_the_folder_is_refused(tmp_path: Path, frame: np.ndarray, name: str) -> None:
    (tmp_path / "secret.raw").write_bytes(frame.tobytes())
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mhd").write_text(HEADER + f"ElementDataFile = {name}\n")
    with pytest.raises(DataError, match=r"a\.mhd names a data file outside its folder"):
        read_rf([tmp_path / "in" / "a.mhd"], CENTRE)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("DimSize = 48 600", "DimSize = 48 0", "has DimSize 48 0, which is no image"),
        ("DimSize = 48 600", "DimSize = 48", "has DimSize 48, which is no image"),
        ("DimSize = 48 600", "DimSize = a b", "is damaged or truncated: expected a MetaImage file"),
        ("MET_FLOAT", "MET_STRING", "has ElementType MET_STRING; expected one of"),
        ("NDims = 2", "NDims = 2\nElementNumberOfChannels = 2", "has 2 values per sample"),
    ],
)
def test_header_that_makes_no_sense_is_told(
    tmp_path: Path, frame: np.ndarray, old: str, new: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_rf([write(tmp_path, frame, HEADER.replace(old, new))], CENTRE)


def test_eight_bit_image_is_not_rf(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (300, 200), dtype=np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(image), str(tmp_path / "a.mha"))
    assert not is_rf(tmp_path / "a.mha")


def test_unsigned_rf_around_an_offset_is_rf(tmp_path: Path, frame: np.ndarray) -> None:
    raw = (frame / 10 + 8192).astype(np.uint16)
    sitk.WriteImage(sitk.GetImageFromArray(raw), str(tmp_path / "a.mha"))
    assert is_rf(tmp_path / "a.mha")


def test_smooth_positive_image_is_not_rf(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(np.random.default_rng(0).random((300, 200)).astype(np.float32))
    sitk.WriteImage(sitk.SmoothingRecursiveGaussian(image, 3.0), str(tmp_path / "a.mha"))
    assert not is_rf(tmp_path / "a.mha")
