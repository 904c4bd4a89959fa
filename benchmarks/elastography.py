"""How exact, how sure of itself and how fast every method is, beside the truth and beside ITKUltrasound, in one run.

python benchmarks/elastography.py [--methods sonometry am2d ...] [--pairs 24] [--quick] [--json results.json]

Pairs are those of the paper's protocol with seeds 9000 and up, on which nothing was trained or tuned: stiffness 8, 14,
45, 80 kPa in turn, four at 1 %, the next four at 2 %, and so on, 30 dB. Errors are taken over 3-47 mm depth and
+-14 mm; the strain is what `measure` gives (a learned method's own, least squares over 1.8 mm otherwise). Intervals are
percentile bootstraps over pairs. Each timing is the best of five in a process of its own, compiled code cached.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.applications.elastography.config import ElastographyConfig
from sonometry.applications.elastography.displacement import CLASSICAL, METHODS, Displacement, TrackingSetup
from sonometry.applications.elastography.ncc import NccConfig
from sonometry.applications.elastography.strain_image import image_of, track_pair
from sonometry.core import Simulated
from sonometry.evaluation.bootstrap import bootstrap_interval
from sonometry.evaluation.elastography import (
    cnr_e,
    inclusion_regions,
    interval_coverage,
    judged_window,
    marked_by_quality,
    rmse,
    snr_e,
)
from sonometry.numerics.correlate import parabolic_peak
from sonometry.simulation.phantoms.inclusion import (
    Inclusion,
    InclusionPhantom,
    paper_pair,
    random_pair,
    simulate_pair,
)
from sonometry.simulation.probes import LinearProbe
from sonometry.simulation.reference import simus_pair

FIRST_SEED = 9000
STIFFNESS_PA = (8e3, 14e3, 45e3, 80e3)
#: Compressions beside the 1 and 2 % of the protocol.
COMPRESSIONS = (0.002, 0.005, 0.03, 0.05)
SPEED_SHAPE = (2076, 508)
ITK = "itk block matching"


@dataclass(frozen=True)
class Score:
    """One method on one pair: errors, and contrast beside that of the true strain."""

    displacement_rmse_samples: float
    strain_rmse: float
    within_half_sample: float
    snr_e: float
    cnr_e: float
    true_snr_e: float
    true_cnr_e: float
    n_wrong: int
    n_right: int
    wrong_marked: float
    right_marked: float
    coverage: float


@dataclass(frozen=True)
class Row:
    """Pairs of one kind, each made when its turn comes."""

    title: str
    pairs: tuple[Callable[[], Simulated], ...]


def rows(n_pairs: int, quick: bool) -> list[Row]:
    """The held-out pairs, other compressions and noise, random tissue, and pairs of another simulator."""
    seeds = range(FIRST_SEED, FIRST_SEED + n_pairs)
    main = [(seed, 0.01 if (seed - FIRST_SEED) % 8 < 4 else 0.02) for seed in seeds]
    few = seeds[: min(n_pairs, 8)]
    held_out = Row("1 and 2 %, 30 dB", tuple(partial(simulated, *one, 30.0) for one in main))
    if quick:
        return [held_out]
    others = [(f"{100 * c:g} %, 30 dB", tuple(partial(simulated, s, c, 30.0) for s in few)) for c in COMPRESSIONS]
    return [
        held_out,
        Row("1 and 2 %, 15 dB", tuple(partial(simulated, *one, 15.0) for one in main[:8])),
        *(Row(*other) for other in others),
        Row("random tissue, probe and noise, 0.1-5 %", tuple(partial(random_pair, s + 500) for s in seeds)),
        Row("SIMUS (its echoes move 0.2-0.6 % less than the tissue)", tuple(partial(simus_pair, k) for k in range(3))),
    ]


def simulated(seed: int, compression: float, snr_db: float) -> Simulated:
    """One pair of the protocol; the stiffness follows from the seed."""
    stiffness_pa = STIFFNESS_PA[(seed - FIRST_SEED) % 4]
    return paper_pair(seed, inclusion_pa=stiffness_pa, compression=compression, snr_db=snr_db)


def score(found: Displacement, pair: Simulated, config: ElastographyConfig) -> Score:
    """Errors of a displacement and of its strain, and what the method knows of them."""
    recording, truth = pair.recording, pair.truth
    deepest_m, widest_m = recording.depth_m[-1] - 1e-3, recording.lateral_m[-1] - 0.5e-3
    window = judged_window(
        recording.depth_m,
        recording.lateral_m,
        depth_range_m=(3e-3, min(47e-3, deepest_m)),
        half_width_m=min(14e-3, widest_m),
    )
    image = image_of(recording, (0, 1), found, config)
    true_samples, true_strain = truth["axial_displacement_m"] / recording.axial_step_m, truth["axial_strain"]
    error = found.axial_samples - true_samples
    marked = marked_by_quality(image.quality, error, window, wrong_above=0.5, right_below=0.1)
    strain_error, deviation = image.axial_strain - true_strain, image.axial_strain_sd
    return Score(
        rmse(found.axial_samples, true_samples, window),
        rmse(image.axial_strain, true_strain, window),
        float(np.mean(np.abs(error)[window] < 0.5)),
        *contrasts(image.axial_strain, pair, window),
        *contrasts(true_strain, pair, window),
        marked.n_wrong,
        marked.n_right,
        marked.wrong_marked,
        marked.right_marked,
        np.nan if deviation is None else interval_coverage(strain_error, deviation, window),
    )


def contrasts(strain: np.ndarray, pair: Simulated, window: np.ndarray) -> tuple[float, float]:
    """SNRe and CNRe of the first inclusion; NaN where it has no pixel inside the window, or none beside it."""
    recording, labels = pair.recording, pair.labels
    if "inclusion_radius_m" not in labels:
        return np.nan, np.nan
    regions = inclusion_regions(
        recording.depth_m,
        recording.lateral_m,
        centre_m=(float(labels["inclusion_depth_m"]), float(labels["inclusion_lateral_m"])),
        radius_m=float(labels["inclusion_radius_m"]),
        within=window,
    )
    if not (regions.inside.any() and regions.background.any()):
        return np.nan, np.nan
    return snr_e(strain, regions.background), cnr_e(strain, regions.inside, regions.background)


def evaluate(row: Row, methods: list[str], config: ElastographyConfig) -> dict[str, list[Score]]:
    """Scores of every method on every pair of a row."""
    scores: dict[str, list[Score]] = {method: [] for method in methods}
    for pair in (make() for make in row.pairs):
        frames, setup = pair.recording.samples, TrackingSetup.of(pair.recording)
        for method in methods:
            options = replace(config, method=method)
            scores[method].append(score(track_pair(frames[0], frames[1], setup, options), pair, options))
    return scores


def print_scores(row: Row, scores: dict[str, list[Score]]) -> None:
    """One line a method: mean over pairs with its interval, and the worst pair; then our method over the best other."""
    n_pairs = len(row.pairs)
    print(f"\n{row.title} ({n_pairs} pairs)")
    print(
        f"{'method':10s} {'displacement RMSE, samples':>34s} {'strain RMSE, 1e-4':>34s}"
        f" {'< 0.5 sample':>13s} {'SNRe (truth)':>16s} {'CNRe (truth)':>16s}"
        f" {'95 % holds':>11s} {'wrong marked':>13s} {'right marked':>13s}"
    )
    for method, values in scores.items():
        table = {name: np.array([asdict(v)[name] for v in values]) for name in asdict(values[0])}
        mean = {name: mean_known(column) for name, column in table.items()}
        print(
            f"{method:10s} {interval(table['displacement_rmse_samples'], '.4f'):>34s}"
            f" {interval(table['strain_rmse'] * 1e4, '.2f'):>34s}"
            f" {100 * mean['within_half_sample']:11.2f} %"
            f" {mean['snr_e']:8.1f} ({mean['true_snr_e']:.1f})"
            f" {mean['cnr_e']:8.1f} ({mean['true_cnr_e']:.1f})"
            f" {100 * mean['coverage']:9.1f} %"
            f" {pooled(table['wrong_marked'], table['n_wrong']):>13s}"
            f" {pooled(table['right_marked'], table['n_right']):>13s}"
        )
    print_ratios(scores)


def print_ratios(scores: dict[str, list[Score]]) -> None:
    """Strain error of our method over that of every classical one, pair by pair."""
    if "sonometry" not in scores:
        return
    ours = np.array([v.strain_rmse for v in scores["sonometry"]])
    for method in (m for m in CLASSICAL if m in scores):
        theirs = np.array([v.strain_rmse for v in scores[method]])
        text = f"{ours.mean() / theirs.mean():.2f}"
        if len(ours) > 1:
            pairs = np.stack([ours, theirs], axis=1)
            found = bootstrap_interval(
                [pairs], lambda p: float(p[:, 0].mean() / p[:, 1].mean()), rng=np.random.default_rng(0)
            )
            text += f" [{found.low:.2f}, {found.high:.2f}]"
        worse, largest = int(np.sum(ours > theirs)), float(np.max(ours / theirs))
        print(f"  strain error of sonometry / {method}: {text}, of one pair at most {largest:.2f}, worse in {worse}")


def mean_known(values: np.ndarray) -> float:
    """Mean of the values that are known; NaN without any."""
    known = values[np.isfinite(values.astype(float))]
    return float(known.mean()) if known.size else float("nan")


def pooled(shares: np.ndarray, counts: np.ndarray) -> str:
    """Share of all pixels of a kind, over pairs; a dash where there are none."""
    if not counts.sum():
        return "-"
    return f"{100 * np.nansum(shares * counts) / counts.sum():.1f} % of {counts.sum() / 1e3:.0f}k"


def interval(values: np.ndarray, digits: str) -> str:
    """Mean [95 % interval over pairs], worst pair."""
    text = f"{values.mean():{digits}}"
    if len(values) > 1:
        found = bootstrap_interval([values], lambda v: float(v.mean()), rng=np.random.default_rng(0))
        text += f" [{found.low:{digits}}, {found.high:{digits}}]"
    return f"{text} worst {values.max():{digits}}"


def speed_pair(path: Path) -> None:
    """A 2076 x 508 pair: 4 x 3.8 cm, 1.5 %, fully developed speckle."""
    inclusion = Inclusion(centre_depth_m=0.02, centre_lateral_m=0.0, radius_m=0.006, modulus_pa=80e3)
    phantom = InclusionPhantom(
        width_m=0.0381, depth_m=0.04, n_scatterers=50_000, inclusions=(inclusion,), compression=0.015
    )
    probe = LinearProbe(n_lines=SPEED_SHAPE[1], line_pitch_m=0.075e-3)
    pair = simulate_pair(phantom, probe, snr_db=30.0, rng=np.random.default_rng(FIRST_SEED))
    recording, n = pair.recording, SPEED_SHAPE[0]
    truth = pair.truth["axial_displacement_m"][:n] / recording.axial_step_m
    setup = asdict(TrackingSetup.of(recording))
    np.savez(path, frames=recording.samples[:, :n], truth=truth, setup=json.dumps(setup))


def load_pair(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, TrackingSetup]:
    """Earlier and later frame, true axial displacement in samples, setup."""
    with np.load(path) as stored:
        earlier, later = stored["frames"]
        return earlier, later, stored["truth"], TrackingSetup(**json.loads(str(stored["setup"])))


def time_one(method: str, path: Path, repeats: int = 5) -> dict[str, float]:
    """Best of a few runs on the stored pair, after one that loads the compiled code; error; peak memory."""
    earlier, later, truth, setup = load_pair(path)
    seconds, processor = [], []
    for _ in range(repeats + 1):
        begin = time.perf_counter(), time.process_time()
        found = METHODS[method](earlier, later, context=setup)
        seconds.append(time.perf_counter() - begin[0])
        processor.append(time.process_time() - begin[1])
    error = (found.axial_samples - truth)[150:-150, 16:-16]
    return summary(min(seconds[1:]), min(processor[1:]), seconds[0], error)


def summary(seconds: float, processor_seconds: float, first_seconds: float, error: np.ndarray) -> dict[str, float]:
    """What the table of speeds shows. Processor time is that of all cores; it does not feel other programs."""
    return {
        "seconds": seconds,
        "processor_seconds": processor_seconds,
        "first_seconds": first_seconds,
        "displacement_rmse_samples": float(np.sqrt(np.mean(error**2))),
        "within_half_sample": float(np.mean(np.abs(error) < 0.5)),
        "peak_gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def time_itk(path: Path, n_timed: int = 300) -> dict[str, float]:
    """ITKUltrasound's block matching (FFT metric) on the blocks of our own cross-correlation, 3 % search range.

    A random sample of the blocks is matched, and the time is that of all of them. ITK runs one thread: with two it is
    slower on blocks of this size. The peak is interpolated by a parabola. Only the metric is in its Python package.
    """
    earlier, later, truth, setup = load_pair(path)
    config = NccConfig()
    block = (
        int(config.window_wavelengths * setup.samples_per_wavelength) | 1,
        int(config.window_mm * 1e-3 / setup.line_pitch_m) | 1,
    )
    search = int(0.03 * earlier.shape[0]), 2
    counts = [int(n / ((1 - config.overlap) * b)) for n, b in zip(earlier.shape, block, strict=True)]
    match = itk_matcher(earlier, later, block, search)
    rng = np.random.default_rng(0)
    corners = rng.integers(
        [search[0] + 40, 16], np.array(earlier.shape) - block - np.array([search[0] + 40, 16]), (n_timed, 2)
    )
    match(*corners[0])
    begin = time.perf_counter(), time.process_time()
    found = np.array([match(*corner) for corner in corners])
    share = counts[0] * counts[1] / n_timed
    seconds, processor = share * (time.perf_counter() - begin[0]), share * (time.process_time() - begin[1])
    centres = corners + np.array(block) // 2
    return summary(seconds, processor, seconds, found - truth[centres[:, 0], centres[:, 1]])


def itk_matcher(
    earlier: np.ndarray, later: np.ndarray, block: tuple[int, int], search: tuple[int, int]
) -> Callable[[int, int], float]:
    """Function of the first (sample, line) of a block that gives its axial displacement in samples."""
    itk = importlib.import_module("itk")
    # The submodules are imported by name: the package's own look-up loads every module of ITK, and one crashes (0.7.1).
    vnl = importlib.import_module("itk.itkVnlFFTImageFilterInitFactoryPython")
    vnl.itkVnlFFTImageFilterInitFactory.RegisterFactories()
    metric = importlib.import_module("itk.itkBlockMatchingNormalizedCrossCorrelationFFTMetricImageFilterPython")
    images = [itk.image_view_from_array(np.ascontiguousarray(f.T, dtype=np.float32)) for f in (earlier, later)]

    def region(first: tuple[int, int], size: tuple[int, int]) -> Any:
        return itk.ImageRegion[2](itk.Index[2]([int(f) for f in first]), itk.Size[2]([int(s) for s in size]))

    def peak(images: list[Any], row: int, line: int) -> float:
        matcher = metric.itkNormalizedCrossCorrelationFFTMetricImageFilterIF2IF2IF2.New()
        matcher.SetNumberOfWorkUnits(1)
        matcher.SetFixedImage(images[0])
        matcher.SetMovingImage(images[1])
        matcher.SetFixedImageRegion(region((row, line), block))
        size = block[0] + 2 * search[0], block[1] + 2 * search[1]
        matcher.SetMovingImageRegion(region((row - search[0], line - search[1]), size))
        matcher.Update()
        values = itk.array_from_image(matcher.GetOutput())
        # Beyond the search range blocks overlap the region in part, where the metric means nothing.
        values = values[block[1] // 2 : -(block[1] // 2), block[0] // 2 : -(block[0] // 2)]
        j, i = np.unravel_index(values.argmax(), values.shape)
        i = int(np.clip(i, 1, values.shape[1] - 2))
        return i + float(parabolic_peak(values[j, i - 1], values[j, i], values[j, i + 1]))

    # Where zero displacement lies in the metric image: that of a frame against itself.
    twin = itk.image_duplicator(images[0])
    zero = round(peak([images[0], twin], earlier.shape[0] // 2, earlier.shape[1] // 2))
    return lambda row, line: peak(images, row, line) - zero


def print_speed(methods: list[str]) -> dict[str, dict[str, float]]:
    """Time every method on the same pair, each in a process of its own."""
    n_cores = len(os.sched_getaffinity(0))
    print(f"\nspeed on a {SPEED_SHAPE[0]} x {SPEED_SHAPE[1]} pair, {n_cores} cores")
    heads = (
        ("seconds", 8),
        ("processor s", 12),
        ("first call", 11),
        ("peak GB", 8),
        ("RMSE, samples", 14),
        ("< 0.5 sample", 13),
    )
    print(f"{'method':20s}", *(f"{head:>{width}s}" for head, width in heads))
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pair.npz"
        speed_pair(path)
        for method in methods:
            command = [sys.executable, __file__, "--time-one", method, "--pair-file", str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["?"])[-1]
                print(f"{method:20s} failed with status {done.returncode}: {reason}")
                continue
            result = results[method] = json.loads(done.stdout.splitlines()[-1])
            print(
                f"{method:20s} {result['seconds']:8.3f} {result['processor_seconds']:12.3f}"
                f" {result['first_seconds']:11.2f} {result['peak_gigabytes']:8.2f}"
                f" {result['displacement_rmse_samples']:14.4f} {100 * result['within_half_sample']:11.2f} %"
            )
    for method in (m for m in methods if ITK in results and m in results):
        ratio = results[ITK]["processor_seconds"] / results[method]["processor_seconds"]
        print(f"ratio of processor time, {ITK} / {method}: {ratio:.0f} (ITK's from 300 of its blocks, scaled to all)")
    return results


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--pairs", type=int, default=24, help="number of held-out pairs")
    parser.add_argument("--quick", action="store_true", help="only the held-out pairs, no speed")
    parser.add_argument("--strain-window-mm", type=float, default=ElastographyConfig().strain_window_mm)
    parser.add_argument("--json", type=Path, help="write all scores and timings here")
    parser.add_argument("--time-one", help=argparse.SUPPRESS)
    parser.add_argument("--pair-file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.time_one:
        one = options.time_one
        print(json.dumps(time_itk(options.pair_file) if one == ITK else time_one(one, options.pair_file)))
        return
    config = ElastographyConfig(strain_window_mm=options.strain_window_mm)
    record: dict[str, Any] = {"strain_window_mm": options.strain_window_mm, "rows": {}}
    for row in rows(options.pairs, options.quick):
        scores = evaluate(row, options.methods, config)
        print_scores(row, scores)
        record["rows"][row.title] = {m: [asdict(s) for s in values] for m, values in scores.items()}
    if not options.quick:
        has_itk = importlib.util.find_spec("itk") is not None
        if not has_itk:
            print(
                "\nITKUltrasound is not installed (pip install itk==5.4.4 itk-ultrasound==0.7.1, 1.6 GB): not compared"
            )
        record["speed"] = print_speed(options.methods + [ITK] * has_itk)
    if options.json:
        options.json.write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
