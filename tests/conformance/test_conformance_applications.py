"""What every application must hold to, whoever wrote it."""

from __future__ import annotations

import importlib.resources
import inspect
import json
import re
import subprocess
import sys
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from sonometry.cli.flags import config_options
from sonometry.core import RFFrames, Status
from sonometry.core.options import build, default_of, field_help, field_types, plain
from sonometry.io.facts import Facts
from sonometry.reports.html import render_report
from sonometry.workflows.config import resolve, to_yaml
from sonometry.workflows.measure import measure

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs/reference/report.schema.json").read_text())
LENGTHS = {"m", "m2", "m3", "m/s"}
HEAVY = ("torch", "matplotlib", "cv2", "numba", "scipy", "skimage", "onnxruntime")
CARD = ("Intended use", "Training data and licence", "Results", "Known failures")
#: Names that the frame gives to `measure` and to `simulate`, and that an option may therefore not have.
TAKEN = {
    "config": {"source", "app", "config", "facts", "out", "progress", "paths", "help", "debug", *field_types(Facts)},
    "simulation_config": {"app", "config", "out", "n", "seed", "workers", "progress", "help", "debug"},
}


def assert_nothing_is_ok(report) -> None:
    """Refused, or at least limited, and always with a reason; a report was made all the same."""
    wrong = [str(m) for m in report.measurements if m.status is Status.OK]
    assert not wrong
    assert all(m.reasons for m in report.measurements)
    assert any(m.status is Status.WITHHELD for m in report.measurements)


def test_simulated_truth_is_recovered(case):
    checks = case.application.load("check_truth")(case.findings, case.made.truth)
    assert checks
    assert not [f"{c.name}: {c.error:g} exceeds {c.tolerance:g} {c.unit}" for c in checks if not c.holds]


def test_a_simulated_recording_gives_a_number_for_something(case):
    assert any(m.status is Status.OK for m in case.report.measurements)


def test_every_output_is_declared_with_its_unit(case):
    for measurement in case.report.measurements:
        assert case.application.output(measurement.name).unit == measurement.unit


def test_names_of_outputs_differ(app):
    names = [output.name for output in app.outputs]
    assert len(names) == len(set(names))


def test_the_simulation_makes_what_the_application_accepts(case):
    assert case.made.recording.kind in case.application.accepts


def test_the_simulation_says_that_it_is_one(case):
    assert any("imulated" in warning for warning in case.report.warnings)


def test_fields_are_finite_arrays_where_they_hold_truth(case):
    for name, truth in case.made.truth.items():
        if name in case.report.fields:
            assert np.shape(case.report.fields[name]) == np.shape(truth), name


def test_black_input_is_withheld(case, black):
    assert_nothing_is_ok(measure(black, case.application))


def test_a_single_frame_is_withheld_or_measured_as_a_still(case, single_frame):
    report = measure(single_frame, case.application)
    if any(m.status is Status.WITHHELD for m in report.measurements):
        assert_nothing_is_ok(report)
    else:
        assert case.application.name in {"view", "tendon"}, "only views and tendons are measured on stills"


def test_lengths_are_withheld_without_calibration(case, uncalibrated):
    if isinstance(case.made.recording, RFFrames):
        pytest.skip("RF carries its own calibration: pitch, sampling rate and sound speed are never absent")
    report = measure(uncalibrated, case.application)
    assert all(m.status is Status.WITHHELD for m in report.measurements if m.unit in LENGTHS)


def test_a_foreign_recording_is_withheld(case, foreign):
    assert_nothing_is_ok(measure(foreign, case.application))


@pytest.mark.parametrize("spoiled", ["black", "single_frame", "foreign"])
def test_the_report_on_spoiled_input_renders_and_validates(case, spoiled, request):
    report = measure(request.getfixturevalue(spoiled), case.application)
    jsonschema.validate(json.loads(report.dumps()), SCHEMA)
    assert report.notice in render_report(report, case.application)


def test_the_same_seed_gives_the_same_recording(case):
    again = case.application.load("simulate")(7, None)
    assert plain_samples(again.recording) == plain_samples(case.made.recording)
    assert {k: v.tobytes() for k, v in again.truth.items()} == {k: v.tobytes() for k, v in case.made.truth.items()}


def test_another_seed_gives_another_recording(case):
    other = case.application.load("simulate")(8, None)
    assert plain_samples(other.recording) != plain_samples(case.made.recording)


def test_the_same_recording_gives_the_same_report(case, again):
    assert without_time(again.report) == without_time(case.report)
    assert [f.data for f in again.report.figures] == [f.data for f in case.report.figures]


def test_the_report_validates(case):
    jsonschema.validate(json.loads(case.report.dumps()), SCHEMA)


def test_the_report_renders(case):
    page = render_report(case.report, case.application)
    assert all(figure.data_uri in page for figure in case.report.figures)
    assert all(measurement.name in page for measurement in case.report.measurements)


