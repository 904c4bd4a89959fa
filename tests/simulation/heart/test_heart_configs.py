"""Ready cohorts of simulated hearts: every file of configs/heart gives the options of one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sonometry.simulation.named import SIMULATIONS
from sonometry.workflows.config import resolve

FOLDER = Path(__file__).resolve().parents[3] / "configs" / "heart"
FILES = sorted(FOLDER.glob("*.yaml"))


def test_there_are_ready_cohorts():
    assert {f.stem for f in FILES} >= {"balanced", "confounded", "strain"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_ready_cohort_gives_its_first_clip(path):
    simulation = SIMULATIONS["strain" if path.stem == "strain" else "view"]
    options = resolve(simulation.load("simulation_config"), path)
    quick = replace(options, frames=1, size_px=(64, 64))
    simulated = next(simulation.load("cohort")(3, 0, quick))
    assert simulated.labels["vendor"] == "aurelia"
    assert simulated.recording.shape == (1, 64, 64)
