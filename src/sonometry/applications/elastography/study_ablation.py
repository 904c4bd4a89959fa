"""Tables 3 and 4 of Wu et al. 2018: its networks with one thing changed, each trained anew, all on the same pairs.

Every variant is a set of values of the task's configuration, so that a variant of your own is a run of
`sonometry train elastography --network wu2018-displacement ...`. The strain variants all learn from the displacement
network of the paper's configuration, trained within the study.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonometry.applications.elastography.config import ElastographyConfig
from sonometry.applications.elastography.displacement import TrackingSetup
from sonometry.applications.elastography.echo_pair import prepare_pair
from sonometry.applications.elastography.strain_image import image_of
from sonometry.applications.elastography.study_pairs import (
    Numbers,
    cached_numbers,
    column,
    frames_of,
    mean_and_sd,
    numbers_of,
    test_pair,
)
from sonometry.applications.elastography.task_config import NetworkName, TaskConfig
from sonometry.applications.elastography.wu2018 import (
    DISPLACEMENT_WEIGHTS,
    STRAIN_WEIGHTS,
    on_grid_of,
    predicted_displacement,
    predicted_strain,
    resize_pair,
)
from sonometry.core.errors import MissingExtraError
from sonometry.core.options import plain
from sonometry.core.paper_study import Cell, StudyRequest, StudyResult, Table
from sonometry.models.inference import load_network


@dataclass(frozen=True)
class Variant:
    """One row: its name, what it changes, and the paper's SNRd, SNRe, CNRe and RMSE (None: not printed)."""

    name: str
    changes: dict[str, Any]
    paper: tuple[str | None, ...]


@dataclass(frozen=True)
class Size:
    """How large the study is. patches : of one step."""

    steps: int
    patches: int
    tissues: int
    pairs: int


#: The paper's size (10 million patches), and one that two cores finish in minutes.
FULL, QUICK = Size(20_000, 512, 40, 10), Size(150, 128, 4, 2)

#: Rows of Table 3. The paper's columns are printed without their rows' alignment; values are in its order.
DISPLACEMENT_VARIANTS = (
    Variant("paper's configuration", {}, ("96.07 ± 8.86", "28.68 ± 6.80", "62.32 ± 10.80", "0.24")),
    Variant("average pooling", {"pooling": "avg"}, ("66.01 ± 6.08", "8.95 ± 0.65", "6.26 ± 1.11", "0.65")),
    Variant("4 layers", {"layers": 4}, ("66.79 ± 5.00", "7.94 ± 1.57", "11.53 ± 0.52", "0.85")),
    Variant("6 layers", {"layers": 6}, ("65.43 ± 7.25", "7.67 ± 3.68", "8.46 ± 3.00", "1.04")),
    Variant("2 fully-connected layers", {"dense_layers": 2}, ("60.09 ± 5.62", "3.74 ± 1.74", "5.06 ± 4.28", "1.17")),
    Variant("4 fully-connected layers", {"dense_layers": 4}, ("50.43 ± 3.83", "3.20 ± 0.58", "3.82 ± 1.65", "2.13")),
    Variant("dilation 2", {"dilation": 2}, ("65.82 ± 3.66", "8.58 ± 1.57", "13.16 ± 3.90", "0.74")),
    Variant("dilation 3", {"dilation": 3}, ("75.92 ± 3.96", "13.34 ± 2.67", "25.45 ± 7.02", "0.80")),
    Variant("patch 71x5", {"patch_columns": 5}, ("89.43 ± 8.86", "15.35 ± 1.57", "29.37 ± 12.48", "0.39")),
    Variant("patch 45x9", {"patch_rows": 45}, ("94.33 ± 7.25", "16.45 ± 3.35", "36.42 ± 9.23", "0.27")),
    Variant("patch 31x9", {"patch_rows": 31}, ("55.18 ± 5.10", "2.72 ± 0.94", "3.78 ± 1.84", "1.24")),
)
#: Rows of Table 4: the caption gives five layers, the text three (docs/decisions); both are run.
STRAIN_VARIANTS = (
    Variant("5 layers (Table 4)", {"layers": 5}, (None, "28.68 ± 6.80", "62.32 ± 10.80", "0.29")),
    Variant("3 layers (text)", {"layers": 3}, (None, "30.51 ± 3.71", "66.99 ± 13.02", "0.37")),
    Variant("4 layers", {"layers": 4}, (None, "30.67 ± 2.13", "69.39 ± 14.30", "0.37")),
    Variant("average pooling", {"layers": 5, "pooling": "avg"}, (None, "28.58 ± 5.08", "62.07 ± 15.53", "0.35")),
    Variant(
        "2 fully-connected layers", {"layers": 5, "dense_layers": 2}, (None, "39.50 ± 4.28", "69.64 ± 15.79", "0.37")
    ),
    Variant(
        "4 fully-connected layers", {"layers": 5, "dense_layers": 4}, (None, "30.69 ± 5.24", "65.93 ± 16.66", "0.35")
    ),
    Variant("dilation 2", {"layers": 5, "dilation": 2}, (None, "30.17 ± 5.22", "65.88 ± 21.74", "0.36")),
    Variant("dilation 3", {"layers": 5, "dilation": 3}, (None, "34.84 ± 6.24", "68.86 ± 14.49", "0.37")),
    Variant("patch 61x5", {"layers": 5, "patch_columns": 5}, (None, "32.42 ± 3.02", "67.25 ± 10.44", "0.34")),
    Variant("patch 41x9", {"layers": 5, "patch_rows": 41}, (None, "30.56 ± 4.87", "60.76 ± 15.58", "0.35")),
    Variant("patch 71x9", {"layers": 5, "patch_rows": 71}, (None, "29.06 ± 7.00", "62.34 ± 18.94", "0.39")),
)