def test_the_report_has_figures_with_captions(case):
    assert case.report.figures
    assert all(figure.title and figure.caption for figure in case.report.figures)


def test_written_files_hold_the_report(again):
    jsonschema.validate(json.loads((again.folder / "report.json").read_text()), SCHEMA)
    with np.load(again.folder / "fields.npz") as arrays:
        assert set(arrays.files) == set(again.report.fields)
    assert all((again.folder / figure.file_name).stat().st_size for figure in again.report.figures)


@pytest.mark.parametrize("part", ["config", "simulation_config"])
def test_configurations_go_to_plain_types_and_yaml_and_back(app, part, tmp_path):
    options = app.load(part)
    assert build(options, plain(options())) == options()
    (tmp_path / "options.yaml").write_text(to_yaml(options()))
    assert resolve(options, tmp_path / "options.yaml") == options()


@pytest.mark.parametrize("part", ["config", "simulation_config"])
def test_every_option_has_a_default_a_help_and_a_free_name(app, part):
    options = app.load(part)
    assert is_dataclass(options)
    assert not [f.name for f in fields(options) if f.init and default_of(f) is MISSING]
    assert set(field_help(options)) == set(field_types(options))
    assert not TAKEN[part] & set(field_types(options))


def test_every_option_becomes_a_flag(app):
    from cyclopts import Group

    flags = config_options(app.load("config"), Group("options"))
    assert [flag.name for flag in flags] == list(field_types(app.load("config")))


def test_the_callables_take_what_the_contract_says(app):
    measuring = inspect.signature(app.load("measure")).parameters
    assert {"prerequisites", "progress"} <= set(measuring)
    assert len(inspect.signature(app.load("simulate")).parameters) == 2
    assert len(inspect.signature(app.load("check_truth")).parameters) == 2
    assert len(inspect.signature(app.load("figures")).parameters) == 3


def test_progress_runs_from_nothing_to_everything(again):
    assert again.shares[0] == 0.0
    assert again.shares[-1] == 1.0
    assert again.shares == sorted(again.shares)


def test_the_card_is_complete(app, third_party):
    text = importlib.resources.files(app.package).joinpath(app.card).read_text(encoding="utf-8")
    headings = re.findall(r"^#+\s*(.+?)\s*$", text, re.MULTILINE)
    missing = [wanted for wanted in CARD if not any(h.lower().startswith(wanted.lower()) for h in headings)]
    assert not missing
    assert not [h for h, body in sections(text) if not body.strip()], "a heading of the card has nothing below it"


def test_importing_the_application_loads_nothing_heavy(app, third_party):
    assert loaded_by(f"import {app.package}") == []


@pytest.mark.slow
def test_measuring_loads_no_torch(app, third_party, tmp_path):
    code = (
        "import sonometry as sm, importlib\n"
        f"app = importlib.import_module({app.package!r}).APPLICATION\n"
        "recording, truth = sm.simulate(app, seed=7)\n"
        f"sm.measure(recording, app, out={str(tmp_path / 'out')!r})"
    )
    assert "torch" not in loaded_by(code)


@pytest.mark.slow
def test_two_training_steps_lower_the_loss(app, tmp_path):
    if app.task is None:
        pytest.skip(f"{app.name} has no network to train")
    import torch

    torch.manual_seed(7)
    task = app.load("task")(app.load("task_config")(), tmp_path, None)
    network = task.network().train()
    batch = next(iter(torch.utils.data.DataLoader(task.training_data(seed=7, n_samples=2, first=0), batch_size=2)))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    losses = []
    for _ in range(3):
        optimiser.zero_grad()
        loss = task.losses(network, batch)["loss"]
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[2] < losses[0]


def plain_samples(recording) -> list[bytes]:
    """The samples of a recording, or of all parts of a study, as bytes."""
    found = []
    for part in getattr(recording, "recordings", (recording,)):
        names = [name for name in ("pixels", "samples", "values") if hasattr(part, name)]
        found += [np.ascontiguousarray(getattr(part, name)).tobytes() for name in names]
    return found


def without_time(report) -> dict:
    """The record of a report without the moment it was made."""
    record = report.to_json()
    return {**record, "provenance": {k: v for k, v in record["provenance"].items() if k != "created"}}


def sections(text: str) -> list[tuple[str, str]]:
    """Headings of the lowest level with what stands below them."""
    pieces = re.split(r"^##+\s*(.+?)\s*$", text, flags=re.MULTILINE)
    return list(zip(pieces[1::2], pieces[2::2], strict=True))


def loaded_by(code: str) -> list[str]:
    """Which heavy libraries a fresh interpreter has loaded after `code`."""
    code += f"\nimport sys; print('loaded', *[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split("loaded")[-1].split()
