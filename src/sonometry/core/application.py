"""The contract between an application and everything around it: data plus callables, nothing else.

An application package names its callables as "module:attribute", so that listing applications imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from sonometry.core.measurement import Measurement, Method
from sonometry.core.report import Figure, Report
from sonometry.core.simulation import Reference, load_reference
from sonometry.core.study import Recording
from sonometry.core.units import check_unit


@dataclass(frozen=True)
class Output:
    """A number the application gives: name, UCUM unit, what it is, and its display ("%" for a strain)."""

    name: str
    unit: str
    title: str
    display: str | None = None

    def __post_init__(self) -> None:
        check_unit(self.unit)


@dataclass(frozen=True, eq=False)
class Findings:
    """What `measure` returns: numbers, arrays for fields.npz, and warnings."""

    measurements: tuple[Measurement, ...]
    fields: Mapping[str, np.ndarray] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Simulated:
    """A simulated recording with its exact truth (arrays named as in fields.npz) and labels for the manifest."""

    recording: Recording
    truth: Mapping[str, np.ndarray]
    labels: Mapping[str, str | float | int] = field(default_factory=dict)


@dataclass(frozen=True)
class TruthCheck:
    """One comparison with the truth: `error` must not exceed `tolerance` (both in `unit`)."""

    name: str
    error: float
    tolerance: float
    unit: str

    @property
    def holds(self) -> bool:
        return self.error <= self.tolerance


class Measure(Protocol):
    """recording, options of the application -> Findings. Poor input is withheld, unusable input raises DataError."""

    def __call__(
        self, recording: Recording, config: Any, *, prerequisites: Mapping[str, Report], progress: Progress
    ) -> Findings: ...


class Progress(Protocol):
    """Told the share done (0-1) and what is being done."""

    def __call__(self, share: float, step: str) -> None: ...


def no_progress(share: float, step: str) -> None:
    """A `Progress` that tells nobody."""


@dataclass(frozen=True)
class Application:
    """One measurement as the rest of Sonometry sees it.

    accepts : kinds of recording ("cine", "rf", "signals", "study") that `measure` takes.
    prerequisites : names of applications whose report of the same recording is passed in.
    config : dataclass of every option with default; its field names are the flags.
    measure : see `Measure`.
    simulate : (seed, options | None) -> Simulated; the same seed gives the same recording.
    simulation_config : dataclass of the options of `simulate`.
    cohort : (seed of the cohort, number of the patient, options | None) -> iterator of Simulated, the clips of one
        patient; see `core.simulation.Simulation`. None: every simulated clip is a subject of its own.
    check_truth : (Findings, truth) -> tuple[TruthCheck, ...], with the declared tolerances.
    figures : (recording, Findings, config) -> tuple[Figure, ...].
    studies : () -> tuple of `core.paper_study.PaperStudy`, or None.
    task : (task options, run folder, path of the data or None) -> training task (needs the extra [train]), or None for
        an application without a network.
    task_config : dataclass of the options of `task`; importing it needs no torch.
    evaluate : (`core.paper_study.EvaluationRequest`) -> `StudyResult`, the measures on labelled recordings; or None.
    card : text of CARD.md as a resource name in the package of the application.
    suggests : contours the annotation page may propose: name of the structure, and where it lies in the fields of a
        measurement, as "mask:1,2" (outline of these labels of a (T, H, W) array) or "contour_px" ((T, N, 2) points).
    """

    name: str
    title: str
    version: str
    accepts: frozenset[str]
    outputs: tuple[Output, ...]
    config: Reference
    measure: Reference
    simulate: Reference
    simulation_config: Reference
    check_truth: Reference
    figures: Reference
    prerequisites: tuple[str, ...] = ()
    studies: Reference | None = None
    task: Reference | None = None
    task_config: Reference | None = None
    cohort: Reference | None = None
    evaluate: Reference | None = None
    card: str = "CARD.md"
    suggests: Mapping[str, str] = field(default_factory=dict, hash=False)
    package: str = ""

    def load(self, part: str) -> Any:
        """Import and return the callable or class behind one of the reference fields."""
        return load_reference(getattr(self, part))

    def output(self, name: str) -> Output:
        """The declared output called `name`."""
        for output in self.outputs:
            if output.name == name:
                return output
        raise KeyError(f"{self.name} has no output {name!r}; it has: {', '.join(o.name for o in self.outputs)}")

    def withhold_all(self, *reasons: str, method: Method) -> Findings:
        """Findings in which every declared output is withheld for the same reasons."""
        return Findings(
            tuple(
                Measurement.withheld(o.name, o.unit, *reasons, method=method, display=o.display) for o in self.outputs
            )
        )


FiguresOf = Callable[[Recording, Findings, Any], tuple[Figure, ...]]
