"""Opening and decoding DICOM cines, beside pydicom's pixel_array, in one run.

    python benchmarks/dicom_decode.py [--frames 87] [--file CLIP.dcm]

Without a file it makes two cines of 743 x 975 pixels: colour JPEG as scanners export it, and uncompressed grey of more
than 100 MB. It prints the time to open, in which pydicom would have read and decoded everything, and ms a frame of
Sonometry (to grey) and of pydicom (to arrays) with their ratio.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from scipy.ndimage import gaussian_filter

from sonometry.core import Cine
from sonometry.io.dicom import read_dicom
from sonometry.io.dicom_write import write_cine

HEIGHT, WIDTH = 743, 975


def sector_frames(n_frames: int) -> np.ndarray:
    """(T, H, W) uint8: speckle in a fan on black, moving down two rows a frame."""
    rng = np.random.default_rng(1)
    speckle = np.abs(gaussian_filter(rng.standard_normal((HEIGHT + 2 * n_frames, WIDTH)), (1.2, 2.5)))
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    fan = (np.abs(columns - WIDTH / 2) < 0.8 * rows) & (np.hypot(rows, columns - WIDTH / 2) < HEIGHT)
    grey = np.minimum(255, speckle / speckle.mean() * 60).astype(np.uint8)
    return np.stack([np.where(fan, grey[2 * i : 2 * i + HEIGHT], 0) for i in range(n_frames)]).astype(np.uint8)


def seconds(work: Callable[[], object], repeats: int = 1) -> float:
    """Shortest of `repeats` runs."""
    runs = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        runs.append(time.perf_counter() - start)
    return min(runs)


def decode_all(path: Path) -> int:
    return sum(frame.shape[0] for frame in read_dicom(path).frames())


def pydicom_all(path: Path) -> np.ndarray:
    return pydicom.dcmread(path).pixel_array


def report(name: str, path: Path) -> None:
    cine = read_dicom(path)
    opening = seconds(lambda: read_dicom(path), 5)
    ours = seconds(lambda: decode_all(path), 3) / cine.n_frames
    theirs = seconds(lambda: pydicom_all(path), 3) / cine.n_frames
    size_mb = path.stat().st_size / 1e6
    print(
        f"{name}: {cine.source.format}, {cine.n_frames} frames of {cine.shape[1]} x {cine.shape[2]}, {size_mb:.1f} MB"
    )
    print(f"  open                    {1e3 * opening:8.1f} ms (header, digest of the file, first frame)")
    print(f"  Sonometry               {1e3 * ours:8.2f} ms a frame, opening included")
    print(f"  pydicom pixel_array     {1e3 * theirs:8.2f} ms a frame")
    print(f"  ratio                   {theirs / ours:8.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--frames", type=int, default=87)
    parser.add_argument("--file", type=Path, help="measure this file instead of made ones")
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    if options.file:
        report(options.file.name, options.file)
        return
    with tempfile.TemporaryDirectory() as folder:
        grey = sector_frames(options.frames)
        cine = Cine(grey, frame_times_s=np.arange(options.frames) / 50.0, spacing_m=(2e-4, 2e-4))
        jpeg, raw = Path(folder) / "jpeg.dcm", Path(folder) / "raw.dcm"
        write_cine(cine, jpeg, colour=np.repeat(grey[..., np.newaxis], 3, axis=3))
        report("colour JPEG", jpeg)
        n_raw = max(options.frames, 150)
        cine = Cine(sector_frames(n_raw), frame_times_s=np.arange(n_raw) / 50.0, spacing_m=(2e-4, 2e-4))
        write_cine(cine, raw, quality=None)
        report("uncompressed", raw)


if __name__ == "__main__":
    main()
