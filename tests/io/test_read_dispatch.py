"""`read`: any recording by its content, sets and folders of them, and one line for what is none."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

import sonometry
from sonometry.core import Cine, DataError, Deidentification, RFFrames, Signals, Study, UsageError
from sonometry.io.facts import Facts
from sonometry.io.read import read
from sonometry.io.rf_write import write_rf

MakeDicom = Callable[..., Path]
MakeRF = Callable[..., RFFrames]


@pytest.fixture
def png(tmp_path: Path, clip: np.ndarray) -> Path:
    path = tmp_path / "still.png"
    Image.fromarray(clip[0]).save(path)
    return path


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    times = np.arange(200) / 100
    rows = "\n".join(f"{t:.2f},{np.sin(t):.5f}" for t in times)
    path = tmp_path / "torque.csv"
    path.write_text(f"time (s),torque (N.m)\n{rows}\n")
    return path


def test_read_is_offered_by_the_package(png: Path) -> None:
    assert isinstance(sonometry.read(png), Cine)


def test_content_decides_and_not_the_ending(make_dicom: MakeDicom, png: Path, tmp_path: Path) -> None:
    for source, name, expected in ((make_dicom(), "a.png", "DICOM"), (png, "b.mat", "PNG")):
        path = shutil.copy(source, tmp_path / name)
        recording = read(path)
        assert isinstance(recording, Cine)
        assert recording.source.format.startswith(expected)


def test_path_may_be_text(png: Path) -> None:
    assert isinstance(read(str(png)), Cine)


def test_rf_files_in_order_are_one_sequence(make_rf: MakeRF, tmp_path: Path) -> None:
    frames = make_rf(n_frames=3)
    paths = []
    for i in range(3):
        one = RFFrames(
            frames.samples[i : i + 1], frames.sampling_rate_hz, frames.centre_frequency_hz, frames.line_pitch_m
        )
        paths += [write_rf(one, tmp_path / f"f{i}.mhd")[0]]
    together = read(*paths)
    assert isinstance(together, RFFrames)
    assert together.n_frames == 3
    backwards = read(paths[::-1])
    assert isinstance(backwards, RFFrames)
    np.testing.assert_array_equal(backwards.samples, together.samples[::-1])


def test_folder_of_rf_is_a_sequence_in_numerical_order(make_rf: MakeRF, tmp_path: Path) -> None:
    frames = make_rf(n_frames=11)
    for i in range(11):
        one = RFFrames(
            frames.samples[i : i + 1], frames.sampling_rate_hz, frames.centre_frequency_hz, frames.line_pitch_m
        )
        write_rf(one, tmp_path / f"frame{i}.mhd")
    together = read(tmp_path)
    assert isinstance(together, RFFrames)
    np.testing.assert_allclose(together.samples, frames.samples, rtol=1e-6)


def test_clip_with_signals_is_a_study(make_dicom: MakeDicom, csv: Path) -> None:
    study = read(make_dicom(), csv)
    assert isinstance(study, Study)
    assert [r.kind for r in study.recordings] == ["cine", "signals"]
    assert isinstance(study.recordings[1], Signals)


def test_clips_stay_lazy_in_a_study(make_dicom: MakeDicom, csv: Path) -> None:
    cine = read(make_dicom(), csv).recordings[0]  # type: ignore[union-attr]
    assert isinstance(cine, Cine)
    assert not isinstance(cine._frames, np.ndarray)


def test_clips_are_a_study_in_the_given_order(make_dicom: MakeDicom, png: Path) -> None:
    study = read([png, make_dicom()])
    assert isinstance(study, Study)
    assert [r.source.format.split()[0] for r in study.recordings] == ["PNG", "DICOM"]


def test_folder_of_an_examination_is_a_study_in_order_of_acquisition(make_dicom: MakeDicom, tmp_path: Path) -> None:
    for name, number in (("b.dcm", 1), ("a.dcm", 2), ("c", 3)):
        make_dicom(name=name, InstanceNumber=number, FrameTime=str(10 * number))
    study = read(tmp_path)
    assert isinstance(study, Study)
    rates = [r.frame_rate_hz for r in study.recordings if isinstance(r, Cine)]
    assert rates == pytest.approx([100, 50, 100 / 3])


def test_study_has_pseudonyms_and_no_patient(make_dicom: MakeDicom, png: Path) -> None:
    study = read(make_dicom(), png)
    assert isinstance(study, Study)
    assert study.deidentification is Deidentification.IDENTIFIED
    told = repr((study.study_key, study.subject_key, study.device, study.source.notes, study.source.name))
    assert not any(secret in told for secret in ("Doe", "MRN4711", "19700101", "2.25.1"))


def test_same_examination_has_the_same_key(make_dicom: MakeDicom) -> None:
    a, b, c = (make_dicom(name=f"{i}.dcm", InstanceNumber=i) for i in range(3))
    first, second = read(a, b), read(b, c)
    assert isinstance(first, Study)
    assert isinstance(second, Study)
    assert first.study_key == second.study_key


def test_recordings_of_several_patients_are_refused_together(make_dicom: MakeDicom) -> None:
    a, b = make_dicom(name="a.dcm"), make_dicom(name="b.dcm", PatientID="MRN4712")
    with pytest.raises(DataError, match="several patients"):
        read(a, b)


def test_several_examinations_are_noted(make_dicom: MakeDicom) -> None:
    study = read(make_dicom(name="a.dcm"), make_dicom(name="b.dcm", StudyInstanceUID="2.25.99"))
    assert any("2 examinations" in note for note in study.source.notes)


def test_folder_leaves_out_what_is_no_recording_and_counts_it(
    make_dicom: MakeDicom, tmp_path: Path, clip: np.ndarray
) -> None:
    make_dicom()
    (tmp_path / "notes.txt").write_text("measured twice\n")
    (tmp_path / ".hidden.dcm").write_bytes(b"x")
    np.savez(tmp_path / "fields.npz", a=clip)
    damaged = make_dicom(name="damaged.dcm")
    damaged.write_bytes(damaged.read_bytes()[:-3000])
    study = read(tmp_path)
    assert isinstance(study, Study)
    assert len(study.recordings) == 1
    assert any(note.startswith("1 files of the folder are no recordings") for note in study.source.notes)
    assert any(note.startswith("1 files of the folder are damaged") for note in study.source.notes)


def write_dicomdir(folder: Path, *files: tuple[str, ...]) -> Path:
    """A DICOMDIR whose image records name these files by the parts of their paths."""
    directory = Dataset()
    directory.file_meta = FileMetaDataset()
    directory.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    directory.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    directory.file_meta.MediaStorageSOPInstanceUID = "2.25.9"
    records = []
    with disable_value_validation():
        for parts in files:
            record = Dataset()
            record.DirectoryRecordType, record.ReferencedFileID = "IMAGE", list(parts)
            records.append(record)
        directory.DirectoryRecordSequence = records
        directory.save_as(folder / "DICOMDIR", enforce_file_format=True)
    return folder / "DICOMDIR"


def test_dicomdir_leads_to_its_files(make_dicom: MakeDicom, tmp_path: Path) -> None:
    (tmp_path / "DATA").mkdir()
    for name in ("IM1", "IM2"):
        make_dicom(name=f"DATA/{name}")
    study = read(write_dicomdir(tmp_path, ("DATA", "IM1"), ("DATA", "IM2"), ("DATA", "GONE")))
    assert isinstance(study, Study)
    assert len(study.recordings) == 2


def test_dicomdir_leads_nowhere_else(make_dicom: MakeDicom, tmp_path: Path) -> None:
    make_dicom(name="outside.dcm")
    (tmp_path / "exam").mkdir()
    with pytest.raises(DataError, match="names no file that is beside it"):
        read(write_dicomdir(tmp_path / "exam", ("..", "outside.dcm")))


def test_facts_may_be_given_by_name(png: Path) -> None:
    cine = read(png, spacing_mm=[0.1, 0.2])
    assert isinstance(cine, Cine)
    assert cine.spacing_m == pytest.approx((1e-4, 2e-4))
    also = read(png, facts=Facts(spacing_mm=(0.1, 0.2)))
    assert isinstance(also, Cine)
    assert also.spacing_m == cine.spacing_m


def test_unknown_fact_is_a_wrong_call(png: Path) -> None:
    with pytest.raises(UsageError, match="unknown facts: spacing; there are: spacing_mm"):
        read(png, spacing=(1, 1))


def test_nothing_given_is_a_wrong_call() -> None:
    with pytest.raises(UsageError, match="no file was given"):
        read([])


def one_line(error: pytest.ExceptionInfo[Exception]) -> bool:
    return "\n" not in str(error.value)


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.dcm does not exist") as error:
        read(tmp_path / "gone.dcm")
    assert one_line(error)


def test_empty_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").touch()
    with pytest.raises(DataError, match=r"a\.dcm is empty"):
        read(tmp_path / "a.dcm")


def test_folder_without_recordings_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("nothing\n")
    with pytest.raises(DataError, match=r"holds no recording that can be read \(1 files"):
        read(tmp_path)


def test_text_named_as_matlab_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.mat").write_text("these are words\n")
    with pytest.raises(DataError, match=r"a\.mat is not a MATLAB file") as error:
        read(tmp_path / "a.mat")
    assert one_line(error)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"only words\n", "is a text without a table of numbers"),
        (bytes(range(256)) * 8, "is of a kind that is not known"),
        (b"%PDF-1.7\n%", "is a PDF, not a recording"),
        (b"\x1f\x8b\x08" + bytes(40), "is an archive, not a recording"),
    ],
)
def test_other_files_are_told_what_was_expected(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "export").write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        read(tmp_path / "export")
    assert one_line(error)


def test_archive_of_an_export_is_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "exam.zip", "w") as archive:
        archive.writestr("IM1", b"x")
    with pytest.raises(DataError, match=r"exam\.zip"):
        read(tmp_path / "exam.zip")


def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="is not a regular file"):
        read(tmp_path / "pipe")


def test_file_that_may_not_be_read_is_told(tmp_path: Path, png: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # tests may run as a user who may read everything
    with pytest.raises(DataError, match="permission denied"):
        read(png)


@pytest.mark.data
@pytest.mark.slow
def test_every_real_recording_is_read(shared_data: Path) -> None:
    assert len(read(shared_data / "echo" / "views").recordings) == 21  # type: ignore[union-attr]
    assert len(read(shared_data / "echo" / "apical_clips").recordings) == 15  # type: ignore[union-attr]
    assert len(read(shared_data / "muscle" / "fascicle").recordings) == 46  # type: ignore[union-attr]
    for path in sorted((shared_data / "dicom").iterdir()):
        assert isinstance(read(path), Cine)


@pytest.mark.data
def test_real_clip_takes_the_clock_of_its_signals(shared_data: Path) -> None:
    clips = shared_data / "muscle" / "gastrocnemius_dynamometer" / "Clips"
    study = read(
        clips / "p6_passive_ROM_01_push_01.mp4",
        clips / "AGR003_push_data.mat",
        variable="clips.p6_passive_ROM_01.push_01",
    )
    cine = study.of_kind("cine")[0]  # type: ignore[union-attr]
    assert isinstance(cine, Cine)
    assert cine.frame_rate_hz == pytest.approx(61.42, abs=0.02)
    assert any("follow the signals' file" in note for note in cine.source.notes)
