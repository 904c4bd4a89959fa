"""One mark that a person or a program put on a recording."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from sonometry.core.errors import DataError


@dataclass(frozen=True, eq=False)
class Annotation:
    """Exactly one of contour, label or score, on a frame or (frame None) on the whole clip or exam.

    contour_px : (N, 2) row, column, closed or open as the structure demands.
    author, round : who, and in which reading (1 is the first); always there.
    """

    clip_key: str
    structure: str
    author: str
    round: int
    time: datetime
    frame: int | None = None
    contour_px: np.ndarray | None = None
    label: str | None = None
    score: float | None = None

    def __post_init__(self) -> None:
        if not self.author or self.round < 1:
            raise DataError("an annotation needs an author and a round of 1 or more")
        if sum(v is not None for v in (self.contour_px, self.label, self.score)) != 1:
            raise DataError("an annotation holds exactly one of contour, label and score")
        if self.time.tzinfo is None:
            raise DataError("the time of an annotation needs a time zone")
        contour = self.contour_px
        if contour is not None and (contour.ndim != 2 or contour.shape[1] != 2 or not np.isfinite(contour).all()):
            raise DataError(f"a contour is (N, 2) finite row, column pixels, got {contour.shape}")
        if self.frame is not None and self.frame < 0:
            raise DataError(f"frame must not be negative, got {self.frame}")
