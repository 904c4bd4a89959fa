"""Train the network of an application in a run folder; the same call goes on with a run that was interrupted."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonometry.applications import application as find_application
from sonometry.core.application import Application
from sonometry.core.errors import MissingExtraError, UsageError
from sonometry.core.options import build, field_types, nearest, plain
from sonometry.io.manifest import read_manifest
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
    manifest = None if data is None else Path(data)
    if manifest is not None:  # told before torch is loaded, which takes its time
        read_manifest(manifest)
    if getattr(task_options, "folds", 0) and not task_options.fold:
        return _cross_validate(application, task_options, folder, manifest, training, show_progress)
    return _train(application, task_options, folder, manifest, training, show_progress)


def _train(
    application: Application, options: Any, folder: Path, data: Path | None, training: TrainingConfig, progress: bool
) -> RunResult:
    from sonometry.training.phases import train as train_task

    task = application.load("task")(options, folder, data)
    return train_task(task, folder, training, options=plain(options), progress=progress)


def _cross_validate(
    application: Application, options: Any, folder: Path, data: Path | None, training: TrainingConfig, progress: bool
) -> RunResult:
    """One run a fold, in folders of their own that share the prepared frames; the mean of what they reached."""
    if options.cache is None:
        options = dataclasses.replace(options, cache=folder / "frames.zarr")
    runs = [
        _train(application, dataclasses.replace(options, fold=k), folder / f"fold-{k}", data, training, progress)
        for k in range(1, options.folds + 1)
    ]
    values = [run.best for run in runs]
    told = [f"fold {k}: {run.monitor} {run.best:.4g} after {run.steps} steps" for k, run in enumerate(runs, 1)]
    left_out = dict.fromkeys(note for run in runs for note in run.notes)
    told.append(f"standard deviation over the folds {statistics.stdev(values):.3g}")
    first = runs[0]
    return dataclasses.replace(
        first,
        weights=folder,
        monitor=f"mean {first.monitor} of {len(runs)} folds",
        best=statistics.fmean(values),
        steps=sum(run.steps for run in runs),
        notes=(*told, *left_out),
    )


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
