"""One training run in one folder: killed at any moment it goes on where the last checkpoint stands.

The folder holds run.json (task, options, digest), checkpoints/, TensorBoard logs, metrics.csv and, at the end, the
exported weights. Checkpoints are for resuming on the same machine only; what is exported is safetensors and ONNX.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch import nn
from torch.utils.data import DataLoader

from sonometry.core.errors import DataError
from sonometry.core.provenance import digest_json, provenance
from sonometry.io.atomic import write_atomic
from sonometry.training.config import TrainingConfig
from sonometry.training.history import History
from sonometry.training.module import TaskModule
from sonometry.training.task import Task, epoch_size, validation_batch_size


@dataclass(frozen=True)
class RunResult:
    """Where the weights lie, how good they were on the validation data and after how many steps.

    notes : what was left out of the data.
    """

    weights: Path
    monitor: str
    best: float
    steps: int
    notes: tuple[str, ...] = ()


def train_task(
    task: Task, folder: Path, config: TrainingConfig, *, options: Mapping[str, Any], progress: bool = True
) -> RunResult:
    """Train `task` in `folder`, or go on with the run that is there.

    options : the task's own options, part of the run's identity.
    Raises DataError when `folder` holds a run with other options.
    """
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    check_identity(task, folder, config, options)
    module = TaskModule(task, config)
    done = fit(module, folder, config, progress=progress)
    if done.is_main_process:
        export(task, module.best_network, folder, config, options, done.steps)
    return RunResult(folder / "weights", task.monitor, done.best, done.steps)


@dataclass(frozen=True)
class Fitted:
    """best : lowest validated value of the monitor, whose weights are in the module; NaN when nothing was validated.

    steps : optimiser steps made in all. is_main_process : False in the helpers of a run on several devices.
    """

    best: float
    steps: int
    is_main_process: bool


def fit(
    module: TaskModule, folder: Path, config: TrainingConfig, *, progress: bool, restore_best: bool = True
) -> Fitted:
    """Train a module in `folder`, or go on from the last checkpoint there.

    restore_best : put the best validated weights into the module at the end; else it keeps the last ones.
    """
    task = module.task
    per_epoch = max(1, round(epoch_size(task) / config.samples_per_step)) if config.epochs else 0
    config = config.in_steps(epoch_size(task)) if config.epochs else config
    module.config = config
    last = folder / "checkpoints" / "last.ckpt"
    first_step = _steps_done(last)
    checkpoints = _checkpoints(task, folder)
    callbacks = [*_callbacks(task, config, checkpoints, progress), History(folder, epoch_steps=per_epoch)]
    stopped = _stopped_early(folder, config)
    if stopped is None:
        trainer = _trainer(folder, config, callbacks, progress)
        with warnings.catch_warnings():
            # Lightning warns about its own internals and about few workers: nothing a user can act on.
            warnings.simplefilter("ignore")
            trainer.fit(
                module,
                _training_loader(task, config, first_step),
                DataLoader(task.validation_data(), batch_size=validation_batch_size(task), num_workers=0),
                ckpt_path=last if last.exists() else None,
                weights_only=False,
            )
        if trainer.interrupted:
            raise KeyboardInterrupt
        steps, is_main = trainer.global_step, trainer.is_global_zero
        if is_main and steps < config.steps:
            _note_early_stop(folder, config, steps)
    else:
        steps, is_main = stopped, True
    if not is_main:
        return Fitted(float("nan"), steps, False)
    best = load_checkpoint(module, _best_checkpoint(folder, checkpoints), restore=restore_best)
    if not restore_best and stopped is not None:
        load_checkpoint(module, last)
    return Fitted(best, steps, True)


def export(
    task: Task, network: nn.Module, folder: Path, config: TrainingConfig, options: Mapping[str, Any], steps: int
) -> None:
    """Write the weights of a finished run with the recipe that made them."""
    recipe = {"task": task.name, "task_options": dict(options), "training": asdict(config), "steps": steps}
    recipe["provenance"] = provenance(recipe, seed=config.seed)
    task.export(network.eval().cpu(), folder / "weights", recipe=recipe)


def check_identity(task: Task, folder: Path, config: TrainingConfig, options: Mapping[str, Any]) -> None:
    """Write run.json, or compare with the one that is there; the number of steps and machines may change."""
    identity = {"task": task.name, "options": dict(options), "training": config.identity()}
    record = folder / "run.json"
    if record.exists():
        stored = json.loads(record.read_text())
        if stored["digest"] != digest_json(_as_it_was(identity, stored.get("options", {}))):
            raise DataError(f"{folder.name} holds a run with other options; choose another --out or delete it")
        return
    digest = digest_json(identity)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(record, json.dumps({**identity, "digest": digest}, indent=2, default=str))


def _as_it_was(identity: dict[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Without options that the stored run did not have and that are switched off: older versions lacked them."""
    options = {k: v for k, v in identity["options"].items() if k in stored or v not in (None, False, 0, "", [], ())}
    return {**identity, "options": options}


