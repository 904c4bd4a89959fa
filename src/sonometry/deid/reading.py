"""Whether a found line can be read: the second opinion on what is left after masking.

The detection network also fires on bright layers of tissue, the more so between black boxes. The recognition network of
RapidOCR (PP-OCRv4, a CTC network; Graves et al. 2006, doi:10.1145/1143844.1143891) tells letters from layers by the
probability of its best characters. Which characters they are is never looked at.
"""

from __future__ import annotations

import functools
from typing import Any

import cv2
import numpy as np

from sonometry.deid.text import TextLine, check_models

_MODEL = "ch_PP-OCRv4_rec_infer.onnx"
_HEIGHT, _MIN_WIDTH, _MAX_WIDTH = 48, 48, 960
#: Text has at least this many characters with at least this mean probability.
_MIN_CHARACTERS, _MIN_PROBABILITY = 2, 0.6


def is_readable(picture: np.ndarray, line: TextLine) -> bool:
    """Whether the line in an (H, W, 3) uint8 picture reads as text, upright or upside down."""
    crop = _straightened(picture, line.corners_px)
    if crop is None:
        return False
    return any(_reads(turned) for turned in (crop, crop[::-1, ::-1]))


def _straightened(picture: np.ndarray, corners: np.ndarray) -> np.ndarray | None:
    """The line as an upright strip of the height the network wants; None when it is too small."""
    (centre, size, angle) = cv2.minAreaRect(corners.astype(np.float32))
    length, breadth = max(size), min(size)
    angle = angle if size[0] >= size[1] else angle - 90
    if breadth < 4:
        return None
    width = int(np.clip(round(length * _HEIGHT / breadth), _MIN_WIDTH, _MAX_WIDTH))
    turn = np.deg2rad(angle if angle > -45 else angle + 180)
    along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    start = np.array(centre) - along * length / 2 - across * breadth / 2
    source = np.array([start, start + along * length, start + across * breadth], np.float32)
    target = np.array([[0, 0], [width, 0], [0, _HEIGHT]], np.float32)
    strip: np.ndarray = cv2.warpAffine(picture, cv2.getAffineTransform(source, target), (width, _HEIGHT))
    return strip


def _reads(strip: np.ndarray) -> bool:
    session, name = _session()
    blob = cv2.dnn.blobFromImage(strip, 1 / 127.5, mean=(127.5,) * 3)
    scores = session.run(None, {name: blob})[0][0]  # (steps, characters), the first of which is the blank
    best = scores.argmax(axis=1)
    begins = (best != 0) & (best != np.concatenate([[0], best[:-1]]))
    return int(begins.sum()) >= _MIN_CHARACTERS and float(scores.max(axis=1)[begins].mean()) >= _MIN_PROBABILITY


@functools.cache
def _session() -> tuple[Any, str]:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    settings.log_severity_level = 4
    model = check_models().with_name(_MODEL)
    session = onnxruntime.InferenceSession(str(model), settings, providers=["CPUExecutionProvider"])
    return session, session.get_inputs()[0].name
