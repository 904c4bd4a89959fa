"""Every elastography method beside the truth and beside each other, on held-out simulation, in one run.

python benchmarks/elastography.py [--methods am2d,glue,ncc] [--pairs 8] [--seed 9000] [--quick] [--json FILE]

Accuracy: 8 pairs at the paper's setting (4 stiffnesses x 1 and 2 % compression, 30 dB) that nothing was tuned on, then
5 % compression, 15 dB noise, 0.2 % compression, and the three pairs of another simulator, SIMUS (whose echoes move 0.2
to 0.6 % less than the tissue). Errors over 3-47 mm depth and +-14 mm; intervals by resampling pairs.
Speed: one 2076 x 508 pair, after a first call that compiles; itk-ultrasound's block matching beside it when installed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.applications.elastography.config import ElastographyConfig
from sonometry.applications.elastography.displacement import METHODS, TrackingSetup
from sonometry.applications.elastography.strain_image import axial_strain
from sonometry.core.application import Simulated
from sonometry.evaluation.bootstrap import bootstrap_interval
from sonometry.evaluation.elastography import cnr_e, inclusion_regions, judged_window, rmse, snr_e
from sonometry.simulation.phantoms.inclusion import Inclusion, InclusionPhantom, paper_pair, simulate_pair
from sonometry.simulation.probes import LinearProbe
from sonometry.simulation.reference import simus_pair

#: The Python that has itk-ultrasound, when it is another than this one.
PEER_PYTHON = os.environ.get("PEER_PYTHON", sys.executable)
STIFFNESSES_PA = (8e3, 14e3, 45e3, 80e3)
#: Name, compressions and noise of each row of the table; the first is the paper's setting.
CONDITIONS = (
    ("paper, 30 dB", (0.01, 0.02), 30.0),
    ("5 %", (0.05,), 30.0),
    ("15 dB", (0.01, 0.02), 15.0),
    ("0.2 %", (0.002,), 30.0),
)


def pairs(compressions: tuple[float, ...], snr_db: float, *, n: int, seed: int) -> list[Simulated]:
    """`n` pairs that go through the stiffnesses and compressions in turn."""
    made = []
    for i in range(n):
        stiffness = STIFFNESSES_PA[i % 4]
        compression = compressions[i // 4 % len(compressions)]
        made.append(paper_pair(seed + i, inclusion_pa=stiffness, compression=compression, snr_db=snr_db))
    return made


def score(pair: Simulated, method: str) -> dict[str, float]:
    """Errors and contrasts of one method on one pair; `truth_*` are those of the true strain."""
    frames, truth, labels = pair.recording, pair.truth, pair.labels
    step = frames.axial_step_m
    moved = METHODS[method](frames.samples[0], frames.samples[1], context=TrackingSetup.of(frames))
    strain = axial_strain(moved.axial_samples * np.float32(step), step, ElastographyConfig())
    half_width_m = min(14e-3, float(truth["lateral_m"][-1]) - 0.5e-3)
    last_m = min(47e-3, float(truth["depth_m"][-1]) - 1e-3)
    window = judged_window(
        truth["depth_m"], truth["lateral_m"], depth_range_m=(3e-3, last_m), half_width_m=half_width_m
    )
    regions = inclusion_regions(
        truth["depth_m"],
        truth["lateral_m"],
        centre_m=(float(labels["inclusion_depth_m"]), float(labels["inclusion_lateral_m"])),
        radius_m=float(labels["inclusion_radius_m"]),
        within=window,
    )
    true_samples = truth["axial_displacement_m"] / step
    error = np.abs(moved.axial_samples - true_samples)[window]
    return {
        "displacement_rmse": rmse(moved.axial_samples, true_samples, window),
        "strain_rmse": rmse(strain, truth["axial_strain"], window),
        "within_half_sample": float((error < 0.5).mean()),
        "snr_e": snr_e(strain, regions.background),
        "cnr_e": cnr_e(strain, regions.inside, regions.background),
        "truth_snr_e": snr_e(truth["axial_strain"], regions.background),
        "truth_cnr_e": cnr_e(truth["axial_strain"], regions.inside, regions.background),
    }


def accuracy(methods: list[str], *, n: int, seed: int) -> list[dict[str, Any]]:
    """One row for every condition and method: means over pairs, the worst pair, and an interval of the strain error."""
    rows = []
    conditions = [(name, pairs(compressions, snr_db, n=n, seed=seed)) for name, compressions, snr_db in CONDITIONS]
    for name, cases in [*conditions, ("SIMUS", [simus_pair(i) for i in range(min(n, 3))])]:
        for method in methods:
            scores = [score(case, method) for case in cases]
            rows.append(summary(name, method, scores))
            print(as_line(rows[-1]), flush=True)
    return rows


def summary(condition: str, method: str, scores: list[dict[str, float]]) -> dict[str, Any]:
    """Means of `scores`, with the worst pair and the interval of the mean strain error."""
    strain = np.array([s["strain_rmse"] for s in scores])
    row: dict[str, Any] = {"condition": condition, "method": method, "n_pairs": len(scores)}
    row.update({key: float(np.mean([s[key] for s in scores])) for key in scores[0]})
    row["strain_rmse_worst"] = float(strain.max())
    if len(scores) > 1:
        interval = bootstrap_interval([strain], lambda x: float(x.mean()), rng=np.random.default_rng(0))
        row["strain_rmse_interval"] = [interval.low, interval.high]
    return row


HEADER = (
    f"{'condition':<14}{'method':<12}{'displ. RMSE':>12}{'strain RMSE':>12}{'interval':>22}{'worst':>10}"
    f"{'<0.5 smp':>10}{'SNRe':>7}{'truth':>7}{'CNRe':>7}{'truth':>7}"
)


def as_line(row: dict[str, Any]) -> str:
    """One row of the printed table."""
    low, high = row.get("strain_rmse_interval", (float("nan"), float("nan")))
    return (
        f"{row['condition']:<14}{row['method']:<12}{row['displacement_rmse']:>12.4f}{row['strain_rmse']:>12.2e}"
        f"{f'{low:.2e} to {high:.2e}':>22}{row['strain_rmse_worst']:>10.2e}{100 * row['within_half_sample']:>9.1f}%"
        f"{row['snr_e']:>7.1f}{row['truth_snr_e']:>7.1f}{row['cnr_e']:>7.1f}{row['truth_cnr_e']:>7.1f}"
    )


def speed_pair() -> tuple[np.ndarray, np.ndarray, TrackingSetup]:
    """A 2076 x 508 pair of dense speckle at 1.5 % compression."""
    inclusion = Inclusion(centre_depth_m=0.02, centre_lateral_m=0.0, radius_m=0.006, modulus_pa=80e3)
    phantom = InclusionPhantom(
        width_m=0.05, depth_m=0.042, n_scatterers=60_000, inclusions=(inclusion,), compression=0.015
    )
    probe = LinearProbe(n_lines=508, line_pitch_m=0.05 / 508)
    frames = simulate_pair(phantom, probe, rng=np.random.default_rng(9100)).recording
    earlier, later = (np.ascontiguousarray(frame[:2076]) for frame in frames.samples)
    return earlier, later, TrackingSetup.of(frames)


def speed(methods: list[str], repeats: int) -> list[dict[str, Any]]:
    """Shortest of `repeats` wall times of every method on the same pair."""
    earlier, later, context = speed_pair()
    jobs: dict[str, Callable[[], Any]] = {
        method: (lambda m=method: METHODS[m](earlier, later, context=context)) for method in methods
    }
    rows = []
    for name, job in jobs.items():
        times = []
        for _ in range(repeats + 1):
            start = time.perf_counter()
            job()
            times.append(time.perf_counter() - start)
        rows.append({"method": name, "first_s": times[0], "best_s": min(times[1:])})
    peer_s = seconds_of_itk(earlier, later)
    if peer_s is not None:
        rows.append({"method": "itk-ultrasound", "first_s": peer_s, "best_s": peer_s})
    return rows


def seconds_of_itk(earlier: np.ndarray, later: np.ndarray) -> float | None:
    """Wall time of itk-ultrasound's block matching (`peer_itk.py`); None where it is not installed or does not run."""
    with tempfile.TemporaryDirectory() as folder:
        pair = Path(folder) / "pair.npz"
        np.savez(pair, earlier=earlier, later=later)
        program = Path(__file__).with_name("peer_itk.py")
        done = subprocess.run([PEER_PYTHON, str(program), str(pair)], capture_output=True, text=True, check=False)
    return float(done.stdout) if done.returncode == 0 else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=9000)
    parser.add_argument("--quick", action="store_true", help="one pair a condition, one timed call")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    methods = options.methods.split(",")
    print(HEADER)
    rows = accuracy(methods, n=1 if options.quick else options.pairs, seed=options.seed)
    print(f"\n{'2076 x 508 pair':<20}{'first call':>12}{'then, best':>12}{'over am2d':>11}")
    times = speed(methods, 1 if options.quick else 5)
    base = next((row["best_s"] for row in times if row["method"] == "am2d"), times[0]["best_s"])
    for row in times:
        print(f"{row['method']:<20}{row['first_s']:>11.2f}s{row['best_s']:>11.2f}s{row['best_s'] / base:>10.2f}x")
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory of the whole run {peak_gib:.2f} GiB")
    if options.json:
        options.json.write_text(json.dumps({"accuracy": rows, "speed": times, "peak_gib": peak_gib}, indent=2))


if __name__ == "__main__":
    main()
