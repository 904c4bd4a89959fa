"""Progress of a step as a share of the whole."""

from __future__ import annotations

from sonometry.core.application import Progress


def portion(progress: Progress, low: float, high: float) -> Progress:
    """A `Progress` whose 0 to 1 is `low` to `high` of `progress`; a share outside is held at the ends."""

    def told(share: float, step: str) -> None:
        progress(low + (high - low) * min(max(share, 0.0), 1.0), step)

    return told
