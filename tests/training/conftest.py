"""A tiny backbone and a tiny cohort, so that whole trainings take less than a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonometry.core.cine import Cine
from sonometry.io.dicom_write import write_cine
from sonometry.io.manifest import Manifest, ManifestRow, write_manifest


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a backbone of 12 x 16 pixels with two stages: one entry is all that it takes."""
    torch = pytest.importorskip("torch")
    from sonometry.models.backbones import BACKBONES, Backbone
    from sonometry.models.classifier import Parts
    from sonometry.models.stages import HEAD, STAGES, Stage

    nn = torch.nn

    def build(n_classes: int, _state: Any) -> Parts:
        body = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU())
        return Parts(body, nn.Sequential(nn.AvgPool2d((5, 3)), nn.Flatten()), nn.Linear(8, n_classes))

    monkeypatch.setitem(BACKBONES, "tiny", Backbone("tiny", "tiny", "none", 12, 16, "whitening", build))
    monkeypatch.setitem(STAGES, "tiny", (HEAD, Stage("input", ("body",))))
    return "tiny"


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Twelve patients of two vendors; views "LEFT" and "RIGHT" by the side of a bright disc. Path of the manifest."""
    rng, rows = np.random.default_rng(0), []
    (tmp_path / "clips").mkdir()
    for number in range(24):
        patient, view = number // 2, ("LEFT", "RIGHT")[number % 2]
        y, x = np.mgrid[:24, :32]
        disc = np.hypot(y - 12 - rng.normal(), x - (8 if view == "LEFT" else 24) - rng.normal()) < 6
        frames = np.clip(disc * 150 + rng.integers(0, 60, (3, 24, 32)), 0, 255).astype(np.uint8)
        write_cine(Cine(frames, frame_times_s=np.arange(3) / 30), tmp_path / "clips" / f"c{number}.dcm")
        split = "train" if patient < 6 else "validation" if patient < 9 else "test"
        rows.append(
            ManifestRow(
                f"c{number}",
                f"clips/c{number}.dcm",
                "cine",
                f"p{patient}",
                view=view,
                split=split,
                vendor=("A", "B")[patient % 2],
            )
        )
    write_manifest(Manifest(tuple(rows), tmp_path), tmp_path / "manifest.csv")
    return tmp_path / "manifest.csv"
