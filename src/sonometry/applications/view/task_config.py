"""Options of training the view networks; importing them needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sonometry.core.errors import UsageError
from sonometry.training.classification_config import ClassificationConfig


@dataclass(frozen=True)
class TaskConfig(ClassificationConfig):
    __doc__ = f"""Options of `sonometry train view`: those of a classifier on a manifest, and of simulated pictures.

    level : "frames" learns the view of one frame; "clips" learns the view of a clip from the embeddings of its frames.
    frame_weights : of the network that gives the embeddings; those that come with Sonometry when absent.
    start_weights : folder of weights from which the frame network goes on learning; from nothing when absent.
    start_share : of these weights in what is written at the end: the mean of the weights before and after learning on
        does better on pictures of other sources than either (Wortsman et al. 2022, arXiv:2109.01903).
    widths : channels of the levels of the frame network.
    stem : channels of its first layer.
    width : channels of the clip network.
    dropout : before the scores.
    label_smoothing : share of each target spread over all labels.
    reuse : how often, on average, a simulated frame is seen before another is made.
    first_blocks : blocks of frames that are there from the start.
    pool_folder : where frames are kept, relative to the run.
    variations : ways in which each clip is varied for the clip network.
    n_validation : simulated frames of other patients that tell the best weights.

    {ClassificationConfig.__doc__}
    With a manifest, backbone is view by default: the shipped network, which pretrained starts from its own weights, and
    fit is content: what is bright and thick, on a square.
    """

    backbone: str = "view"
    fit: Literal["content", "stretch", "pad"] = "content"  # type: ignore[assignment]
    level: Literal["frames", "clips"] = "frames"
    frame_weights: Path | None = None
    start_weights: Path | None = None
    start_share: float = 0.0
    widths: tuple[int, ...] = (48, 96, 160, 224)
    stem: int = 24
    width: int = 48
    dropout: float = 0.2
    label_smoothing: float = 0.03
    reuse: int = 10
    first_blocks: int = 8
    pool_folder: str = "pool"
    variations: int = 4
    n_validation: int = 576

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.level not in ("frames", "clips"):
            raise UsageError(f"--level must be frames or clips, got {self.level}")
        if self.start_weights is not None and self.level != "frames":
            raise UsageError("--start-weights goes with --level frames; clip networks are trained from nothing")
        if not 0 <= self.start_share < 1 or (self.start_share and self.start_weights is None):
            raise UsageError("--start-share must lie in [0, 1) and needs --start-weights")
        for name in ("stem", "width", "reuse", "first_blocks", "variations", "n_validation"):
            if getattr(self, name) < 1:
                raise UsageError(f"--{name.replace('_', '-')} must be 1 or more, got {getattr(self, name)}")
        if not 0 <= self.dropout < 1 or not 0 <= self.label_smoothing < 1:
            raise UsageError("--dropout and --label-smoothing must lie in [0, 1)")
