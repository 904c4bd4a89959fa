"""The ready configurations of the view networks are options that exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from sonometry.applications.view import APPLICATION
from sonometry.applications.view.task_config import TaskConfig
from sonometry.core.errors import DataError, UsageError
from sonometry.workflows.train import settings_of

CONFIGS = sorted((Path(__file__).parents[3] / "configs/view").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_ready_configuration_parses(path):
    training, task = settings_of(APPLICATION, path, {})
    assert task.level == ("clips" if path.stem == "clips" else "frames")
    assert training.steps >= 500


def test_there_is_one_for_every_level_for_going_on_and_for_the_baseline():
    assert [path.stem for path in CONFIGS] == ["baseline", "clips", "frames", "frames_more"]


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


def test_training_goes_on_from_weights(tmp_path):
    from safetensors.torch import load_file

    from sonometry.applications.view.task import ViewTask, task
    from sonometry.models.inference import shipped_weights

    shipped = shipped_weights("view-frames").parent
    state = ViewTask(TaskConfig(start_weights=shipped), tmp_path).network().state_dict()
    stored = load_file(shipped / "view-frames.safetensors")
    assert all(bool((state[name] == value).all()) for name, value in stored.items())
    assert state.keys() == stored.keys()
    with pytest.raises(DataError, match="does not hold weights of this network"):
        ViewTask(TaskConfig(start_weights=shipped, stem=8), tmp_path).network()
    with pytest.raises(UsageError, match="--start-weights goes with --level frames"):
        TaskConfig(level="clips", start_weights=shipped)
    with pytest.raises(UsageError, match="--start-weights is for simulated pictures"):
        task(TaskConfig(start_weights=shipped), tmp_path, tmp_path / "manifest.csv")


def test_a_share_of_the_start_is_mixed_into_what_is_written():
    import torch
    from torch import nn

    from sonometry.applications.view.task import mix_in

    before, after = (nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)) for _ in range(2))
    expected = 0.25 * before[0].weight + 0.75 * after[0].weight
    mix_in(after, before, 0.25)
    torch.testing.assert_close(after[0].weight, expected)
    with pytest.raises(UsageError, match="--start-share must lie in"):
        TaskConfig(start_share=0.5)
