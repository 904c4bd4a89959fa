"""Signals of every format: names, units in SI, one even clock."""

from __future__ import annotations

from pathlib import Path

import ezc3d
import h5py
import numpy as np
import pytest
import scipy.io

from sonometry.core.errors import DataError, OutputError, UsageError
from sonometry.core.signals import Signals
from sonometry.io.facts import Facts
from sonometry.io.signals import is_signals, read_frame_times, read_signals
from sonometry.io.signals_clock import clock_of
from sonometry.io.signals_units import si_unit, split_unit
from sonometry.io.signals_write import write_signals

RATE = 200.0


@pytest.fixture
def times() -> np.ndarray:
    return np.arange(100) / RATE


@pytest.fixture
def wave(times: np.ndarray) -> np.ndarray:
    return np.round(np.sin(7 * times) * 40, 6)


def table(folder: Path, text: str, name: str = "a.csv", encoding: str = "utf-8") -> Path:
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def rows(*columns: np.ndarray, separator: str = ",", decimal: str = ".") -> str:
    return "\n".join(
        separator.join(f"{v:.6f}".replace(".", decimal) for v in row) for row in zip(*columns, strict=True)
    )


# --- text tables ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "separator", "decimal"),
    [
        ("time (s),Torque (Nm),Angle (deg)", ",", "."),
        ("Time [s];Torque [Nm];Angle [°]", ";", ","),
        ("time_s\ttorque_Nm\tangle_deg", "\t", "."),
        ("t Torque_Nm Angle_deg", " ", "."),
        ("Zeit (s);Torque (N·m);Angle (Grad)", ";", ","),
        ("time, s;Torque, Nm;Angle, degrees", ";", "."),
    ],
)
def test_tables_of_any_dialect_give_the_same_signals(
    tmp_path: Path, times: np.ndarray, wave: np.ndarray, header: str, separator: str, decimal: str
) -> None:
    body = rows(times, wave, -wave, separator=separator, decimal=decimal)
    path = table(tmp_path, f"{header}\n{body}\n")
    assert is_signals(path)
    read = read_signals(path)
    assert [name.lower() for name in read.names] == ["torque", "angle"]
    assert read.units == ("N.m", "rad")
    assert read.sampling_rate_hz == pytest.approx(RATE)
    np.testing.assert_allclose(read.values[:, 0], wave, atol=1e-6)
    np.testing.assert_allclose(read.values[:, 1], np.deg2rad(-wave), atol=1e-6)
    assert any(note.startswith("Converted to SI: Angle") or "angle from deg" in note for note in read.source.notes)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_of_any_encoding_is_read(tmp_path: Path, times: np.ndarray, wave: np.ndarray, encoding: str) -> None:
    path = table(
        tmp_path, "Zeit (s),Länge (mm),EMG (µV)\r\n" + rows(times, wave, wave).replace("\n", "\r\n"), "a.csv", encoding
    )
    read = read_signals(path)
    assert read.names == ("Länge", "EMG")
    assert read.units == ("m", "V")
    np.testing.assert_allclose(read["EMG"], wave * 1e-6)


def test_units_in_a_row_of_their_own(tmp_path: Path, times: np.ndarray, wave: np.ndarray) -> None:
    path = table(tmp_path, f"Time,EMG,Force\n(ms),(mV),(kN)\n{rows(times * 1e3, wave, wave)}\n")
    read = read_signals(path)
    assert (read.names, read.units, read.sampling_rate_hz) == (("EMG", "Force"), ("V", "N"), RATE)
    np.testing.assert_allclose(read["Force"], wave * 1e3)


def test_lines_above_the_table_are_passed_over_and_tell_the_rate(tmp_path: Path, wave: np.ndarray) -> None:
    above = "Recorder v2\nSubject: nobody\nSampling rate: 2 kHz\n\nEMG [mV],Torque [Nm]\n"
    read = read_signals(table(tmp_path, above + rows(wave, wave)))
    assert (read.names, read.sampling_rate_hz) == (("EMG", "Torque"), 2000.0)


def test_motion_file_of_opensim_is_read(tmp_path: Path, times: np.ndarray, wave: np.ndarray) -> None:
    above = "Coordinates\nversion=1\nnRows=100\nnColumns=2\ninDegrees=yes\nendheader\ntime\tankle_angle\n"
    read = read_signals(table(tmp_path, above + rows(times, wave, separator="\t"), "a.sto"))
    assert read.names == ("ankle_angle",)


