"""Options of training the networks of elastography: the refinement network, and the two of Wu et al. 2018."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sonometry.core.errors import UsageError

NetworkName = Literal["refinement", "wu2018-displacement", "wu2018-strain"]


def _about(text: str) -> dict[str, str]:
    return {"help": text}


@dataclass(frozen=True)
class TaskConfig:
    """Options of `sonometry train elastography`."""

    network: NetworkName = field(
        default="refinement",
        metadata=_about(
            "What to train: refinement (of the method sonometry), or one of the two networks of the paper, "
            "wu2018-displacement and then wu2018-strain, which needs the weights of the first"
        ),
    )
    widths: tuple[int, ...] = field(
        default=(32, 64, 96, 128, 128), metadata=_about("Channels of the levels of the network")
    )
    pool: int = field(
        default=1500,
        metadata=_about("Simulated pairs that are made once and kept in the pool folder; 0 makes every sample anew"),
    )
    pool_start: int = field(
        default=400, metadata=_about("Pairs that the first samples are drawn from; the pool grows from here")
    )
    pool_growth: int = field(default=8, metadata=_about("Samples drawn for every further pair of the pool"))
    pool_folder: str = field(default="pool", metadata=_about("Folder of the pool, in the run folder unless absolute"))
    paper_share: float = field(
        default=0.5,
        metadata=_about("Share of pairs that look like the paper's; the others are drawn from the wide distribution"),
    )
    varied_share: float = field(
        default=0.6, metadata=_about("Share of the others whose tissue is uneven, with irregular outlines")
    )
    crop_rows: int = field(default=256, metadata=_about("Height of a training image in pixels"))
    crop_lines: int = field(default=128, metadata=_about("Width of a training image in pixels"))
    axial_weight: float = field(default=0.5, metadata=_about("Weight of the axial displacement in the loss"))
    lateral_weight: float = field(default=0.1, metadata=_about("Weight of the lateral displacement"))
    strain_weight: float = field(default=1.0, metadata=_about("Weight of the strain"))
    tie_weight: float = field(
        default=0.2, metadata=_about("Weight of the gradient of the displacement against the true strain")
    )
    variance_weight: float = field(default=0.1, metadata=_about("Weight of the log-variances"))
    n_validation: int = field(
        default=12, metadata=_about("Pairs that tell the best weights, a quarter of them of the wide distribution")
    )

    n_calibration: int = field(
        default=192, metadata=_about("Held-out pairs that the standard deviations are calibrated on; 0 leaves them")
    )
    tissues: int = field(default=40, metadata=_about("Of the paper's networks: simulated pairs that patches come from"))
    tissue_folder: str = field(
        default="",
        metadata=_about(
            "Of the paper's networks: folder that keeps the simulated tissues, so that both networks can share them; "
            "in the run folder when empty"
        ),
    )
    patches: int = field(default=512, metadata=_about("Of the paper's networks: patches of one sample of a batch"))
    patch_rows: int | None = field(
        default=None, metadata=_about("Height of a patch; the paper's 71 (displacement) or 61 (strain) when absent")
    )
    patch_columns: int = field(default=9, metadata=_about("Width of a patch of the paper's networks"))
    layers: int | None = field(
        default=None,
        metadata=_about("Locally-connected layers; the paper's 5 (displacement) or 3 (strain) when absent"),
    )
    dense_layers: int = field(default=3, metadata=_about("Fully-connected layers of the paper's networks"))
    pooling: Literal["max", "avg"] = field(default="max", metadata=_about("Pooling of the paper's networks"))
    dilation: int = field(default=1, metadata=_about("Dilation of the kernels of the paper's networks"))
    displacement_weights: str = field(
        default="",
        metadata=_about("Of wu2018-strain: folder of weights of the displacement network; shipped when empty"),
    )

    def __post_init__(self) -> None:
        if self.network not in ("refinement", "wu2018-displacement", "wu2018-strain"):
            raise UsageError(f"--network must be refinement, wu2018-displacement or wu2018-strain, got {self.network}")
        for name in ("tissues", "patches", "patch_columns", "dense_layers", "dilation"):
            if getattr(self, name) < 1:
                raise UsageError(f"--{name.replace('_', '-')} must be at least 1, got {getattr(self, name)}")
        if not self.widths or min(self.widths) < 1:
            raise UsageError(f"--widths needs one or more positive numbers, got {self.widths}")
        for name in ("paper_share", "varied_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"--{name.replace('_', '-')} must lie between 0 and 1, got {getattr(self, name)}")
        for name in ("pool_growth", "crop_rows", "crop_lines", "n_validation"):
            if getattr(self, name) < 1:
                raise UsageError(f"--{name.replace('_', '-')} must be at least 1, got {getattr(self, name)}")
