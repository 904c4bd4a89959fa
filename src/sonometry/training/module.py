"""One Lightning module for every task: optimiser, schedule, averaged weights and logging.

Sources: AdamW, Loshchilov & Hutter 2019, arXiv:1711.05101; weight averaging, Izmailov et al. 2018, arXiv:1803.05407.
"""

from __future__ import annotations

import math
from typing import Any

import lightning
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from sonometry.models.stages import hold_frozen
from sonometry.training.config import TrainingConfig
from sonometry.training.task import Task, items_of

OPTIMISERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}


class WarmingAverage:
    """Moving average of weights that forgets faster while they are young, so that a short run is not averaged with its
    random start (as `num_updates` does in TensorFlow).

    decay : that is reached in the end. steps : updates made so far; whoever averages sets it.
    """

    def __init__(self, decay: float) -> None:
        self.decay, self.steps = decay, 0

    def __call__(self, averaged: Any, current: Any, _: Any) -> None:
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        get_ema_multi_avg_fn(decay)(averaged, current, _)


class RisingDropout:
    """Dropout of a network that rises evenly from 0 to what the network has, so that it first learns what it then must
    not rely on. Source: Morerio et al. 2017, arXiv:1703.06229, with a straight line for their curve.
    """

    def __init__(self, network: nn.Module, rise_steps: float) -> None:
        self.full = {m: m.p for m in network.modules() if isinstance(m, (nn.Dropout, nn.Dropout2d))}
        self.rise_steps = rise_steps

    def at(self, step: int) -> None:
        """Set the dropout of a step."""
        share = min(1.0, step / self.rise_steps) if self.rise_steps > 0 else 1.0
        for layer, full in self.full.items():
            layer.p = share * full

    def restore(self) -> None:
        """Give the network its own dropout back."""
        for layer, full in self.full.items():
            layer.p = full


class TaskModule(lightning.LightningModule):
    """Trains `network`, a fresh one of the task by default; `best_network` is the averaged one when averaging is on.

    Parameters that need no gradient stay as they are, with the statistics of their normalisation.
    """

    def __init__(self, task: Task, config: TrainingConfig, network: nn.Module | None = None) -> None:
        super().__init__()
        self.task = task
        self.config = config
        self.network = task.network() if network is None else network
        self.averaged = (
            AveragedModel(self.network, multi_avg_fn=WarmingAverage(config.average_decay), use_buffers=True)
            if config.average_decay
            else None
        )

    @property
    def best_network(self) -> nn.Module:
        """The network that is validated and exported."""
        return self.network if self.averaged is None else self.averaged.module

    def train(self, mode: bool = True) -> TaskModule:
        super().train(mode)
        if mode:
            hold_frozen(self.network)
        return self

    def on_train_start(self) -> None:
        hold_frozen(self.network)
        self._dropout = RisingDropout(self.network, self.config.dropout_rise * self.config.steps)

    def on_train_batch_start(self, batch: Any, index: int) -> None:
        if self.config.dropout_rise:
            self._dropout.at(self.global_step)

    def on_train_end(self) -> None:
        self._dropout.restore()

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        losses = self.task.losses(self.network, batch)
        self.log_dict({f"train/{k}": v.detach() for k, v in losses.items()}, on_step=True, on_epoch=False)
        return losses["loss"]

    def on_train_batch_end(self, outputs: Any, batch: Any, index: int) -> None:
        if self.averaged is not None:
            self.averaged.multi_avg_fn.steps = self.global_step
            self.averaged.update_parameters(self.network)

    def validation_step(self, batch: Any, index: int) -> None:
        losses = self.task.losses(self.best_network, batch)
        n_items = items_of(self.task, batch)
        self.log_dict({f"val/{k}": v for k, v in losses.items()}, on_epoch=True, sync_dist=True, batch_size=n_items)

    def configure_optimizers(self) -> Any:
        parameters = [p for p in self.network.parameters() if p.requires_grad]
        optimiser = OPTIMISERS[self.config.optimiser](parameters, lr=self.config.learning_rate, **self._in_one())
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, self._learning_rate_share)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _in_one(self) -> dict[str, Any]:
        """Adam in one pass over memory takes a fifth of the time; Lightning does not clip gradients then."""
        has_one = self.config.optimiser in ("adam", "adamw") and self.device.type in ("cpu", "cuda")
        return {"fused": True} if has_one and not self.config.gradient_clip else {}

    def _learning_rate_share(self, step: int) -> float:
        """Linear warm-up, then constant or a cosine down to 1 % at the last step."""
        warm_up = min(1.0, (step + 1) / max(1, self.config.warm_up_steps))
        if self.config.schedule == "constant":
            return warm_up
        done = min(1.0, step / max(1, self.config.steps))
        return warm_up * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))
