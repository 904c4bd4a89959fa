"""Cases of the conformance suite: every application of this repository, and one of a third party."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from sonometry.applications import application, applications
from sonometry.core import Application, Cine, Findings, Recording, RFFrames, Signals, Simulated, Study
from sonometry.core.report import Report
from sonometry.workflows.measure import measure

SEED = 7


@dataclass(frozen=True, eq=False)
class Case:
    """One application with its simulated recording, measured once for the whole suite."""

    application: Application
    made: Simulated
    report: Report

    @property
    def findings(self) -> Findings:
        return Findings(self.report.measurements, self.report.fields, self.report.warnings)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "app" in metafunc.fixturenames:
        names = [*applications(), "echo_level"]
        cases = [pytest.param(name, marks=pytest.mark.xdist_group(f"conformance-{name}"), id=name) for name in names]
        metafunc.parametrize("app", cases, indirect=True, scope="session")


@pytest.fixture(scope="session")
def app(request: pytest.FixtureRequest) -> Application:
    """An application."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "third_party"))
        found = application(request.param)
        for part in ("config", "measure", "simulate", "simulation_config", "check_truth", "figures"):
            found.load(part)
    return found


@pytest.fixture
def case(app: Application, third_party: Path) -> Case:
    """The application with its simulated recording and the report on it."""
    return _case(app)


@dataclass(frozen=True)
class Repetition:
    """The same recording measured once more, into a folder, with the progress it told."""

    report: Report
    folder: Path
    shares: list[float]


@pytest.fixture
def again(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Repetition:
    """A second measurement of the case, made once for the whole suite."""
    folder = tmp_path_factory.getbasetemp() / f"again-{case.application.name}"
    return _again(case, folder)


@cache
def _again(case: Case, folder: Path) -> Repetition:
    shares: list[float] = []
    report = measure(
        case.made.recording, case.application, out=folder, progress=lambda share, step: shares.append(share)
    )
    return Repetition(report, folder, shares)


@cache
def _case(app: Application) -> Case:
    made = app.load("simulate")(SEED, None)
    return Case(app, made, measure(made.recording, app))


@pytest.fixture
def black(case: Case) -> Recording:
    """The recording with nothing in it."""
    return _each(case.made.recording, lambda part: _with_samples(part, np.zeros_like))


@pytest.fixture
def single_frame(case: Case) -> Recording:
    """The recording cut to its first frame; signals stay."""
    return _each(case.made.recording, _first_frame)


@pytest.fixture
def uncalibrated(case: Case) -> Recording:
    """The recording without pixel spacing."""
    return _each(case.made.recording, lambda part: replace(part, spacing_m=None) if isinstance(part, Cine) else part)


@pytest.fixture
def foreign(case: Case) -> Recording:
    """Noise of the same range, different in every frame: an organ that no application knows."""
    return _each(case.made.recording, lambda part: _with_samples(part, _noise))


def _each(recording: Recording, change: Callable[[Recording], Recording]) -> Recording:
    if isinstance(recording, Study):
        return replace(recording, recordings=tuple(change(part) for part in recording.recordings))
    return change(recording)


def _with_samples(recording: Recording, make: Callable[[np.ndarray], np.ndarray]) -> Recording:
    if isinstance(recording, Cine):
        return replace(recording, pixels=make(recording.pixels).astype(recording.pixels.dtype))
    if isinstance(recording, RFFrames):
        return replace(recording, samples=make(recording.samples).astype(np.float32))
    if isinstance(recording, Signals):
        return replace(recording, values=make(recording.values).astype(float))
    raise TypeError(type(recording).__name__)


def _first_frame(recording: Recording) -> Recording:
    if isinstance(recording, Cine):
        return replace(recording, pixels=recording.pixels[:1], frame_times_s=recording.frame_times_s[:1])
    if isinstance(recording, RFFrames):
        return replace(recording, samples=recording.samples[:1], frame_times_s=None)
    return recording


def _noise(values: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(SEED)
    if values.dtype == np.uint8:
        return rng.integers(0, 256, values.shape)
    return rng.normal(0.0, float(values.std()) or 1.0, values.shape)