@dataclass(frozen=True)
class _Bench:
    """Where the variants of one study are trained, and on what."""

    request: StudyRequest
    size: Size

    def trained(self, network: NetworkName, variant: Variant, first: Path | None = None) -> Path:
        """Folder of the weights of a variant; trained in the cache of the study unless that was done before."""
        stem = "".join(c if c.isalnum() else "-" for c in variant.name)
        folder = self.request.cache / f"{network}-{stem}-{self.size.steps}"
        name = DISPLACEMENT_WEIGHTS if network == "wu2018-displacement" else STRAIN_WEIGHTS
        if not (folder / "weights" / f"{name}.json").is_file():
            config = TaskConfig(
                network=network,
                tissues=self.size.tissues,
                patches=self.size.patches,
                displacement_weights="" if first is None else str(first),
                **variant.changes,
            )
            self._train(config, folder)
        return folder / "weights"

    def _train(self, config: TaskConfig, folder: Path) -> None:
        # Training needs torch, which nothing that measures may load.
        run = importlib.import_module("sonometry.training.run")
        options = importlib.import_module("sonometry.training.config")
        task = importlib.import_module("sonometry.applications.elastography.wu2018_task").PatchTask(
            config, folder, tissue_folder=self.request.cache / "tissues"
        )
        steps = self.size.steps
        training = options.TrainingConfig(
            steps=steps, batch_size=1, learning_rate=1e-3, optimiser="adam",
            average_decay=0.99 if steps < 1000 else 0.998, validate_every=min(1000, steps), workers=0,
        )  # fmt: skip
        run.train_task(task, folder, training, options=plain(config), progress=False)


def table3(request: StudyRequest) -> StudyResult:
    """Every variant of the displacement network; its strain is that of the strain network of the same study."""
    bench = _Bench(_able(request), QUICK if request.quick else FULL)
    reference = bench.trained("wu2018-displacement", DISPLACEMENT_VARIANTS[0])
    strain = bench.trained("wu2018-strain", STRAIN_VARIANTS[1], reference)
    rows: list[tuple[Cell, ...]] = []
    for k, variant in enumerate(DISPLACEMENT_VARIANTS):
        request.progress(k / len(DISPLACEMENT_VARIANTS), f"training: {variant.name}")
        first = bench.trained("wu2018-displacement", variant)
        rows += _rows(variant, _tested(bench, first, strain, f"3-{k}"))
    return _result("Table 3: variants of the displacement network", tuple(rows), bench.size)


