"""k-fold cross-validation by patient: k runs, each validated on patients that it did not learn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.data.folds import sides_of_folds
from sonometry.data.labelled import LabelledClips
from sonometry.training.config import TrainingConfig
from sonometry.training.run import RunResult, train_task
from sonometry.training.task import Task


@dataclass(frozen=True)
class CrossValidation:
    """runs : one a fold, in order. mean, deviation : of the monitor over the folds (sample standard deviation)."""

    runs: tuple[RunResult, ...]
    mean: float
    deviation: float


def cross_validate(
    make_task: Callable[[LabelledClips, LabelledClips, Path], Task],
    clips: LabelledClips,
    folder: Path,
    config: TrainingConfig,
    *,
    k: int = 5,
    options: Mapping[str, Any],
    progress: bool = True,
) -> CrossValidation:
    """Train `k` times in `folder`/fold-1 ...; the same call goes on where an interrupted one ended.

    make_task : (train, validation, folder) -> task.
    """
    runs = []
    for number, (train, validation) in enumerate(sides_of_folds(clips, k, seed=config.seed), 1):
        place = folder / f"fold-{number}"
        own = {**options, "fold": number, "folds": k}
        runs.append(train_task(make_task(train, validation, place), place, config, options=own, progress=progress))
    values = np.array([run.best for run in runs])
    return CrossValidation(tuple(runs), float(values.mean()), float(values.std(ddof=1)))
