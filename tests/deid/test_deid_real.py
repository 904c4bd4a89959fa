"""Real exports: done or refused with a reason, and nothing that can be read is left."""

from __future__ import annotations

import numpy as np
import pytest

from sonometry.core.errors import DataError
from sonometry.deid.clip import deidentify_clip, read
from sonometry.deid.frames import Frames, layout_of
from sonometry.deid.ink import darkened, zoom_for
from sonometry.deid.reading import is_readable
from sonometry.deid.text import TextOptions, find_text


@pytest.mark.data
@pytest.mark.slow
def test_nothing_that_can_be_read_is_left_in_real_exports(shared_data, rules, models):
    refused, left, sizes = {}, {}, {}
    for path in sorted((shared_data / "dicom").glob("*.dcm")):
        content = path.read_bytes()
        try:
            data = deidentify_clip(content, rules, {}).data
        except DataError as error:
            refused[path.name] = str(error)
            continue
        dataset, syntax = read(data)
        frames = Frames(dataset, layout_of(dataset, syntax))
        brightest = np.maximum.reduce([frames.rgb(index) for index in range(frames.layout.n_frames)])
        options = TextOptions(zoom=zoom_for(brightest.shape[:2]))
        lines = [*find_text(darkened(brightest), options), *find_text(brightest, options)]
        left[path.name] = sum(is_readable(brightest, line) for line in lines)
        sizes[path.name] = len(data) / len(content)
    assert len(left) >= 8, refused
    assert not any(left.values()), left
    assert max(sizes.values()) < 2
