"""`sonometry ingest` and `sonometry splits` as a user calls them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from sonometry.cli.run import run


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six patients with a folder of two pictures each; the working folder lies beside it."""
    rng = np.random.default_rng(0)
    for i in range(6):
        (tmp_path / f"d/p{i}").mkdir(parents=True)
        for name in "ab":
            frame = rng.integers(0, 255, (16, 16, 1), dtype=np.uint8)
            (tmp_path / f"d/p{i}/{name}.jpg").write_bytes(simplejpeg.encode_jpeg(frame, 95, "GRAY", "Gray"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "d"


def test_ingest_and_splits_tell_what_they_did(pictures, capsys):
    assert run(["ingest", "d"]) == 0
    out = capsys.readouterr().out
    assert "clips: 12, subjects: 6, studies: 0; files read: 12" in out
    assert Path(out.splitlines()[-1]).samefile(pictures / "manifest.csv")
    assert run(["splits", "--seed", "1"]) == 0
    shown = capsys.readouterr()
    assert "subjects split now: 6, before: 0" in shown.out
    assert shown.out.splitlines()[0].split() == ["all", "train", "validation", "test"]
    assert "no clip has a view" in shown.err


def test_unreadable_files_are_told_without_their_names(pictures, capsys):
    (pictures / "MUELLER^ANNA.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"junk")
    assert run(["ingest", "d"]) == 0
    shown = capsys.readouterr()
    assert "unreadable, 1 file: " in shown.err
    assert "MUELLER" not in shown.out + shown.err


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["ingest", "nowhere"], 3, "nowhere does not exist"),
        (["ingest", "empty"], 3, "holds no file"),
        (["ingest", "d", "--database", "mysql://x"], 2, "--database must be a URL like postgresql://"),
        (["splits"], 3, "run sonometry ingest DIR"),
        (["splits", "--train", "0.5"], 2, "add to 1"),
        (["splits", "--data", "nowhere.csv"], 3, "nowhere.csv does not exist"),
    ],
)
def test_errors_are_one_line_with_a_status(pictures, capsys, words, status, said):
    Path("empty").mkdir()
    assert run(words) == status
    err = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("ingest:")]
    assert len(err) == 1
    assert said in err[0]


def test_a_place_that_cannot_be_written_is_told(pictures, capsys):
    Path("w").write_text("a file")
    assert run(["ingest", "d", "--workspace", "w"]) == 4


def test_a_damaged_catalogue_is_told(pictures, capsys):
    assert run(["ingest", "d"]) == 0
    Path("workspace/catalogue.sqlite").write_bytes(b"no database at all " * 100)
    for leftover in Path("workspace").glob("catalogue.sqlite-*"):
        leftover.unlink()
    capsys.readouterr()
    assert run(["splits"]) == 3
    assert "catalogue.sqlite cannot be used: file is not a database" in capsys.readouterr().err
