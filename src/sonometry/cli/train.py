"""`sonometry train APP --out RUN`: the application named adds the options of its task."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from sonometry.applications import application, applications
from sonometry.cli.flags import asks_for_help, config_options, first_word, given, with_signature
from sonometry.core.errors import UsageError
from sonometry.core.options import field_types
from sonometry.training.config import TrainingConfig


def command(tokens: Sequence[str]) -> Callable[..., int | None]:
    """The command, with the options of the training and of the task of the application that comes first."""
    trainable = {name: app for name, app in applications().items() if app.task_config is not None}
    name = next((token for token in tokens if token in trainable), first_word(tokens))
    flags = [*_common(list(trainable)), *config_options(TrainingConfig, Group("Options of the training", sort_key=10))]
    if name is None:
        if not asks_for_help(tokens):
            raise UsageError(f"train needs the name of an application; there are: {', '.join(trainable)}")
        return with_signature(train, flags)
    chosen = application(name)
    if chosen.task_config is None:
        raise UsageError(f"{name} has no network to train; these have: {', '.join(trainable)}")
    group = Group(f"Options of the task of {chosen.name}", sort_key=20)
    return with_signature(train, [*flags, *config_options(chosen.load("task_config"), group)])


def train(app: str, /, *, out: Path, data: Path | None = None, config: Path | None = None, **flags: Any) -> None:
    """Train the network of an application. The same call goes on where an interrupted one ended.

    The run folder holds checkpoints, TensorBoard logs, metrics and, at the end, the weights for --weights.
    """
    from sonometry.workflows.train import train as run

    chosen = application(app)
    names = [*field_types(TrainingConfig), *field_types(chosen.load("task_config"))]
    result = run(chosen, out, data=data, config=config, show_progress=sys.stderr.isatty(), **given(flags, names))
    for note in result.notes:
        print(f"note: {note}")
    print(f"{result.monitor} {result.best:.4g} after {result.steps} steps")
    print(result.weights)


def _common(names: list[str]) -> list[Any]:
    keyword, none = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.empty
    flags = (
        ("out", Path, none, Parameter(help="Folder of the run; made if needed.", metavar="RUN")),
        ("data", Path | None, None, Parameter(help="manifest.csv of the recordings to learn from.", metavar="FILE")),
        ("config", Path | None, None, Parameter(help="YAML file with options; flags override it.", metavar="FILE")),
    )
    app = Annotated[str, Parameter(help=f"What to train: {', '.join(names)}.", metavar="APP")]
    return [
        inspect.Parameter("app", inspect.Parameter.POSITIONAL_ONLY, annotation=app),
        *(inspect.Parameter(n, keyword, default=d, annotation=Annotated[t, p]) for n, t, d, p in flags),
    ]
