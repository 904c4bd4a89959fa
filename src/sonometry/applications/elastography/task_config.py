"""Options of training the refinement network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TaskConfig:
    """Options of `sonometry train elastography`.

    widths : channels of the levels of the network.
    pool : number of simulated pairs that are made once and kept in `pool_folder`; 0 simulates every sample anew.
    paper_share : share of pairs at the paper's setting; the others are drawn from the wide distribution.
    crop_rows, crop_lines : size of a training image, in blocks and lines.
    strain_weight, tie_weight, variance_weight : of the strain, of the gradient of displacement against the true strain,
        and of the log-variances.
    n_validation : pairs at the paper's setting that tell the best weights.
    """

    widths: tuple[int, ...] = (24, 40, 64, 96)
    pool: int = 1500
    pool_folder: str = "pool"
    paper_share: float = 0.5
    crop_rows: int = 192
    crop_lines: int = 96
    strain_weight: float = 1.0
    tie_weight: float = 0.3
    variance_weight: float = 0.05
    n_validation: int = 8
