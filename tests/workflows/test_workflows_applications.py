"""Finding applications, those of this repository and those of third parties."""

from __future__ import annotations

import pytest

from sonometry.applications import ApplicationWarning, application, applications
from sonometry.core.application import Application
from sonometry.core.errors import UsageError


def _installed(folder, name: str, target: str, code: str) -> None:
    """A distribution `name` on the path `folder` that offers `target` as an application."""
    (folder / f"{name}.py").write_text(code)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[sonometry.applications]\n{name} = {target}\n")


def test_applications_of_the_repository_are_found_by_folder():
    assert isinstance(applications()["elastography"], Application)


def test_an_application_of_a_third_party_is_found_by_entry_point(third_party):
    assert application("echo_level").title == "Echo level"


def test_an_unknown_application_names_the_nearest_and_all(third_party):
    with pytest.raises(UsageError, match=r"'elastografy'; did you mean 'elastography'\?.*echo_level"):
        application("elastografy")


def test_a_third_party_that_fails_on_import_stops_nobody(tmp_path, monkeypatch):
    _installed(tmp_path, "broken_app", "broken_app:APPLICATION", "raise RuntimeError('no licence')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.warns(ApplicationWarning, match="'broken_app' of broken_app is left out: RuntimeError"):
        assert "elastography" in applications()


def test_a_third_party_that_offers_something_else_is_left_out(tmp_path, monkeypatch):
    _installed(tmp_path, "wrong_app", "wrong_app:APPLICATION", "APPLICATION = 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.warns(ApplicationWarning, match="is a int, not an Application"):
        assert "wrong_app" not in applications()


def test_a_third_party_cannot_take_the_name_of_another(tmp_path, monkeypatch):
    code = "import dataclasses\nfrom sonometry.applications.elastography import APPLICATION as A\n"
    _installed(tmp_path, "thief", "thief:MINE", code + "MINE = dataclasses.replace(A, title='Mine')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.warns(ApplicationWarning, match="the name 'elastography' is taken"):
        assert applications()["elastography"].title != "Mine"
