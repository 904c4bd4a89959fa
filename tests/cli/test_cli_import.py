"""`sonometry import` as a user calls it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sonometry.cli.run import run
from sonometry.data.public.registry import SETS


@pytest.fixture
def classes(tmp_path, monkeypatch):
    for name in ("A4C/p1/a.png", "A4C/p2/a.png", "PLAX/p3/a.png", "PLAX/p4/ü b.png"):
        path = tmp_path / "my set" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(cv2.imencode(".png", np.random.default_rng(0).integers(0, 255, (32, 32), dtype=np.uint8))[1])
    monkeypatch.chdir(tmp_path)
    return tmp_path / "my set"


def test_import_writes_a_manifest_that_splits_take(classes, capsys):
    assert run(["import", "classes", "my set"]) == 0
    shown = capsys.readouterr()
    assert "clips: 4 (no split 4), subjects: 4; with truth: 0" in shown.out
    assert Path(shown.out.splitlines()[-1]).samefile(classes / "manifest.csv")
    assert "note: every folder below a class is taken for a patient" in shown.err
    assert run(["splits", "--data", "my set/manifest.csv"]) == 0


def test_import_elsewhere_links_and_copies_nothing(classes, capsys):
    assert run(["import", "classes", "my set", "--out", "out"]) == 0
    assert (classes.parent / "out/recordings").is_symlink()
    assert sorted(p.name for p in classes.parent.joinpath("out").iterdir()) == ["manifest.csv", "recordings"]
    assert not (classes / "manifest.csv").exists()


def test_import_list_names_every_set(capsys):
    assert run(["import", "list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in SETS)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["import", "camus", "my set"], 3, "my set does not look like CAMUS"),
        (["import", "nothing", "my set"], 2, "unknown set nothing"),
        (["import", "camus"], 2, "no folder given; expected patient0001"),
        (["import", "classes", "nowhere"], 3, "nowhere is no folder"),
        (["import", "classes", "my set", "--subject", "("], 2, "no regular expression"),
        (["import", "classes", "my set", "--out", "my set/A4C/p1/a.png"], 4, "is a file"),
    ],
)
def test_errors_are_one_line_with_a_status(classes, capsys, words, status, said):
    assert run(words) == status
    err = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("import:")]
    assert len(err) == 1
    assert said in err[0]
