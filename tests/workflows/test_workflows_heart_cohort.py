"""Cohorts of hearts as files: several clips a patient, as a scanner exports them, and a killed run that goes on."""

from __future__ import annotations

import csv
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pydicom
import pytest

import sonometry as sm
from sonometry.core import OutputError
from sonometry.workflows.cohort import simulate_cohort
from sonometry.workflows.output import sole_writer

QUICK = {"frames": 2, "size_px": (64, 64)}


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def strain(tmp_path_factory):
    return simulate_cohort("strain", tmp_path_factory.mktemp("heart") / "strain", n=2, seed=1, **QUICK).parent


def test_strain_is_simulated_in_memory_with_the_names_of_fields():
    cine, truth = sm.simulate("strain", seed=1, **QUICK)
    assert truth["mask"].shape == cine.shape
    assert {"centreline_px", "longitudinal_strain", "segment_strain", "end_diastole", "end_systole"} <= set(truth)


def test_a_patient_is_one_subject_with_one_study(strain):
    rows = _rows(strain)
    assert len(rows) == 6
    assert len({row["subject_key"] for row in rows}) == len({row["study_key"] for row in rows}) == 2
    assert [row["view"] for row in rows] == 2 * ["A4C", "A2C", "A3C"]
    assert {"global_longitudinal_strain", "ejection_fraction", "diagnosis"} <= set(rows[0])


def test_files_of_a_patient_share_their_study_but_no_instance(strain):
    headers = [pydicom.dcmread(strain / row["path"], stop_before_pixels=True) for row in _rows(strain)]
    assert len({h.StudyInstanceUID for h in headers}) == 2
    assert len({h.SOPInstanceUID for h in headers}) == 6
    assert [h.PatientID for h in headers] == [row["subject_key"] for row in _rows(strain)]
    assert all(h.HeartRate > 20 and h.SequenceOfUltrasoundRegions for h in headers)


def test_the_truth_fits_the_file_it_lies_beside(strain):
    for row in _rows(strain):
        cine = sm.read(strain / row["path"])
        with np.load(strain / row["truth_path"]) as truth:
            assert truth["mask"].shape == cine.shape
            np.testing.assert_allclose(truth["spacing_m"], cine.spacing_m)
            np.testing.assert_allclose(truth["frame_times_s"], cine.frame_times_s, atol=1e-9)


def test_a_lost_truth_makes_the_patient_again(strain, tmp_path):
    folder = Path(shutil.copytree(strain, tmp_path / "strain"))
    (folder / "strain-1-000001-02.truth.npz").unlink()
    simulate_cohort("strain", folder, n=2, seed=1, **QUICK)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {p.name: p.read_bytes() for p in strain.iterdir()}


def test_two_runs_into_one_folder_are_one_too_many(tmp_path):
    with sole_writer(tmp_path), pytest.raises(OutputError, match="another run writes into --out"):
        simulate_cohort("strain", tmp_path, n=1, **QUICK)


def test_what_a_killed_run_left_half_written_is_removed(tmp_path):
    (tmp_path / ".partial-0123").mkdir()
    (tmp_path / ".partial-0123" / "half.dcm").write_text("half")
    with sole_writer(tmp_path):
        assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_to_the_same_files(tmp_path):
    words = [
        "simulate",
        "view",
        "--n",
        "3",
        "--seed",
        "2",
        "--clips",
        "2",
        "--frames",
        "2",
        "--size-px",
        "64",
        "64",
        "--workers",
        "2",
    ]

    def started(folder: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "sonometry", *words, "--out", folder]
        return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    killed = started("killed")
    while killed.poll() is None and not list((tmp_path / "killed").glob("*.dcm")):
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait(timeout=30)
    for _ in range(50):  # until the workers have noticed that their parent is gone
        if started("killed").wait(timeout=120) == 0:
            break
        time.sleep(0.2)
    assert started("whole").wait(timeout=120) == 0
    content = [{p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("killed", "whole")]
    assert content[0] == content[1]


@pytest.mark.peers
@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed (Debian: dicom3tools)")
def test_files_hold_no_error_for_a_dicom_validator(strain, tmp_path):
    view = simulate_cohort("view", tmp_path / "view", n=1, clips=4, none_share=0.5, **QUICK).parent
    files = sorted([*strain.glob("*.dcm"), *view.glob("*.dcm")])
    assert len(files) == 10
    for path in files:
        done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
        assert not [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]
