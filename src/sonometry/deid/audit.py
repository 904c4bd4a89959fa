"""The audit page: one file, for a person who accepts or rejects the layout of every scanner.

It shows the pixel-wise maximum over all pictures of a scanner before and after (a single name that stayed anywhere
would shine through), counts of text found in both, and the proof that kept pixels did not change. It shows identified
pixels and file names, so it stays in the workspace with the key.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from sonometry.deid.pictures import png, read_mask, read_png
from sonometry.deid.scanners import ScannerRecord, Scanners
from sonometry.io.atomic import write_atomic


@dataclass(frozen=True)
class ScannerView:
    """One scanner as the page shows it; pictures are data URIs."""

    key: str
    record: ScannerRecord
    before: str
    after: str


def write_audit(
    path: Path, scanners: Scanners, refused: Sequence[tuple[int, Path, str]], skipped: int | None, workspace: Path
) -> None:
    """Write the page in one step, readable by its owner only."""
    views = [_view(scanners, key) for key in scanners.names()]
    page = (
        _environment()
        .get_template("audit.html.j2")
        .render(scanners=views, refused=refused, skipped=skipped, workspace=str(workspace))
    )
    write_atomic(path, page)
    path.chmod(0o600)


def _view(scanners: Scanners, key: str) -> ScannerView:
    folder = scanners.folder / key
    before, after = read_png(folder / "before.png"), read_png(folder / "after.png")
    for number, mask_path in enumerate(scanners.masks()[key]):
        _outline(before, read_mask(mask_path), bright=number == 0)
    return ScannerView(key, scanners.record(key), _data_uri(before), _data_uri(after))


def _outline(picture: np.ndarray, mask: np.ndarray, *, bright: bool) -> None:
    """Draw the border of a remembered mask, the most used one in full colour."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, contours, -1, (0, 255, 120) if bright else (0, 110, 60), 1)


def _data_uri(picture: np.ndarray) -> str:
    return "data:image/png;base64," + base64.b64encode(png(picture)).decode()


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("sonometry.deid"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
