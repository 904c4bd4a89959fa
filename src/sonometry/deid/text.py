"""Text in pictures, found by the detection network of RapidOCR (PP-OCRv4, DBNet) through onnxruntime.

Only where text is matters here, never what it says: nothing is recognised, so nothing read can reach a log. The network
gives a probability per pixel that shrunken text covers it (Liao et al. 2020, doi:10.1609/aaai.v34i07.6812); lines are
its connected parts, grown back by the distance A * unclip / P.
"""

from __future__ import annotations

import functools
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sonometry.core.errors import UsageError

#: The one command that brings the models without the desktop build of OpenCV (which would overwrite the headless one).
INSTALL = "pip install --no-deps rapidocr-onnxruntime==1.4.4 && pip install pyclipper Shapely PyYAML six tqdm Pillow"
#: The network halves its input five times.
_STRIDE = 32
#: Tiles bound the memory; text longer than the overlap is still found in parts, and parts are masked as well.
_TILE_PX = 1280
_OVERLAP_PX = 160
_MEAN, _SCALE = 0.5, 0.5
#: Lines broader than this, and than this share of the picture, are tissue. Letters of 24 px give boxes of 29 px.
_BROADEST_PX, _MAX_BREADTH = 44.0, 0.08


@dataclass(frozen=True)
class TextOptions:
    """How text is found.

    zoom : enlargement of the picture before the network; 2 finds capitals 8 px high.
    threshold : probability above which a pixel belongs to a line.
    line_threshold : mean probability of a line; below it, it is no text.
    unclip : how far a line grows back from its shrunken core.
    margin_px : additional border in the pixels of the picture.
    threads : threads of the network.
    """

    zoom: float = 1.5
    threshold: float = 0.3
    line_threshold: float = 0.5
    unclip: float = 1.7
    margin_px: float = 1.0
    threads: int = 2


@dataclass(frozen=True, eq=False)
class TextLine:
    """One line: its four corners (4, 2) as column, row in pixels of the picture, and the mean probability."""

    corners_px: np.ndarray
    probability: float


def find_text(picture: np.ndarray, options: TextOptions | None = None) -> tuple[TextLine, ...]:
    """Lines of text in an (H, W, 3) uint8 picture.

    Raises UsageError with the command that installs the models where they are missing.
    """
    options = options or TextOptions()
    probability = text_probability(picture, options)
    return lines_of(probability, picture.shape[:2], options)


def text_mask(lines: tuple[TextLine, ...], shape: tuple[int, int]) -> np.ndarray:
    """(H, W) bool, true under the lines."""
    mask = np.zeros(shape, np.uint8)
    for line in lines:
        cv2.fillConvexPoly(mask, np.round(line.corners_px).astype(np.int32), 1)
    return mask.astype(bool)


def text_probability(picture: np.ndarray, options: TextOptions) -> np.ndarray:
    """(h, w) float32 probability of text on the enlarged grid, `zoom` times the picture, tile by tile."""
    height, width = (max(_STRIDE, round(n * options.zoom)) for n in picture.shape[:2])
    interpolation = cv2.INTER_CUBIC if options.zoom > 1 else cv2.INTER_AREA
    enlarged = cv2.resize(picture, (width, height), interpolation=interpolation)
    probability = np.zeros((height, width), np.float32)
    for top in _starts(height):
        for left in _starts(width):
            tile = slice(top, min(top + _TILE_PX, height)), slice(left, min(left + _TILE_PX, width))
            found = _tile_probability(enlarged[tile], options.threads)
            probability[tile] = np.maximum(probability[tile], found)
    return probability


def lines_of(probability: np.ndarray, shape: tuple[int, int], options: TextOptions) -> tuple[TextLine, ...]:
    """Connected parts of the probability map as rotated boxes in pixels of a picture of `shape`."""
    binary = cv2.dilate((probability > options.threshold).astype(np.uint8), np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(binary, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    scale = np.array([shape[1] / probability.shape[1], shape[0] / probability.shape[0]])
    max_breadth = max(_BROADEST_PX, _MAX_BREADTH * min(shape)) / scale.mean()
    lines = []
    for contour in contours:
        (centre, (length, breadth), angle) = cv2.minAreaRect(contour)
        grow = 2 * length * breadth * options.unclip / (2 * (length + breadth)) + 2 * options.margin_px / scale.mean()
        if min(length, breadth) < 2 or min(length, breadth) + grow > max_breadth:
            continue
        mean = _mean_inside(probability, contour)
        if mean < options.line_threshold:
            continue
        corners = cv2.boxPoints((centre, (length + grow, breadth + grow), angle))
        lines.append(TextLine(corners * scale, mean))
    return tuple(lines)


def _mean_inside(probability: np.ndarray, contour: np.ndarray) -> float:
    left, top, width, height = cv2.boundingRect(contour)
    inside = np.zeros((height, width), np.uint8)
    cv2.fillPoly(inside, [contour - (left, top)], 1)
    return float(probability[top : top + height, left : left + width][inside > 0].mean())


def _starts(length: int) -> list[int]:
    """First pixels of tiles that cover `length` with overlap."""
    if length <= _TILE_PX:
        return [0]
    n_tiles = int(np.ceil((length - _OVERLAP_PX) / (_TILE_PX - _OVERLAP_PX)))
    return [int(start) for start in np.linspace(0, length - _TILE_PX, n_tiles)]


def _tile_probability(tile: np.ndarray, threads: int) -> np.ndarray:
    height, width = tile.shape[:2]
    bottom, right = -height % _STRIDE, -width % _STRIDE
    padded = cv2.copyMakeBorder(tile, 0, bottom, 0, right, cv2.BORDER_CONSTANT)
    blob = cv2.dnn.blobFromImage(padded, 1 / 255 / _SCALE, mean=(255 * _MEAN,) * 3)
    session, name = _session(threads)
    found: np.ndarray = session.run(None, {name: blob})[0][0, 0, :height, :width]
    return found


def check_models() -> Path:
    """Path of the detection model; UsageError with the command that installs it."""
    spec = importlib.util.find_spec("rapidocr_onnxruntime")
    folder = Path(next(iter(spec.submodule_search_locations or ["."]))) if spec else Path()
    model = folder / "models" / "ch_PP-OCRv4_det_infer.onnx"
    if spec is None or not model.is_file():
        raise UsageError(f"finding text in pictures needs rapidocr-onnxruntime 1.4.4, which is missing. Run: {INSTALL}")
    return model


@functools.cache
def _session(threads: int) -> tuple[Any, str]:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(check_models()), settings, providers=["CPUExecutionProvider"])
    return session, session.get_inputs()[0].name
