"""Frames a second of the training loader, beside a plain loop over pydicom's pixel_array, in one run.

    python benchmarks/loader.py [--clips 8] [--frames 60] [--backbone madani] [--workers 0]

It makes colour JPEG cines of 743 x 975 pixels as scanners export them, and reads them four ways: the plain loop that
decodes and rescales every frame in every epoch, the first pass of the frame cache, and an epoch of the loader with
augmentation, from memory and from the cache on disk.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pydicom
import simplejpeg
from pydicom.encaps import encapsulate
from torch.utils.data import DataLoader

from sonometry.core import Cine
from sonometry.data.augment import Augmentation
from sonometry.data.dataset import FrameStream
from sonometry.data.frames import FrameTable, frame_table
from sonometry.data.labelled import LabelledClips, read_labelled
from sonometry.data.preparation import Rescaling
from sonometry.io.dicom_write import write_cine
from sonometry.io.manifest import ManifestRow, write_manifest
from sonometry.models.backbones import BACKBONES

HEIGHT, WIDTH, BATCH = 743, 975, 64


def write_clips(folder: Path, n_clips: int, n_frames: int) -> Path:
    """Speckle in a fan, compressed with JPEG; the path of the manifest."""
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    fan = (np.abs(columns - WIDTH / 2) < 0.8 * rows) & (np.hypot(rows, columns - WIDTH / 2) < HEIGHT)
    listed = []
    for number in range(n_clips):
        speckle = cv2.GaussianBlur(rng.standard_normal((HEIGHT, WIDTH)).astype(np.float32), (0, 0), 2)
        grey = np.clip(120 * np.abs(speckle) / np.abs(speckle).mean() * 0.6, 0, 255) * fan
        frames = [np.roll(grey, shift, axis=0).astype(np.uint8) for shift in range(n_frames)]
        path = folder / f"clip{number}.dcm"
        write_cine(Cine(np.stack(frames), frame_times_s=np.arange(n_frames) / 30), path)
        dataset = pydicom.dcmread(path)
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "YBR_FULL_422", 0
        coloured = (np.repeat(frame[..., None], 3, axis=2) for frame in frames)
        dataset.PixelData = encapsulate([simplejpeg.encode_jpeg(frame, colorsubsampling="422") for frame in coloured])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEGBaseline8Bit
        dataset.save_as(path)
        view = ("A2C", "A4C")[number % 2]
        listed.append(ManifestRow(f"clip{number}", path.name, "cine", f"s{number}", view=view, split="train"))
    write_manifest(listed, folder / "manifest.csv")
    return folder / "manifest.csv"


def plain_loop(clips: LabelledClips, size: tuple[int, int]) -> int:
    """What a first script does: decode the whole clip, make it grey, rescale."""
    count = 0
    for row in clips.rows:
        for frame in pydicom.dcmread(clips.file_of(row)).pixel_array:
            cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), size[::-1], interpolation=cv2.INTER_AREA)
            count += 1
    return count


def epoch(table: FrameTable, workers: int) -> int:
    """One epoch with augmentation, as training reads it."""
    stream = FrameStream(table, Augmentation(), seed=1, n_samples=len(table))
    context = "forkserver" if workers else None
    batches: Iterable[dict[str, object]] = DataLoader(
        stream, BATCH, num_workers=workers, multiprocessing_context=context
    )
    return sum(len(batch["label"]) for batch in batches)  # type: ignore[arg-type]


def rate(work: Callable[[], int], repeats: int = 1) -> float:
    """Frames a second, the best of `repeats` runs."""
    best = 0.0
    for _ in range(repeats):
        start = time.perf_counter()
        count = work()
        best = max(best, count / (time.perf_counter() - start))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--backbone", choices=list(BACKBONES), default="madani")
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    size = (BACKBONES[options.backbone].rows, BACKBONES[options.backbone].columns)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        clips = read_labelled(write_clips(folder, options.clips, options.frames))
        make = lambda name, memory: frame_table(clips, folder / name, Rescaling(*size), memory_mb=memory)  # noqa: E731
        plain = rate(lambda: plain_loop(clips, size), 2)
        results = {
            "plain pixel_array loop": plain,
            "first pass, into the cache": rate(lambda: len(make("first", 1024))),
            "epoch from memory": rate(lambda held=make("first", 1024): epoch(held, options.workers), 3),  # type: ignore[misc]
            "epoch from the cache on disk": rate(lambda read=make("first", 0): epoch(read, options.workers), 3),  # type: ignore[misc]
        }
    print(f"{options.clips} clips of {options.frames} frames, {HEIGHT} x {WIDTH}, to {size[0]} x {size[1]}")
    for name, value in results.items():
        print(f"  {name:<30} {value:9.0f} frames/s   {value / plain:6.1f} x")


if __name__ == "__main__":
    main()
