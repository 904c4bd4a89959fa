"""Small pictures of the audit as PNG: written in one step, read back exactly."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from sonometry.core.errors import DataError
from sonometry.io.atomic import write_atomic


def png(picture: np.ndarray) -> bytes:
    """(H, W, 3) uint8 RGB or (H, W) bool as the bytes of a PNG."""
    pixels = 255 * picture.astype(np.uint8) if picture.dtype == bool else picture
    done, coded = cv2.imencode(".png", pixels[..., ::-1] if pixels.ndim == 3 else pixels)
    if not done:
        raise ValueError("the picture cannot be coded")
    return coded.tobytes()


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write a picture in one step. Raises OutputError."""
    write_atomic(path, png(picture))


def read_png(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a PNG. DataError when it is damaged."""
    pixels = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise DataError(f"{path.name} in the workspace is damaged; remove it and run again")
    rgb: np.ndarray = np.ascontiguousarray(pixels[..., ::-1])
    return rgb


def read_mask(path: Path) -> np.ndarray:
    """(H, W) bool of a PNG written from a mask."""
    mask: np.ndarray = read_png(path)[..., 0] > 127
    return mask
