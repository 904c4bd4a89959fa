"""Training in phases, each with more layers open than the one before; a killed run goes on in the phase it was in.

Every phase has a folder below `phases`; when it is done, only its record, history and last weights are kept, and of all
phases together the best weights.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import lightning
from safetensors.torch import load_file, save_file
from torch import nn

from sonometry.io.atomic import atomic_file, write_atomic
from sonometry.plots.classification import learning_curves
from sonometry.plots.style import png
from sonometry.training.config import TrainingConfig
from sonometry.training.history import HISTORY, Row, read_history, write_history
from sonometry.training.module import TaskModule
from sonometry.training.run import RunResult, check_identity, export, fit, load_checkpoint, train_task
from sonometry.training.schedules import Phase
from sonometry.training.task import FiniteTask, Task

_DONE, _LAST, _BEST = "done.json", "last.safetensors", "best.safetensors"


def train(
    task: Task, folder: Path, config: TrainingConfig, *, options: Mapping[str, Any], progress: bool = True
) -> RunResult:
    """Train a task as it wants to be trained: in phases where it has a `schedule`, else all at once.

    The course is drawn into learning.png at the end.
    """
    schedule: Sequence[Phase] = getattr(task, "schedule", ())
    if schedule:
        finite = cast("FiniteTask", task)
        result = train_phases(finite, folder, config, schedule, options=options, progress=progress)
    else:
        result = train_task(task, folder, config, options=options, progress=progress)
    if rows := read_history(folder / HISTORY):
        write_atomic(folder / "learning.png", png(learning_curves(rows)))
    return replace(result, notes=getattr(task, "notes", ()))


def train_phases(
    task: FiniteTask,
    folder: Path,
    config: TrainingConfig,
    schedule: Sequence[Phase],
    *,
    options: Mapping[str, Any],
    progress: bool = True,
) -> RunResult:
    """Train `task` phase after phase and export the best weights of all.

    config : epochs, patience and learning rate are those of the phases. Raises DataError for a run with other options.
    """
    options = {**options, "phases": [asdict(phase) for phase in schedule]}
    check_identity(task, folder, config, options)
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    network = task.network()
    records: list[dict[str, Any]] = []
    for number, phase in enumerate(schedule, 1):
        place = folder / "phases" / f"{number:02d}"
        if not (place / _DONE).is_file():
            if records:
                network.load_state_dict(load_file(_weights(folder, number - 1)))
            if not _train_one(task, network, folder, place, config, phase, _best_of(records), progress):
                return RunResult(folder / "weights", task.monitor, math.nan, 0)
        records.append(json.loads((place / _DONE).read_text()))
        write_history(_joined(folder, len(records)), folder / HISTORY)
    network.load_state_dict(load_file(folder / "phases" / _BEST))
    steps = sum(record["steps"] for record in records)
    export(task, network, folder, config, options, steps)
    return RunResult(folder / "weights", task.monitor, _best_of(records), steps)


def _train_one(
    task: FiniteTask,
    network: nn.Module,
    folder: Path,
    place: Path,
    config: TrainingConfig,
    phase: Phase,
    best_before: float,
    progress: bool,
) -> bool:
    """One phase; False in the helper processes of a run on several devices."""
    task.open_from(network, phase.open_from)
    own = replace(config, epochs=phase.epochs, patience=phase.patience, learning_rate=phase.learning_rate)
    module = TaskModule(task, own, network)
    done = fit(module, place, own, progress=progress, restore_best=False)
    if not done.is_main_process:
        return False
    last = {name: value.detach().cpu().clone() for name, value in module.best_network.state_dict().items()}
    load_checkpoint(module, place / "checkpoints" / "best.ckpt")
    best = {name: value.detach().cpu().clone() for name, value in module.best_network.state_dict().items()}
    if not done.best >= best_before:
        _save(best, folder / "phases" / _BEST)
    _save(best if phase.restore_best else last, place / _LAST)
    record = {"stage": phase.open_from, "best": done.best, "steps": done.steps}
    write_atomic(place / _DONE, json.dumps(record) + "\n")
    shutil.rmtree(place / "checkpoints", ignore_errors=True)
    for earlier in place.parent.glob(f"*/{_LAST}"):
        if earlier.parent != place:
            earlier.unlink()
    return True


def _save(state: Mapping[str, Any], path: Path) -> None:
    with atomic_file(path) as partial:
        save_file({name: value.contiguous() for name, value in state.items()}, partial)


def _weights(folder: Path, number: int) -> Path:
    return folder / "phases" / f"{number:02d}" / _LAST


def _best_of(records: Sequence[Mapping[str, Any]]) -> float:
    return min((record["best"] for record in records), default=math.inf)


def _joined(folder: Path, n_phases: int) -> list[Row]:
    """The histories of all phases, steps and epochs counted on, with the number of the phase."""
    rows: list[Row] = []
    step = epoch = 0.0
    for number in range(1, n_phases + 1):
        own = read_history(folder / "phases" / f"{number:02d}" / HISTORY)
        rows += [{**row, "phase": number, "step": step + row["step"], "epoch": epoch + row["epoch"]} for row in own]
        if own:
            step, epoch = step + own[-1]["step"], epoch + own[-1]["epoch"]
    return rows
