"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(20260101)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real recordings; tests that need it are marked `data` and skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real recordings are not here: {SHARED_DATA.parent.name}/{SHARED_DATA.name} beside the repository")
    return SHARED_DATA


@pytest.fixture
def third_party(monkeypatch: pytest.MonkeyPatch) -> Path:
    """An application of a third party, `echo_level`, installed beside Sonometry for one test; its folder."""
    folder = Path(__file__).parent / "third_party"
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder
