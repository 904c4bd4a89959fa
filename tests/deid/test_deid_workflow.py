"""Folders through `deidentify`: what is written, refused, resumed, remembered, accepted and rejected."""

from __future__ import annotations

import csv
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from sonometry.core.errors import DataError, OutputError, UsageError
from sonometry.deid.pictures import read_png
from sonometry.workflows.deidentify import deidentify, review

pytestmark = pytest.mark.usefixtures("models")


@pytest.fixture(scope="module")
def run(exports, tmp_path_factory):
    """One run over two small exports, a report, a broken file and things that are no DICOM; its places and result."""
    root = tmp_path_factory.mktemp("run")
    source = root / "Kowalczyk_Ottoline"
    source.mkdir()
    names = ("LinScan 2", "Duo 700")
    for number, name in enumerate(names):
        shutil.copy(next(t.path for t in exports if t.scanner[1] == name), source / f"Kowalczyk{number}.dcm")
    (source / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"nothing of use")
    (source / "empty.dcm").write_bytes(b"")
    (source / "viewer.exe").write_bytes(b"MZ not a picture at all, nor meant to be one")
    (source / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    result = deidentify(source, root / "out", workspace=root / "workspace", workers=2)
    return root, source, result


def test_what_is_certain_is_written_and_the_rest_is_refused(run):
    root, _, result = run
    assert result.exit_status == 3
    assert (len(result.done), len(result.refused), result.n_skipped) == (2, 2, 2)
    written = sorted(path.relative_to(root / "out") for path in (root / "out").rglob("*.dcm"))
    assert written == sorted(done.path for done in result.done)
    reasons = {refused.reason for refused in result.refused}
    assert reasons == {"it cannot be read as DICOM", "it is empty or cannot be opened"}


def test_nothing_else_lies_in_the_output(run):
    root, _, _ = run
    files = [path for path in (root / "out").rglob("*") if path.is_file() and path.suffix != ".dcm"]
    assert [path.name for path in files] == ["deidentification.json"]
    text = "".join(path.as_posix() for path in (root / "out").rglob("*")) + files[0].read_text()
    assert "kowalczyk" not in text.casefold().replace((root / "out").as_posix().casefold(), "")


def test_the_summary_proves_that_kept_pixels_did_not_change(run):
    root, _, result = run
    summary = json.loads((root / "out" / "deidentification.json").read_text())
    assert summary["schema"] == "sonometry.deidentification/1"
    assert {file["path"] for file in summary["files"]} == {done.path.as_posix() for done in result.done}
    assert all(file["sha256_before"] == file["sha256_after"] for file in summary["files"])
    assert sum(summary["refused"].values()) == 2


def test_the_workspace_is_closed_to_others(run):
    root, _, _ = run
    folder = root / "workspace" / "deid"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("secret.key", "journal.jsonl", "refused.csv", "audit.html"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert not (folder / "staging").exists()


def test_refused_files_are_named_only_in_the_workspace(run):
    _, _, result = run
    rows = list(csv.DictReader(result.refused_list.read_text().splitlines()))
    assert {row["file"] for row in rows} == {"broken.dcm", "empty.dcm"}
    assert [int(row["number"]) for row in rows] == [1, 2]
    assert "broken" not in repr(result)
    assert "kowalczyk" not in repr(result.done).casefold()


def test_the_journal_holds_no_name(run):
    root, _, _ = run
    journal = (root / "workspace" / "deid" / "journal.jsonl").read_text()
    assert "Kowalczyk0" not in journal
    assert "broken" not in journal


@pytest.mark.slow
def test_the_same_call_does_nothing_twice(run):
    root, source, result = run
    times = {path: path.stat().st_mtime_ns for path in (root / "out").rglob("*.dcm")}
    again = deidentify(source, root / "out", workspace=root / "workspace", workers=2)
    assert [done.path for done in again.done] == [done.path for done in result.done]
    assert len(again.refused) == 2
    assert {path: path.stat().st_mtime_ns for path in (root / "out").rglob("*.dcm")} == times


@pytest.mark.slow
def test_a_file_that_was_lost_is_made_again(run):
    root, source, result = run
    lost = root / "out" / result.done[0].path
    content = lost.read_bytes()
    lost.unlink()
    deidentify(source, root / "out", workspace=root / "workspace", workers=1)
    assert lost.read_bytes() == content


def test_the_audit_page_shows_every_scanner_and_loads_nothing(run):
    _, _, result = run
    page = result.audit.read_text()
    assert "borealis-imaging-linscan-2-640x480" in page
    assert "Delphine GmbH" in page
    assert "http://" not in page.replace("http-equiv", "")
    assert "https://" not in page
    assert page.count("data:image/png;base64,") == 4
    assert "broken.dcm" in page


def test_text_is_counted_in_the_maxima_before_and_after(run):
    root, _, _ = run
    folder = root / "workspace" / "deid" / "scanners" / "borealis-imaging-linscan-2-640x480"
    counts = json.loads((folder / "scanner.json").read_text())["ocr"]
    assert counts["before"] >= 5
    assert counts["after"] == 0


def test_the_maximum_after_is_that_of_the_written_frames(run):
    root, _, result = run
    done = next(done for done in result.done if "linscan" in done.scanner)
    pixels = dcmread(root / "out" / done.path).pixel_array
    greatest = pixels.max(axis=0) if pixels.ndim == 3 else pixels
    shown = read_png(root / "workspace" / "deid" / "scanners" / done.scanner / "after.png")
    assert np.array_equal(shown[..., 0], greatest)


@pytest.mark.slow
def test_accepting_and_rejecting_scanners(run):
    root, source, result = run
    kept, gone = sorted(done.scanner for done in result.done)
    assert set(result.pending) == {kept, gone}
    first = review(root / "workspace", accept=[kept])
    assert first.decisions == {kept: "accepted", gone: "pending"}
    second = review(root / "workspace", reject=[gone])
    assert second.n_removed == 1
    left = [path.relative_to(root / "out") for path in (root / "out").rglob("*.dcm")]
    assert left == [done.path for done in result.done if done.scanner == kept]
    again = deidentify(source, root / "out", workspace=root / "workspace", workers=1)
    assert "the layout of its scanner was rejected on the audit page" in {refused.reason for refused in again.refused}
    decisions = root / "decisions.json"
    decisions.write_text(json.dumps({gone: "pending"}))
    review(root / "workspace", decisions=decisions)
    healed = deidentify(source, root / "out", workspace=root / "workspace", workers=1)
    assert [done.path for done in healed.done] == [done.path for done in result.done]


def test_unknown_scanners_and_wrong_decisions_change_nothing(run, tmp_path):
    root, _, _ = run
    with pytest.raises(UsageError, match="unknown scanner 'borealis'; "):
        review(root / "workspace", reject=["borealis"])
    wrong = tmp_path / "decisions.json"
    wrong.write_text('{"x": "perhaps"}')
    with pytest.raises(UsageError, match="accepted, rejected or pending"):
        review(root / "workspace", decisions=wrong)
    with pytest.raises(UsageError, match="holds no de-identification"):
        review(tmp_path / "nowhere", accept=["x"])


@pytest.mark.slow
def test_one_file_is_enough(exports, tmp_path):
    truth = next(t for t in exports if t.scanner[1] == "Duo 700")
    result = deidentify(truth.path, tmp_path / "out", workspace=tmp_path / "workspace")
    assert result.exit_status == 0
    assert (tmp_path / "out" / result.done[0].path).is_file()


def test_folders_must_not_lie_in_each_other(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    with pytest.raises(UsageError, match="must not lie in each other"):
        deidentify(source, source / "out", workspace=tmp_path / "w")
    with pytest.raises(UsageError, match="must not lie in each other"):
        deidentify(source, tmp_path, workspace=tmp_path / "w")
    with pytest.raises(UsageError, match="must not lie in the output"):
        deidentify(source, tmp_path / "out", workspace=tmp_path / "out" / "w")
    with pytest.raises(UsageError, match="must not lie in the originals"):
        deidentify(source, tmp_path / "out", workspace=source / "w")


def test_impossible_calls_say_so(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="does not exist"):
        deidentify(tmp_path / "nowhere", tmp_path / "out", workspace=tmp_path / "w")
    with pytest.raises(DataError, match="holds no DICOM file"):
        deidentify(tmp_path / "in", tmp_path / "out", workspace=tmp_path / "w")
    with pytest.raises(OutputError, match="is a file"):
        deidentify(tmp_path / "in", tmp_path / "file", workspace=tmp_path / "w")
    with pytest.raises(UsageError, match="unknown option 'retain_devise'; did you mean 'retain_device'"):
        deidentify(tmp_path / "in", tmp_path / "out", workspace=tmp_path / "w", retain_devise=True)
    with pytest.raises(UsageError, match="--top-rows must be 0 or more"):
        deidentify(tmp_path / "in", tmp_path / "out", workspace=tmp_path / "w", top_rows=-1)
    assert not (tmp_path / "out").exists()


def test_private_tags_come_from_a_file(tmp_path):
    from sonometry.deid.options import private_tags

    good = tmp_path / "good.yaml"
    good.write_text('"ACME 1.0": ["10", "1f"]\n')
    assert private_tags(good) == {"ACME 1.0": ["10", "1F"]}
    for text in ("[1, 2]", '"ACME 1.0": "10"', '"ACME 1.0": ["100"]', "a: b: c"):
        bad = tmp_path / "bad.yaml"
        bad.write_text(text)
        with pytest.raises(UsageError, match=r"--private-tags bad\.yaml"):
            private_tags(bad)


def test_the_example_of_private_tags_can_be_read():
    from sonometry.deid.options import private_tags

    example = Path(__file__).resolve().parents[2] / "configs" / "deid" / "private_tags.yaml"
    assert private_tags(example)["Philips Imaging DD 001"] == ["01"]


def test_without_the_models_nothing_is_done(tmp_path, monkeypatch):
    def missing() -> None:
        raise UsageError("finding text needs rapidocr")

    monkeypatch.setattr("sonometry.workflows.deidentify.check_models", missing)
    (tmp_path / "in").mkdir()
    with pytest.raises(UsageError, match="rapidocr"):
        deidentify(tmp_path / "in", tmp_path / "out", workspace=tmp_path / "w")
    assert sorted(os.listdir(tmp_path)) == ["in"]


@pytest.mark.slow
def test_two_files_with_one_uid_and_different_content_are_not_mixed_up(exports, tmp_path):
    truth = next(t for t in exports if t.scanner[1] == "Duo 700")
    source = tmp_path / "in"
    source.mkdir()
    shutil.copy(truth.path, source / "a.dcm")
    shutil.copy(truth.path, source / "same.dcm")
    other = dcmread(truth.path)
    other.HeartRate = "99"
    other.save_as(source / "b.dcm")
    result = deidentify(source, tmp_path / "out", workspace=tmp_path / "w", workers=1)
    assert len(result.done) == 2
    assert [refused.reason for refused in result.refused] == [
        "another file with the same SOP Instance UID and other content was de-identified before"
    ]


def test_only_one_run_at_a_time_uses_a_workspace(tmp_path):
    from sonometry.deid.places import Places

    (tmp_path / "in").mkdir()
    with (
        Places(tmp_path / "w").locked(),
        pytest.raises(UsageError, match="another de-identification uses this --workspace"),
    ):
        deidentify(tmp_path / "in", tmp_path / "out", workspace=tmp_path / "w")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_a_killed_run_leaves_nothing_half_written_and_goes_on(exports, tmp_path, name):
    import signal

    source = tmp_path / "in"
    shutil.copytree(Path(os.path.commonpath([truth.path for truth in exports])), source)
    words = [sys.executable, "-m", "sonometry", "deidentify", str(source), str(tmp_path / "out")]
    words += ["--workspace", str(tmp_path / "w"), "--workers", "1"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "out").rglob("*.dcm")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(getattr(signal, name))
    process.wait(timeout=60)
    for path in (tmp_path / "out").rglob("*.dcm"):
        dcmread(path).pixel_array  # noqa: B018 - complete, or this raises
    done = len(list((tmp_path / "out").rglob("*.dcm")))
    result = deidentify(source, tmp_path / "out", workspace=tmp_path / "w", workers=2)
    assert 1 <= done <= len(result.done) == len(exports)
    assert not list((tmp_path / "out").rglob(".partial*"))
    assert not (tmp_path / "w" / "deid" / "staging").exists()
