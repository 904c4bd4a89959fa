"""Train the network of an application in a run folder; the same call goes on with a run that was interrupted."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonometry.applications import application as find_application
from sonometry.core.application import Application
from sonometry.core.errors import MissingExtraError, UsageError
from sonometry.core.options import build, field_types, nearest, plain
from sonometry.training.config import TrainingConfig
from sonometry.workflows.config import Configuration, load_yaml
from sonometry.workflows.output import check_directory

if TYPE_CHECKING:
    from sonometry.training.run import RunResult

#: Modules of the extra [train] without which nothing can be trained.
_NEEDED = ("torch", "lightning", "safetensors", "onnx")


def train(
    app: str | Application,
    out: str | os.PathLike[str],
    *,
    data: str | os.PathLike[str] | None = None,
    config: Configuration = None,
    show_progress: bool = False,
    **options: Any,
) -> RunResult:
    """Train the network of `app` in the folder `out`, which then holds checkpoints, logs and `weights/`.

    data : manifest.csv for applications that learn from recordings; None where they simulate their own.
    config : YAML file or mapping with options of the training and of the task; `options` override it.
    Raises UsageError for an application without a network or an unknown option, MissingExtraError without torch.
    """
    application = app if isinstance(app, Application) else find_application(app)
    if application.task is None or application.task_config is None:
        raise UsageError(f"{application.name} has no network to train")
    for module in _NEEDED:
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(module, "train", "training")
    training, task_options = settings_of(application, config, options)
    folder = Path(out)
    check_directory(folder)
    from sonometry.training.phases import train as train_task

    task = application.load("task")(task_options, folder, None if data is None else Path(data))
    return train_task(task, folder, training, options=plain(task_options), progress=show_progress)


def settings_of(application: Application, config: Configuration, options: dict[str, Any]) -> tuple[TrainingConfig, Any]:
    """The options of the training and of the task, told apart by their names."""
    values = dict(load_yaml(config) if isinstance(config, (str, Path)) else config or {}) | options
    task_class = application.load("task_config")
    of_training, of_task = field_types(TrainingConfig), field_types(task_class)
    for name in values:
        if name not in of_training and name not in of_task:
            raise UsageError(f"unknown option {name!r}; {nearest(name, [*of_training, *of_task])}")
    training = build(TrainingConfig, {k: v for k, v in values.items() if k in of_training})
    return training, build(task_class, {k: v for k, v in values.items() if k in of_task})
