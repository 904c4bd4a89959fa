"""Training samples of the refinement network: the same for the same seed, and turned images show turned tissue."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sonometry.applications.elastography import am2d, task  # noqa: E402
from sonometry.applications.elastography.displacement import TrackingSetup  # noqa: E402
from sonometry.applications.elastography.features import CHANNELS, STRAIN_SHARE, refinement_features  # noqa: E402
from sonometry.applications.elastography.task_config import TaskConfig  # noqa: E402
from sonometry.core.errors import UsageError  # noqa: E402


def features_of(frames: np.ndarray, context: TrackingSetup) -> np.ndarray:
    """Features about a motion that is off by a smooth error, so that every residual has something to show."""
    echo, motion = am2d.track_baseband(frames[0], frames[1], context=context)
    features, _ = refinement_features(echo, motion, context=context)
    return features


@pytest.fixture(scope="module")
def frames(tracked_pair) -> np.ndarray:
    pair = tracked_pair(0.02, 20.0)
    # A whole number of baseband rows and pixels, so that both orders of rows have the same grid.
    return np.stack([pair.earlier[:960], pair.later[:960]])


SETUP = TrackingSetup(40e6, 6e6, 1540 / 80e6, 0.234e-3)


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation away from the edges."""
    return float(np.corrcoef(a[20:-20, 6:-6].ravel(), b[20:-20, 6:-6].ravel())[0, 1])


def test_mirrored_images_are_those_of_mirrored_tissue(frames):
    sample = {"features": features_of(frames, SETUP), "target": np.zeros((3, 4, 4), np.float32)}
    turned = task._reversed(sample, -1, task._MIRRORED_CHANNELS, task._MIRRORED_TARGETS)["features"]
    own = features_of(np.ascontiguousarray(frames[:, :, ::-1]), SETUP)
    for name in ("phase_mid", "lateral_coarse", "prior_shear", "prior_strain", "looser", "tighter"):
        k = CHANNELS.index(name)
        assert likeness(turned[k], own[k]) > 0.7, name


def test_turned_images_have_the_signs_of_turned_tissue(frames):
    """Upside down, tissue that moves away moves near: axial motion and shear change sign, strain does not."""
    sample = {"features": features_of(frames, SETUP), "target": np.zeros((3, 4, 4), np.float32)}
    turned = task._reversed(sample, -2, task._TURNED_CHANNELS, task._TURNED_TARGETS)["features"]
    own = features_of(np.ascontiguousarray(frames[:, ::-1]), SETUP)
    for name in ("prior_shear", "prior_strain"):
        k, rows = CHANNELS.index(name), min(turned.shape[1], own.shape[1])
        assert likeness(turned[k][-rows:], own[k][:rows]) > 0.7, name


def test_a_sample_is_a_function_of_seed_and_index(tmp_path, monkeypatch):
    made = []

    def make(seed: int, config: TaskConfig) -> dict[str, np.ndarray]:
        made.append(seed)
        shape = (len(CHANNELS), 40, 30)
        rng = np.random.default_rng(seed)
        image = rng.standard_normal(shape).astype(np.float32)
        return {"features": image, "target": image[:3], "mask": np.ones((1, 40, 30), np.float32)}

    monkeypatch.setattr(task, "make_sample", make)
    config = TaskConfig(pool=5, pool_start=2, pool_growth=1, crop_rows=32, crop_lines=16)
    first = task.PairDataset(config, tmp_path / "a", 1, 6, 0)
    later = task.PairDataset(config, tmp_path / "b", 1, 3, 3)
    np.testing.assert_array_equal(first[4]["features"], later[1]["features"])
    [first[i] for i in range(6)]
    assert set(made) <= {task.FIRST_TRAINING_SEED + 10_000_000 + k for k in range(5)}


def test_the_pool_grows_with_the_samples(tmp_path):
    config = TaskConfig(pool=50, pool_start=1, pool_growth=10)
    data = task.PairDataset(config, tmp_path, 1, 1, 0)
    early = [data._drawn(3, np.random.default_rng(k)) for k in range(50)]
    late = [data._drawn(490, np.random.default_rng(k)) for k in range(50)]
    assert max(early) == 0 < 30 < max(late)


def test_edges_count_little_and_what_lies_beyond_nothing():
    sample = {"mask": np.ones((1, 60, 40), np.float32), "features": np.ones((2, 60, 40), np.float32)}
    weighted = task._edges_weighted(sample)
    crop = task._cropped(weighted, 80, 48, 0, 0)
    assert crop["mask"][0, 30, 20] == 1
    assert crop["mask"][0, 0, 0] == np.float32(0.1)
    assert crop["mask"][0, 70].max() == 0


def test_the_error_of_silence_is_the_prior_error(tmp_path):
    """An untrained network says nothing; its strain error is the root mean square of the target."""
    config = TaskConfig(widths=(4, 8))
    made = task.task(config, tmp_path, None)
    target = torch.full((1, 3, 32, 16), 3.0)
    batch = {
        "features": torch.zeros(1, len(CHANNELS), 32, 16),
        "target": target,
        "mask": torch.ones(1, 1, 32, 16),
        "axial_to_strain": torch.ones(1),
    }
    losses = made.losses(made.network(), batch)
    assert losses["strain_error"].item() == pytest.approx(np.log(3 * STRAIN_SHARE), abs=1e-3)


def test_recordings_are_refused_since_pairs_are_simulated(tmp_path):
    with pytest.raises(UsageError, match="elastography trains on pairs that it simulates itself; leave --data away"):
        task.task(TaskConfig(), tmp_path, tmp_path / "manifest.csv")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "resnet"}, "--network must be refinement"),
        ({"varied_share": -1.0}, "--varied-share must lie between 0 and 1"),
        ({"paper_share": 2.0}, "--paper-share must lie between 0 and 1"),
        ({"crop_rows": 0}, "--crop-rows must be at least 1"),
        ({"dilation": 0}, "--dilation must be at least 1"),
    ],
)
def test_wrong_options_are_named(changes, message):
    with pytest.raises(UsageError, match=message):
        replace(TaskConfig(), **changes)


@pytest.mark.slow
def test_a_simulated_sample_has_its_truth_on_the_grid(tmp_path):
    """Target plus prior is the true strain: its mean over a pair at the paper's setting is 1 or 2 %."""
    sample = task.paper_sample(70_001)
    prior = sample["features"][CHANNELS.index("prior_strain")]
    unit = float(sample["strain_unit"]) / STRAIN_SHARE
    strain = unit * (prior + STRAIN_SHARE * sample["target"][2])
    assert abs(strain.mean()) == pytest.approx(0.01 if abs(strain.mean()) < 0.015 else 0.02, rel=0.06)
    assert np.abs(sample["target"][2][:, 10:-10]).mean() < 1.5