def test_first_column_that_rises_evenly_is_time(tmp_path: Path, times: np.ndarray, wave: np.ndarray) -> None:
    read = read_signals(table(tmp_path, rows(times, wave)))
    assert (read.names, read.sampling_rate_hz) == (("channel_2",), pytest.approx(RATE))
    assert "is taken as time" in read.source.notes[0]


def test_running_number_is_neither_time_nor_channel(tmp_path: Path, wave: np.ndarray) -> None:
    path = table(tmp_path, "Sample,EMG (mV)\n" + rows(np.arange(100.0), wave))
    with pytest.raises(
        DataError, match=r"^a\.csv has no column of times and no sampling rate; .* pass --sampling-mhz F"
    ):
        read_signals(path)
    read = read_signals(path, Facts(sampling_mhz=0.001))
    assert (read.names, read.sampling_rate_hz) == (("EMG",), 1000.0)


def test_times_of_day_are_seconds_from_the_first(tmp_path: Path, wave: np.ndarray) -> None:
    moments = [f"12:59:{59 + i // 100:02d}.{i % 100:02d}0" if i < 100 else "" for i in range(100)]
    text = "Time,EMG (mV)\n" + "\n".join(f"{m},{v}" for m, v in zip(moments, wave, strict=True))
    read = read_signals(table(tmp_path, text))
    assert (read.sampling_rate_hz, read.start_time_s) == (pytest.approx(100), 0.0)


def test_missing_cells_are_not_a_number(tmp_path: Path, times: np.ndarray, wave: np.ndarray) -> None:
    lines = rows(times, wave).split("\n")
    lines[5], lines[6] = lines[5].split(",")[0] + ",", lines[6].split(",")[0] + ",NaN"
    values = read_signals(table(tmp_path, "time,EMG (V)\n" + "\n".join(lines)))["EMG"]
    assert np.flatnonzero(np.isnan(values)).tolist() == [5, 6]


def test_columns_of_text_are_left_out_with_a_note(tmp_path: Path, times: np.ndarray, wave: np.ndarray) -> None:
    lines = "\n".join(f"{line},rest" for line in rows(times, wave).split("\n"))
    read = read_signals(table(tmp_path, "time (s),EMG (V),phase\n" + lines))
    assert read.names == ("EMG",)
    assert read.source.notes == ("Columns of text were left out: phase.",)


def test_repeated_names_are_numbered(tmp_path: Path, times: np.ndarray, wave: np.ndarray) -> None:
    read = read_signals(table(tmp_path, "time (s),EMG (V),EMG (V)\n" + rows(times, wave, wave)))
    assert read.names == ("EMG", "EMG_2")


def test_rate_flag_overrides_the_file_with_a_note(tmp_path: Path, times: np.ndarray, wave: np.ndarray) -> None:
    path = table(tmp_path, "time (s),EMG (V)\n" + rows(times, wave))
    read = read_signals(path, Facts(sampling_mhz=0.0001))
    assert read.sampling_rate_hz == 100
    assert "200 Hz, was overridden by --sampling-mhz: 100 Hz" in read.source.notes[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "time (s),EMG\n0,1\n0.1,two\n0.2,3\n0.3,3\n",
            r"a\.csv has text among the numbers of EMG \(row 2 of its data\)",
        ),
        ("time (s),EMG\n" + "0.1,2\n" * 5 + "0.2,1,3,4\n" + "0.3,1\n" * 5, r"a\.csv has rows of different length"),
        (
            "time (s),EMG\n0,1\n0.1,1\n0.2,1\n0.1,1\n",
            r"a\.csv has times that go back or stand still \(row 4 of its data\)",
        ),
        ("time (s),EMG\n0,1\n0.1,1\n,1\n0.3,1\n", r"a\.csv has no time in row 3 of its data"),
        ("time (s),EMG\n0,1\n0.1,1\n0.5,1\n9,1\n9.1,2\n", r"a\.csv is not sampled evenly: steps of 0\.1 to 8\.5 s"),
        ("time (s)\n" + "".join(f"{i / 10}\n" for i in range(9)), r"a\.csv has a column of times but no signal"),
        ("nothing but words\nin it\n", r"a\.csv has no table of numbers"),
        ("", r"a\.csv is empty"),
        ("time (s),EMG\n0,inf\n0.1,1\n0.2,1\n", "signals contain infinite values"),
    ],
)
def test_what_is_wrong_with_a_table_is_told_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_signals(table(tmp_path, text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "# Title\n\nSome prose with 3 numbers, 4 of them wrong.\n" * 20,
        "trial,observer,angle\n" + "p6,one,17.8\n" * 20,
        '{"a": [1, 2, 3]}\n',
        "42\n",
        "",
    ],
)
def test_other_text_is_no_table_of_signals(tmp_path: Path, text: str) -> None:
    path = table(tmp_path, text or " ")
    assert not is_signals(path)


