"""RF of one file as its format gives it, before axes are turned and facts completed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sonometry.core.source import Device
from sonometry.io.rf_facts import StatedFacts

#: Usual positions of (time, axial, line), by what writes the files.
MATLAB_ORDER = (2, 0, 1)
PYTHON_ORDER = (0, 1, 2)


@dataclass(frozen=True, eq=False)
class StoredRF:
    """Samples and facts of one file.

    samples : real numbers, three axes in the order of the file; may be a memory map.
    usual_order : positions of (time, axial, line) by the custom of the format.
    axis_spacing_m : distance between samples along each axis as stored, where the file has it.
    is_order_certain : the format fixes the order, so it is not looked for in the data.
    paths : the file, and the data file of a header.
    """

    samples: np.ndarray
    usual_order: tuple[int, int, int]
    stated: StatedFacts
    format: str
    paths: tuple[Path, ...]
    device: Device = field(default_factory=Device)
    axis_spacing_m: tuple[float, float, float] | None = None
    is_order_certain: bool = False
