"""How long after a key the next clip is on the screen, in real Chromium, of clips that are cached on the server.

    python benchmarks/annotate_first_frame.py [--frames 87] [--rows 743] [--columns 975] [--clips 8]

Printed are milliseconds from the key event to the drawn frame: of the next clip, which the page has loaded before, and
of clips that this browser has never loaded. The bar is 300 ms.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

from sonometry.annotate.desk import Desk
from sonometry.workflows.ingest import ingest

BAR_MS = 300
SHOWN = "sonometry.bench.target && sonometry.bench.player.shownKey"


def browser_driver() -> ModuleType:
    """The driver of the browser tests."""
    path = Path(__file__).parents[1] / "tests/annotate/conftest.py"
    spec = importlib.util.spec_from_file_location("annotate_browser", path)
    if spec is None or spec.loader is None:
        raise SystemExit("the tests of annotate are needed beside the benchmarks")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=87)
    parser.add_argument("--rows", type=int, default=743)
    parser.add_argument("--columns", type=int, default=975)
    parser.add_argument("--clips", type=int, default=8)
    options = parser.parse_args()
    driver = browser_driver()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shape = (options.rows, options.columns)
        driver._write_clips(folder / "clips", options.clips, n_frames=options.frames, shape=shape)
        ingest(folder / "clips", workspace=folder / "ws")
        with Desk(folder / "ws") as desk:
            for clip in desk.catalogue.clips():
                desk.frames.pictures(clip.clip_key)
        server, browser = driver.Server(folder / "ws"), driver.Browser(folder / "profile")
        try:
            measure(driver.Person(browser).page(), server.url, options.clips)
        finally:
            browser.close()
            server.kill()


def measure(page, url: str, n_clips: int) -> None:
    page.open(url)
    page.wait("document.querySelector('.cards')")
    page.run("location.hash = '#/work/Views/1'")
    page.wait(f"window.sonometry && {SHOWN}")
    following_key = "sonometry.bench.targets[sonometry.bench.index + 1].key"
    ready = f"import('/static/clips.js').then((m) => m.clip({following_key}).isComplete)"
    new = [switch(page, "ArrowUp") for _ in range(n_clips // 2 - 1)]
    page.run("sonometry.bench.open(0)")
    following = []
    for _ in range(n_clips // 2 - 1):
        page.wait(f"{SHOWN} && {ready}", timeout_s=60)
        following.append(switch(page, "ArrowDown"))
    for name, times in (("next clip, loaded before", following), ("never loaded by this browser", new)):
        print(
            f"{name:<30} median {sorted(times)[len(times) // 2]:6.0f} ms, worst {max(times):6.0f} ms; bar {BAR_MS} ms"
        )


def switch(page, key: str) -> float:
    """Press a key and return what the page measured."""
    page.run("sonometry.bench.player.lastSwitchMs = null")
    page.press(key)
    page.wait("sonometry.bench.player.lastSwitchMs !== null && sonometry.bench.target", timeout_s=60)
    time.sleep(0.5)
    return float(page.run("sonometry.bench.player.lastSwitchMs"))


if __name__ == "__main__":
    main()
