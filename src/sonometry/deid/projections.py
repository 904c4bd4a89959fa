"""One pass over a clip: its brightest values and how much every pixel changes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from sonometry.deid.content import Projections

#: Changes are judged by at most this many frames, spread over the clip: more say nothing new about a screen.
_N_FOR_DEVIATION = 32


def project(frame_at: Callable[[int], np.ndarray], n_frames: int, threads: int = 1) -> Projections:
    """Projections of frames `frame_at(0 .. n_frames - 1)`, each (H, W, 3) uint8."""
    chosen = set(np.linspace(0, n_frames - 1, min(n_frames, _N_FOR_DEVIATION)).astype(int).tolist())
    parts = [list(range(start, n_frames, threads)) for start in range(min(threads, n_frames))]

    def fold(indices: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        first = frame_at(indices[0])
        maximum = first.copy()
        total, squares = np.zeros((2, *first.shape[:2]), np.float32)
        for index in indices:
            frame = first if index == indices[0] else frame_at(index)
            np.maximum(maximum, frame, out=maximum)
            if index in chosen:
                brightest = cv2.max(cv2.max(frame[..., 0], frame[..., 1]), frame[..., 2])
                cv2.accumulate(brightest, total)
                cv2.accumulateSquare(brightest, squares)
        return maximum, total, squares

    if len(parts) == 1:
        folded = [fold(parts[0])]
    else:
        with ThreadPoolExecutor(len(parts)) as pool:
            folded = list(pool.map(fold, parts))
    maximum = folded[0][0]
    for other, _, _ in folded[1:]:
        np.maximum(maximum, other, out=maximum)
    mean = sum(total for _, total, _ in folded) / len(chosen)
    variance = sum(squares for _, _, squares in folded) / len(chosen) - mean**2
    deviation = np.sqrt(np.maximum(variance, 0)).astype(np.float32)
    return Projections(maximum, np.asarray(mean, np.float32), deviation, n_frames)
