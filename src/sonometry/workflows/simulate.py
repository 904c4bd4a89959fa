"""A simulated recording with its exact truth, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sonometry.applications import application as find_application
from sonometry.core.application import Application, Simulated
from sonometry.core.errors import UsageError
from sonometry.core.study import Recording
from sonometry.workflows.config import Configuration, resolve


def simulate(
    app: str | Application, *, seed: int = 0, config: Configuration = None, **options: Any
) -> tuple[Recording, Mapping[str, np.ndarray]]:
    """A recording of the kind that `app` measures, and its truth with arrays named as in fields.npz.

    The same seed and options give the same recording. `config` is the simulation's configuration (dataclass, mapping
    or YAML path); `options` override it by field name. Raises UsageError for an unknown application or option.
    """
    application = app if isinstance(app, Application) else find_application(app)
    made = simulated(application, seed=seed, settings=settings_of(application, config, options))
    return made.recording, made.truth


def settings_of(application: Application, config: Configuration, options: Mapping[str, Any]) -> Any:
    """The configuration of a simulation, or None where nothing was asked for (the application then varies freely)."""
    if config is None and not options:
        return None
    return resolve(application.load("simulation_config"), config, options)


def simulated(application: Application, *, seed: int, settings: Any = None) -> Simulated:
    """What the application's simulation gives; UsageError for a negative seed."""
    check_seed(seed)
    made: Simulated = application.load("simulate")(seed, settings)
    return made


def check_seed(seed: int) -> None:
    """UsageError for a seed that no generator takes."""
    if seed < 0:
        raise UsageError(f"--seed must be 0 or more, got {seed}")