# --- the clock ------------------------------------------------------------------------------------------------------


def test_small_jitter_is_tolerated_with_a_note(rng: np.random.Generator) -> None:
    clock = clock_of(np.arange(500) / 100 + rng.uniform(-2e-3, 2e-3, 500), "a.csv")
    assert clock.rate_hz == pytest.approx(100, rel=1e-3)
    assert "Times wander by up to" in str(clock.note)


def test_times_rounded_to_milliseconds_keep_their_rate() -> None:
    clock = clock_of(np.round(np.arange(5000) / 2048, 3), "a.csv")
    assert clock.rate_hz == pytest.approx(2048, rel=1e-4)


def test_single_missing_rows_are_left_empty() -> None:
    kept = np.delete(np.arange(100), [20, 21, 50])
    clock = clock_of(kept / 100.0, "a.csv")
    values = clock.on_grid(kept[:, np.newaxis].astype(float))
    assert clock.rate_hz == pytest.approx(100)
    assert np.flatnonzero(np.isnan(values[:, 0])).tolist() == [20, 21, 50]
    np.testing.assert_array_equal(values[kept, 0], kept)
    assert clock.note == "3 samples that are missing in the file are left empty."


def test_two_rates_in_one_file_are_refused() -> None:
    times = np.concatenate([np.arange(50) / 100, 0.5 + np.arange(50) / 37])
    with pytest.raises(DataError, match=r"a\.csv is not sampled evenly: steps of 0\.01 to 0\.027"):
        clock_of(times, "a.csv")


# --- units ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "factor"),
    [
        ("mV", "V", 1e-3),
        ("µV", "V", 1e-6),
        ("uV", "V", 1e-6),
        ("Nm", "N.m", 1),
        ("N·m", "N.m", 1),
        ("N*m", "N.m", 1),
        ("N.mm", "N.m", 1e-3),
        ("°", "rad", np.pi / 180),
        ("deg/s", "rad/s", np.pi / 180),
        ("°/sec", "rad/s", np.pi / 180),
        ("m/s^2", "m/s2", 1),
        ("[kPa]", "Pa", 1e3),
        ("mmHg", "Pa", 133.322387415),
        ("mN", "N", 1e-3),
        ("DEG", "rad", np.pi / 180),
    ],
)
def test_units_are_understood_however_they_are_spelt(text: str, code: str, factor: float) -> None:
    unit = si_unit(text)
    assert unit is not None
    assert (unit.code, unit.factor) == (code, pytest.approx(factor))


@pytest.mark.parametrize("text", ["", "a.u.", "%", "bpm", "counts"])
def test_other_units_stay_as_they_are(text: str) -> None:
    assert si_unit(text) is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Torque (Nm)", ("Torque", "Nm")),
        ("EMG medial gastrocnemius [mV]", ("EMG medial gastrocnemius", "mV")),
        ("ankle_angle", ("ankle_angle", "")),
        ("ankle_angle_deg", ("ankle_angle", "deg")),
        ("VO2_min", ("VO2_min", "")),
        ("EMG 1", ("EMG 1", "")),
        ("force (a.u.)", ("force", "a.u.")),
        ("(s)", ("(s)", "")),
    ],
)
def test_unit_is_split_from_the_name(header: str, expected: tuple[str, str]) -> None:
    assert split_unit(header) == expected


# --- C3D ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def c3d_file(tmp_path: Path, rng: np.random.Generator) -> Path:
    c3d = ezc3d.c3d()
    c3d["parameters"]["POINT"]["RATE"]["value"] = [100]
    c3d["parameters"]["POINT"]["LABELS"]["value"] = ("heel", "toe")
    c3d["data"]["points"] = rng.normal(size=(4, 2, 60))
    c3d["parameters"]["ANALOG"]["RATE"]["value"] = [1000]
    c3d["parameters"]["ANALOG"]["LABELS"]["value"] = ("EMG GM", "Torque", "Count")
    c3d["parameters"]["ANALOG"]["UNITS"]["value"] = ("mV", "Nmm", "")
    c3d["data"]["analogs"] = rng.normal(size=(1, 3, 600))
    c3d.write(str(tmp_path / "a.c3d"))
    return tmp_path / "a.c3d"


