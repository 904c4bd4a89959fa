"""The commands, in the order of the help. To add one: a module with `command`, and a line here.

`command(tokens)` of a module returns the function to run; it sees the words that follow the command, because the flags
of `measure` depend on the application that is named among them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One word after `sonometry`: its module, what follows it, and its line in the help."""

    name: str
    module: str
    arguments: str
    help: str

    def function(self, tokens: Sequence[str]) -> Callable[..., int | None]:
        """Import the module and return what the command runs."""
        built: Callable[..., int | None] = importlib.import_module(self.module).command(tokens)
        return built


COMMANDS = (
    Command("demo", "sonometry.cli.demo", "[--out DIR]", "Simulate one recording of every kind and measure all."),
    Command("info", "sonometry.cli.info", "PATH...", "Tell what a file holds: frames, spacing, timing, problems."),
    Command(
        "measure", "sonometry.cli.measure", "PATH... --app NAME --out DIR", "Measure a recording and write a report."
    ),
    Command(
        "simulate", "sonometry.cli.simulate", "APP --out DIR", "Write simulated recordings with their exact truth."
    ),
    Command("deidentify", "sonometry.cli.deidentify", "IN OUT", "Take the patient out of headers and pixels."),
    Command("ingest", "sonometry.cli.ingest", "DIR", "Enter recordings into a catalogue, under pseudonyms."),
    Command("annotate", "sonometry.cli.annotate", "[export|people]", "Label, draw and score in the browser."),
    Command("import", "sonometry.cli.import_set", "SET DIR", "A public data set as manifest.csv with truth."),
    Command("splits", "sonometry.cli.splits", "", "Split by patient into train, validation and test."),
    Command("train", "sonometry.cli.train", "APP --out RUN", "Train the network of an application; resumable."),
    Command(
        "evaluate",
        "sonometry.cli.evaluate",
        "APP --data manifest.csv --out DIR",
        "Measure how good an application is on labelled recordings.",
    ),
    Command("study", "sonometry.cli.study", "list | run NAME --out DIR", "A paper's table or figure, made again."),
)
