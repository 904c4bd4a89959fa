"""Names of the outputs of a view network, in their order: the eight standard views, and none of them."""

from __future__ import annotations

from sonometry.core.echo_views import NONE, EchoView

#: Names of the outputs of a view network, in order.
CLASS_NAMES: tuple[str, ...] = (*(view.value for view in EchoView), NONE)


def class_index(name: str) -> int:
    """Position of a label among the outputs of a network; ValueError for a name that is no label."""
    if name not in CLASS_NAMES:
        raise ValueError(f"{name!r} is no view; expected one of {', '.join(CLASS_NAMES)}")
    return CLASS_NAMES.index(name)
