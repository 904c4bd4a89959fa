"""The ready configurations of the view networks are options that exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from sonometry.applications.view import APPLICATION
from sonometry.applications.view.task_config import TaskConfig
from sonometry.core.errors import UsageError
from sonometry.workflows.train import settings_of

CONFIGS = sorted((Path(__file__).parents[3] / "configs/view").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_ready_configuration_parses(path):
    training, task = settings_of(APPLICATION, path, {})
    assert task.level == ("clips" if path.stem == "clips" else "frames")
    assert training.steps >= 500


def test_there_is_one_for_every_level_and_for_the_baseline():
    assert [path.stem for path in CONFIGS] == ["baseline", "clips", "frames"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": "pixels"}, "--level must be frames or clips"),
        ({"reuse": 0}, "--reuse must be 1 or more"),
        ({"dropout": 1.0}, r"--dropout and --label-smoothing must lie in \[0, 1\)"),
    ],
)
def test_impossible_task_options_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        TaskConfig(**options)
