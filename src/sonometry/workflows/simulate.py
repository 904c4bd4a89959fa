"""A simulated recording with its exact truth, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sonometry.applications import applications
from sonometry.core.application import Application, Simulated
from sonometry.core.errors import UsageError
from sonometry.core.options import nearest
from sonometry.core.simulation import Simulation
from sonometry.core.study import Recording
from sonometry.simulation.named import SIMULATIONS
from sonometry.workflows.config import Configuration, resolve


def simulate(
    app: str | Application, *, seed: int = 0, config: Configuration = None, **options: Any
) -> tuple[Recording, Mapping[str, np.ndarray]]:
    """A recording of the kind that `app` measures, and its truth with arrays named as in fields.npz.

    The same seed and options give the same recording. `config` is the simulation's configuration (dataclass, mapping
    or YAML path); `options` override it by field name. Raises UsageError for an unknown application or option.
    """
    simulation = simulation_of(app)
    made = simulated(simulation, seed=seed, settings=settings_of(simulation, config, options))
    return made.recording, made.truth


def simulations() -> dict[str, Simulation]:
    """All simulations by name: those of the applications first, then those without one."""
    found = {name: simulation_of(application) for name, application in applications().items()}
    return {**found, **{name: one for name, one in SIMULATIONS.items() if name not in found}}


def simulation_of(app: str | Application | Simulation) -> Simulation:
    """The simulation of an application, or the one of that name; UsageError lists what there is."""
    if isinstance(app, Simulation):
        return app
    if isinstance(app, Application):
        return Simulation(app.name, app.title, app.version, app.simulate, app.simulation_config, app.cohort)
    found = simulations()
    if app not in found:
        raise UsageError(f"unknown application {app!r}; {nearest(app, found)}")
    return found[app]


def settings_of(simulation: Simulation | Application, config: Configuration, options: Mapping[str, Any]) -> Any:
    """The configuration of a simulation, or None where nothing was asked for (it then varies freely)."""
    if config is None and not options:
        return None
    return resolve(simulation.load("simulation_config"), config, options)


def simulated(simulation: Simulation | Application, *, seed: int, settings: Any = None) -> Simulated:
    """What the simulation gives; UsageError for a negative seed."""
    check_seed(seed)
    made: Simulated = simulation.load("simulate")(seed, settings)
    return made


def check_seed(seed: int) -> None:
    """UsageError for a seed that no generator takes."""
    if seed < 0:
        raise UsageError(f"--seed must be 0 or more, got {seed}")
