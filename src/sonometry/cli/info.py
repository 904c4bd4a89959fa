"""`sonometry info PATH...`: what a file holds."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from sonometry.cli.flags import fact_options, given, with_signature
from sonometry.core.errors import DataError
from sonometry.io.facts import Facts


def command(tokens: Sequence[str]) -> Callable[..., int | None]:
    """The command; its flags are those of the facts."""
    paths = Annotated[list[Path], Parameter(help="Files to look into.", metavar="PATH...", negative=())]
    as_json = Annotated[bool, Parameter(help="Print a JSON list, one object a file.", negative=())]
    keyword = inspect.Parameter.KEYWORD_ONLY
    return with_signature(
        info,
        [
            inspect.Parameter("paths", inspect.Parameter.POSITIONAL_ONLY, annotation=paths),
            inspect.Parameter("json", keyword, default=False, annotation=as_json),
            *fact_options(),
        ],
    )


def info(paths: list[Path], /, **flags: Any) -> int:
    """Tell what files hold: frames, geometry, spacing, timing, regions and problems. Decodes no more than it must."""
    from sonometry.io.describe import describe

    facts = Facts(**given(flags, list(Facts.__dataclass_fields__)))
    records, status = [], 0
    for path in paths:
        try:
            found = describe(path, facts)
        except DataError as error:
            if len(paths) == 1:
                raise
            print("sonometry:", " ".join(str(error).split()), file=sys.stderr)
            status = error.exit_status
            continue
        if flags.get("json"):
            records.append(found.to_json())
        else:
            print(found, end="\n\n" if path != paths[-1] else "\n")
    if flags.get("json"):
        print(json.dumps(records, indent=2, ensure_ascii=False, allow_nan=False))
    return status
