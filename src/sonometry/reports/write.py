"""A report as files: the record, its page, its figures, its arrays and, beside DICOM input, its DICOM views.

All of them appear together or not at all.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sonometry.core.application import Application
from sonometry.core.errors import DataError
from sonometry.core.report import Figure, Report
from sonometry.core.study import Recording
from sonometry.io.atomic import atomic_dir, write_atomic
from sonometry.io.own_results import OVERLAY, RECORD, STRUCTURED_REPORT, result_files
from sonometry.reports.build import parts
from sonometry.reports.html import render_report

PAGE, FIELDS = "report.html", "fields.npz"

logger = logging.getLogger(__name__)


def write_report(
    report: Report, directory: Path | str, *, application: Application, recording: Recording | None = None
) -> Path:
    """Write every file of `report` into `directory` and return the path of its page.

    Given the `recording` it was measured on, and that came from DICOM, the Structured Report and Secondary Capture are
    written too; a source they cannot be built on is said in the report's warnings. Figures and DICOM results of a
    former report in the same folder are removed, since they would be taken for this one's; nothing else is. Raises
    OutputError; then nothing was written.
    """
    directory = Path(directory)
    former = result_files(directory)
    with atomic_dir(directory) as partial:
        if recording is not None:
            report = _with_dicom(report, recording, partial)
        for figure in report.figures:
            write_atomic(partial / figure.file_name, figure.data)
        write_atomic(partial / FIELDS, packed(report))
        write_atomic(partial / RECORD, report.dumps())
        write_atomic(partial / PAGE, render_report(report, application))
        written = {path.name for path in partial.iterdir()}
    for name in former - written:
        (directory / name).unlink(missing_ok=True)
    return directory / PAGE


def packed(report: Report) -> bytes:
    """The arrays of the report as the bytes of fields.npz."""
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **dict(report.fields))
    return stream.getvalue()


def dicom_source(recording: Recording) -> Path | None:
    """The first DICOM file a recording was read from; None for anything else."""
    for part in parts(recording):
        if part.source.format.startswith("DICOM") and part.source.paths:
            return part.source.paths[0]
    return None


def overlay_figure(figures: Sequence[Figure]) -> Figure | None:
    """The picture that goes back to the archive: the one named "overlay", else the first PNG."""
    pictures = [f for f in figures if f.media_type == "image/png"]
    named = [f for f in pictures if f.name == "overlay"]
    return next(iter(named or pictures), None)


def _with_dicom(report: Report, recording: Recording, directory: Path) -> Report:
    source = dicom_source(recording)
    if source is None:
        return report
    from sonometry.io.dicom_write import write_secondary_capture, write_structured_report

    try:
        write_structured_report(report, source, directory / STRUCTURED_REPORT)
        if (figure := overlay_figure(report.figures)) is not None:
            write_secondary_capture(_decoded(figure), source, directory / OVERLAY)
    except DataError as error:
        logger.info("DICOM results left out: %s", type(error).__name__)
        for name in (STRUCTURED_REPORT, OVERLAY):
            (directory / name).unlink(missing_ok=True)
        return replace(report, warnings=(*report.warnings, f"DICOM results were not written: {error}"))
    return report


def _decoded(figure: Figure) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a PNG, on white where it is transparent."""
    from PIL import Image

    picture = Image.open(io.BytesIO(figure.data)).convert("RGBA")
    page = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(page, picture).convert("RGB"))
