"""The page in a real browser: it draws, fits a narrow window, prints, and asks for nothing from elsewhere."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sonometry as sm

pytestmark = pytest.mark.peers

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--enable-logging=stderr",
)  # fmt: skip


@pytest.fixture
def page(third_party, tmp_path) -> Path:
    recording, _ = sm.simulate("echo_level", seed=1)
    sm.measure(recording, "echo_level", out=tmp_path / "out")
    return tmp_path / "out/report.html"


@pytest.fixture
def browse(tmp_path):
    """Run chromium on a page with more flags; its stdout, and what the page complained of."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")

    def call(page: Path, *flags: str) -> tuple[str, list[str]]:
        words = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'browser'}", *flags, page.as_uri()]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    return call


def test_the_page_has_no_complaints(page, browse):
    text, complaints = browse(page, "--dump-dom")
    assert complaints == []
    assert "Mean grey level over tissue and time" in text


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_drawn_within_its_window(page, browse, tmp_path, width):
    browse(page, f"--window-size={width},1400", f"--screenshot={tmp_path / 'page.png'}")
    picture = np.asarray(Image.open(tmp_path / "page.png").convert("L"), dtype=float)
    assert picture.std() > 10
    assert (picture[:, -3:] == picture[0, -1]).all(), "something reaches over the right edge"


def test_the_page_prints(page, browse, tmp_path):
    browse(page, f"--print-to-pdf={tmp_path / 'page.pdf'}")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
