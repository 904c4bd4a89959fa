"""Speed of the catalogue: files entered a second, beside pydicom reading the same headers, and 100,000 rows.

python benchmarks/catalogue.py [--files 1000] [--rows 100000] [--workers 2]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pydicom
from sqlalchemy import insert

from sonometry.core import Cine, Device, Source
from sonometry.data.catalogue import Catalogue
from sonometry.data.schema import CLIPS, FILES, STUDIES, SUBJECTS
from sonometry.data.splits import Group, Shares, split_subjects
from sonometry.io.dicom_write import write_cine
from sonometry.workflows.ingest import ingest

VIEWS = ("A2C", "A3C", "A4C", "A5C", "PLAX", "SAXBASAL", "SAXMID", "SUB4C")
VENDORS = ("GE", "Philips", "Samsung", "Siemens", "Canon")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        time_ingest(Path(name) / "ingest", asked.files, asked.workers)
        time_rows(Path(name) / "rows", asked.rows)


def time_ingest(folder: Path, n_files: int, workers: int) -> None:
    """Single frames of 600 x 800 pixels, uncompressed, of which pydicom alone reads header and bytes in one process."""
    write_files(folder / "data", n_files)
    start_s = time.perf_counter()
    for path in sorted((folder / "data").rglob("*.dcm")):
        pydicom.dcmread(path, stop_before_pixels=True)
        hashlib.sha256(path.read_bytes()).hexdigest()
    peer_s = time.perf_counter() - start_s
    start_s = time.perf_counter()
    ingest(folder / "data", workspace=folder / "w", workers=workers)
    own_s = time.perf_counter() - start_s
    start_s = time.perf_counter()
    ingest(folder / "data", workspace=folder / "w", workers=workers)
    again_s = time.perf_counter() - start_s
    print(f"pydicom header and sha256, one process: {n_files / peer_s:.0f} files/s")
    print(f"ingest, {workers} processes: {n_files / own_s:.0f} files/s, {peer_s / own_s:.2f} times pydicom's rate")
    print(f"ingest again, nothing changed: {n_files / again_s:.0f} files/s")


def write_files(folder: Path, n_files: int) -> None:
    """One file is written; the others are copies with a number in the last pixels."""
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 255, (1, 600, 800), dtype=np.uint8)
    cine = Cine(
        pixels,
        frame_times_s=np.zeros(1),
        spacing_m=(1e-4, 1e-4),
        source=Source(device=Device("GE", "Vivid E95", "4Vc")),
    )
    write_cine(cine, folder / "0.dcm", subject_key="4711", study_key="s", view="A4C", quality=None, is_synthetic=False)
    content = (folder / "0.dcm").read_bytes()
    for number in range(1, n_files):
        place = folder / f"{number // 50:04d}"
        place.mkdir(exist_ok=True)
        (place / f"{number:06d}.dcm").write_bytes(content[:-8] + number.to_bytes(8, "little"))


def time_rows(workspace: Path, n_rows: int) -> None:
    """List, filter and split a catalogue of `n_rows` clips, ten of each subject."""
    with Catalogue(workspace) as catalogue:
        fill(catalogue, catalogue.add_root(workspace), n_rows)
        steps = {
            "list all": lambda: catalogue.clips(),
            "filter by view and vendor": lambda: catalogue.clips(view="A4C", vendor="Philips"),
            "split all": lambda: split(catalogue),
        }
        total_s = total_cpu_s = 0.0
        for title, step in steps.items():
            start_s, start_cpu_s = time.perf_counter(), time.process_time()
            found = step()
            taken_s, taken_cpu_s = time.perf_counter() - start_s, time.process_time() - start_cpu_s
            total_s, total_cpu_s = total_s + taken_s, total_cpu_s + taken_cpu_s
            what = "subjects" if title == "split all" else "clips"
            print(f"{title}: {taken_s:.2f} s, of the processor {taken_cpu_s:.2f} s ({len(found)} {what})")
        print(f"{n_rows} rows listed, filtered and split: {total_s:.2f} s, of the processor {total_cpu_s:.2f} s")
    shutil.rmtree(workspace)


def split(catalogue: Catalogue) -> dict[str, str]:
    splits = split_subjects(list(map(Group._make, catalogue.groups("view"))), Shares(), seed=0)
    catalogue.assign(splits)
    return splits


def fill(catalogue: Catalogue, root_id: int, n_rows: int) -> None:
    rng = np.random.default_rng(0)
    views, vendors = rng.integers(0, len(VIEWS), n_rows), rng.integers(0, len(VENDORS), n_rows)
    subjects = [f"P{i:012d}" for i in range(-(-n_rows // 10))]
    clips = [
        {
            "clip_key": f"clip-{i:016x}",
            "sha256": f"{i:064x}",
            "root_id": root_id,
            "path": f"{i // 10:06d}/{i:07d}.dcm",
            "kind": "cine",
            "subject_key": subjects[i // 10],
            "study_key": subjects[i // 10],
            "vendor": VENDORS[vendors[i // 10]],
            "view": VIEWS[views[i]],
            "n_frames": 40,
            "labels": json.dumps({"quality": str(i % 5)}),
        }
        for i in range(n_rows)
    ]
    files = [
        {"root_id": root_id, "path": c["path"], "size_bytes": 1, "mtime_ns": 1, "clip_key": c["clip_key"]}
        for c in clips
    ]
    with catalogue.engine.begin() as connection:
        connection.execute(insert(SUBJECTS), [{"subject_key": key} for key in subjects])
        connection.execute(insert(STUDIES), [{"study_key": key, "subject_key": key, "day": 1} for key in subjects])
        connection.execute(insert(CLIPS), clips)
        connection.execute(insert(FILES), files)


if __name__ == "__main__":
    main()
