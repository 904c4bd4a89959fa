"""Paths and values that no program should be given, and are: each one line with the status of the design."""

from __future__ import annotations

import os

import numpy as np
import pytest

from sonometry.cli.run import run


@pytest.fixture
def rf_file(tmp_path, rng):
    path = tmp_path / "scan.npz"
    np.savez(path, rf=rng.normal(0, 300, (2, 64, 16)).astype(np.float32))
    return path


def said(capsys):
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("sonometry:")]
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize("words", [["info"], ["measure", "--app", "elastography", "--out", "out"]])
def test_a_name_that_is_too_long_is_told(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run([words[0], "x" * 300 + ".mat", *words[1:]]) == 3
    assert "cannot be opened" in said(capsys)


def test_a_pipe_is_not_waited_for(capsys, tmp_path):
    os.mkfifo(tmp_path / "pipe.mat")
    assert run(["info", str(tmp_path / "pipe.mat")]) == 3
    assert "not a regular file" in said(capsys)


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--pitch-mm", "1e9"),
        ("--pitch-mm", "1e-9"),
        ("--sampling-mhz", "1e12"),
        ("--centre-mhz", "1e-9"),
        ("--start-depth-mm", "nan"),
        ("--start-depth-mm", "1e30"),
    ],
)
def test_facts_of_no_scanner_name_their_flag(rf_file, tmp_path, capsys, flag, value):
    facts = {"--sampling-mhz": "40", "--centre-mhz": "6", "--pitch-mm": "0.3", flag: value}
    words = [word for pair in facts.items() for word in pair]
    assert run(["measure", str(rf_file), "--app", "elastography", *words, "--out", str(tmp_path / "out")]) == 3
    assert flag in said(capsys)
    assert not (tmp_path / "out").exists()


def test_a_wrong_manifest_is_told_before_anything_is_trained(tmp_path, capsys):
    (tmp_path / "picture.csv").write_bytes(bytes(range(256)))
    for name, text in (("nowhere.csv", "does not exist"), ("picture.csv", "no CSV text")):
        assert run(["train", "view", "--data", str(tmp_path / name), "--out", str(tmp_path / "run")]) == 3
        assert text in said(capsys)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside.bin"])
def test_a_header_does_not_show_files_outside_its_folder(tmp_path, capsys, name):
    (tmp_path / "outside.bin").write_bytes(bytes(50))
    folder = tmp_path / "scans"
    folder.mkdir()
    (folder / "a.mhd").write_text(
        f"ObjectType = Image\nNDims = 2\nDimSize = 5 10\nElementType = MET_UCHAR\nElementDataFile = {name}\n"
    )
    (folder / "b.nhdr").write_text(
        f"NRRD0004\ntype: uint8\ndimension: 2\nsizes: 5 10\nencoding: raw\ndata file: {name}\n"
    )
    for file in ("a.mhd", "b.nhdr"):
        assert run(["info", str(folder / file)]) == 3
        assert "outside its folder" in said(capsys)
