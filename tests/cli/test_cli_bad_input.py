"""Bad input through the real command line: one line and the exit status of the design, never a traceback."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sonometry.cli.run import run
from sonometry.core import RFFrames
from sonometry.io.rf_write import write_rf, write_rf_sequence

FACTS = ["--sampling-mhz", "40", "--centre-mhz", "6", "--pitch-mm", "0.3"]


@pytest.fixture
def rf(rng) -> RFFrames:
    """Two frames that have nothing to do with each other."""
    return RFFrames(rng.normal(size=(2, 400, 24)).astype(np.float32), 40e6, 6e6, 3e-4)


@pytest.fixture
def elastography(tmp_path, capsys):
    """Run `measure --app elastography` on paths; its status, stdout and lines of stderr without progress."""

    def call(*words: object) -> tuple[int, str, list[str]]:
        status = run(["measure", *map(str, words), "--app", "elastography", "--out", str(tmp_path / "out")])
        shown = capsys.readouterr()
        return status, shown.out, [line for line in shown.err.splitlines() if line.startswith("sonometry:")]

    return call


def assert_refused(result: tuple[int, str, list[str]], status: int, *words: str) -> None:
    got, out, errors = result
    assert got == status, errors
    assert len(errors) == 1
    assert out == ""
    assert all(word in errors[0] for word in words), errors[0]


def _dicom_that_nothing_decodes(path: Path) -> Path:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEG2000Lossless, UltrasoundMultiFrameImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = JPEG2000Lossless
    meta.MediaStorageSOPClassUID = UltrasoundMultiFrameImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["seed"])
    file = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    file.Modality, file.PatientName = "US", "DOE^JANE"
    file.Rows, file.Columns, file.NumberOfFrames, file.SamplesPerPixel = 32, 32, 2, 1
    file.PhotometricInterpretation = "MONOCHROME2"
    file.BitsAllocated = file.BitsStored = 8
    file.HighBit, file.PixelRepresentation, file.FrameTime = 7, 0, "40"
    file.PixelData = encapsulate([b"not a codestream", b"neither is this "])
    file["PixelData"].is_undefined_length = True
    file.save_as(path, enforce_file_format=True)
    return path


def test_an_empty_file_is_unreadable(elastography, tmp_path):
    (tmp_path / "rf.mat").write_bytes(b"")
    assert_refused(elastography(tmp_path / "rf.mat", *FACTS), 3, "rf.mat", "empty")


def test_a_file_that_is_not_there_is_unreadable(elastography, tmp_path):
    assert_refused(elastography(tmp_path / "rf.mat", *FACTS), 3, "rf.mat")


@pytest.mark.parametrize("ending", [".mat", ".mha", ".h5", ".npz", ".rf"])
def test_a_truncated_file_is_unreadable(elastography, tmp_path, rf, ending):
    (path,) = write_rf(rf, tmp_path / f"scan{ending}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert_refused(elastography(path, *FACTS), 3, path.name)


def test_a_header_whose_samples_are_cut_short_is_unreadable(elastography, tmp_path, rf):
    header, raw = write_rf(rf, tmp_path / "scan.mhd")
    raw.write_bytes(raw.read_bytes()[:-100])
    assert_refused(elastography(header), 3, "scan.")


def test_a_text_named_mat_is_unreadable(elastography, tmp_path):
    (tmp_path / "rf.mat").write_text("depth,line,amplitude\n1,2,3\n" * 100)
    assert_refused(elastography(tmp_path / "rf.mat", *FACTS), 3, "rf.mat")


def test_frames_of_different_size_are_refused(elastography, tmp_path, rf):
    first = write_rf(rf, tmp_path / "a.mha")
    second = write_rf(replace(rf, samples=rf.samples[:, :300]), tmp_path / "b.mha")
    assert_refused(elastography(*first, *second), 3, "400", "300")


def test_samples_that_are_not_finite_are_refused(elastography, tmp_path, rf):
    samples = rf.samples.copy()
    samples[1, 7, 3] = np.nan
    np.savez(tmp_path / "scan.npz", rf=samples)
    assert_refused(elastography(tmp_path / "scan.npz", *FACTS), 3, "NaN")


def test_a_sampling_rate_below_twice_the_centre_is_refused(elastography, tmp_path, rf):
    np.savez(tmp_path / "scan.npz", rf=rf.samples)
    words = ["--sampling-mhz", "10", "--centre-mhz", "6", "--pitch-mm", "0.3"]
    assert_refused(elastography(tmp_path / "scan.npz", *words), 3, "10 MHz", "--sampling-mhz")


@pytest.mark.parametrize("missing", ["--sampling-mhz", "--centre-mhz", "--pitch-mm"])
def test_a_fact_that_is_missing_is_named_by_its_flag(elastography, tmp_path, rf, missing):
    np.savez(tmp_path / "scan.npz", rf=rf.samples)
    at = FACTS.index(missing)
    assert_refused(elastography(tmp_path / "scan.npz", *FACTS[:at], *FACTS[at + 2 :]), 3, missing)


def test_a_dicom_that_nothing_decodes_is_unreadable(third_party, tmp_path, capsys):
    path = _dicom_that_nothing_decodes(tmp_path / "clip.dcm")
    status = run(["measure", str(path), "--app", "echo_level", "--out", str(tmp_path / "out")])
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("sonometry:")]
    assert (status, len(errors)) == (3, 1)
    assert "DOE" not in errors[0]
    assert not (tmp_path / "out").exists()


def test_a_file_that_may_not_be_read_is_unreadable(elastography, tmp_path, rf, monkeypatch):
    (path,) = write_rf(rf, tmp_path / "scan.mha")
    opened = Path.open

    def refuse(self, *args, **kwargs):
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    assert_refused(elastography(path), 3, "scan.mha", "ermission")


def test_a_folder_without_recordings_is_unreadable(elastography, tmp_path):
    (tmp_path / "exam").mkdir()
    assert_refused(elastography(tmp_path / "exam"), 3, "exam")


def test_an_image_is_no_kind_for_elastography(elastography, tmp_path, rng):
    Image.fromarray(rng.integers(0, 255, (64, 64), dtype=np.uint8)).save(tmp_path / "still.png")
    assert_refused(elastography(tmp_path / "still.png"), 2, "elastography needs RF frames")


def test_an_output_below_a_file_is_not_writable(tmp_path, rf, capsys):
    (path,) = write_rf(rf, tmp_path / "scan.mha")
    (tmp_path / "taken").write_text("")
    assert run(["measure", str(path), "--app", "elastography", "--out", str(tmp_path / "taken/out")]) == 4
    assert capsys.readouterr().err.splitlines()[-1].startswith("sonometry: --out out is below taken, which is a file")


def test_a_disk_that_fills_up_leaves_nothing(tmp_path, third_party, rng):
    for index in range(3):
        Image.fromarray(rng.integers(60, 200, (300, 300), dtype=np.uint8)).save(tmp_path / f"clip{index}.png")
    words = [sys.executable, "-m", "sonometry", "measure", *map(str, sorted(tmp_path.glob("*.png"))[:1])]
    done = subprocess.run(
        [*words, "--app", "echo_level", "--out", "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )
    assert done.returncode == 4, done.stderr
    assert done.stderr.splitlines()[-1].startswith("sonometry: ")
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip0.png", "clip1.png", "clip2.png"]


def assert_withheld(result: tuple[int, str, list[str]], folder: Path) -> None:
    status, out, errors = result
    assert (status, errors) == (0, [])
    record = json.loads((folder / "report.json").read_text())
    assert not [m["name"] for m in record["measurements"] if m["status"] == "ok"]
    assert all(m["reasons"] for m in record["measurements"])
    assert "withheld" in out
    assert out.splitlines()[-1] == str(folder / "report.html")


def test_one_frame_is_a_report_that_withholds(elastography, tmp_path, rf):
    (path,) = write_rf(replace(rf, samples=rf.samples[:1]), tmp_path / "scan.mha")
    assert_withheld(elastography(path), tmp_path / "out")


def test_constant_rf_is_a_report_that_withholds(elastography, tmp_path, rf):
    (path,) = write_rf(replace(rf, samples=np.full_like(rf.samples, 3.0)), tmp_path / "scan.mha")
    assert_withheld(elastography(path), tmp_path / "out")


def test_decorrelated_rf_is_a_report_that_withholds(elastography, tmp_path, rf):
    files = write_rf_sequence(rf, tmp_path)
    assert_withheld(elastography(*files), tmp_path / "out")


@pytest.mark.parametrize("as_json", [True, False])
def test_info_tells_about_what_it_can_read_and_ends_with_the_status_of_what_it_cannot(tmp_path, rf, capsys, as_json):
    (path,) = write_rf(rf, tmp_path / "scan.mha")
    (tmp_path / "empty.mat").write_bytes(b"")
    words = ["info", str(tmp_path / "empty.mat"), str(path), *(["--json"] if as_json else [])]
    assert run(words) == 3
    shown = capsys.readouterr()
    assert "empty.mat" in shown.err
    assert "400" in shown.out
    if as_json:
        assert len(json.loads(shown.out)) == 1