def test_c3d_gives_what_ezc3d_gives_in_si_units(c3d_file: Path) -> None:
    assert is_signals(c3d_file)
    read = read_signals(c3d_file)
    expected = ezc3d.c3d(str(c3d_file))["data"]["analogs"][0].T
    assert (read.names, read.units, read.sampling_rate_hz) == (("EMG GM", "Torque", "Count"), ("V", "N.m", ""), 1000)
    np.testing.assert_allclose(read.values, expected * [1e-3, 1e-3, 1], rtol=1e-6)
    assert read.source.notes == (
        "Converted to SI: EMG GM from mV to V, Torque from Nmm to N.m.",
        "The file has no unit for Count.",
    )


def integer_c3d(processor: int, order: str, *, is_unsigned: bool = False) -> tuple[bytes, np.ndarray]:
    """A C3D with integer samples of two channels, four a frame, laid out by hand as its guide says."""
    raw = np.random.default_rng(3).integers(0 if is_unsigned else -900, 60000 if is_unsigned else 900, (20, 4, 2))
    offsets, scales, general = np.array([10, -20]) % (65536 if is_unsigned else 1 << 31), [0.5, 0.25], 0.01

    def real(values: list[float]) -> bytes:
        if processor != 85:
            return np.array(values, order + "f4").tobytes()
        words = (np.array(values, "<f4") * 4).view("<u2").reshape(-1, 2)[:, ::-1]
        return np.ascontiguousarray(words).tobytes()

    def whole(values: list[int]) -> bytes:
        return (np.array(values) & 0xFFFF).astype(order + "u2").tobytes()

    def record(name: str, group: int, body: bytes) -> bytes:
        return bytes([len(name), group & 0xFF]) + name.encode() + whole([len(body) + 2]) + body

    def parameter(name: str, kind: int, axes: list[int], data: bytes) -> bytes:
        return record(name, 2, bytes([kind & 0xFF, len(axes), *axes]) + data + b"\0")

    text = "".join(label.ljust(6) for label in ("EMG", "Force")).encode()
    section = record("POINT", -1, b"\0") + record("ANALOG", -2, b"\0") + parameter("LABELS", -1, [6, 2], text)
    section += parameter("UNITS", -1, [2, 2], b"mVN ") + parameter("RATE", 4, [], real([400.0]))
    section += parameter("SCALE", 4, [2], real(scales)) + parameter("GEN_SCALE", 4, [], real([general]))
    section += parameter("OFFSET", 2, [2], whole(offsets.tolist()))
    section += parameter("FORMAT", -1, [8], b"UNSIGNED" if is_unsigned else b"SIGNED  ")
    section = (bytes([1, 0x50, 1, processor]) + section).ljust(512, b"\0")
    header = bytes([2, 0x50]) + whole([1, 8, 1, 20, 0]) + real([0.1]) + whole([3, 4]) + real([100.0])
    frames = b"".join(whole([1, 2, 3, 0]) + whole(frame.reshape(-1).tolist()) for frame in raw)
    signed = raw if is_unsigned else raw.astype(np.int16)
    values = (signed.reshape(-1, 2) - (offsets if is_unsigned else [10, -20])) * np.array(scales) * general
    return header.ljust(512, b"\0") + section + frames, values


@pytest.mark.parametrize(("processor", "order"), [(84, "<"), (85, "<"), (86, ">")])
@pytest.mark.parametrize("is_unsigned", [False, True])
def test_c3d_of_every_processor_is_scaled(tmp_path: Path, processor: int, order: str, is_unsigned: bool) -> None:
    content, values = integer_c3d(processor, order, is_unsigned=is_unsigned)
    (tmp_path / "a.c3d").write_bytes(content)
    read = read_signals(tmp_path / "a.c3d")
    assert (read.names, read.units, read.sampling_rate_hz) == (("EMG", "Force"), ("V", "N"), 400)
    np.testing.assert_allclose(read.values, values * [1e-3, 1], rtol=1e-6)


def test_truncated_c3d_is_told(c3d_file: Path) -> None:
    content = c3d_file.read_bytes()
    c3d_file.write_bytes(content[:-2000])
    with pytest.raises(DataError, match=r"a\.c3d is truncated: its header promises 60 frames, \d+ are there"):
        read_signals(c3d_file)


