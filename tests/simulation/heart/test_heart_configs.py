"""Ready cohorts of simulated hearts: every file of configs/heart is one, and starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from sonometry.simulation.phantoms.heart import ClipOptions, View, cohort

FOLDER = Path(__file__).resolve().parents[3] / "configs" / "heart"
FILES = sorted(FOLDER.glob("*.yaml"))


def test_there_are_ready_cohorts():
    assert {f.stem for f in FILES} >= {"balanced", "confounded", "strain"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_ready_cohort_gives_its_first_clip(path):
    arguments = yaml.safe_load(path.read_text())
    options = arguments.pop("options")
    if options.get("size"):
        options["size"] = tuple(options["size"])
    quick = replace(ClipOptions(**options), n_frames=1, size=(64, 64), samples=64, beams=48, has_displacement=False)
    if "views" in arguments:
        arguments["views"] = [View(v) for v in arguments["views"]]
    labels, simulated = next(cohort(**arguments, options=quick))
    assert labels["vendor"]
    assert simulated.recording.n_frames == 1
