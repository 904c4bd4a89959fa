"""How long the view of a clip takes: decoding, preparing and classifying, in one process.

    python benchmarks/view_speed.py CLIP... [--frames 60]

Printed are milliseconds a clip and a frame (best of five), and the same for a plain loop over `pixel_array` of pydicom
where the clip is DICOM.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from sonometry.applications.view.classify import classify
from sonometry.applications.view.config import ViewConfig
from sonometry.applications.view.measure import load_networks
from sonometry.io.read import read_cine


def best(call: Callable[[], object], repeats: int = 5) -> float:
    """Shortest duration, s."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return min(taken)


def decoded_by_pydicom(path: Path) -> None:
    import pydicom

    for frame in pydicom.dcmread(path).pixel_array:
        frame.mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--frames", type=int, default=60)
    options = parser.parse_args()
    network = load_networks(ViewConfig()).frames
    for path in options.clips:
        n_frames = min(options.frames, read_cine(path).n_frames)

        def whole(path: Path = path) -> None:
            classify(read_cine(path), network, most_frames=options.frames)

        took = best(whole)
        text = f"{path.name}: {1e3 * took:.0f} ms for {n_frames} frames, {1e3 * took / n_frames:.1f} ms a frame"
        if path.suffix in (".dcm", ""):
            text += f"; pydicom alone {1e3 * best(lambda path=path: decoded_by_pydicom(path), 2):.0f} ms for all"
        print(text)


if __name__ == "__main__":
    main()
