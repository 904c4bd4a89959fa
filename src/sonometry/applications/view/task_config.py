"""Options of training the view network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TaskConfig:
    """Options of `sonometry train view`.

    widths : channels of the levels of the network.
    stem : channels of its first layer.
    dropout : before the scores.
    label_smoothing : share of each target spread over all labels.
    reuse : how often, on average, a simulated frame is seen before another is made.
    first_blocks : blocks of frames that are there from the start.
    pool_folder : where frames are kept, relative to the run.
    n_validation : simulated frames of other patients that tell the best weights.
    """

    widths: tuple[int, ...] = (32, 64, 96, 160)
    stem: int = 16
    dropout: float = 0.2
    label_smoothing: float = 0.03
    reuse: int = 10
    first_blocks: int = 8
    pool_folder: str = "pool"
    n_validation: int = 576
