"""Sonometry: measurements from ultrasound recordings that a person can check and trust."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

#: Public names and the module that holds them; imported on first use, so that `import sonometry` stays fast.
#: A workflow joins here and, for editors and type checkers, in __init__.pyi.
_PUBLIC = {
    "read": "sonometry.io.read",
    "measure": "sonometry.workflows.measure",
    "simulate": "sonometry.workflows.simulate",
    "deidentify": "sonometry.workflows.deidentify",
    "ingest": "sonometry.workflows.ingest",
    "splits": "sonometry.workflows.splits",
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'sonometry' has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*_PUBLIC, "__version__"])
