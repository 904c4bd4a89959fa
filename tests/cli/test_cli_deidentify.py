"""`sonometry deidentify IN OUT` as a user calls it: with two words and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from sonometry.cli.run import run


@pytest.fixture
def exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A damaged file of a patient and a viewer; the working folder lies beside them."""
    folder = tmp_path / "exports" / "Kowalczyk^Ottoline"
    folder.mkdir(parents=True)
    (folder / "MRN4711007.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"nothing of use")
    (folder / "viewer.exe").write_bytes(b"MZ nothing that anybody reads as a picture")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "exports"


def test_two_words_are_enough_and_the_workspace_is_named(exports, capsys):
    assert run(["deidentify", "exports", "clean"]) == 3
    shown = capsys.readouterr()
    assert "files done: 0, refused: 1, skipped (no DICOM): 1" in shown.out
    assert "secret key and journal: workspace" in shown.out
    assert "which files were refused: workspace/deid/refused.csv" in shown.out
    assert "refused, it cannot be read as DICOM: file no. 1" in shown.err
    assert "kowalczyk" not in (shown.out + shown.err).casefold()
    assert not list(Path("clean").rglob("*.dcm"))
    assert Path("workspace/deid/secret.key").is_file()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["deidentify"], 2, "sonometry deidentify IN OUT"),
        (["deidentify", "exports"], 2, "sonometry deidentify IN OUT"),
        (["deidentify", "nowhere", "clean"], 3, "nowhere does not exist"),
        (["deidentify", "exports", "exports/clean"], 2, "must not lie in each other"),
        (["deidentify", ".", "../clean"], 2, "the workspace must not lie in the originals"),
        (["deidentify", "exports", "clean", "--top-rows", "-4"], 2, "--top-rows must be 0 or more"),
        (["deidentify", "exports", "--accept", "x"], 2, "decisions are made alone"),
        (["deidentify", "--accept", "x"], 2, "holds no de-identification"),
    ],
)
def test_errors_are_one_line_with_a_status(exports, capsys, words, status, said):
    assert run(words) == status
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert said in errors[0]
