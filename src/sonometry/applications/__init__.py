"""Every measurement Sonometry offers: found by folder here, and by the entry-point group of the same name elsewhere.

A folder (or an installed distribution) offers one `APPLICATION`. Finding them imports nothing heavy, because an
`Application` names its callables as text. A third party adds one without touching this repository:

    [project.entry-points."sonometry.applications"]
    stiffness = "my_package.stiffness:APPLICATION"
"""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points

from sonometry.core.application import Application
from sonometry.core.errors import UsageError
from sonometry.core.options import nearest

GROUP = "sonometry.applications"


class ApplicationWarning(UserWarning):
    """A third party's application is installed but cannot be used."""


def applications() -> dict[str, Application]:
    """All applications by name, those of this repository first.

    One of a third party that cannot be loaded, or that takes a name already taken, is left out with an
    `ApplicationWarning`: it must not stop the others.
    """
    found: dict[str, Application] = {one.name: one for one in _in_folders()}
    for entry_point in sorted(entry_points(group=GROUP), key=lambda e: e.name):
        one = _loaded(entry_point)
        if one is None:
            continue
        if one.name in found and found[one.name] is not one:
            _warn(entry_point, f"the name {one.name!r} is taken")
            continue
        found[one.name] = one
    return found


def application(name: str) -> Application:
    """The application called `name`; UsageError lists what there is."""
    found = applications()
    if name not in found:
        raise UsageError(f"unknown application {name!r}; {nearest(name, found)}")
    return found[name]


def _in_folders() -> Iterator[Application]:
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda m: m.name):
        if module.ispkg:
            package = importlib.import_module(f"{__name__}.{module.name}")
            if isinstance(offered := getattr(package, "APPLICATION", None), Application):
                yield offered


def _loaded(entry_point: EntryPoint) -> Application | None:
    try:
        offered = entry_point.load()
    except Exception as error:  # whatever a third party's module raises on import
        _warn(entry_point, type(error).__name__)
        return None
    if not isinstance(offered, Application):
        _warn(entry_point, f"{entry_point.value} is a {type(offered).__name__}, not an Application")
        return None
    return offered


def _warn(entry_point: EntryPoint, reason: str) -> None:
    distribution = entry_point.dist.name if entry_point.dist else "an unknown distribution"
    text = f"the application {entry_point.name!r} of {distribution} is left out: {reason}"
    warnings.warn(text, ApplicationWarning, stacklevel=3)
