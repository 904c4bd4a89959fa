"""The eight standard echo views and "none of these", by name; a view never travels as a bare index.

The order of the members is that of `view_names` in fields.npz and of every array of probabilities.
"""

from __future__ import annotations

from enum import StrEnum


class EchoView(StrEnum):
    """Standard views of the echo view thesis; its mid short axis covers several levels between valve and apex."""

    A2C = "A2C"
    A3C = "A3C"
    A4C = "A4C"
    A5C = "A5C"
    PLAX = "PLAX"
    SAXBASAL = "SAXBASAL"
    SAXMID = "SAXMID"
    SUB4C = "SUB4C"

    @property
    def words(self) -> str:
        """As a person says it."""
        return _WORDS[self]


_WORDS = {
    EchoView.A2C: "apical two-chamber",
    EchoView.A3C: "apical three-chamber",
    EchoView.A4C: "apical four-chamber",
    EchoView.A5C: "apical five-chamber",
    EchoView.PLAX: "parasternal long axis",
    EchoView.SAXBASAL: "parasternal short axis, base",
    EchoView.SAXMID: "parasternal short axis, mid-ventricle",
    EchoView.SUB4C: "subcostal four-chamber",
}

#: What a manifest calls a recording that shows none of the eight.
NONE = "NONE"
