"""The first frame as a picture."""

import io

import numpy as np
from PIL import Image

from sonometry.core import Figure


def figures(recording, findings, config):
    stream = io.BytesIO()
    Image.fromarray(np.asarray(recording.frame(0))).save(stream, "png")
    return (Figure("frame", "First frame", "Grey levels as recorded.", stream.getvalue()),)
