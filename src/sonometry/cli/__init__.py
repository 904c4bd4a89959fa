"""The command line: thin, no science. One module a command, listed in `commands.py`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn


def main(tokens: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit status."""
    from sonometry.cli.run import run

    sys.exit(run(list(sys.argv[1:] if tokens is None else tokens)))
