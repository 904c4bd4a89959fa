"""The course of a training, one row a validation: it is part of the checkpoint, so that it survives an interruption."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from sonometry.io.atomic import write_atomic

HISTORY = "history.csv"
Row = dict[str, float]


class History(Callback):
    """Keeps the mean of every training value since the last validation beside the validation values.

    Written to `folder`/history.csv at every validation. epoch_steps : steps of a pass, for the column `epoch`.
    """

    def __init__(self, folder: Path, *, epoch_steps: int = 0) -> None:
        self.folder, self.epoch_steps = folder, epoch_steps
        self.rows: list[Row] = []
        self._sums: dict[str, torch.Tensor] = {}
        self._count = 0

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])

    def on_train_batch_end(self, trainer: lightning.Trainer, *_arguments: Any) -> None:
        for name, value in trainer.callback_metrics.items():
            if name.startswith("train/"):
                self._sums[name] = self._sums.get(name, 0) + value.detach()
        self._count += 1

    def on_validation_end(self, trainer: lightning.Trainer, *_arguments: Any) -> None:
        if trainer.sanity_checking:
            return
        row: Row = {"step": trainer.global_step}
        if self.epoch_steps:
            row["epoch"] = trainer.global_step / self.epoch_steps
        row |= {name: float(total) / self._count for name, total in self._sums.items() if self._count}
        row |= {name: float(v) for name, v in trainer.callback_metrics.items() if name.startswith("val/")}
        self.rows.append(row)
        self._sums.clear()
        self._count = 0
        if trainer.is_global_zero:
            write_history(self.rows, self.folder / HISTORY)


def write_history(rows: list[Row], path: Path) -> None:
    """Rows as CSV, with all columns that occur."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, stream.getvalue())


def read_history(path: Path) -> list[Row]:
    """Rows of a history file, empty cells left out; no rows where there is none."""
    if not path.is_file():
        return []
    with path.open(newline="") as stream:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(stream)]
