"""Whatever happens ends with the right exit status and at most one line on stderr, never with a traceback."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import warnings

import pytest

from sonometry.cli import commands
from sonometry.cli.commands import Command
from sonometry.cli.run import run
from sonometry.core.errors import DataError, MissingExtraError, OutputError, UsageError


@pytest.fixture
def failing(monkeypatch):
    """Add a command `fail` that raises what it is given."""

    def add(error: BaseException) -> None:
        def function() -> None:
            raise error

        command = Command("fail", "", "", "Fail.")
        monkeypatch.setattr(Command, "function", lambda self, tokens: function)
        monkeypatch.setattr("sonometry.cli.run.COMMANDS", (*commands.COMMANDS, command))

    return add


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (UsageError("no such option"), 2, "no such option"),
        (DataError("the file is\nempty"), 3, "the file is empty"),
        (OutputError("disk full"), 4, "disk full"),
        (MissingExtraError("torch", "train", "training"), 2, "pip install 'sonometry[train]'"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 1, "not enough memory"),
        (OSError(errno.ENOSPC, "No space left on device"), 4, "No space left on device"),
        (KeyError("a patient's name"), 1, "internal error (KeyError at run.py"),
        (RecursionError(), 1, "internal error (RecursionError"),
    ],
)
def test_an_error_is_one_line_and_one_status(failing, capsys, error, status, text):
    failing(error)
    assert run(["fail"]) == status
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("sonometry: ")
    assert text in lines[0]


def test_the_text_of_an_unexpected_error_stays_hidden(failing, capsys):
    failing(KeyError("DOE^JANE"))
    run(["fail"])
    assert "DOE" not in capsys.readouterr().err


def test_debug_shows_the_traceback(failing, capsys):
    failing(DataError("broken"))
    assert run(["fail", "--debug"]) == 3
    assert "Traceback" in capsys.readouterr().err


def test_warnings_of_libraries_are_not_shown(monkeypatch, failing, capsys):
    def function() -> None:
        warnings.warn("PatientName DOE^JANE is not valid", UserWarning, stacklevel=1)

    failing(DataError(""))
    monkeypatch.setattr(Command, "function", lambda self, tokens: function)
    assert run(["fail"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["mesure"], 'Unknown command "mesure". Did you mean "measure"?'),
        (["measure", "clip.dcm"], "measure needs --app NAME; there are: elastography"),
        (["measure", "clip.dcm", "--app", "elastgraphy"], "did you mean 'elastography'?"),
        (["measure", "clip.dcm", "--app", "elastography"], "--out"),
        (["measure", "--app", "elastography", "--out", "x"], "PATHS"),
        (["measure", "c", "--app=elastography", "--out", "x", "--methd", "ncc"], "Did you mean --method?"),
        (["measure", "c", "--app", "elastography", "--out", "x", "--method", "sad"], '"am2d", "ncc", "glue"'),
        (["measure", "c", "--app", "elastography", "--out", "x", "--spacing-mm", "1"], "--spacing-mm"),
        (["measure", "c", "--app", "elastography", "--out", "x", "--fps", "fast"], 'unable to convert "fast"'),
        (["simulate"], "simulate needs the name of an application; there are: elastography"),
        (["simulate", "elastograph", "--out", "x"], "did you mean 'elastography'?"),
        (["info"], "PATHS"),
    ],
)
def test_a_wrong_call_is_one_line_with_status_2(words, text, capsys):
    assert run(words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert text in lines[0]


@pytest.mark.parametrize("words", [[], ["--help"], ["measure", "--help"], ["info", "-h"], ["demo", "--help"]])
def test_help_goes_to_stdout_with_status_0(words, capsys):
    assert run(words) == 0
    shown = capsys.readouterr()
    assert "Usage: sonometry" in shown.out
    assert shown.err == ""


def test_help_of_an_application_shows_its_options(capsys):
    assert run(["measure", "--help", "--app", "elastography"]) == 0
    assert "--strain-window-mm" in capsys.readouterr().out


def test_the_version_is_that_of_the_package(capsys):
    import sonometry

    assert run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == sonometry.__version__


def _started(*words: str, **options) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "sonometry", *words], stderr=subprocess.PIPE, text=True, **options)


def test_a_reader_that_goes_away_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    done = _started("measure", "--help", stdout=writing)
    os.close(writing)
    assert done.communicate(timeout=30)[1] == ""
    assert done.returncode == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is only on Linux")
def test_a_full_disk_behind_stdout_is_status_4():
    with open("/dev/full", "w") as full:
        done = _started("measure", "--help", stdout=full)
        error = done.communicate(timeout=30)[1]
    assert (done.returncode, len(error.splitlines())) == (4, 1)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_says_so_in_one_line_and_leaves_nothing(tmp_path, number, status, third_party):
    words = ["simulate", "echo_level", "--out", "cohort", "--n", "100000", "--workers", "1", "--level", "0.7"]
    # A runner in the background ignores SIGINT, and so would what it starts.
    running = _started(*words, cwd=tmp_path, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    assert running.stderr is not None
    for line in running.stderr:
        if "recordings" in line and (tmp_path / "cohort/manifest.csv").exists():
            break
    running.send_signal(number)
    error = running.communicate(timeout=30)[1].splitlines()
    assert running.returncode == status
    assert error[-1].startswith(("sonometry: interrupted", "sonometry: terminated"))
    assert not [p for p in tmp_path.rglob("*") if p.name.startswith(".partial")]
