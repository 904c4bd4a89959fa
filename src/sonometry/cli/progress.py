"""Progress on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

from sonometry.core.application import Progress

#: Seconds between two lines about the same step.
PATIENCE_S = 10.0


@contextlib.contextmanager
def shown_progress(label: str) -> Iterator[Progress]:
    """A `Progress` that the user sees; gone from a terminal when the block ends."""
    if not sys.stderr.isatty():
        yield _Lines(label)
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.fields[label]}"),
        BarColumn(bar_width=28),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.description}", style="dim"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0, label=label)
        yield lambda share, step: bar.update(task, completed=share, description=step)


class _Lines:
    """One line for every new step, and for a long one every few seconds."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.step = ""
        self.said_s = 0.0

    def __call__(self, share: float, step: str) -> None:
        now_s = time.monotonic()
        if step == self.step and now_s - self.said_s < PATIENCE_S:
            return
        self.step, self.said_s = step, now_s
        with contextlib.suppress(OSError):
            print(f"{self.label}: {100 * share:3.0f} % {step}", file=sys.stderr, flush=True)