def test_c3d_without_analogue_channels_is_told(tmp_path: Path) -> None:
    c3d = ezc3d.c3d()
    c3d["parameters"]["POINT"]["RATE"]["value"] = [100]
    c3d["parameters"]["POINT"]["LABELS"]["value"] = ("heel",)
    c3d["data"]["points"] = np.zeros((4, 1, 10))
    c3d.write(str(tmp_path / "a.c3d"))
    with pytest.raises(DataError, match=r"a\.c3d has no analogue channels"):
        read_signals(tmp_path / "a.c3d")


# --- named arrays ---------------------------------------------------------------------------------------------------


def test_vectors_of_a_matlab_file_with_a_time(tmp_path: Path, times: np.ndarray, wave: np.ndarray) -> None:
    content = {"time": times, "torque_Nm": wave, "angle": wave, "events": np.arange(9.0), "k": 3.0}
    scipy.io.savemat(tmp_path / "a.mat", content)
    assert is_signals(tmp_path / "a.mat")
    read = read_signals(tmp_path / "a.mat")
    assert (read.names, read.units, read.sampling_rate_hz) == (("torque", "angle"), ("N.m", ""), pytest.approx(RATE))
    np.testing.assert_array_equal(read["torque"], wave)


@pytest.mark.parametrize("name", ["fs", "sampling_rate", "SampleRate", "Fs_kHz", "analog_rate"])
def test_rate_stands_beside_the_vectors_or_above_them(tmp_path: Path, wave: np.ndarray, name: str) -> None:
    rate = 2.0 if name.endswith("kHz") else 2000.0
    np.savez(tmp_path / "a.npz", emg=wave, **{name: rate})
    scipy.io.savemat(tmp_path / "a.mat", {"trial": {"emg": wave, "inner": {"x": 1.0}}, name: rate})
    assert read_signals(tmp_path / "a.npz").sampling_rate_hz == 2000
    assert read_signals(tmp_path / "a.mat").sampling_rate_hz == 2000


def test_hdf5_units_and_rates_are_attributes(tmp_path: Path, wave: np.ndarray) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["trial/emg"] = np.stack([wave, -wave], axis=1)
        file["trial/emg"].attrs["unit"] = "mV"
        file["trial/emg"].attrs["sampling_rate_hz"] = 2000.0
        file.attrs["fs"] = 5.0
    read = read_signals(tmp_path / "a.h5")
    assert (read.names, read.units, read.sampling_rate_hz) == (("emg_1", "emg_2"), ("V", "V"), 2000)
    np.testing.assert_allclose(read["emg_2"], -wave * 1e-3)


def test_several_sets_are_listed_and_chosen_by_name(tmp_path: Path, times: np.ndarray, wave: np.ndarray) -> None:
    sets = {f"push_{i}": {"time": times, "torque": wave * i} for i in range(1, 10)}
    scipy.io.savemat(tmp_path / "a.mat", {"trial": sets})
    message = (
        r"a\.mat has several sets of signals: trial\.push_1, .*trial\.push_6 and 3 more; choose with --variable NAME"
    )
    with pytest.raises(DataError, match=message):
        read_signals(tmp_path / "a.mat")
    for name in ("trial.push_3", "push_3", "trial_push_3"):
        np.testing.assert_array_equal(read_signals(tmp_path / "a.mat", Facts(variable=name))["torque"], wave * 3)
    np.testing.assert_array_equal(
        read_signals(tmp_path / "a.mat", Facts(variable="push_2.torque")).values[:, 0], wave * 2
    )
    with pytest.raises(DataError, match=r"--variable push_11 is no set of signals in a\.mat; there are: trial\.push_1"):
        read_signals(tmp_path / "a.mat", Facts(variable="push_11"))


def test_frame_numbers_put_signals_on_the_clock_of_the_video(tmp_path: Path, wave: np.ndarray) -> None:
    frames = np.arange(3, 93, 3.0)
    scipy.io.savemat(tmp_path / "a.mat", {"torque": wave, "time": 5 + np.arange(100) / 100, "frameInds": frames})
    read = read_signals(tmp_path / "a.mat")
    assert read.start_time_s == pytest.approx(-0.02)
    frame_times = read_frame_times(tmp_path / "a.mat")
    assert frame_times is not None
    np.testing.assert_allclose(frame_times, np.arange(30) * 0.03, atol=1e-12)


