"""Files that a report of Sonometry wrote into a folder: its figures and DICOM results are no recordings."""

from __future__ import annotations

import json
from pathlib import Path

from sonometry.core.report import SCHEMA

RECORD = "report.json"
STRUCTURED_REPORT, OVERLAY = "measurements.dcm", "overlay.dcm"


def result_files(directory: Path) -> set[str]:
    """Names of the figures and DICOM results that belong to the report that lies in `directory`; empty for none."""
    try:
        record = json.loads((directory / RECORD).read_text(encoding="utf-8"))
        if record["schema"] != SCHEMA:
            return set()
        figures = {Path(figure["file"]).name for figure in record["figures"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return set()
    return {*figures, STRUCTURED_REPORT, OVERLAY}
