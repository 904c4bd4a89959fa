"""The command: what it refuses in one line, people from a pipe, and what it leaves when it ends."""

from __future__ import annotations

import io
import signal
import uuid

import pytest

from sonometry.cli.run import run
from sonometry.io.manifest import read_manifest


def test_a_workspace_without_a_catalogue_ends_with_what_to_do(tmp_path, capsys):
    assert run(["annotate", "--workspace", str(tmp_path / "ws")]) == 3
    assert "sonometry ingest DIR --workspace ws" in capsys.readouterr().err


def test_others_are_not_let_in_without_passwords(workspace, capsys):
    assert run(["annotate", "--workspace", str(workspace), "--host", "0.0.0.0", "--port", "0"]) == 2
    assert "sonometry annotate people --name NAME" in capsys.readouterr().err


def test_people_get_a_password_from_a_pipe_and_later_a_new_one(workspace, quick_hashes, monkeypatch, capsys):
    words = ["annotate", "people", "--workspace", str(workspace)]
    for password, said in (("a long password\n", "ann can log in"), ("another password\n", "ann has a new password")):
        monkeypatch.setattr("sys.stdin", io.StringIO(password))
        assert run([*words, "--name", "ann"]) == 0
        assert said in capsys.readouterr().out
    assert run(words) == 0
    assert "ann (administrator)" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert run([*words, "--name", "ben"]) == 2
    assert "10 to 256 characters" in capsys.readouterr().err


def test_an_export_of_an_unknown_format_names_those_there_are(workspace, capsys):
    assert run(["annotate", "export", "--workspace", str(workspace), "--to", "pdf"]) == 2
    assert "manifest, marks, camus, dicom, coco" in capsys.readouterr().err


@pytest.mark.slow
def test_an_interrupted_server_leaves_the_manifest_and_ends_well(workspace, desk, served):
    server = served(workspace)
    clip = desk.catalogue.clips()[0]
    value = {"segments": [{"start": 0, "label": "SUB4C"}]}
    one = desk.lists.get("Views")
    desk.put(one, clip.clip_key, "view", value, reader="ann", round_=1, seen_version=0, action_id=str(uuid.uuid4()))
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(60) == 0
    assert server.process.stdout.read().endswith("manifest.csv\n")
    server.process.stdout.close()
    manifest = desk.catalogue.roots()[clip.root_id] / "manifest.csv"
    assert {row.clip_key: row.view for row in read_manifest(manifest)}[clip.clip_key] == "SUB4C"