def test_file_without_signals_is_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", k=3.0, image=np.zeros((50, 50)))
    assert not is_signals(tmp_path / "a.npz")
    with pytest.raises(DataError, match=r"a\.npz has no signals"):
        read_signals(tmp_path / "a.npz")


def test_rf_is_no_signal(tmp_path: Path, make_rf) -> None:
    from sonometry.io.rf_write import write_rf

    for name in ("a.mat", "a.h5", "a.npz", "a.mhd", "a.rf"):
        write_rf(make_rf(), tmp_path / name)
        assert not is_signals(tmp_path / name), name


# --- writing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.csv", "a.h5"])
def test_written_signals_come_back(tmp_path: Path, rng: np.random.Generator, name: str) -> None:
    values = rng.normal(size=(60, 2))
    values[5, 1] = np.nan
    written = Signals(("torque", "EMG [left]"), ("N.m", "V"), values, 1000.0, start_time_s=-0.25)
    read = read_signals(write_signals(written, tmp_path / name))
    np.testing.assert_array_equal(read.values, values)
    assert (read.names, read.units) == (written.names, written.units)
    assert read.sampling_rate_hz == pytest.approx(1000, rel=1e-9)
    assert read.start_time_s == -0.25


def test_other_ending_and_unwritable_place_are_refused(tmp_path: Path) -> None:
    signals = Signals(("a",), ("V",), np.zeros((9, 1)), 100.0)
    with pytest.raises(UsageError, match=r"signals cannot be written as a\.png"):
        write_signals(signals, tmp_path / "a.png")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_signals(signals, tmp_path / "file" / "a.csv")


# --- broken and real files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.csv", "a.c3d", "a.mat", "a.h5", "a.npz"])
def test_mutated_files_end_in_signals_or_one_line(
    tmp_path: Path, rng: np.random.Generator, times: np.ndarray, wave: np.ndarray, name: str, c3d_file: Path
) -> None:
    path = tmp_path / name
    if name == "a.mat":
        scipy.io.savemat(path, {"trial": {"time": times, "emg_mV": wave}})
    elif name == "a.npz":
        np.savez(path, time=times, emg=wave)
    elif name != "a.c3d":
        write_signals(Signals(("emg", "torque"), ("V", "N.m"), np.stack([wave, wave], 1), RATE), path)
    content = path.read_bytes()
    messages = []
    for _ in range(40):
        data = bytearray(content)
        for at in rng.integers(min(len(data), 1500), size=4):
            data[at] = rng.integers(256)
        path.write_bytes(bytes(data[: rng.integers(len(data) // 2, len(data) + 1)]))
        for use in (is_signals, read_signals):
            try:
                use(path)
            except DataError as error:
                messages.append(str(error))
    assert messages
    assert not any("\n" in message or str(tmp_path) in message for message in messages)


@pytest.mark.data
def test_dynamometer_recording_has_a_set_for_each_push(shared_data: Path) -> None:
    path = shared_data / "muscle/gastrocnemius_dynamometer/Clips/AGR003_push_data.mat"
    assert is_signals(path)
    with pytest.raises(
        DataError, match=r"AGR003_push_data\.mat has several sets of signals: clips\.p6_isokinetic030_01\.pu"
    ):
        read_signals(path)
    facts = Facts(variable="p6_isometric_max_01_push_01")  # the name of the clip's file
    read = read_signals(path, facts)
    assert read.names == ("TOR", "VEL", "POS", "TRIGGER")
    assert (read.sampling_rate_hz, read.start_time_s, len(read.values)) == (100.0, 0.0, 318)
    assert read["TOR"][0] == pytest.approx(1.64751781)
    frame_times = read_frame_times(path, facts)
    assert frame_times is not None
    assert len(frame_times) == 197
    assert 1 / np.diff(frame_times).mean() == pytest.approx(61.5, abs=0.7)  # the video has 61 frames a second


@pytest.mark.data
def test_real_files_of_other_kinds_are_no_signals(shared_data: Path) -> None:
    others = [
        *sorted((shared_data / "dicom").glob("*.dcm")),
        *sorted((shared_data / "elastography").rglob("*.mh[ad]")),
        *sorted((shared_data / "elastography").rglob("*.raw"))[:2],
        shared_data / "muscle/gastrocnemius_dynamometer/p6_params.mat",
        shared_data / "muscle/gastrocnemius_dynamometer/manual_annotations.csv",
        shared_data / "README.md",
        next((shared_data / "muscle/fascicle/images").glob("*.tif")),
    ]
    assert [file.name for file in others if is_signals(file)] == []
