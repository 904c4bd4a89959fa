"""Folders into the catalogue and out of it: repeated, moved, doubled, damaged, killed."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pydicom
import pytest

from sonometry.core import Cine, DataError, Device, Source, UsageError
from sonometry.data.catalogue import Catalogue
from sonometry.deid.keys import open_key
from sonometry.io.dicom_write import write_cine
from sonometry.io.manifest import read_manifest, write_manifest
from sonometry.workflows.ingest import FORMER, MANIFEST, UNREADABLE, ingest


def _write(path: Path, seed: int, patient: str = "4711", study: str = "s1", view: str | None = "A4C") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (2, 16, 12), dtype=np.uint8)
    source = Source(device=Device("GE", "Vivid"))
    cine = Cine(pixels, frame_times_s=np.array([0.0, 0.02]), spacing_m=(1e-4, 1e-4), source=source)
    write_cine(cine, path, subject_key=patient, study_key=study, view=view, quality=None, is_synthetic=False)
    return path


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    """Two patients, three files."""
    folder = tmp_path / "exports"
    _write(folder / "a/1.dcm", 1)
    _write(folder / "a/2.dcm", 2, view=None)
    _write(folder / "b/1.dcm", 3, patient="0815", study="s2", view="PLAX")
    return folder


def _rows(folder: Path) -> list[tuple]:
    rows = read_manifest(folder / MANIFEST)
    return [
        (row.clip_key, row.path, row.subject_key, row.study_key, row.view, row.split, dict(row.labels)) for row in rows
    ]


def test_what_the_headers_say_is_in_the_manifest(exports, tmp_path):
    result = ingest(exports, workspace=tmp_path / "w")
    assert (result.n_clips, result.n_subjects, result.n_studies, result.n_read) == (3, 2, 2, 3)
    rows = read_manifest(result.manifest).rows
    assert [row.path for row in rows] == ["a/1.dcm", "a/2.dcm", "b/1.dcm"]
    assert [row.view for row in rows] == ["A4C", "", "PLAX"]
    assert {(row.kind, row.vendor, row.device) for row in rows} == {("cine", "GE", "Vivid")}
    assert rows[0].subject_key == rows[1].subject_key != rows[2].subject_key


def test_size_and_number_of_frames_are_catalogued(exports, tmp_path):
    ingest(exports, workspace=tmp_path / "w")
    with Catalogue(tmp_path / "w") as catalogue:
        assert {(c.n_frames, c.n_rows, c.n_columns) for c in catalogue.clips()} == {(2, 16, 12)}


def test_no_identifier_of_a_patient_is_stored(exports, tmp_path):
    ingest(exports, workspace=tmp_path / "w")
    uid = pydicom.dcmread(exports / "a/1.dcm").StudyInstanceUID
    stored = b"".join(p.read_bytes() for p in (tmp_path / "w").glob("catalogue.sqlite*"))
    stored += (exports / MANIFEST).read_bytes()
    assert b"4711" not in stored
    assert b"0815" not in stored
    assert str(uid).encode() not in stored


def test_subjects_are_those_of_deidentify(exports, tmp_path):
    ingest(exports, workspace=tmp_path / "w")
    key = open_key(tmp_path / "w/deid")
    with Catalogue(tmp_path / "w") as catalogue:
        assert {c.subject_key for c in catalogue.clips()} == {
            key.pseudonym("patient", f"id:{p}") for p in ("4711", "0815")
        }


def test_a_pseudonym_of_deidentify_stays_as_it_is(exports, tmp_path):
    key = open_key(tmp_path / "w/deid")
    pseudonym, uid = key.pseudonym("patient", "id:4711"), pydicom.dcmread(exports / "a/1.dcm").StudyInstanceUID
    copy = pydicom.dcmread(exports / "a/1.dcm")
    copy.PatientID, copy.PatientIdentityRemoved, copy.StudyInstanceUID = pseudonym, "YES", key.uid(uid)
    copy.save_as(exports / "copy.dcm")
    result = ingest(exports, workspace=tmp_path / "w")
    assert (result.n_clips, result.n_subjects, result.n_studies) == (4, 2, 2)


def test_dates_become_days_since_the_first_study(exports, tmp_path):
    for name, date, uid in (("a/1.dcm", "20240301", "2.25.1"), ("a/2.dcm", "20240308", "2.25.2")):
        file = pydicom.dcmread(exports / name)
        file.StudyDate, file.StudyInstanceUID = date, uid
        file.save_as(exports / name)
    ingest(exports, workspace=tmp_path / "w")
    assert [row.time_point for row in read_manifest(exports / MANIFEST)] == [0.0, 7.0, None]
    assert b"2024" not in (tmp_path / "w/catalogue.sqlite").read_bytes()


def test_a_second_run_reads_nothing_and_changes_nothing(exports, tmp_path):
    ingest(exports, workspace=tmp_path / "w")
    before = (exports / MANIFEST).read_bytes()
    result = ingest(exports, workspace=tmp_path / "w")
    assert (result.n_read, result.n_unchanged) == (0, 3)
    assert (exports / MANIFEST).read_bytes() == before


def test_the_same_bytes_twice_are_one_clip(exports, tmp_path):
    shutil.copy(exports / "a/1.dcm", exports / "z.dcm")
    result = ingest(exports, workspace=tmp_path / "w")
    assert (result.n_clips, result.n_duplicates) == (3, 1)
    assert [row.path for row in read_manifest(exports / MANIFEST)] == ["a/1.dcm", "a/2.dcm", "b/1.dcm"]
    assert "z.dcm" in (tmp_path / "w/duplicates.csv").read_text()


def test_a_moved_file_keeps_its_key_and_labels(exports, tmp_path):
    ingest(exports, workspace=tmp_path / "w")
    (before,) = [row for row in read_manifest(exports / MANIFEST) if row.path == "a/1.dcm"]
    _label(exports, "a/1.dcm", "grade", "3")
    ingest(exports, workspace=tmp_path / "w")
    (exports / "a/1.dcm").rename(exports / "c.dcm")
    result = ingest(exports, workspace=tmp_path / "w")
    assert result.n_missing == 0
    (after,) = [row for row in read_manifest(exports / MANIFEST) if row.path == "c.dcm"]
    assert (after.clip_key, after["grade"]) == (before.clip_key, "3")


def test_a_clip_whose_file_has_gone_is_told_and_comes_back_with_it(exports, tmp_path):
    ingest(exports, workspace=tmp_path / "w")
    content = (exports / "b/1.dcm").read_bytes()
    (exports / "b/1.dcm").unlink()
    gone = ingest(exports, workspace=tmp_path / "w")
    assert (gone.n_clips, gone.n_missing) == (2, 1)
    (exports / "b/1.dcm").write_bytes(content)
    assert ingest(exports, workspace=tmp_path / "w").n_missing == 0


def test_a_file_that_changed_is_read_again(exports, tmp_path):
    ingest(exports, workspace=tmp_path / "w")
    _write(exports / "b/1.dcm", 9, patient="0815", study="s2", view="A2C")
    result = ingest(exports, workspace=tmp_path / "w")
    assert (result.n_read, result.n_missing) == (1, 1)
    assert [row.view for row in read_manifest(exports / MANIFEST)] == ["A4C", "", "A2C"]


def _label(folder: Path, path: str, name: str, value: str) -> None:
    rows = [{**{c: row[c] for c in _columns()}, **row.labels} for row in read_manifest(folder / MANIFEST)]
    for row in rows:
        row[name] = value if row["path"] == path else row.get(name, "")
    write_manifest(rows, folder / MANIFEST)


def _columns() -> tuple[str, ...]:
    from sonometry.io.manifest import COLUMNS

    return COLUMNS


def test_labels_filled_in_by_hand_are_taken_over(exports, tmp_path):
    ingest(exports, workspace=tmp_path / "w")
    _label(exports, "a/2.dcm", "view", "A3C")
    _label(exports, "a/2.dcm", "grade", "2")
    ingest(exports, workspace=tmp_path / "w")
    with Catalogue(tmp_path / "w") as catalogue:
        (clip,) = catalogue.clips(view="A3C")
    assert (clip.path, clip.label_map) == ("a/2.dcm", {"grade": "2"})


def test_a_manifest_gives_the_same_rows_in_another_workspace(exports, tmp_path):
    ingest(exports, workspace=tmp_path / "w")
    _label(exports, "a/2.dcm", "grade", "2")
    _label(exports, "b/1.dcm", "split", "test")
    ingest(exports, workspace=tmp_path / "w")
    before, text = _rows(exports), (exports / MANIFEST).read_bytes()
    ingest(exports, workspace=tmp_path / "other")
    assert _rows(exports) == before
    assert (exports / MANIFEST).read_bytes() == text


def test_a_subject_keeps_its_split_whatever_a_manifest_says(exports, tmp_path):
    ingest(exports, workspace=tmp_path / "w")
    with Catalogue(tmp_path / "w") as catalogue:
        subject = catalogue.clips()[2].subject_key
        catalogue.assign({subject: "test"})
    _label(exports, "b/1.dcm", "split", "train")
    result = ingest(exports, workspace=tmp_path / "w")
    assert read_manifest(exports / MANIFEST).rows[2].split == "test"
    assert any("keep the split" in note for note in result.notes)


def test_rows_without_a_file_are_kept_in_the_former_manifest(exports, tmp_path):
    ingest(exports, workspace=tmp_path / "w")
    (exports / "b/1.dcm").unlink()
    result = ingest(exports, workspace=tmp_path / "w")
    assert any(FORMER in note for note in result.notes)
    assert len(read_manifest(exports / FORMER)) == 3


def test_unreadable_files_are_listed_with_a_reason_but_not_named_in_it(exports, tmp_path):
    (exports / "MUELLER^ANNA.dcm").write_bytes((exports / "a/1.dcm").read_bytes()[:400])
    (exports / "note.txt").write_text("to do")
    result = ingest(exports, workspace=tmp_path / "w")
    assert len(result.unreadable) == 2
    assert "MUELLER" not in repr(result)
    listed = tmp_path / "w" / UNREADABLE
    assert "MUELLER" in listed.read_text()
    assert listed.stat().st_mode & 0o077 == 0


def test_a_truncated_file_is_unreadable(exports, tmp_path):
    content = (exports / "a/1.dcm").read_bytes()
    (exports / "a/1.dcm").write_bytes(content[:-200])
    result = ingest(exports, workspace=tmp_path / "w")
    assert [one.reason for one in result.unreadable] == ["the file ends before its pixels do; copy it again"]


def test_files_without_a_patient_belong_to_their_folder(tmp_path):
    import simplejpeg

    frame = np.random.default_rng(0).integers(0, 255, (32, 32, 1), dtype=np.uint8)
    for name in ("p1/a.jpg", "p1/b.jpg", "p2/a.jpg"):
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        frame = frame + 1
        (tmp_path / "d" / name).write_bytes(simplejpeg.encode_jpeg(frame, 95, "GRAY", "Gray"))
    result = ingest(tmp_path / "d", workspace=tmp_path / "w")
    assert (result.n_clips, result.n_subjects) == (3, 2)


def test_nothing_readable_is_an_error(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/note.txt").write_text("to do")
    with pytest.raises(DataError, match="holds no recording that can be read"):
        ingest(tmp_path / "d", workspace=tmp_path / "w")


@pytest.mark.parametrize(("name", "error", "match"), [("no", DataError, "does not exist"), ("f", UsageError, "a file")])
def test_what_is_no_folder_is_told(tmp_path, name, error, match):
    (tmp_path / "f").write_text("x")
    with pytest.raises(error, match=match):
        ingest(tmp_path / name, workspace=tmp_path / "w")


def test_the_catalogue_is_closed_to_others(exports, tmp_path):
    ingest(exports, workspace=tmp_path / "w")
    assert (tmp_path / "w/catalogue.sqlite").stat().st_mode & 0o077 == 0


_CALL = """
import sys
from sonometry.workflows.ingest import ingest
if __name__ == "__main__":
    told = lambda share, step: print(step, flush=True)
    ingest(sys.argv[1], workspace=sys.argv[2], workers=int(sys.argv[3]), progress=told)