def table4(request: StudyRequest) -> StudyResult:
    """Every variant of the strain network behind the displacement network of the paper's configuration."""
    bench = _Bench(_able(request), QUICK if request.quick else FULL)
    first = bench.trained("wu2018-displacement", DISPLACEMENT_VARIANTS[0])
    rows: list[tuple[Cell, ...]] = []
    for k, variant in enumerate(STRAIN_VARIANTS):
        request.progress(k / len(STRAIN_VARIANTS), f"training: {variant.name}")
        strain = bench.trained("wu2018-strain", variant, first)
        rows += _rows(variant, _tested(bench, first, strain, f"4-{k}"))
    return _result("Table 4: variants of the strain network", tuple(rows), bench.size)


def _able(request: StudyRequest) -> StudyRequest:
    """The request, or MissingExtraError where nothing can be trained."""
    for module in ("torch", "lightning", "safetensors", "onnx"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(module, "train", "training the variants of this study")
    return request


def _tested(bench: _Bench, first: Path, second: Path, key: str) -> list[Numbers]:
    """Numbers of two networks on the test pairs."""
    found = []
    for k in range(bench.size.pairs):
        path = bench.request.cache / f"numbers-{bench.size.steps}" / f"{key}-{k:02d}.json"
        found.append(cached_numbers(path, lambda k=k: _measured(k, first, second)))  # type: ignore[misc]
    return found


def _measured(index: int, first: Path, second: Path) -> Numbers:
    pair = test_pair(index)
    frames = frames_of(pair)
    setup = TrackingSetup.of(frames)
    echo = prepare_pair(frames.samples[0], frames.samples[1], setup)
    resized = resize_pair(frames.samples[0], frames.samples[1], echo, setup)
    displacement = predicted_displacement(resized, load_network(first))
    strain = predicted_strain(displacement, load_network(second))
    moved = on_grid_of(echo, displacement / resized.scale, strain, frames.samples[0].shape)
    return numbers_of(pair, image_of(frames, (0, 1), moved, ElastographyConfig(method="wu2018")))


def _rows(variant: Variant, values: list[Numbers]) -> list[tuple[Cell, ...]]:
    """The paper's row and ours below it."""
    keys = ("snr_d_db", "snr_e_db", "cnr_e_db", "displacement_rmse_samples")
    ours = [mean_and_sd(column(values, key), ".3g") for key in keys]
    strain = mean_and_sd(100 * column(values, "strain_rmse"), ".3g")
    is_strain_row = variant.paper[0] is None
    paper = (*variant.paper[:3], *((None, variant.paper[3]) if is_strain_row else (variant.paper[3], None)))
    return [(variant.name, "paper", 10, *paper), (variant.name, "ours", len(values), *ours, strain)]


def _result(title: str, rows: tuple[tuple[Cell, ...], ...], size: Size) -> StudyResult:
    columns = ("variant", "of", "pairs", "SNRd, dB", "SNRe, dB", "CNRe, dB", "RMSE, samples", "strain RMSE, %")
    n_patches = size.steps * size.patches
    caption = f"{n_patches:,} patches a network from {size.tissues} tissues, mean ± standard deviation over test pairs"
    notes = [
        "The paper prints the rows of these tables without aligning them to its labels; they are taken in their order. "
        "Its RMSE is of displacement in samples in Table 3 and of strain in per cent in Table 4 (inferred).",
    ]
    if size is QUICK:
        notes.append("Quick size: no network saw enough patches to be good, so the order of rows means nothing.")
    return StudyResult((Table(title, columns, rows, caption),), (), tuple(notes))
