"""Truth that people made: masks of some frames of a clip, in arrays named as in `fields.npz`.

People mark few frames of a clip and few structures. A frame that nobody marked is 255 in `mask`, which no structure
has, so that it cannot be taken for background; `mask_frames` names the marked ones and `mask_values` the structures
that were looked for: a value that is not among them says nothing about where that structure is.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np

#: In frames that nobody marked.
NOT_MARKED = 255


def sparse_masks(
    shape: tuple[int, int, int], masks: Mapping[int, np.ndarray], values: Sequence[int]
) -> dict[str, np.ndarray]:
    """Arrays `mask` (T, H, W) uint8, `mask_frames` (K,) and `mask_values`, in order.

    masks : (H, W) by frame. values : of the structures that were marked, without background.
    Raises ValueError for a frame beyond the clip or a mask of another size or value.
    """
    mask = np.full(shape, NOT_MARKED, np.uint8)
    allowed = {0, *values}
    for frame, marked in masks.items():
        if not 0 <= frame < shape[0] or marked.shape != shape[1:]:
            raise ValueError(f"frame {frame} with a mask of {marked.shape} does not fit a clip of {shape}")
        if not set(np.unique(marked).tolist()) <= allowed:
            raise ValueError(f"a mask holds values other than {sorted(allowed)}")
        mask[frame] = marked
    return {
        "mask": mask,
        "mask_frames": np.array(sorted(masks), np.int64),
        "mask_values": np.array(sorted(values), np.int64),
    }


def marked_masks(truth: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """Frames (K,) that have a mask, their masks (K, H, W), and the values that were looked for.

    truth : of people, or of a simulation, where every frame has its mask and every value was looked for.
    Raises KeyError without `mask`.
    """
    mask = np.asarray(truth["mask"])
    frames = np.asarray(truth["mask_frames"]) if "mask_frames" in truth else np.arange(len(mask))
    masks = mask[frames]
    if "mask_values" in truth:
        return frames, masks, tuple(int(v) for v in truth["mask_values"])
    return frames, masks, tuple(int(v) for v in np.unique(masks) if v)


def packed(truth: Mapping[str, np.ndarray]) -> bytes:
    """Content of a truth file."""
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **dict(truth))
    return stream.getvalue()
