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
from torch.utils.data import DataLoader

from sonometry.core.errors import DataError
from sonometry.core.provenance import digest_json, provenance
from sonometry.io.atomic import write_atomic
from sonometry.training.config import TrainingConfig
from sonometry.training.module import TaskModule
from sonometry.training.task import Task


@dataclass(frozen=True)
class RunResult:
    """Where the weights lie, how good they were on the validation data and after how many steps."""

    weights: Path
    monitor: str
    best: float
    steps: int


def train_task(
    task: Task, folder: Path, config: TrainingConfig, *, options: Mapping[str, Any], progress: bool = True
) -> RunResult:
    """Train `task` in `folder`, or go on with the run that is there.

    options : the task's own options, part of the run's identity.
    Raises DataError when `folder` holds a run with other options.
    """
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    _check_identity(task, folder, config, options)
    module = TaskModule(task, config)
    last = folder / "checkpoints" / "last.ckpt"
    first_step = _steps_done(last)
    checkpoints = _checkpoints(task, folder)
    trainer = _trainer(folder, config, _callbacks(task, config, checkpoints, progress), progress)
    with warnings.catch_warnings():
        # Lightning warns about its own internals and about few workers: nothing a user can act on.
        warnings.simplefilter("ignore")
        trainer.fit(
            module,
            _training_loader(task, config, first_step),
            DataLoader(task.validation_data(), batch_size=1, num_workers=0),
            ckpt_path=last if last.exists() else None,
            weights_only=False,
        )
    if trainer.interrupted:
        raise KeyboardInterrupt
    best = _load_best(module, checkpoints)
    recipe = {
        "task": task.name,
        "task_options": dict(options),
        "training": asdict(config),
        "steps": trainer.global_step,
    }
    recipe["provenance"] = provenance(recipe, seed=config.seed)
    task.export(module.best_network.eval().cpu(), folder / "weights", recipe=recipe)
    return RunResult(folder / "weights", task.monitor, best, trainer.global_step)


def _check_identity(task: Task, folder: Path, config: TrainingConfig, options: Mapping[str, Any]) -> None:
    """Write run.json, or compare with the one that is there; the number of steps and machines may change."""
    free = ("steps", "workers", "accelerator", "devices", "nodes", "strategy", "precision", "patience")
    fixed = {k: v for k, v in asdict(config).items() if k not in free}
    identity = {"task": task.name, "options": dict(options), "training": fixed}
    record, digest = folder / "run.json", digest_json(identity)
    if record.exists():
        if json.loads(record.read_text())["digest"] != digest:
            raise DataError(f"{folder.name} holds a run with other options; choose another --out or delete it")
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(record, json.dumps({**identity, "digest": digest}, indent=2, default=str))


def _steps_done(checkpoint: Path) -> int:
    """Optimiser steps behind a checkpoint; 0 when there is none."""
    if not checkpoint.exists():
        return 0
    return int(torch.load(checkpoint, map_location="cpu", weights_only=False)["global_step"])


def _training_loader(task: Task, config: TrainingConfig, first_step: int) -> DataLoader[Any]:
    """Batches of the steps still to do, so that a resumed run sees the samples it has not seen yet."""
    world = config.devices * config.nodes
    n_samples = max(1, config.steps - first_step) * config.batch_size * world
    data = task.training_data(seed=config.seed, n_samples=n_samples, first=first_step * config.batch_size * world)
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
        val_check_interval=config.validate_every,
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


def _load_best(module: TaskModule, checkpoints: ModelCheckpoint) -> float:
    """Put the best validated weights into the module; NaN when nothing was validated."""
    if not checkpoints.best_model_path:
        return float("nan")
    state = torch.load(checkpoints.best_model_path, map_location="cpu", weights_only=False)
    module.load_state_dict(state["state_dict"])
    return float(checkpoints.best_model_score or "nan")
