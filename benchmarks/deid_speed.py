"""One cine through de-identification, beside pydicom/deid's ultrasound recipe on the same file in the same run.

    python benchmarks/deid_speed.py [--cine FILE] [--repeat 3]

Without --cine, 87 frames of 743 x 975 pixels with burned-in names are made as a JPEG cine. Timed are one file within a
run (as every further file of a folder costs), and the whole call from a fresh process with its audit page. The peer
decodes, blanks what lies outside the header's regions, and writes; it looks for no text. It comes with
`pip install deid`, where it is missing only our own times are printed.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import cv2
import numpy as np
from pydicom import dcmread

from sonometry.deid.clip import ClipRules, deidentify_clip
from sonometry.deid.header import HeaderRules
from sonometry.deid.keys import SecretKey
from sonometry.deid.pixels import PixelRules
from sonometry.deid.scorecard.exports import encode, write_exports
from sonometry.deid.scorecard.lettering import render
from sonometry.deid.scorecard.screens import LAYOUTS

ROWS, COLUMNS, FRAMES = 743, 975, 87
SCANNER = ("Aurelia Sonics", "Cardea 5")


def main() -> None:
    """Make or take the cine, then time both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cine", type=Path, help="a DICOM cine of your own")
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cine = asked.cine or make_cine(folder / "in")
        header = dcmread(cine, stop_before_pixels=True)
        print(
            f"{header.get('NumberOfFrames', 1)} frames of {header.Rows} x {header.Columns}, {cine.stat().st_size} bytes"
        )
        for threads in (1, 2):
            own_s, own_cpu_s, size = min(time_own(cine, threads) for _ in range(asked.repeat))
            ratio = size / cine.stat().st_size
            print(
                f"sonometry, one file, threads {threads}: {own_s:.2f} s ({own_cpu_s:.2f} s of processor time), "
                f"output {ratio:.2f} times the input"
            )
        whole_s = min(time_command(cine, folder / str(number)) for number in range(asked.repeat))
        print(f"sonometry deidentify, whole command with audit page: {whole_s:.2f} s")
        if importlib.util.find_spec("deid") is None:
            print("deid is not installed: no peer")
            return
        peer_s, peer_cpu_s, peer_size = min(time_peer(cine, folder / "peer") for _ in range(asked.repeat))
        print(
            f"deid, ultrasound recipe: {peer_s:.2f} s ({peer_cpu_s:.2f} s of processor time), "
            f"output {peer_size / cine.stat().st_size:.1f} times the input"
        )
        print(f"ratio: {peer_s / own_s:.1f} times faster, output {peer_size / size:.0f} times smaller")


def make_cine(folder: Path) -> Path:
    """A phased sector with a banner of names, as JPEG at quality 88."""
    truth = next(t for t in write_exports(folder, n_studies=1, seed=1) if t.scanner == SCANNER)
    header = dcmread(truth.path)
    screen = LAYOUTS[SCANNER](np.random.default_rng(1), FRAMES)
    frames = np.stack([cv2.resize(frame, (COLUMNS, ROWS)) for frame in screen.frames])
    texts = [(truth.identity.screen_names[0], 6, 20), (f"ID {truth.identity.patient_id}", 6, 420), ("FR 42Hz", 300, 12)]
    for text, row, column in texts:
        cover = render(text, "DejaVuSans", 18).coverage
        box = slice(row, row + cover.shape[0]), slice(column, column + cover.shape[1])
        for frame in frames:
            frame[box] = np.round(frame[box] * (1 - cover[..., None]) + 255 * cover[..., None])
    scale = COLUMNS / screen.frames.shape[2], ROWS / screen.frames.shape[1]
    for region in header.SequenceOfUltrasoundRegions:
        for axis, factor in zip("XY", scale, strict=True):
            for name in (f"RegionLocationMin{axis}0", f"RegionLocationMax{axis}1"):
                setattr(region, name, int(getattr(region, name) * factor))
    header.NumberOfFrames = FRAMES
    encode(header, SCANNER[1], frames)
    header["PixelData"].VR = "OB"
    path = folder / "cine.dcm"
    header.save_as(path)
    return path


def time_own(cine: Path, threads: int) -> tuple[float, float, int]:
    """Seconds and processor seconds from the bytes of the file to those of the result, models loaded; and its size."""
    rules = ClipRules(HeaderRules(SecretKey(bytes(range(32)))), PixelRules(threads=threads))
    content = cine.read_bytes()
    deidentify_clip(content, rules, {})
    start_s, start_cpu_s = time.perf_counter(), time.process_time()
    clip = deidentify_clip(content, rules, {})
    return time.perf_counter() - start_s, time.process_time() - start_cpu_s, len(clip.data)


def time_command(cine: Path, folder: Path) -> float:
    """Seconds of the command from start to end in a new workspace."""
    words = [sys.executable, "-m", "sonometry", "deidentify", str(cine), str(folder / "out")]
    start_s = time.perf_counter()
    subprocess.run([*words, "--workspace", str(folder / "w")], check=True, capture_output=True)
    return time.perf_counter() - start_s


def time_peer(cine: Path, folder: Path) -> tuple[float, float, int]:
    """Seconds and processor seconds of deid: detect, clean, save; and the size of its file."""
    from deid.dicom import DicomCleaner

    folder.mkdir(exist_ok=True)
    start_s, start_cpu_s = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cleaner = DicomCleaner(deid="dicom.ultrasound", output_folder=str(folder))
        cleaner.detect(str(cine))
        cleaner.clean()
        saved = Path(cleaner.save_dicom())
    return time.perf_counter() - start_s, time.process_time() - start_cpu_s, saved.stat().st_size


if __name__ == "__main__":
    main()
