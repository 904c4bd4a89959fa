"""`sonometry simulate APP --out DIR`: recordings with truth. The application named adds its simulation's options."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from sonometry.cli.flags import asks_for_help, config_options, first_word, given, with_signature
from sonometry.cli.progress import shown_progress
from sonometry.core.errors import UsageError
from sonometry.core.options import field_types
from sonometry.workflows.simulate import simulation_of, simulations


def command(tokens: Sequence[str]) -> Callable[..., int | None]:
    """The command, with the options of the simulation of the application that comes first."""
    found = simulations()
    name = next((token for token in tokens if token in found), first_word(tokens))
    if name is None:
        if not asks_for_help(tokens):
            raise UsageError(f"simulate needs the name of an application; there are: {', '.join(found)}")
        return with_signature(simulate, _common())
    chosen = simulation_of(name)
    group = Group(f"Options of the simulation for {chosen.name}", sort_key=10)
    taken = {parameter.name for parameter in _common()}
    flags = [flag for flag in config_options(chosen.load("simulation_config"), group) if flag.name not in taken]
    return with_signature(simulate, [*_common(), *flags])


def simulate(
    app: str, /, *, out: Path, n: int = 1, seed: int = 0, workers: int = 0, config: Path | None = None, **flags: Any
) -> None:
    """Write simulated recordings in the formats real ones come in, each with its truth, and manifest.csv.

    The same call goes on where an interrupted one ended. Options of the simulation: sonometry simulate APP --help.
    """
    from sonometry.workflows.cohort import simulate_cohort

    chosen = simulation_of(app)
    options = given(flags, list(field_types(chosen.load("simulation_config"))))
    with shown_progress(f"simulate {app}") as progress:
        manifest = simulate_cohort(
            chosen,
            out,
            n=n,
            seed=seed,
            workers=workers or os.cpu_count() or 1,
            config=config,
            progress=progress,
            **options,
        )
    print(manifest)


def _common() -> list[Any]:
    keyword, none = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.empty
    flags = (
        ("out", Path, none, Parameter(help="Folder for the recordings; made if needed.", metavar="DIR")),
        ("n", int, 1, Parameter(help="How many recordings, or patients where these have several clips.", metavar="N")),
        ("seed", int, 0, Parameter(help="The same seed gives the same recordings.", metavar="S")),
        ("workers", int, 0, Parameter(help="Processes; 0 takes one for every core.", metavar="N")),
        ("config", Path | None, None, Parameter(help="YAML file with options; flags override it.", metavar="FILE")),
    )
    app = Annotated[str, Parameter(help=f"What to simulate: {', '.join(simulations())}.", metavar="APP")]
    return [
        inspect.Parameter("app", inspect.Parameter.POSITIONAL_ONLY, annotation=app),
        *(inspect.Parameter(n, keyword, default=d, annotation=Annotated[t, p]) for n, t, d, p in flags),
    ]
