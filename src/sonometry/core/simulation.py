"""What a name simulates: plain data that names its callables as text, as `core.application` does."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: A callable or class, or where it is: "module:attribute".
Reference = str | Callable[..., Any]


def load_reference(reference: Reference) -> Any:
    """The callable or class that is meant; imports its module where it is named as text."""
    if not isinstance(reference, str):
        return reference
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)


@dataclass(frozen=True)
class Simulation:
    """Recordings with exact truth, of an application or of their own.

    simulate : (seed, options | None) -> core.application.Simulated; the same seed gives the same recording.
    simulation_config : dataclass of the options.
    cohort : (seed of the cohort, number of the patient, options | None) -> iterator of Simulated: all clips of one
        patient, one at a time, with the same `subject_key` in their labels. None: every clip is a subject of its own.
    """

    name: str
    title: str
    version: str
    simulate: Reference
    simulation_config: Reference
    cohort: Reference | None = None

    def load(self, part: str) -> Any:
        """Import and return what is behind "simulate", "simulation_config" or "cohort"."""
        return load_reference(getattr(self, part))
