"""All data sets that can be imported, by name. A new one is a module with its `PublicSet`, and a line here."""

from __future__ import annotations

from sonometry.core.errors import UsageError
from sonometry.data.public import (
    camus,
    deepuse,
    dl_track,
    dynamometer,
    echonet,
    echonet_lvh,
    folders,
    tmed2,
    unity,
)
from sonometry.data.public.base import PublicSet

SETS: dict[str, PublicSet] = {
    one.name: one
    for one in (
        tmed2.SET,
        echonet.DYNAMIC,
        echonet.PEDIATRIC,
        echonet_lvh.SET,
        camus.SET,
        unity.SET,
        folders.SET,
        deepuse.SET,
        dynamometer.SET,
        dl_track.SET,
    )
}


def public_set(name: str) -> PublicSet:
    """The set called `name`, whatever its case and marks. UsageError that lists all names."""
    plain = {_plain(key): one for key, one in SETS.items()}
    found = plain.get(_plain(name))
    if found is None:
        raise UsageError(f"unknown set {name[:40]}; there are: {', '.join(SETS)}")
    return found


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())