"""


def _killed(script: Path, exports: Path, workspace: Path, workers: int, batches: int, delay_s: float) -> None:
    """Run, and kill -9 after some batches."""
    words = [sys.executable, str(script), str(exports), str(workspace), str(workers)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(batches):
            assert process.stdout is not None
            process.stdout.readline()
        time.sleep(delay_s)
        process.kill()
    assert process.returncode in (-signal.SIGKILL, 0)


@pytest.mark.parametrize(
    ("n_files", "workers", "n_kills"), [(100, 1, 2), pytest.param(400, 2, 6, marks=pytest.mark.slow)]
)
def test_kill_9_loses_and_doubles_nothing(tmp_path, n_files, workers, n_kills):
    exports, script, rng = tmp_path / "exports", tmp_path / "call.py", random.Random(1)
    script.write_text(_CALL)
    for number in range(n_files):
        _write(
            exports / f"{number // 4:03d}/{number:04d}.dcm", number, patient=f"{number // 8}", study=f"{number // 4}"
        )
    for _ in range(n_kills):
        _killed(script, exports, tmp_path / "w", workers, batches=1, delay_s=rng.random() * 0.1)
    result = ingest(exports, workspace=tmp_path / "w", workers=1)
    assert result.n_unchanged >= 32 * n_kills or result.n_read == 0
    ingest(exports, workspace=tmp_path / "undisturbed", workers=1)
    found = []
    for name in ("w", "undisturbed"):
        with Catalogue(tmp_path / name) as catalogue:
            found.append([(c.path, c.sha256, c.view, c.n_frames, c.kind) for c in catalogue.clips()])
    assert found[0] == found[1]
    assert len(found[0]) == n_files


@pytest.mark.slow
def test_workers_end_when_their_parent_is_killed(tmp_path):
    exports, script = tmp_path / "exports", tmp_path / "call.py"
    script.write_text(_CALL)
    for number in range(300):
        _write(exports / f"{number:04d}.dcm", number, patient=str(number))
    _killed(script, exports, tmp_path / "w", 2, batches=1, delay_s=0.0)
    limit_s = time.monotonic() + 20
    while _left(str(script)) and time.monotonic() < limit_s:
        time.sleep(0.1)
    assert not _left(str(script))


def _left(script: str) -> list[str]:
    """Processes whose working files name the script."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if script.encode() in words and int(entry.name) != os.getpid():
            found.append(entry.name)
    return found
