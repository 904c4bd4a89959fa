"""What `sonometry info` tells: facts and every trap as a problem, and nothing of a patient."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from sonometry.core import DataError, RFFrames
from sonometry.io.describe import FileInfo, describe
from sonometry.io.facts import Facts
from sonometry.io.rf_write import write_rf

MakeDicom = Callable[..., Path]
Region = Callable[..., Dataset]


def has_problem(info: FileInfo, words: str) -> bool:
    return any(words in problem for problem in info.problems)


def test_sound_cine_has_facts_and_no_problem(make_dicom: MakeDicom) -> None:
    info = describe(make_dicom(HeartRate=62))
    assert (info.kind, info.shape, info.frames, info.dtype) == ("cine", (4, 40, 48), 4, "uint8")
    assert info.spacing_m == pytest.approx((3e-4, 3e-4))
    assert info.timing is not None
    assert (info.timing.rate_hz, info.timing.basis) == (pytest.approx(50), "FrameTime")
    assert info.heart_rate_per_min == 62
    assert info.device.model == "X1"
    assert [region.shows for region in info.regions] == ["tissue"]
    assert [p for p in info.problems if "video recorders" not in p] == []


def test_text_names_the_facts(make_dicom: MakeDicom) -> None:
    text = str(describe(make_dicom()))
    for words in ("4 of 40 x 48, uint8", "50 frames/s", "0.3 x 0.3 mm", "tissue (2D)", "Acme, X1, L12-5"):
        assert words in text


def test_json_is_plain_and_complete(make_dicom: MakeDicom) -> None:
    record = json.loads(json.dumps(describe(make_dicom()).to_json(), allow_nan=False))
    assert record["frames"] == 4
    assert record["timing"]["rate_hz"] == pytest.approx(50)
    assert record["regions"][0]["units"] == ["cm", "cm"]


def test_nothing_of_the_patient_is_shown(make_dicom: MakeDicom) -> None:
    info = describe(make_dicom())
    assert info.deidentification == "identified"
    for told in (str(info), json.dumps(info.to_json())):
        assert not any(secret in told for secret in ("Doe", "MRN4711", "19700101", "1970"))


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"HeartRate": 0}, "HeartRate is 0"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.3"}, "archives may refuse"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.6"}, "archives may refuse"),
        ({"FrameTimeVector": ["0", "10", "30", "20"], "FrameTime": None}, "FrameTimeVector but no FrameTime"),
        ({"FrameTimeVector": ["0", "10", "30", "20"], "FrameIncrementPointer": 0x00181065}, "vary from 10 to 30 ms"),
        ({"FrameTime": "33.333"}, "a rate of video recorders"),
        ({"FrameTime": None}, "tells no frame rate"),
        ({"SequenceOfUltrasoundRegions": None}, "no calibrated ultrasound region"),
        ({"BurnedInAnnotation": "YES"}, "burned into the picture"),
        ({"PixelSpacing": [0.5, 0.5]}, "PixelSpacing says 0.5 mm a row but the ultrasound region 0.3 mm"),
        ({"Modality": "OT"}, "not ultrasound"),
    ],
)
def test_traps_of_the_header_are_problems(make_dicom: MakeDicom, attributes: dict, words: str) -> None:
    assert has_problem(describe(make_dicom(**attributes)), words)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"PhysicalDeltaX": -0.03}, "negative"),
        ({"RegionLocationMaxX1": 95}, "resized after calibration"),
        ({"PhysicalUnitsXDirection": 0, "PhysicalUnitsYDirection": 0}, "has no physical units and is skipped"),
        ({"PhysicalDeltaX": 4.0, "PhysicalDeltaY": 4.0}, "implausible"),
    ],
)
def test_traps_of_regions_are_problems(make_dicom: MakeDicom, region: Region, changes: dict, words: str) -> None:
    assert has_problem(describe(make_dicom(SequenceOfUltrasoundRegions=[region(**changes)])), words)


def test_ecg_region_and_second_tissue_region_are_problems(make_dicom: MakeDicom, region: Region) -> None:
    ecg = region(RegionSpatialFormat=4, RegionDataType=10, RegionLocationMinY0=33)
    second = region(RegionLocationMaxX1=10)
    info = describe(make_dicom(SequenceOfUltrasoundRegions=[region(), second, ecg]))
    assert has_problem(info, "2 tissue regions")
    assert has_problem(info, "region 3 is the ECG trace")


def test_mislabelled_colours_and_coloured_pictures_are_problems(make_dicom: MakeDicom, colour_clip: np.ndarray) -> None:
    assert has_problem(describe(make_dicom(colour_clip)), "% of the first picture is coloured")
    data = encapsulate([simplejpeg.encode_jpeg(f, 95) for f in colour_clip])
    path = make_dicom(colour_clip, syntax=JPEGBaseline8Bit, data=data, photometric="RGB")
    assert has_problem(describe(path), "the pixels are YCbCr")


def test_damaged_frames_are_problems_and_not_errors(make_dicom: MakeDicom, clip: np.ndarray) -> None:
    streams = [simplejpeg.encode_jpeg(f[..., None], 95, "GRAY", "Gray") for f in clip]
    streams[1] = streams[2] = streams[1][:200]
    info = describe(make_dicom(syntax=JPEGBaseline8Bit, data=encapsulate(streams)))
    assert has_problem(info, "frames 1, 2 cannot be decoded")


def test_constant_and_repeated_frames_are_problems(make_dicom: MakeDicom, clip: np.ndarray) -> None:
    frames = np.concatenate([clip, clip[-1:], np.zeros_like(clip[:1])])
    info = describe(make_dicom(frames))
    assert has_problem(info, "1 of 6 frames repeats the one before")
    assert has_problem(info, "frame 5 has no contrast at all")


def test_still_stored_as_clip_is_a_problem(make_dicom: MakeDicom, clip: np.ndarray) -> None:
    assert has_problem(describe(make_dicom(np.repeat(clip[:1], 4, axis=0))), "all frames are equal")


def test_told_facts_are_notes_and_no_problems(make_dicom: MakeDicom) -> None:
    path = make_dicom(SequenceOfUltrasoundRegions=None, FrameTime=None)
    info = describe(path, Facts(spacing_mm=(0.1, 0.1), fps=47))
    assert len(info.notes) == 2
    assert info.problems == ()
    assert info.timing is not None
    assert info.timing.basis == "--fps"


def test_rf_without_its_facts_is_described_with_the_flags_it_needs(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    np.savez(tmp_path / "rf.npz", rf=rng.standard_normal((400, 32)).astype(np.float32))
    info = describe(tmp_path / "rf.npz")
    assert info.kind == "rf"
    assert info.shape == (1, 400, 32)
    for flag in ("--sampling-mhz", "--centre-mhz", "--pitch-mm"):
        assert has_problem(info, flag)


def test_complete_rf_is_described_in_si_units(make_rf: Callable[..., RFFrames], tmp_path: Path) -> None:
    info = describe(write_rf(make_rf(), tmp_path / "rf.npz")[0])
    assert info.rf["sampling_rate_hz"] == pytest.approx(40e6)
    assert info.shape == (3, 600, 48)
    assert "missing" not in info.rf


def test_signals_are_described_by_channel(tmp_path: Path) -> None:
    times = np.arange(200) / 100
    rows = "\n".join(f"{t:.2f},{np.sin(t):.5f},1.0" for t in times)
    (tmp_path / "a.csv").write_text(f"time (s),torque (N.m),trigger\n{rows}\n")
    info = describe(tmp_path / "a.csv")
    assert [channel.name for channel in info.channels] == ["torque", "trigger"]
    assert info.channels[0].sampling_rate_hz == pytest.approx(100)
    assert has_problem(info, "without any change: trigger")


def test_folder_is_described_without_names_of_its_files(make_dicom: MakeDicom, tmp_path: Path) -> None:
    make_dicom(name="doe_jane.dcm", NumberOfFrames=4)
    (tmp_path / "jane.txt").write_text("words\n")
    info = describe(tmp_path)
    assert [recording.name for recording in info.recordings] == ["file 1"]
    assert "jane" not in str(info)
    assert has_problem(info, "1 files are damaged or no recordings")
    assert json.dumps(info.to_json())


def test_picture_is_described(tmp_path: Path, clip: np.ndarray) -> None:
    Image.fromarray(clip[0]).save(tmp_path / "a.png")
    info = describe(tmp_path / "a.png")
    assert (info.format, info.shape, info.spacing_m, info.timing) == ("PNG image", (1, 40, 48), None, None)
    assert "unknown: not calibrated" in str(info)


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("words only\n")
    with pytest.raises(DataError, match=r"a\.txt is a text"):
        describe(tmp_path / "a.txt")
    with pytest.raises(DataError, match="does not exist"):
        describe(tmp_path / "gone")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("acuson_doppler_jpeg_frametimevector", "negative"),
        ("acuson_doppler_jpeg_frametimevector", "FrameTimeVector but no FrameTime"),
        ("acuson_doppler_jpeg_frametimevector", "region 1 (none) has no physical units"),
        ("aloka_palette16_three_regions", "2 tissue regions"),
        ("aloka_palette16_three_regions", "palette colours (16 bit)"),
        ("cx50_palette_rle_2frame", "is the ECG trace"),
        ("epiq5g_grey_cine_test_patient", "HeartRate is 0"),
        ("logiq_jpeg2000", "no calibrated ultrasound region"),
        ("retired_us_sop_class", "Retired"),
    ],
)
def test_traps_of_real_files_are_problems(shared_data: Path, name: str, words: str) -> None:
    assert has_problem(describe(shared_data / "dicom" / f"{name}.dcm"), words)