def _steps_done(checkpoint: Path) -> int:
    """Optimiser steps behind a checkpoint; 0 when there is none."""
    if not checkpoint.exists():
        return 0
    return int(torch.load(checkpoint, map_location="cpu", weights_only=False)["global_step"])


def _training_loader(task: Task, config: TrainingConfig, first_step: int) -> DataLoader[Any]:
    """Batches of the steps still to do, so that a resumed run sees the samples it has not seen yet."""
    n_samples = max(1, config.steps - first_step) * config.samples_per_step
    data = task.training_data(seed=config.seed, n_samples=n_samples, first=first_step * config.samples_per_step)
    return DataLoader(
        data,
        batch_size=config.batch_size,
        num_workers=config.workers,
        persistent_workers=config.workers > 0,
        prefetch_factor=4 if config.workers else None,
        multiprocessing_context="forkserver" if config.workers else None,
        drop_last=True,
    )


def _checkpoints(task: Task, folder: Path) -> ModelCheckpoint:
    return ModelCheckpoint(
        folder / "checkpoints",
        filename="best",
        monitor=f"val/{task.monitor}",
        save_last=True,
        enable_version_counter=False,
    )


def _callbacks(task: Task, config: TrainingConfig, checkpoints: ModelCheckpoint, progress: bool) -> list[Callback]:
    callbacks: list[Callback] = [checkpoints]
    if config.patience:
        callbacks.append(EarlyStopping(f"val/{task.monitor}", patience=config.patience))
    if progress:
        callbacks.append(RichProgressBar())
    return callbacks


def _trainer(folder: Path, config: TrainingConfig, callbacks: list[Callback], progress: bool) -> lightning.Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    return lightning.Trainer(
        max_steps=config.steps,
        max_epochs=-1,
        val_check_interval=min(config.validate_every, config.steps),  # a short run is validated at its end
        check_val_every_n_epoch=None,
        gradient_clip_val=config.gradient_clip,
        accelerator=config.accelerator,
        devices=config.devices,
        num_nodes=config.nodes,
        strategy=config.strategy,
        precision=config.precision,  # type: ignore[arg-type]
        callbacks=callbacks,
        logger=[TensorBoardLogger(folder, name="", version="tensorboard"), CSVLogger(folder, name="", version="log")],
        default_root_dir=folder,
        enable_progress_bar=progress,
        enable_model_summary=False,
        log_every_n_steps=10,
        num_sanity_val_steps=0,
    )


def _best_checkpoint(folder: Path, checkpoints: ModelCheckpoint) -> Path | None:
    """The checkpoint of the best validation, also of a run that was finished before."""
    path = Path(checkpoints.best_model_path or folder / "checkpoints" / "best.ckpt")
    return path if path.is_file() else None


def load_checkpoint(module: TaskModule, path: Path | None, *, restore: bool = True) -> float:
    """Put the weights of a checkpoint into the module (unless not `restore`); the best value it knows, NaN if none."""
    if path is None:
        return float("nan")
    state = torch.load(path, map_location="cpu", weights_only=False)
    if restore:
        module.load_state_dict(state["state_dict"])
    scores = [own["best_model_score"] for own in state["callbacks"].values() if "best_model_score" in own]
    return float("nan") if not scores or scores[0] is None else float(scores[0])


_EARLY = "stopped.json"


def _note_early_stop(folder: Path, config: TrainingConfig, steps: int) -> None:
    write_atomic(folder / _EARLY, json.dumps({"steps": steps, "asked": config.steps, "patience": config.patience}))


def _stopped_early(folder: Path, config: TrainingConfig) -> int | None:
    """Steps of a run that lost its patience under the same options, and so has nothing more to do."""
    record = folder / _EARLY
    if not record.is_file():
        return None
    told = json.loads(record.read_text())
    same = told["asked"] == config.steps and told["patience"] == config.patience
    return int(told["steps"]) if same else None
