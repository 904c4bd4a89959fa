"""The main job: options, kinds, prerequisites, output and its refusals."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import sonometry as sm
from sonometry.applications import application
from sonometry.core import Cine, DataError, OutputError, RFFrames, Signals, Study, UsageError
from sonometry.io.facts import Facts
from sonometry.workflows.measure import accepted, measure
from sonometry.workflows.output import check_directory
from sonometry.workflows.progress import portion

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/reference/report.schema.json").read_text())


@pytest.fixture
def cine(third_party) -> Cine:
    recording, _ = sm.simulate("echo_level", seed=3)
    return recording


@pytest.fixture
def rf(rng) -> RFFrames:
    return RFFrames(rng.normal(size=(2, 64, 8)).astype(np.float32), 40e6, 6e6, 2e-4)


def test_measuring_writes_record_page_figures_and_fields(cine, tmp_path):
    report = sm.measure(cine, "echo_level", out=tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"report.json", "report.html", "frame.png", "fields.npz"}
    record = json.loads((tmp_path / "out/report.json").read_text())
    jsonschema.validate(record, SCHEMA)
    assert record == report.to_json()


def test_options_override_a_configuration_which_overrides_the_defaults(cine, tmp_path):
    (tmp_path / "options.yaml").write_text("threshold: 0.4\nstatistic: median\n")
    report = measure(cine, "echo_level", config=tmp_path / "options.yaml", statistic="mean")
    assert report.provenance["options"]["threshold"] == 0.4
    assert report.provenance["options"]["statistic"] == "mean"


def test_an_unknown_option_names_the_nearest(cine):
    with pytest.raises(UsageError, match=r"unknown option 'treshold'; did you mean 'threshold'\?"):
        measure(cine, "echo_level", treshold=0.4)


def test_an_option_that_the_application_refuses_is_a_wrong_call(cine):
    with pytest.raises(UsageError, match="--threshold must lie between 0 and 1, got 3"):
        measure(cine, "echo_level", threshold=3)


@pytest.mark.parametrize(
    ("text", "message"),
    [("- a\n- b\n", "must map option names"), ("method: [", "is not YAML"), (None, "cannot be read: No such file")],
)
def test_a_configuration_that_is_none_is_a_wrong_call(cine, tmp_path, text, message):
    if text is not None:
        (tmp_path / "options.yaml").write_text(text)
    with pytest.raises(UsageError, match=message):
        measure(cine, "echo_level", config=tmp_path / "options.yaml")


def test_a_configuration_of_another_application_is_a_wrong_call(cine):
    other = application("elastography").load("config")()
    with pytest.raises(UsageError, match="config must be a Config, got a ElastographyConfig"):
        measure(cine, "echo_level", config=other)


def test_a_kind_that_is_not_accepted_is_a_wrong_call(cine):
    with pytest.raises(UsageError, match="elastography needs RF frames, got a B-mode image or cine; choose"):
        measure(cine, "elastography")


def test_the_only_fitting_part_of_a_study_is_measured(cine, rf):
    study = Study("s1", "p1", (rf, cine))
    assert accepted(study, application("echo_level")) is cine


def test_a_choice_between_parts_of_a_study_is_left_to_the_user(cine):
    study = Study("s1", "p1", (cine, cine))
    with pytest.raises(UsageError, match="needs a B-mode image or cine, got 2 of them; give one by its path"):
        accepted(study, application("echo_level"))


def test_a_study_without_a_fitting_part_is_not_accepted(third_party, rng):
    signals = Signals(("emg",), ("V",), rng.normal(size=(10, 1)), 100.0)
    with pytest.raises(UsageError, match="echo_level needs a B-mode image or cine, got an exam folder"):
        measure(Study("s1", "p1", (signals,)), "echo_level")


def test_facts_cannot_change_a_recording_in_memory(cine):
    with pytest.raises(UsageError, match="facts complete a file while it is read"):
        measure(cine, "echo_level", facts={"fps": 30})


def test_an_unknown_fact_names_the_nearest(cine):
    with pytest.raises(UsageError, match="unknown fact 'samplig_mhz'; did you mean 'sampling_mhz'"):
        measure(cine, "echo_level", facts={"samplig_mhz": 30})


def test_facts_reach_the_reader_and_the_provenance(third_party, cine, tmp_path, monkeypatch):
    seen = {}

    def read(*paths, facts):
        seen.update(paths=paths, facts=facts)
        return cine

    monkeypatch.setattr("sonometry.io.read.read", read)
    report = measure(["a.png", tmp_path / "b.png"], "echo_level", facts=Facts(fps=30.0))
    assert seen == {"paths": (Path("a.png"), tmp_path / "b.png"), "facts": Facts(fps=30.0)}
    assert report.provenance["facts"] == {"fps": 30.0}


def test_no_file_at_all_is_a_wrong_call(third_party):
    with pytest.raises(UsageError, match="no file given; pass at least one PATH"):
        measure([], "echo_level")


def test_prerequisites_are_measured_first_and_passed_in(cine, monkeypatch):
    seen = {}

    def run(recording, config, *, prerequisites, progress):
        seen.update(prerequisites)
        return application("echo_level").load("measure")(recording, config, prerequisites={}, progress=progress)

    level = application("echo_level")
    dependent = replace(level, name="dependent", prerequisites=("echo_level",), measure=run)
    report = measure(cine, dependent)
    assert seen["echo_level"]["mean_level"].value == report["mean_level"].value
    assert "echo_level" in report.provenance["prerequisites"]


def test_output_is_checked_before_anything_is_read(third_party, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="--out file is a file; choose a folder"):
        measure("does_not_exist.dcm", "echo_level", out=tmp_path / "file")


def test_a_failing_measurement_leaves_no_folder(cine, tmp_path):
    def run(recording, config, *, prerequisites, progress):
        raise DataError("frame 3 cannot be decoded")

    broken = replace(application("echo_level"), measure=run)
    with pytest.raises(DataError, match="frame 3"):
        measure(cine, broken, out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(cine, tmp_path, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        measure(cine, "echo_level", out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_former_report_survives_a_full_disk(cine, tmp_path, monkeypatch):
    measure(cine, "echo_level", out=tmp_path / "out")
    before = (tmp_path / "out/report.json").read_bytes()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, os.strerror(28))))
    with pytest.raises(OutputError, match="No space left"):
        measure(cine, "echo_level", out=tmp_path / "out", threshold=0.1)
    assert (tmp_path / "out/report.json").read_bytes() == before
    assert not list((tmp_path / "out").glob(".partial*"))


def test_other_files_of_an_output_folder_stay(cine, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    measure(cine, "echo_level", out=tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("below", ["file", "file/deep/out"])
def test_a_place_below_a_file_cannot_be_written(tmp_path, below):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"is a file; choose a folder"):
        check_directory(tmp_path / below)


def test_a_place_without_permission_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(OutputError, match="no permission to write to"):
        check_directory(tmp_path / "out")


def test_a_place_that_can_be_made_is_not_made_yet(tmp_path):
    check_directory(tmp_path / "a/b/c")
    assert list(tmp_path.iterdir()) == []


def test_a_portion_of_progress_stays_within_its_bounds():
    told = []
    step = portion(lambda share, text: told.append((share, text)), 0.2, 0.4)
    for share in (0.0, 0.5, 1.0, 2.0, -1.0):
        step(share, "x")
    assert [share for share, _ in told] == pytest.approx([0.2, 0.3, 0.4, 0.4, 0.2])


def test_findings_without_figures_still_make_a_report(cine, tmp_path):
    bare = replace(application("echo_level"), figures=lambda recording, findings, config: ())
    measure(cine, bare, out=tmp_path / "out")
    assert (tmp_path / "out/report.html").exists()
