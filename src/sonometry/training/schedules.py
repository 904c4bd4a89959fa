"""Gradual unfreezing as data: which layers are opened when, for how long and at what rate.

The three schedules are those of the echo view thesis, section 4.2: early stopping (at most 20 epochs a phase, patience
3, rate 1e-4 for the head and 1e-5 after it), 10 epochs a phase at 1e-5, and the same with the best weights of a phase
put back before the next. The order of the layers is in `models.stages`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sonometry.core.errors import UsageError
from sonometry.core.options import nearest


@dataclass(frozen=True)
class Phase:
    """Training with all stages from the head down to `open_from`.

    patience : validations without a lower loss before the next phase; 0 runs all epochs. restore_best : the next phase
    starts from the best validated weights of this one, rather than the last.
    """

    open_from: str
    epochs: int
    learning_rate: float
    patience: int = 0
    restore_best: bool = False


@dataclass(frozen=True)
class Recipe:
    """A schedule before it is known for which stages."""

    epochs: int
    head_rate: float
    rate: float
    patience: int = 0
    restore_best: bool = False


RECIPES = {
    "early_stopping": Recipe(epochs=20, head_rate=1e-4, rate=1e-5, patience=3),
    "fixed": Recipe(epochs=10, head_rate=1e-5, rate=1e-5),
    "fixed_restore": Recipe(epochs=10, head_rate=1e-5, rate=1e-5, restore_best=True),
}


def phases(name: str, stage_names: Sequence[str], *, epochs: int = 0, rate_factor: float = 1.0) -> tuple[Phase, ...]:
    """One phase a stage, from the head to the input.

    epochs : of a phase, that of the recipe when 0. rate_factor : multiplies its learning rates, for few data.
    """
    if name not in RECIPES:
        raise UsageError(f"unknown schedule {name!r}; {nearest(name, RECIPES)}")
    recipe = RECIPES[name]
    return tuple(
        Phase(
            stage,
            epochs or recipe.epochs,
            rate_factor * (recipe.rate if number else recipe.head_rate),
            recipe.patience,
            recipe.restore_best,
        )
        for number, stage in enumerate(stage_names)
    )
