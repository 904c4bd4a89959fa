"""Contours proposed by the application that offers them: `Application.suggests` names the field of each structure."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import numpy as np

from sonometry.annotate.splines import thin_points
from sonometry.annotate.structures import contour_structure
from sonometry.core.application import Application
from sonometry.core.cine import Cine
from sonometry.core.errors import SonometryError, UsageError
from sonometry.workflows.suggest import contour_of, proposer

_LOCK = threading.Lock()
#: Fields of the clips that were measured last, by application and clip: one measurement serves all frames.
_FIELDS: OrderedDict[tuple[str, str], dict[str, np.ndarray]] = OrderedDict()
_MOST = 4
_POINTS = 14


def suggest(cine: Cine, key: str, structure_name: str, frame: int) -> dict[str, Any]:
    """Points to edit on one frame, and which method drew them. UsageError says why there are none."""
    structure = contour_structure(structure_name)
    if structure is None or not 0 <= frame < cine.n_frames:
        raise UsageError("no such contour or frame")
    application = proposer(structure.name)
    if application is None:
        raise UsageError(f"no model proposes the {structure.title} yet; draw it by hand")
    fields = _measured(application, cine, key)
    contour = contour_of(application, structure.name, fields, frame, is_closed=structure.is_closed)
    if contour is None:
        raise UsageError(f"{application.name} finds no {structure.title} in this frame; draw it by hand")
    points = thin_points(contour, is_closed=structure.is_closed, n_points=_POINTS)
    return {"points": np.round(points, 2).tolist(), "method": f"{application.name} {application.version}"}


def _measured(application: Application, cine: Cine, key: str) -> dict[str, np.ndarray]:
    from sonometry.workflows.suggest import fields_of

    with _LOCK:  # one measurement at a time: it uses all cores
        place = (application.name, key)
        if place not in _FIELDS:
            try:
                _FIELDS[place] = fields_of(application, cine)
            except SonometryError as error:
                raise UsageError(f"{application.name} cannot propose here: {error}") from error
            while len(_FIELDS) > _MOST:
                _FIELDS.popitem(last=False)
        return _FIELDS[place]
