"""What the studies of the paper are computed on: test pairs of its protocol, and the paper's numbers of one result.

The paper's columns are taken as inferred in `evaluation.elastography`: decibels are 10 ln of the power ratio, SNRe is
that of the inclusion, and its strain RMSE is in per cent. Beside them stand plain ratios, by which to judge.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sonometry.applications.elastography.config import ElastographyConfig
from sonometry.applications.elastography.strain_image import StrainImage, strain_image
from sonometry.core import Simulated
from sonometry.core.rf import RFFrames
from sonometry.evaluation import elastography as formulas
from sonometry.io.atomic import write_atomic
from sonometry.simulation.phantoms.inclusion import paper_pair

#: Test pairs: 8, 14, 45 and 80 kPa in turn, 1 and 2 %; no network was trained or chosen on these seeds.
FIRST_TEST_SEED = 8000
TEST_PAIRS, QUICK_PAIRS = 10, 4
STIFFNESS_PA = (8e3, 14e3, 45e3, 80e3)

#: Methods beside each other: name in the tables, options.
METHODS = (
    ("sonometry", ElastographyConfig(method="sonometry")),
    ("wu2018", ElastographyConfig(method="wu2018")),
    ("AM2D, Kalman", ElastographyConfig(method="am2d", strain_estimator="kalman")),
    ("AM2D, least squares", ElastographyConfig(method="am2d", strain_estimator="least-squares")),
    ("GLUE", ElastographyConfig(method="glue")),
    ("windowed correlation", ElastographyConfig(method="ncc")),
)


@dataclass(frozen=True)
class Numbers:
    """One method on one pair: the paper's columns, then plain ones with those of the true strain."""

    snr_d_db: float
    displacement_rmse_samples: float
    snr_e_db: float
    cnr_e_db: float
    strain_rmse: float
    snr_e: float
    cnr_e: float
    true_snr_e: float
    true_cnr_e: float


def test_pair(index: int) -> Simulated:
    """Test pair `index`, counted from 0."""
    stiffness_pa = STIFFNESS_PA[index % len(STIFFNESS_PA)]
    return paper_pair(FIRST_TEST_SEED + index, inclusion_pa=stiffness_pa, compression=0.01 if index % 8 < 4 else 0.02)


def frames_of(pair: Simulated) -> RFFrames:
    """The RF of a simulated pair."""
    assert isinstance(pair.recording, RFFrames)
    return pair.recording


def measured(pair: Simulated, config: ElastographyConfig) -> StrainImage:
    """Strain image of a pair."""
    return strain_image(frames_of(pair), (0, 1), config)


def regions_of(pair: Simulated) -> tuple[formulas.Mask, formulas.Regions]:
    """The judged window, and inclusion and background within it."""
    recording, labels = frames_of(pair), pair.labels
    window = formulas.judged_window(recording.depth_m, recording.lateral_m)
    centre_m = float(labels["inclusion_depth_m"]), float(labels["inclusion_lateral_m"])
    radius_m = float(labels["inclusion_radius_m"])
    regions = formulas.inclusion_regions(
        recording.depth_m, recording.lateral_m, centre_m=centre_m, radius_m=radius_m, within=window
    )
    return window, regions


def numbers_of(pair: Simulated, image: StrainImage) -> Numbers:
    """Every number of one result."""
    window, regions = regions_of(pair)
    inside, background = regions.inside, regions.background
    true_m, true_strain, strain = pair.truth["axial_displacement_m"], pair.truth["axial_strain"], image.axial_strain
    return Numbers(
        snr_d_db=formulas.snr_d_paper_db(image.axial_displacement_m, true_m, window),
        displacement_rmse_samples=formulas.rmse(image.axial_displacement_m, true_m, window)
        / frames_of(pair).axial_step_m,
        snr_e_db=formulas.snr_e_paper_db(strain, inside),
        cnr_e_db=formulas.cnr_e_paper_db(strain, inside, background),
        strain_rmse=formulas.rmse(strain, true_strain, window),
        snr_e=formulas.snr_e(strain, background),
        cnr_e=formulas.cnr_e(strain, inside, background),
        true_snr_e=formulas.snr_e(true_strain, background),
        true_cnr_e=formulas.cnr_e(true_strain, inside, background),
    )


def cached_numbers(path: Path, make: Callable[[], Numbers]) -> Numbers:
    """Numbers kept as JSON in `path`, so that an interrupted study need not measure again."""
    if path.is_file():
        return Numbers(**json.loads(path.read_text()))
    found = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(asdict(found)))
    return found


def column(values: list[Numbers], name: str) -> np.ndarray:
    """One number of every pair."""
    return np.array([getattr(v, name) for v in values])


def mean_and_sd(values: np.ndarray, digits: str = ".4g") -> str:
    """Mean ± standard deviation as the paper prints it; the mean alone of a single value."""
    if len(values) < 2:
        return f"{values.mean():{digits}}"
    return f"{values.mean():{digits}} ± {values.std(ddof=1):{digits}}"


def thinned(mask: np.ndarray, every: tuple[int, int]) -> np.ndarray:
    """The mask on every so many samples and lines only: neighbours say nothing new."""
    grid = np.zeros_like(mask)
    grid[:: every[0], :: every[1]] = True
    return mask & grid


def numbered(n: int) -> Iterator[tuple[int, Simulated]]:
    """The first `n` test pairs with their index."""
    return ((k, test_pair(k)) for k in range(n))
