"""Opening, laziness, damage, facts and origin of DICOM recordings."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pydicom
import pytest
import simplejpeg
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG4HP41, JPEGBaseline8Bit

from sonometry.core import DataError, Deidentification, Device
from sonometry.io.dicom import read_dicom
from sonometry.io.dicom_frames import DicomFrames, FrameDecoder
from sonometry.io.dicom_header import deidentification_of, heart_rate_per_min, open_dicom
from sonometry.io.dicom_timing import frame_timing
from sonometry.io.facts import Facts
from sonometry.io.sniff import FileFormat, sniff

MakeDicom = Callable[..., Path]
TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"


def jpeg_streams(clip: np.ndarray) -> list[bytes]:
    return [simplejpeg.encode_jpeg(frame[..., None], 95, "GRAY", "Gray") for frame in clip]


def test_device_and_format_come_from_the_header(make_dicom: MakeDicom) -> None:
    source = read_dicom(make_dicom()).source
    assert source.device == Device("Acme", "X1", "L12-5")
    assert source.format == "DICOM Explicit VR Little Endian"
    assert len(source.sha256) == 64


def test_nothing_of_the_patient_is_in_a_cine(make_dicom: MakeDicom) -> None:
    cine = read_dicom(make_dicom(PixelSpacing=[0.2, 0.2], SequenceOfUltrasoundRegions=None, FrameTime=None))
    told = repr((cine.source.device, cine.source.format, cine.source.notes))
    assert not any(secret in told for secret in ("Doe", "MRN4711", "19700101"))


def test_opening_decodes_only_the_first_frame(make_dicom: MakeDicom, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[bytes] = []
    grey = FrameDecoder.grey
    monkeypatch.setattr(FrameDecoder, "grey", lambda self, data: decoded.append(data) or grey(self, data))
    cine = read_dicom(make_dicom())
    assert len(decoded) == 1
    cine.frame(3)
    assert len(decoded) == 2


def test_damaged_frame_in_the_middle_is_named_on_access(make_dicom: MakeDicom, clip: np.ndarray) -> None:
    streams = jpeg_streams(clip)
    streams[2] = streams[2][: len(streams[2]) // 2]
    cine = read_dicom(make_dicom(syntax=JPEGBaseline8Bit, data=encapsulate(streams)))
    cine.frame(1)
    cine.frame(3)
    with pytest.raises(DataError, match=r"frame 2 of clip\.dcm cannot be decoded: its compressed data is damaged"):
        cine.frame(2)


def test_file_that_shrinks_after_opening_is_told(make_dicom: MakeDicom) -> None:
    path = make_dicom()
    cine = read_dicom(path)
    path.write_bytes(path.read_bytes()[:-2500])
    with pytest.raises(DataError, match="ends within frame 2"):
        cine.frame(2)


def test_file_that_vanishes_after_opening_is_told(make_dicom: MakeDicom) -> None:
    path = make_dicom()
    cine = read_dicom(path)
    path.unlink()
    with pytest.raises(DataError, match="can no longer be read at frame 1"):
        cine.frame(1)


def test_frame_source_survives_pickling(make_dicom: MakeDicom, clip: np.ndarray) -> None:
    frames = read_dicom(make_dicom())._frames
    assert isinstance(frames, DicomFrames)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(frames)).frame(2), clip[2])


def test_frames_can_be_written_to(make_dicom: MakeDicom) -> None:
    frame = read_dicom(make_dicom()).frame(0)
    frame[0, 0] = 7
    assert frame[0, 0] == 7


@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
def test_truncated_file_is_refused(make_dicom: MakeDicom, share: float) -> None:
    path = make_dicom()
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match="truncated"):
        read_dicom(path)


def test_truncated_jpeg_cine_tells_how_many_frames_are_there(make_dicom: MakeDicom, clip: np.ndarray) -> None:
    path = make_dicom(syntax=JPEGBaseline8Bit, data=encapsulate(jpeg_streams(clip)))
    data = path.read_bytes()
    path.write_bytes(data[:-1000])
    with pytest.raises(DataError, match="announces 4 frames but holds 3"):
        read_dicom(path)


def test_missing_preamble_is_tolerated(make_dicom: MakeDicom, clip: np.ndarray) -> None:
    path = make_dicom()
    path.write_bytes(path.read_bytes()[132:])
    assert sniff(path) is FileFormat.DICOM
    np.testing.assert_array_equal(read_dicom(path).pixels, clip)


@pytest.mark.parametrize("is_implicit", [True, False])
def test_missing_meta_header_is_tolerated(
    make_dicom: MakeDicom, tmp_path: Path, clip: np.ndarray, is_implicit: bool
) -> None:
    dataset = pydicom.dcmread(make_dicom())
    bare = Dataset()
    bare.update(dataset)
    path = tmp_path / "bare"
    bare.save_as(path, implicit_vr=is_implicit, little_endian=True)
    assert sniff(path) is FileFormat.DICOM
    np.testing.assert_array_equal(read_dicom(path).pixels, clip)


@pytest.mark.parametrize("name", ["reportsi", "waveform_ecg", "rtplan"])
def test_objects_without_pixels_are_refused_by_kind(name: str) -> None:
    with pytest.raises(DataError, match=r"is a DICOM (Basic Text SR|12-lead ECG Waveform|RT Plan) without pixels"):
        read_dicom(TEST_FILES / f"{name}.dcm")


def test_other_modalities_are_read_with_a_note(make_dicom: MakeDicom) -> None:
    assert "the file's modality is OT, not ultrasound" in read_dicom(make_dicom(Modality="OT")).source.notes


@pytest.mark.parametrize("sop_class", ["1.2.840.10008.5.1.4.1.1.3", "1.2.840.10008.5.1.4.1.1.6"])
def test_retired_ultrasound_classes_are_read(make_dicom: MakeDicom, clip: np.ndarray, sop_class: str) -> None:
    np.testing.assert_array_equal(read_dicom(make_dicom(SOPClassUID=sop_class)).pixels, clip)


def test_told_spacing_replaces_the_files_with_a_note(make_dicom: MakeDicom) -> None:
    cine = read_dicom(make_dicom(), Facts(spacing_mm=(0.1, 0.2)))
    assert cine.spacing_m == pytest.approx((0.0001, 0.0002))
    assert any("--spacing-mm and replaces the file's 0.3 x 0.3 mm" in note for note in cine.source.notes)


def test_told_rate_replaces_the_files_with_a_note(make_dicom: MakeDicom) -> None:
    cine = read_dicom(make_dicom(), Facts(fps=100))
    np.testing.assert_allclose(cine.frame_times_s, [0, 0.01, 0.02, 0.03])
    assert any("--fps and replaces the file's 50" in note for note in cine.source.notes)


def test_told_facts_silence_the_complaint_about_missing_ones(make_dicom: MakeDicom) -> None:
    path = make_dicom(SequenceOfUltrasoundRegions=None, FrameTime=None, FrameIncrementPointer=None)
    cine = read_dicom(path, Facts(spacing_mm=(0.1, 0.1), fps=40))
    assert cine.is_timed
    assert not any("cannot be measured" in note for note in cine.source.notes)


def test_untimed_cine_says_so(make_dicom: MakeDicom) -> None:
    cine = read_dicom(make_dicom(FrameTime=None, FrameIncrementPointer=None))
    assert not cine.is_timed
    assert cine.frame_rate_hz is None


@pytest.mark.parametrize(("stored", "expected"), [(62, 62.0), (0, None), (9999, None)])
def test_heart_rate_of_zero_is_no_heart_rate(make_dicom: MakeDicom, stored: int, expected: float | None) -> None:
    assert heart_rate_per_min(open_dicom(make_dicom(HeartRate=stored)).dataset) == expected


@pytest.mark.parametrize(
    ("attributes", "state"),
    [
        ({}, Deidentification.IDENTIFIED),
        ({"PatientIdentityRemoved": "YES"}, Deidentification.DEIDENTIFIED),
        ({"PatientName": "", "PatientID": "", "PatientBirthDate": ""}, Deidentification.UNKNOWN),
        ({"SyntheticData": "YES"}, Deidentification.SIMULATED),
    ],
)
def test_deidentification_is_what_the_header_tells(
    make_dicom: MakeDicom, attributes: dict, state: Deidentification
) -> None:
    assert deidentification_of(open_dicom(make_dicom(**attributes)).dataset) is state


@pytest.mark.parametrize("value", ["not a number", "1\\2\\3", ""])
def test_values_that_cannot_be_converted_count_as_absent(make_dicom: MakeDicom, value: str) -> None:
    dataset = open_dicom(make_dicom(CineRate="25")).dataset
    dataset.add_new(0x00181063, "LO", value)  # Frame Time
    assert frame_timing(dataset, 4).basis == ("FrameTime" if value[:1] == "1" else "CineRate")


def waveform(values: np.ndarray, unit: str | None) -> Dataset:
    """One channel of 16-bit samples at 500 Hz that begins 40 ms before the first frame."""
    channel = Dataset()
    source = Dataset()
    source.CodeValue, source.CodingSchemeDesignator, source.CodeMeaning = "2:1", "MDC", "Lead I"
    channel.ChannelSourceSequence = [source]
    channel.ChannelSampleSkew, channel.WaveformBitsStored = "0", 16
    if unit:
        units = Dataset()
        units.CodeValue, units.CodingSchemeDesignator, units.CodeMeaning = unit, "UCUM", unit
        channel.ChannelSensitivity, channel.ChannelSensitivityUnitsSequence = "0.5", [units]
        channel.ChannelSensitivityCorrectionFactor, channel.ChannelBaseline = "1", "0"
    group = Dataset()
    group.MultiplexGroupTimeOffset, group.WaveformOriginality = "-40", "ORIGINAL"
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = 1, len(values)
    group.SamplingFrequency, group.ChannelDefinitionSequence = "500", [channel]
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.WaveformData = values.astype("<i2").tobytes()
    group["WaveformData"].VR = "OW"
    return group


def test_ecg_in_the_file_comes_on_the_clock_of_the_frames(make_dicom: MakeDicom) -> None:
    steps = np.arange(-50, 50)
    ecg = read_dicom(make_dicom(WaveformSequence=[waveform(steps, "mV")])).ecg
    assert ecg is not None
    np.testing.assert_allclose(ecg["ecg"], steps * 0.5e-3)
    assert ecg.units == ("V",)
    assert (ecg.sampling_rate_hz, ecg.start_time_s) == (500.0, -0.04)


def test_ecg_without_sensitivity_has_no_unit(make_dicom: MakeDicom) -> None:
    ecg = read_dicom(make_dicom(WaveformSequence=[waveform(np.arange(20), None)])).ecg
    assert ecg is not None
    assert ecg.units == ("1",)


def test_damaged_waveform_does_not_hide_the_pictures(make_dicom: MakeDicom) -> None:
    group = waveform(np.arange(20), "mV")
    group.NumberOfWaveformSamples = 4000
    cine = read_dicom(make_dicom(WaveformSequence=[group]))
    assert cine.ecg is None
    assert cine.n_frames == 4


@pytest.mark.data
@pytest.mark.parametrize("name", ["acuson_doppler_jpeg_frametimevector", "epiq5g_grey_cine_test_patient"])
def test_real_files_give_frames_and_no_warning(shared_data: Path, name: str) -> None:
    cine = read_dicom(shared_data / "dicom" / f"{name}.dcm")
    assert cine.frame(cine.n_frames - 1).std() > 5
    assert cine.frame_rate_hz is not None


def mp4_of(clip: np.ndarray, path: Path) -> bytes:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.height, stream.width, stream.pix_fmt = 40, 48, "yuv420p"
        for frame in clip:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.dstack([frame] * 3), format="rgb24")))
        container.mux(stream.encode(None))
    return path.read_bytes()


def test_video_stream_in_dicom_is_read(make_dicom: MakeDicom, clip: np.ndarray, tmp_path: Path) -> None:
    data = encapsulate([mp4_of(clip, tmp_path / "a.mp4")])
    path = make_dicom(syntax=MPEG4HP41, data=data, photometric="YBR_PARTIAL_420", SamplesPerPixel=3)
    cine = read_dicom(path)
    assert cine.source.format == "DICOM MPEG-4 AVC/H.264 High Profile / Level 4.1"
    assert np.abs(cine.pixels.astype(int) - clip).mean() < 3
    assert cine.frame_rate_hz == pytest.approx(50)  # the header's Frame Time, not the stream's rate


def test_video_stream_with_missing_frames_is_refused(make_dicom: MakeDicom, clip: np.ndarray, tmp_path: Path) -> None:
    data = encapsulate([mp4_of(clip, tmp_path / "a.mp4")])
    with pytest.raises(DataError, match="announces 90 frames but its video holds 4"):
        read_dicom(make_dicom(syntax=MPEG4HP41, data=data, NumberOfFrames=90))
