"""Thousands of damaged DICOM files at every entrance: deidentify, ingest, and the reader behind measure and info.

    python benchmarks/deid_fuzz.py --files 10000 --log fuzz.jsonl

Counts crashes (anything but a refusal in one line), hangs (over --limit seconds), names that reach a log, a message,
the standard streams or a written header, and banners left in written pixels. Files are made from --seed; with --log an
interrupted run goes on. Every file runs in a process that may die without ending the count. Status 1 when anything
went wrong.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmwrite

from sonometry.core.errors import DataError
from sonometry.data.clip_facts import read_facts, stamp_of
from sonometry.deid.clip import ClipRules, check_kind, quiet_libraries, read
from sonometry.deid.frames import Frames, layout_of
from sonometry.deid.header import HeaderRules, clean_header
from sonometry.deid.keys import SecretKey
from sonometry.deid.pixels import PixelRules
from sonometry.deid.scorecard.fuzz import attempt, deidentified
from sonometry.deid.scorecard.mutations import mutated, small_exports
from sonometry.io.describe import describe
from sonometry.io.read import read as read_recording

KEY = SecretKey(bytes(range(32)))


def main() -> int:
    """Run and print; 0 when nothing went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds after which a file counts as a hang")
    parser.add_argument("--log", type=Path, help="JSON lines of all results; an interrupted run goes on")
    parser.add_argument(
        "--without-pixels",
        action="store_true",
        help="deidentify stops behind header, layout and first frame: 10 times faster",
    )
    parser.add_argument("--serve", type=int, metavar="FIRST", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve is not None:
        serve(asked.serve, asked.files, asked.seed, without_pixels=asked.without_pixels)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        log = asked.log or Path(scratch) / "log.jsonl"
        results = [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []
        with log.open("a") as stream:
            more = ["--without-pixels"] * asked.without_pixels
            for result in run(len(results), asked.files, asked.seed, asked.limit, more):
                results.append(result)
                stream.write(json.dumps(result) + "\n")
                stream.flush()
    return report(results)


def run(first: int, n_files: int, seed: int, limit_s: float, more: list[str]) -> Iterator[dict[str, Any]]:
    """Results of all files in order; a process that dies or hangs is started again behind its file."""
    suspected = -1  # a computer that was asleep looks like a hang: such a file is tried once more
    while first < n_files:
        words = [sys.executable, __file__, "--serve", str(first), "--files", str(n_files), "--seed", str(seed)]
        words += more
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=_pump, args=(process, lines), daemon=True).start()
        patience_s = limit_s + 60  # the process starts first
        while first < n_files and (line := _next_line(lines, patience_s)).endswith("\n"):
            yield json.loads(line)
            first, patience_s = first + 1, limit_s
        died = "crash of the process" if process.poll() is not None else "hang"
        process.kill()
        process.wait()
        if first < n_files and suspected == first:
            yield {"file": first, "what": "unknown", "outcomes": {"process": died}, "leaks": [], "seconds": limit_s}
            first += 1
        suspected = first


def _next_line(lines: queue.Queue[str], patience_s: float) -> str:
    """The next line, or nothing after `patience_s` seconds; time in which this process was halted does not count."""
    passed_s = 0.0
    while passed_s < patience_s:
        try:
            return lines.get(timeout=1.0)
        except queue.Empty:
            passed_s += 1.0
    return ""


def _pump(process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
    for line in process.stdout or ():
        lines.put(line)
    lines.put("")


def serve(first: int, n_files: int, seed: int, *, without_pixels: bool) -> None:
    """The process: one line of JSON for every file; the standard streams of all libraries go to a file."""
    answers = os.fdopen(os.dup(1), "w")
    bases = small_exports(seed)
    secrets = sorted({secret for base in bases for secret in base.secrets})
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "streams").open("w+b") as streams:
        for number in (1, 2):
            os.dup2(streams.fileno(), number)
        inks = [_ink(base.content) for base in bases]
        for number in range(first, n_files):
            content, what = mutated(bases, np.random.default_rng([seed, number]))
            result = _try_all(Path(folder) / "mutated.dcm", content, secrets, inks, without_pixels=without_pixels)
            streams.seek(0)
            if any(secret.casefold() in streams.read().decode("latin-1").casefold() for secret in secrets):
                result["leaks"].append("standard streams")
            streams.truncate(0)
            answers.write(json.dumps({"file": number, "what": what, **result}) + "\n")
            answers.flush()


def _try_all(
    path: Path, content: bytes, secrets: list[str], inks: list[np.ndarray], *, without_pixels: bool
) -> dict[str, Any]:
    path.write_bytes(content)
    written: list[bytes] = []
    deidentify = deidentified(content, ClipRules(HeaderRules(KEY), PixelRules()))

    def whole() -> bytes:
        written.append(deidentify())
        return written[0]

    entrances: dict[str, Callable[[], bytes | None]] = {
        "deidentify": (lambda: header_of(content)) if without_pixels else whole,
        "ingest": lambda: _ingested(path),
        "info": lambda: _described(path),
        "read": lambda: _measured(path),
    }
    outcomes, leaks, seconds = {}, [], 0.0
    for name, entrance in entrances.items():
        outcome = attempt(entrance, secrets)
        outcomes[name] = outcome.status
        leaks += [f"{name}: {leak}" for leak in outcome.leaks]
        seconds = max(seconds, outcome.seconds)
    if written and _shows_banner(written[0], inks):
        leaks.append("deidentify: banner in the pixels")
    return {"outcomes": outcomes, "leaks": leaks, "seconds": round(seconds, 2)}


def header_of(content: bytes) -> bytes:
    """What de-identification writes of a file before its pixels, once all its frames can be taken apart."""
    with quiet_libraries():
        dataset, syntax = read(content)
        check_kind(dataset)
        frames = Frames(dataset, layout_of(dataset, syntax))
        header = clean_header(dataset, HeaderRules(KEY), clip_digest="0")
        frames.rgb(0)
        stream = io.BytesIO()
        try:
            dcmwrite(stream, header.dataset, implicit_vr=False, little_endian=True)
        except Exception as error:  # as in `sonometry.deid.clip.finished`
            raise DataError("its cleaned header cannot be written") from error
    return stream.getvalue()


def _ingested(path: Path) -> None:
    facts = read_facts(path.parent, stamp_of(path.parent, path), KEY)
    if "report it" in facts.reason:
        raise RuntimeError(facts.reason)
    if facts.reason:
        raise DataError(facts.reason)


def _described(path: Path) -> None:
    """What `info` tells of a file holds the names of its scanner, so it is not searched."""
    describe(path)


def _measured(path: Path) -> None:
    """What every measurement does first: first and last frame."""
    cine = read_recording(path)
    pixels = getattr(cine, "pixels", None)
    if pixels is not None:
        np.asarray(pixels[0]), np.asarray(pixels[-1])


def _ink(content: bytes) -> np.ndarray:
    """Where the banner of a small export has ink."""
    dataset, syntax = read(content)
    picture = Frames(dataset, layout_of(dataset, syntax)).rgb(0).max(axis=2)
    ink: np.ndarray = picture > 150
    ink[30:] = False
    return ink


def _shows_banner(written: bytes, inks: list[np.ndarray]) -> bool:
    dataset, syntax = read(written)
    picture = Frames(dataset, layout_of(dataset, syntax)).rgb(0).max(axis=2)
    return any(ink.shape == picture.shape and (picture[ink] > 100).mean() > 0.5 for ink in inks)


def report(results: list[dict[str, Any]]) -> int:
    """Print the counts; 1 when anything went wrong."""
    crashes: Counter[str] = Counter()
    for name in ("deidentify", "ingest", "info", "read"):
        counts = Counter(result["outcomes"].get(name, "process ended") for result in results)
        print(f"{name:12s}" + ", ".join(f"{status} {count}" for status, count in counts.most_common()))
        crashes.update({f"{name}: {s}": n for s, n in counts.items() if s not in ("done", "refused")})
    leaks = Counter(leak for result in results for leak in result["leaks"])
    slowest = max((result["seconds"] for result in results), default=0.0)
    kinds = Counter(result["what"] for result in results)
    print(f"{len(results)} files: " + ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())))
    print(f"crashes: {sum(crashes.values())} {dict(crashes) or ''}")
    print(f"leaks:   {sum(leaks.values())} {dict(leaks) or ''}")
    print(f"slowest file: {slowest:.1f} s; {time.strftime('%Y-%m-%d')}")
    return 1 if crashes or leaks else 0


if __name__ == "__main__":
    sys.exit(main())
