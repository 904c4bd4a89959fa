"""Contours that an application proposes to a person who draws.

`Application.suggests` says for a structure where its contour lies in the fields of a measurement: "mask:1,2" is the
outline of the labels 1 and 2 in the array `mask` (T, H, W), "contour_px" an array (T, N, 2) or (N, 2) of row, column.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import ndimage
from skimage import measure as outlines

from sonometry.applications import applications
from sonometry.core.application import Application, Findings, no_progress
from sonometry.core.cine import Cine
from sonometry.workflows.measure import measure

#: Smaller regions are specks, as a share of the picture.
_SMALLEST = 1e-3


def proposer(structure: str) -> Application | None:
    """The application that proposes contours of `structure`, or None."""
    return next((one for one in applications().values() if structure in one.suggests), None)


def fields_of(application: Application, cine: Cine) -> dict[str, np.ndarray]:
    """The fields of a measurement of `cine`, with what its prerequisites report. Raises DataError, UsageError."""
    earlier = {name: measure(cine, name) for name in application.prerequisites}
    run = application.load("measure")
    findings: Findings = run(cine, application.load("config")(), prerequisites=earlier, progress=no_progress)
    return dict(findings.fields)


def contour_of(
    application: Application, structure: str, fields: Mapping[str, np.ndarray], frame: int, *, is_closed: bool
) -> np.ndarray | None:
    """(N, 2) row, column of the contour on one frame; None where there is none.

    An open one is the outline without its base: the part between the two lowest points of either side, as the mitral
    plane of an apical view lies below.
    """
    name, _, labels = application.suggests[structure].partition(":")
    array = fields.get(name)
    if array is None:
        return None
    one: Any = np.asarray(array)[frame] if array.ndim == 3 else np.asarray(array)
    if not labels:
        return one if np.isfinite(one).all() and len(one) else None
    mask = np.isin(one, [int(label) for label in labels.split(",")])
    outline = outline_of(mask)
    return outline if outline is None or is_closed else opened_at_base(outline)


def outline_of(mask: np.ndarray) -> np.ndarray | None:
    """(N, 2) outline of the largest region of a mask (H, W), without holes; None where there is hardly any."""
    regions, n_regions = ndimage.label(mask)
    if not n_regions:
        return None
    sizes = np.bincount(regions.ravel())[1:]
    if sizes.max() < _SMALLEST * mask.size:
        return None
    filled = ndimage.binary_fill_holes(regions == 1 + int(sizes.argmax()))
    padded = np.pad(filled, 1).astype(float)
    found: list[np.ndarray] = outlines.find_contours(padded, 0.5)
    return max(found, key=len)[:-1] - 1.0


def opened_at_base(outline: np.ndarray) -> np.ndarray:
    """A closed outline cut open along its base, from one basal corner over the apex to the other.

    The corners are the two points that lie lowest to the left and to the right: those with the largest depth plus, or
    minus, lateral distance from the middle.
    """
    middle = outline.mean(axis=0)
    depth, lateral = (outline - middle).T
    left, right = int(np.argmax(depth - lateral)), int(np.argmax(depth + lateral))
    ways = [_between(outline, left, right), _between(outline, right, left)[::-1]]
    return min(ways, key=lambda way: float(way[:, 0].min()))


def _between(outline: np.ndarray, first: int, last: int) -> np.ndarray:
    n = len(outline)
    return outline[(first + np.arange((last - first) % n + 1)) % n]
