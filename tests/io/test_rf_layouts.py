"""Parameter structures of known scanners, and facts under any of their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from sonometry.core.errors import DataError
from sonometry.core.rf import Geometry
from sonometry.io.facts import Facts
from sonometry.io.rf_fact_names import facts_from_numbers
from sonometry.io.rf_files import is_rf, read_rf


@pytest.fixture
def frame(make_rf) -> np.ndarray:
    return make_rf(n_frames=1).samples[0].astype(np.float64)


def antares_header(n_lines: int = 48, **changes: Any) -> dict[str, Any]:
    """The parts of the FileHeader of the Ultrasound Research Interface that say something about the RF."""
    stages = np.zeros((1, 8), dtype=[("TagName", object), ("TxFrequencyMhz", object), ("PrfHz", object)])
    for i in range(8):
        stages[0, i] = (f"RFS{i}", 6_666_667.0 if i == 0 else 2_000_000.0, 5000.0)
    header = {
        "rfgi": {"TagName": "rfgi", "RfAxialMinCm": 0.0},
        "rfbd": {
            "NumSamplesPerVector": 2080,
            "Set": np.zeros((n_lines, 1)),
            "PositionX": np.arange(n_lines)[:, None] * 0.1,
            "PositionZ": np.zeros((n_lines, 1)),
            "ThetaRad": np.zeros((n_lines, 1)),
        },
        "strf": {"SamplingRate": 40_000_000.0, "VectorHeaderLengthBytes": 64},
        "rfbm": {"LineDensity": 100.0, "AcousticFrameRateHz": 20.0},
        "rfam": {"ProbeName": "VF10-5", "ProbeRadiusCm": 0.0},
        "rfsd": stages,
    }
    for path, value in changes.items():
        part, _, name = path.partition("__")
        if value is None and not name:
            del header[part]
        elif value is None:
            del header[part][name]
        else:
            header[part][name] = value
    return header


@pytest.mark.parametrize("name", ["RfDataDouble", "RfDataFilt"])
def test_antares_recording_needs_no_flag(tmp_path: Path, frame: np.ndarray, name: str) -> None:
    scipy.io.savemat(tmp_path / "rf01.mat", {name: frame, "FileHeader": antares_header()})
    assert is_rf(tmp_path / "rf01.mat")
    read = read_rf([tmp_path / "rf01.mat"])
    assert read.samples.shape == (1, 600, 48)
    assert read.sampling_rate_hz == 40e6
    assert read.centre_frequency_hz == pytest.approx(6.666667e6)
    assert read.line_pitch_m == pytest.approx(1e-4)
    assert (read.source.device.manufacturer, read.source.device.model) == ("Siemens", "Antares")
    assert read.source.device.probe == "VF10-5"


def test_antares_pair_of_files_is_a_sequence(tmp_path: Path, make_rf) -> None:
    paths = [tmp_path / "rf01.mat", tmp_path / "rf03.mat"]
    samples = make_rf(n_frames=2).samples
    for path, each in zip(paths, samples, strict=True):
        scipy.io.savemat(path, {"RfDataDouble": each.astype(float), "FileHeader": antares_header()})
    np.testing.assert_array_equal(read_rf(paths).samples, samples)


def test_antares_without_sampling_rate_uses_its_clock_and_says_so(tmp_path: Path, frame: np.ndarray) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"RfDataDouble": frame, "FileHeader": antares_header(strf=None)})
    read = read_rf([tmp_path / "a.mat"])
    assert read.sampling_rate_hz == 40e6
    assert read.source.notes == ("The file states no sampling rate; the 40 MHz of the Antares digitiser were used.",)


def test_antares_without_beam_table_takes_the_line_density(tmp_path: Path, frame: np.ndarray) -> None:
    header = antares_header(rfbd__PositionX=None, rfbm__LineDensity=50.0)
    scipy.io.savemat(tmp_path / "a.mat", {"RfDataDouble": frame, "FileHeader": header})
    read = read_rf([tmp_path / "a.mat"])
    assert read.line_pitch_m == pytest.approx(2e-4)
    assert "LineDensity taken as lines per cm" in read.source.notes[0]


def test_antares_without_any_pitch_asks_for_it(tmp_path: Path, frame: np.ndarray) -> None:
    header = antares_header(rfbd=None, rfbm=None)
    scipy.io.savemat(tmp_path / "a.mat", {"RfDataDouble": frame, "FileHeader": header})
    with pytest.raises(DataError, match=r"^a\.mat has no line pitch; pass --pitch-mm P$"):
        read_rf([tmp_path / "a.mat"])


def test_antares_curved_probe_is_a_sector(tmp_path: Path, frame: np.ndarray) -> None:
    header = antares_header(rfbd__ThetaRad=np.arange(48)[:, None] * 0.006 - 0.14, rfam__ProbeRadiusCm=5.0)
    scipy.io.savemat(tmp_path / "a.mat", {"RfDataDouble": frame, "FileHeader": header})
    read = read_rf([tmp_path / "a.mat"])
    assert read.geometry is Geometry.SECTOR
    assert read.line_angle_rad == pytest.approx(0.006)
    assert read.line_pitch_m == pytest.approx(0.05 * 0.006)


def test_raw_antares_data_are_preferred_and_the_choice_is_told(tmp_path: Path, frame: np.ndarray) -> None:
    content = {"RfDataFilt": 2 * frame, "RfDataDouble": frame, "FileHeader": antares_header()}
    scipy.io.savemat(tmp_path / "a.mat", content)
    read = read_rf([tmp_path / "a.mat"])
    np.testing.assert_array_equal(read.samples[0], frame.astype(np.float32))
    assert read.source.notes[0].startswith("RF was read from RfDataDouble; the file also has RfDataFilt")


def test_alpinion_recording_with_its_parameters_needs_no_flag(tmp_path: Path, frame: np.ndarray) -> None:
    padded = np.vstack([frame, np.zeros((24, 48))])
    content = {
        "BfData": padded.astype(np.int16),
        "AlignedSampleNum": 624,
        "SampleNum": 600,
        "System": {
            "Parameters": {"sampleFreqMHz": 40.0},
            "Transducer": {"elementCnt": 128, "elementPitchCm": 0.03, "frequencyMHz": 8.5, "radiusCm": 0.0},
        },
        "Parameter": np.array([{"speedOfSoundMps": 1540.0}], dtype=object),
        "Roi": np.array([{"lateralLength": 3.76}], dtype=object),
    }
    scipy.io.savemat(tmp_path / "a.mat", content)
    read = read_rf([tmp_path / "a.mat"])
    assert read.samples.shape == (1, 600, 48)
    assert (read.sampling_rate_hz, read.centre_frequency_hz) == (40e6, 8.5e6)
    assert read.line_pitch_m == pytest.approx(0.0376 / 47)
    assert read.source.device.manufacturer == "Alpinion"
    assert read.source.notes == ("Of 624 samples a line, the 600 that the scanner recorded are used.",)


def test_bare_alpinion_array_asks_for_all_facts(tmp_path: Path, frame: np.ndarray) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"BfData": frame})
    with pytest.raises(DataError, match="pass --sampling-mhz F --centre-mhz F --pitch-mm P"):
        read_rf([tmp_path / "a.mat"])


def test_verasonics_parameters_count(tmp_path: Path, frame: np.ndarray) -> None:
    receive = np.zeros((1, 2), dtype=[("decimSampleRate", object), ("startDepth", object)])
    receive[0, 0] = receive[0, 1] = (20.8, 5.0)
    content = {
        "RFData": frame,
        "Trans": {"name": "L7-4", "frequency": 5.2, "spacingMm": 0.298, "numelements": 48},
        "Receive": receive,
        "Resource": {"Parameters": {"speedOfSound": 1540}},
    }
    scipy.io.savemat(tmp_path / "a.mat", content)
    read = read_rf([tmp_path / "a.mat"])
    assert (read.sampling_rate_hz, read.centre_frequency_hz) == (pytest.approx(20.8e6), pytest.approx(5.2e6))
    assert read.line_pitch_m == pytest.approx(2.98e-4)
    assert read.start_depth_m == 0
    assert read.source.device.probe == "L7-4"


def test_cell_with_one_array_is_read(tmp_path: Path, frame: np.ndarray) -> None:
    cell = np.empty((1, 1), dtype=object)
    cell[0, 0] = frame
    scipy.io.savemat(tmp_path / "a.mat", {"RcvData": cell})
    facts = Facts(sampling_mhz=40, centre_mhz=6, pitch_mm=0.3)
    np.testing.assert_array_equal(read_rf([tmp_path / "a.mat"], facts).samples[0], frame.astype(np.float32))


@pytest.mark.parametrize(
    ("name", "value", "field", "si"),
    [
        ("fs", 40, "sampling_rate_hz", 40e6),
        ("Fs", 40e6, "sampling_rate_hz", 40e6),
        ("info.samplingFrequency", 40e3, "sampling_rate_hz", 40e6),
        ("sampling_rate_MHz", 62.5, "sampling_rate_hz", 62.5e6),
        ("f0", 5e6, "centre_frequency_hz", 5e6),
        ("param.fc", 7.6, "centre_frequency_hz", 7.6e6),
        ("TxFrequencyMhz", 6.67e6, "centre_frequency_hz", 6.67e6),
        ("center-frequency", 5, "centre_frequency_hz", 5e6),
        ("pitch", 0.3, "line_pitch_m", 3e-4),
        ("pitch", 0.0003, "line_pitch_m", 3e-4),
        ("pitch_um", 300, "line_pitch_m", 3e-4),
        ("lateralSpacingCm", 0.03, "line_pitch_m", 3e-4),
        ("c", 1540, "sound_speed_m_s", 1540),
        ("speed_of_sound", 1.48, "sound_speed_m_s", 1480),
        ("startDepth_mm", 5, "start_depth_m", 5e-3),
        ("FrameRate", 31, "frame_rate_hz", 31),
        ("sampling_rate_hz", 40.0, "sampling_rate_hz", 40.0),
    ],
)
def test_fact_is_found_under_its_many_names(name: str, value: float, field: str, si: float) -> None:
    assert facts_from_numbers([(name, value)]).stated() == {field: pytest.approx(si)}


@pytest.mark.parametrize(
    ("name", "value"),
    [("fs", 0), ("fs", -40), ("fc", 1e-3), ("pitch", 30), ("pitch_mm", 2e-3), ("c", 3), ("startDepth", 5), ("gain", 4)],
)
def test_number_that_makes_no_sense_is_no_fact(name: str, value: float) -> None:
    assert facts_from_numbers([(name, value)]).stated() == {}


def test_contradicting_facts_are_left_out_and_told() -> None:
    facts = facts_from_numbers([("a.fs", 40), ("b.fs", 20), ("c.fs", 40e6), ("fc", 5)])
    assert facts.stated() == {"centre_frequency_hz": 5e6}
    assert facts.notes == ("The file states different values for the sampling rate (a.fs, b.fs); none was used.",)


def test_attributes_of_the_chosen_set_win(tmp_path: Path, frame: np.ndarray) -> None:
    import h5py

    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, rate in (("near", 40e6), ("far", 20e6)):
            file[name] = frame
            file[name].attrs["fs"] = rate
    facts = Facts(variable="far", centre_mhz=6, pitch_mm=0.3)
    assert read_rf([tmp_path / "a.h5"], facts).sampling_rate_hz == 20e6
