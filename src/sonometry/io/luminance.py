"""Grey levels from the pixels that files hold.

Grey is luminance after ITU-R BT.601 (0.299 R + 0.587 G + 0.114 B), which is the Y of the YBR colour spaces of DICOM
(PS3.3 C.7.6.3.1.2). Eight bits stay uint8; deeper samples become float32 on the same scale of 0 to 255.
"""

from __future__ import annotations

import cv2
import numpy as np

#: A pixel counts as grey when its colour channels differ by less than this (JPEG leaves a few levels of colour).
GREY_TOLERANCE = 12


def grey_from_rgb(rgb: np.ndarray) -> np.ndarray:
    """Luminance of (H, W, 3) uint8 or of deeper integer or float samples, same type for uint8, else float32."""
    if rgb.dtype == np.uint8:
        grey: np.ndarray = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
        return grey
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    luminance: np.ndarray = rgb.astype(np.float32) @ weights
    return luminance


def grey_from_samples(samples: np.ndarray, bits: int) -> np.ndarray:
    """Samples of `bits` significant bits as grey: uint8 when they fit, else float32 on the scale of 0 to 255.

    Signed samples are shifted by half their range, so that the darkest is 0.
    """
    if np.issubdtype(samples.dtype, np.signedinteger):
        samples = samples.astype(np.int64) + (1 << (bits - 1))
    if bits == 8 and samples.dtype == np.uint8:
        return samples
    if bits < 8:
        return (samples.astype(np.uint16) * 255 // ((1 << bits) - 1)).astype(np.uint8)
    if bits == 8:
        return np.clip(samples, 0, 255).astype(np.uint8)
    return np.asarray(samples, np.float32) * np.float32(255.0 / ((1 << bits) - 1))


def grey_share_as_rgb(samples: np.ndarray) -> float:
    """Share of pixels (0-1) of (H, W, 3) uint8 samples that are grey if the samples are read as RGB."""
    values = samples[::3, ::3].astype(np.int16)
    spread = values.max(axis=2) - values.min(axis=2)
    return float((spread < GREY_TOLERANCE).mean())


def grey_share_as_ybr(samples: np.ndarray) -> float:
    """Share of pixels (0-1) of (H, W, 3) uint8 samples that are grey if the samples are read as YCbCr."""
    chroma = np.abs(samples[::3, ::3, 1:].astype(np.int16) - 128).max(axis=2)
    return float((chroma < GREY_TOLERANCE).mean())
