"""Speed and fidelity of the simulator, beside SIMUS (PyMUST, extra [bench]) in one run.

python benchmarks/simulation.py [--figure docs/pictures/simulation_simus.png]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.numerics.analytic import analytic_signal, envelope, log_compress
from sonometry.simulation.acoustics import gridded_rf, simulate_rf, summed_rf
from sonometry.simulation.fem import Plates, solve_block
from sonometry.simulation.phantoms.inclusion import paper_pair, random_pair
from sonometry.simulation.probes import LinearProbe
from sonometry.simulation.reference import engine_pair, simus_pair
from sonometry.simulation.speckle import coherence, speckle_statistics

DEPTH_M = (0.0, 0.05)


def seconds(call: Callable[[], Any], repeats: int = 3) -> float:
    """Shortest of a few runs after one that warms up."""
    call()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return min(times)


def cloud(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Uniform scatterers in 3x5 cm."""
    rng = np.random.default_rng(0)
    return rng.uniform([0, -0.015], [0.05, 0.015], (n, 2)), rng.standard_normal(n)


def print_speed() -> None:
    """Frames, finite elements and whole pairs."""
    probe = LinearProbe()
    print(f"{'128 lines, 3x5 cm':44s} {'seconds':>9s}")
    for n in (10_000, 100_000):
        points = cloud(n)
        for attenuation in (0.0, 0.5):
            options = {"depth_m": DEPTH_M, "attenuation_db_cm_mhz": attenuation}
            took = seconds(lambda points=points, options=options: simulate_rf(*points, probe, **options))
            print(f"  frame, {n:6d} scatterers, {attenuation} dB/cm/MHz{'':12s} {took:9.3f}")
    points = cloud(10_000)
    direct = seconds(lambda: summed_rf(*points, probe, depth_m=DEPTH_M), repeats=1)
    found, expected = gridded_rf(*points, probe, depth_m=DEPTH_M), summed_rf(*points, probe, depth_m=DEPTH_M)
    error_db = 20 * np.log10(np.abs(found - expected).max() / np.abs(expected).max())
    print(f"  frame,  10000 scatterers, direct sum{'':17s} {direct:9.3f}   (gridded differs by {error_db:.0f} dB)")
    modulus = np.full((160, 100), 25e3)
    solve = seconds(lambda: solve_block(modulus, depth_m=0.05, width_m=0.03, poisson=0.495, plates=Plates()))
    print(f"  finite elements 160x100{'':20s} {solve:9.3f}")
    print(f"  paper_pair{'':33s} {seconds(lambda: paper_pair(0)):9.3f}")
    pairs = [seconds(lambda seed=seed: random_pair(seed), repeats=1) for seed in range(10)]
    print(f"  random_pair, mean and largest of ten{'':7s} {np.mean(pairs):9.3f} {max(pairs):9.3f}")


def print_ratio() -> None:
    """One SIMUS transmit of the reference pairs against a whole frame of the engine, same scatterers."""
    try:
        import make_simus_pairs as maker
    except ImportError:
        print("SIMUS is not here to compare speed with: pip install 'sonometry[bench]'")
        return
    from sonometry.simulation.reference import ENGINE_PROBE, SIMUS_DEPTH_M, SIMUS_PROBE, simus_cloud

    points = simus_cloud(0)
    simus = SIMUS_PROBE.n_lines * seconds(lambda: maker.channels(points.before_m, points.amplitudes, 0.0), repeats=1)
    engine = seconds(lambda: simulate_rf(points.before_m, points.amplitudes, ENGINE_PROBE, depth_m=SIMUS_DEPTH_M))
    print(
        f"frame of 48 lines, 11,000 scatterers: SIMUS {simus:.1f} s, engine {engine:.4f} s, ratio {simus / engine:.0f}"
    )


def print_fidelity() -> None:
    """Speckle of SIMUS and of the engine for the same scatterers."""
    print("pair  simulator  envelope SNR  centre MHz  width MHz  coherence of lines 1, 2, 3 apart   with SIMUS")
    for index in range(3):
        pairs = {"SIMUS": simus_pair(index, snr_db=np.inf), "engine": engine_pair(index)}
        frames = {name: pair.recording.samples[0] for name, pair in pairs.items()}
        signals = {name: analytic_signal(frame.astype(float)) for name, frame in frames.items()}
        thirds = zip(np.array_split(signals["SIMUS"], 3), np.array_split(signals["engine"], 3), strict=True)
        agreement = [abs(coherence(a, b)) for a, b in thirds]
        for name, frame in frames.items():
            found = speckle_statistics(frame, sampling_rate_hz=40e6, n_lags=3)
            lags = " ".join(f"{value:.2f}" for value in found.lateral_coherence)
            shown = " ".join(f"{value:.2f}" for value in agreement) if name == "engine" else ""
            print(
                f"{index:4d}  {name:9s}  {found.envelope_snr:12.2f}  {found.centre_hz / 1e6:10.2f}"
                f"  {found.bandwidth_hz / 1e6:9.2f}  {lags:33s} {shown}"
            )


def draw(path: Path) -> None:
    """B-mode of both simulators and one RF line of each."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    simus, engine = simus_pair(0, snr_db=np.inf), engine_pair(0)
    rf = simus.recording
    figure, axes = plt.subplots(1, 3, figsize=(10, 4.2), width_ratios=(1, 1, 2.2), layout="constrained")
    extent = (1e3 * rf.lateral_m[0], 1e3 * rf.lateral_m[-1], 1e3 * rf.depth_m[-1], 1e3 * rf.depth_m[0])
    for axis, pair, name in zip(axes, (simus, engine), ("SIMUS", "Sonometry"), strict=False):
        amplitude = envelope(pair.recording.samples[0])
        grey = log_compress(amplitude, dynamic_range_db=50, reference=float(np.percentile(amplitude, 99.9)))
        axis.imshow(grey, cmap="gray", extent=extent, vmin=0, vmax=1, interpolation="bilinear")
        axis.set(title=name, xlabel="lateral, mm")
    axes[0].set_ylabel("depth, mm")
    rows = slice(430, 560)
    for pair, name, style in ((simus, "SIMUS", "-"), (engine, "Sonometry", "--")):
        line = analytic_signal(pair.recording.samples[0].astype(float))
        turned = line * np.exp(-1j * phase_between(line, simus)) if pair is engine else line
        shown = turned.real[rows, 24]
        axes[2].plot(1e3 * rf.depth_m[rows], shown / np.abs(shown).max(), style, label=name)
    axes[2].set(title="the middle line, same scatterers", xlabel="depth, mm", ylabel="RF, normalised", ylim=(-1.1, 1.4))
    axes[2].legend(loc="upper right", ncols=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    print(path)


def phase_between(line: np.ndarray, simus: Any) -> float:
    """Common phase of the engine's lines against those of SIMUS around the focus."""
    reference = analytic_signal(simus.recording.samples[0].astype(float))
    return float(np.angle(coherence(line[400:600], reference[400:600])))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    print_speed()
    print_ratio()
    print_fidelity()
    if arguments.figure:
        draw(arguments.figure)
