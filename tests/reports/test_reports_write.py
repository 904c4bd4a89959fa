"""A report as files: what is written, beside DICOM too, and what of a former report goes."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from PIL import Image

import sonometry as sm
from sonometry.applications import application
from sonometry.core import DataError, Figure
from sonometry.io.dicom_write import write_cine
from sonometry.reports.write import overlay_figure, packed, write_report


@pytest.fixture
def echo_level(third_party):
    return application("echo_level")


@pytest.fixture
def cine(third_party):
    return sm.simulate("echo_level", seed=2)[0]


@pytest.fixture
def dicom(cine, tmp_path):
    """The same cine, read from a DICOM file."""
    write_cine(cine, tmp_path / "clip.dcm")
    return sm.read(tmp_path / "clip.dcm")


def _png(rgb: tuple[int, int, int]) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (6, 4), rgb).save(stream, "png")
    return stream.getvalue()


def test_dicom_input_gives_a_structured_report_and_an_overlay_in_its_study(dicom, tmp_path):
    report = sm.measure(dicom, "echo_level", out=tmp_path / "out")
    source, sr, overlay = (
        pydicom.dcmread(tmp_path / name) for name in ("clip.dcm", "out/measurements.dcm", "out/overlay.dcm")
    )
    assert sr.StudyInstanceUID == overlay.StudyInstanceUID == source.StudyInstanceUID
    assert (overlay.Rows, overlay.Columns) == (96, 128)
    assert str(round(report["mean_level"].value, 3)) in str(sr)


def test_other_input_gives_no_dicom(cine, tmp_path):
    sm.measure(cine, "echo_level", out=tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.dcm"))


def test_a_source_that_cannot_hold_results_is_a_warning_and_not_the_end(dicom, tmp_path, monkeypatch):
    def refuse(report, source, path):
        raise DataError("the source has no SOPInstanceUID")

    monkeypatch.setattr("sonometry.io.dicom_write.write_structured_report", refuse)
    sm.measure(dicom, "echo_level", out=tmp_path / "out")
    record = json.loads((tmp_path / "out/report.json").read_text())
    assert record["warnings"][-1] == "DICOM results were not written: the source has no SOPInstanceUID"
    assert not list((tmp_path / "out").glob("*.dcm"))


def test_results_of_a_former_report_do_not_stay_beside_the_new_one(dicom, cine, echo_level, tmp_path):
    report = sm.measure(dicom, "echo_level")
    former = replace(report, figures=(Figure("old", "Old", "Former.", _png((0, 0, 0))), *report.figures))
    write_report(former, tmp_path / "out", application=echo_level, recording=dicom)
    (tmp_path / "out/notes.png").write_bytes(b"mine")
    write_report(report, tmp_path / "out", application=echo_level, recording=cine)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"report.json", "report.html", "fields.npz", "frame.png", "notes.png"}


def test_a_folder_with_a_foreign_report_keeps_its_files(cine, echo_level, tmp_path):
    (tmp_path / "report.json").write_text('{"schema": "theirs/1", "figures": [{"file": "a.png"}]}')
    (tmp_path / "a.png").write_bytes(b"theirs")
    write_report(sm.measure(cine, "echo_level"), tmp_path, application=echo_level)
    assert (tmp_path / "a.png").exists()


def test_fields_are_read_back_without_pickle(cine):
    report = sm.measure(cine, "echo_level")
    with np.load(io.BytesIO(packed(report)), allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["level"], report.fields["level"])


def test_the_overlay_is_the_figure_of_that_name_else_the_first_picture():
    movie = Figure("loop", "", "", b"", media_type="video/mp4")
    first, named = Figure("bmode", "", "", b""), Figure("overlay", "", "", b"")
    assert overlay_figure((movie, first, named)) is named
    assert overlay_figure((movie, first)) is first
    assert overlay_figure((movie,)) is None
