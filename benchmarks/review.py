"""Measure the real recordings of ../shared/data and write every report into one folder, to be looked at.

    python benchmarks/review.py --out review [--only arm] [--picture docs/pictures/arm_strain.png]

The folder is ignored by git: only the arm recordings (MIT licence) may be shown elsewhere, with attribution.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from sonometry.applications import application, applications
from sonometry.cli.summary import print_numbers
from sonometry.core.errors import SonometryError
from sonometry.core.report import NOTICE
from sonometry.io.facts import Facts
from sonometry.reports.html import Entry, render_index
from sonometry.workflows.measure import measure

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@dataclass(frozen=True)
class Case:
    """Files that belong together, the application to measure them with, and what the files do not say."""

    name: str
    app: str
    pattern: str
    facts: Facts = field(default_factory=Facts)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def paths(self) -> list[Path]:
        return sorted(DATA.glob(self.pattern))


ARM = Facts(sampling_mhz=38.5, centre_mhz=5.0, pitch_mm=0.2)
LIVER = Facts(centre_mhz=15.0)

#: An application joins here with its real recordings.
CASES = (
    Case("arm_299", "elastography", "elastography/arm_in_vivo/299/*.mhd", ARM),
    Case("arm_300", "elastography", "elastography/arm_in_vivo/300/*.mhd", ARM),
    Case("arm_299_first_to_last", "elastography", "elastography/arm_in_vivo/299/*.mhd", ARM, {"pair": (0, 5)}),
    Case("mouse_liver", "elastography", "elastography/mouse_liver/*.mha", LIVER),
)


def main() -> int:
    """Measure, print one line a case, write the index; 1 if there was nothing to measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("review"))
    parser.add_argument("--only", default="", help="measure the cases whose name starts so")
    parser.add_argument("--picture", type=Path, help="write the first picture of the first case here")
    given = parser.parse_args()
    entries = []
    for case in CASES:
        if case.name.startswith(given.only) and case.app in applications():
            entries += reviewed(case, given.out / case.name)
    if not entries:
        print(f"no recordings found; expected them in {DATA.parent.name}/{DATA.name} beside the repository")
        return 1
    if given.picture is not None:
        picture = entries[0].picture
        given.picture.parent.mkdir(parents=True, exist_ok=True)
        given.picture.write_bytes(picture.data if picture else b"")
    given.out.mkdir(exist_ok=True)
    page = given.out / "report.html"
    page.write_text(render_index(entries, title="Review", introduction="Real recordings.", notice=NOTICE))
    print(page)
    return 0


def reviewed(case: Case, folder: Path) -> list[Entry]:
    """The entry of a case; empty where its files are absent or cannot be measured, which is said."""
    if not case.paths:
        print(f"{case.name}: absent")
        return []
    try:
        report = measure(case.paths, case.app, facts=case.facts, out=folder, **case.options)
    except SonometryError as error:
        print(f"{case.name}: {error}")
        return []
    print(f"{case.name}: ", end="")
    print_numbers(report, application(case.app))
    return [Entry(application(case.app), report, PurePosixPath(case.name, "report.html"), case.name)]


if __name__ == "__main__":
    sys.exit(main())
