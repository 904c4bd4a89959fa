"""Pictures of docs/elastography/learned.md: strain by the truth, AM2D and sonometry, an arm in vivo, loss curves.

python benchmarks/elastography_figures.py OUT [--arm FOLDER]
python benchmarks/elastography_figures.py OUT --runs DISPLACEMENT STRAIN

FOLDER holds the frames of one forearm sequence (MetaImage) of RemiDelaunay/DeepUSE, MIT. DISPLACEMENT and STRAIN are
the run folders of the two networks of wu2018; with them only their loss curves are drawn, from log/metrics.csv.
"""

from __future__ import annotations

import argparse
import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from sonometry.applications.elastography.config import ElastographyConfig
from sonometry.applications.elastography.measure import measure
from sonometry.applications.elastography.sections import on_picture
from sonometry.applications.elastography.strain_image import strain_image
from sonometry.applications.elastography.wu2018 import DISPLACEMENT_UNIT, STRAIN_UNIT
from sonometry.core import Simulated
from sonometry.core.rf import RFFrames
from sonometry.io.facts import Facts
from sonometry.io.read import read
from sonometry.plots.fields import Curve, strain_comparison
from sonometry.plots.style import LINES, chart_axes, new_figure, png, title
from sonometry.simulation.phantoms.inclusion import paper_pair, varied_pair
from sonometry.simulation.reference import simus_pair

#: Pairs that nothing was trained, chosen or scored on.
PAIRS = {"paper": (paper_pair, 8500), "uneven": (varied_pair, 8507), "simus": (simus_pair, 2)}
METHODS = ("am2d", "sonometry")


def simulated(pair: Simulated, methods: tuple[str, ...]) -> bytes:
    """Truth and methods beside each other, with the profile down the middle line of the first inclusion."""
    frames = pair.recording
    assert isinstance(frames, RFFrames)
    strains = {"truth": pair.truth["axial_strain"]}
    strains |= {m: strain_image(frames, (0, 1), ElastographyConfig(method=m)).axial_strain for m in methods}
    return compared(frames, strains, float(pair.labels.get("inclusion_lateral_m", 0.0)))


def compared(frames: RFFrames, strains: dict[str, np.ndarray], lateral_m: float) -> bytes:
    """Strain images beside each other and their profiles."""
    line = int(np.argmin(np.abs(frames.lateral_m - lateral_m)))
    curves = [Curve(frames.depth_m, strain[:, line], name) for name, strain in strains.items()]
    pictures = [on_picture(frames, strain) for strain in strains.values()]
    return png(strain_comparison(pictures, list(strains), curves, line_m=float(frames.lateral_m[line])))


def arm(folder: Path, methods: tuple[str, ...]) -> bytes:
    """The chosen pair of a forearm by every method; blank where the pair is not valid."""
    facts = Facts(sampling_mhz=38.5, centre_mhz=5.0)
    frames = read(sorted(folder.glob("*.mhd")), facts=facts)
    assert isinstance(frames, RFFrames)
    first = measure(frames, ElastographyConfig(method="am2d", sequence=False)).fields
    pair = tuple(int(k) for k in first["pair_frames"])
    strains, frames = {}, replace(frames)
    for method in methods:
        image = strain_image(frames, (pair[0], pair[1]), ElastographyConfig(method=method))
        strains[method] = np.where(image.valid, image.axial_strain, np.nan)
        print(f"{folder.name} frames {pair}, {method}: median correlation {np.median(image.agreement):.4f}")
    return compared(frames, strains, 0.0)


def loss_curves(runs: list[Path]) -> bytes:
    """Mean absolute error over the patches seen, of training (mean of neighbouring rows) and of validation."""
    figure = new_figure(4.5 * len(runs), 3.4)
    for k, run in enumerate(runs):
        options = json.loads((run / "run.json").read_text())
        scale, unit = _UNITS[options["options"]["network"]]
        per_step = options["options"]["patches"] * options["training"]["batch_size"] / 1e6
        axes = figure.add_subplot(1, len(runs), k + 1)
        for side, colour, width in (("train", LINES[1], 0.8), ("val", LINES[0], 1.8)):
            steps, losses = np.array(_logged(run, f"{side}/loss")).T
            mean_of = max(1, len(steps) // 200)
            steps, losses = (_means(values, mean_of) for values in (steps, losses))
            label = {"train": "training, dropout on", "val": "held-out tissues, averaged weights"}[side]
            axes.plot((steps + 1) * per_step, losses * scale, color=colour, linewidth=width, label=label)
        axes.set_yscale("log")
        axes.set_yticks([t for t in (0.04, 0.05, 0.06, 0.08, 0.1, 0.2, 0.3, 0.4) if t < axes.get_ylim()[1]])
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        chart_axes(axes, "Patches seen (millions)", f"Mean absolute error ({unit})")
        title(axes, options["options"]["network"])
        axes.legend(frameon=False, fontsize=8)
    return png(figure)


#: Size of one unit of the networks' outputs.
_UNITS = {"wu2018-displacement": (DISPLACEMENT_UNIT, "samples"), "wu2018-strain": (100 * STRAIN_UNIT, "% strain")}


def _logged(run: Path, name: str) -> list[tuple[float, float]]:
    """(step, value) of every row of log/metrics.csv that has it."""
    with (run / "log" / "metrics.csv").open(newline="") as stream:
        return [(float(row["step"]), float(row[name])) for row in csv.DictReader(stream) if row.get(name)]


def _means(values: np.ndarray, n: int) -> np.ndarray:
    """Means of `n` neighbours each; a rest is left out."""
    means: np.ndarray = values[: len(values) // n * n].reshape(-1, n).mean(axis=1)
    return means


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--arm", type=Path, nargs="*", default=[], help="folders of forearm sequences")
    parser.add_argument("--runs", type=Path, nargs="*", default=[], help="run folders of the two networks of wu2018")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.runs:
        (options.out / "learned_wu2018_loss.png").write_bytes(loss_curves(options.runs))
        return
    for name, (make, seed) in PAIRS.items():
        (options.out / f"learned_{name}.png").write_bytes(simulated(make(seed), METHODS))
    for folder in options.arm:
        (options.out / f"learned_arm_{folder.name}.png").write_bytes(arm(folder, METHODS))


if __name__ == "__main__":
    main()
