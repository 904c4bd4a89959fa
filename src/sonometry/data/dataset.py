"""Frames as torch data sets: an endless stream of epochs to train on, and every frame once to validate on.

Sample i of the stream is a function of (seed, i) alone: a run that is resumed sees what it would have seen.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.data import Dataset

from sonometry.data.augment import Augmentation, augmented
from sonometry.data.frames import FrameTable
from sonometry.data.sampling import balanced_order, epoch_order

Sample = dict[str, torch.Tensor]


class FrameStream(Dataset[Sample]):
    """`n_samples` augmented frames from number `first` on, epoch after epoch.

    is_balanced : every class equally often, rather than every frame once an epoch.
    A sample: image (1, rows, columns) float32 in 0-1, label, index of the frame.
    """

    def __init__(
        self,
        table: FrameTable,
        augmentation: Augmentation,
        *,
        seed: int,
        n_samples: int,
        first: int = 0,
        is_balanced: bool = False,
    ) -> None:
        self.table, self.augmentation, self.seed = table, augmentation, seed
        self.n_samples, self.first, self.is_balanced = n_samples, first, is_balanced
        self._epoch, self._order = -1, np.zeros(0, np.intp)

    def __len__(self) -> int:
        return self.n_samples

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.n_samples:
            raise IndexError(index)
        number = self.first + index
        epoch, place = divmod(number, len(self.table))
        frame = int(self._order_of(epoch)[place])
        rng = np.random.default_rng([self.seed, number])
        area = self.table.area(frame) if self.augmentation.graphics else None
        return _sample(augmented(self.table.picture(frame), self.augmentation, rng, area=area), self.table, frame)

    def _order_of(self, epoch: int) -> np.ndarray:
        if self._epoch != epoch:
            if self.is_balanced:
                order = balanced_order(self.table.labels, seed=self.seed, epoch=epoch)
            else:
                order = epoch_order(len(self.table), seed=self.seed, epoch=epoch)
            self._epoch, self._order = epoch, order
        return self._order


class FrameDataset(Dataset[Sample]):
    """Every frame once, in order, unchanged."""

    def __init__(self, table: FrameTable) -> None:
        self.table = table

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self.table):
            raise IndexError(index)
        return _sample(self.table.picture(index), self.table, index)


def _sample(picture: np.ndarray, table: FrameTable, frame: int) -> Sample:
    image = torch.from_numpy(picture.astype(np.float32)[None] / 255)
    return {"image": image, "label": torch.tensor(int(table.labels[frame])), "index": torch.tensor(frame)}
