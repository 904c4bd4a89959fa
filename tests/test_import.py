"""What `import sonometry` offers."""

from __future__ import annotations

import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import sonometry


@pytest.mark.parametrize("name", sorted(set(dir(sonometry)) - {"__version__"}))
def test_every_public_name_is_a_function_with_a_docstring(name):
    assert callable(getattr(sonometry, name))
    assert getattr(sonometry, name).__doc__


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'sonometry' has no attribute 'mesure'"):
        sonometry.mesure  # noqa: B018


def test_versions_of_package_and_project_agree():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    assert sonometry.__version__ == project["project"]["version"] == version("sonometry")


def test_the_names_for_editors_are_the_public_names():
    stub = (Path(sonometry.__file__).parent / "__init__.pyi").read_text()
    assert {line.split()[-1] for line in stub.splitlines() if line.startswith("from")} == set(sonometry._PUBLIC)
