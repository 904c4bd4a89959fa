"""The coarse tracker must never lose the tissue where the echoes hold it, and must say where they do not."""

from __future__ import annotations

import numpy as np
import pytest

from sonometry.applications.elastography import coarse
from sonometry.applications.elastography.displacement import TrackingSetup
from sonometry.core.errors import DataError


def share_in_reach(found, pair) -> float:
    """Share of inner pixels within a quarter of a period: where finer trackers converge."""
    error = np.abs(found.axial_samples - pair.axial_samples)[pair.inner()]
    return float(np.mean(error < pair.context.samples_per_period / 4))


@pytest.mark.parametrize("compression", [0.001, 0.01, 0.03, 0.05, -0.02, -0.05])
@pytest.mark.parametrize("snr_db", [30.0, 15.0])
def test_whole_image_is_within_a_quarter_period(tracked_pair, compression: float, snr_db: float) -> None:
    pair = tracked_pair(compression, snr_db)
    found = coarse.track(pair.earlier, pair.later, context=pair.context)
    assert share_in_reach(found, pair) == 1
    assert found.lock_share > 0.9


@pytest.mark.parametrize(("samples", "lines"), [(45, 3), (-45, -3), (0, 4), (30, 0)])
def test_rigid_motion_of_the_probe_is_found(tracked_pair, samples: int, lines: int) -> None:
    pair = tracked_pair(0.02)
    later = np.roll(pair.later, (samples, lines), axis=(0, 1))
    found = coarse.track(pair.earlier, later, context=pair.context)
    inner = pair.inner(120, 10)
    assert np.abs(found.axial_samples - pair.axial_samples - samples)[inner].max() < 1.5
    assert np.sqrt(np.mean((found.lateral_lines - pair.lateral_lines - lines)[inner] ** 2)) < 0.4


@pytest.mark.parametrize(("n_samples", "n_lines"), [(200, 16), (400, 8), (128, 4)])
def test_small_images_are_tracked(tracked_pair, n_samples: int, n_lines: int) -> None:
    pair = tracked_pair(0.01)
    part = np.s_[300 : 300 + n_samples, 24 : 24 + n_lines]
    found = coarse.track(pair.earlier[part], pair.later[part], context=pair.context)
    error = np.abs(found.axial_samples - pair.axial_samples[part])[20:-20]
    assert (error < pair.context.samples_per_period / 4).all()


@pytest.mark.parametrize("ratio", [2, 3])
def test_lower_sampling_rate_gives_the_same_motion(tracked_pair, ratio: int) -> None:
    pair = tracked_pair(0.03)
    setup = pair.context
    sparse = TrackingSetup(
        setup.sampling_rate_hz / ratio, setup.centre_frequency_hz, setup.axial_step_m * ratio, setup.line_pitch_m
    )
    found = coarse.track(pair.earlier[::ratio], pair.later[::ratio], context=sparse)
    error = np.abs(found.axial_samples * ratio - pair.axial_samples[::ratio])[40:-40, 4:-4]
    assert error.max() < setup.samples_per_period / 4


def test_unrelated_frames_have_no_lock(rng: np.random.Generator, tracked_pair) -> None:
    pair = tracked_pair(0.01)
    other = tracked_pair(0.01, seed=2)
    assert coarse.track(pair.earlier, other.later, context=pair.context).lock_share < 0.05


def test_part_that_decorrelated_is_reported_and_the_rest_kept(rng: np.random.Generator, tracked_pair) -> None:
    pair = tracked_pair(0.01)
    later = pair.later.copy()
    later[600:] = rng.standard_normal(later[600:].shape) * later.std()
    found = coarse.track(pair.earlier, later, context=pair.context)
    assert found.has_lock[80:500].mean() > 0.95
    assert found.has_lock[700:].mean() < 0.05
    error = np.abs(found.axial_samples - pair.axial_samples)[80:500, 4:-4]
    assert error.max() < pair.context.samples_per_period / 4


def test_tissue_that_slides_on_a_plane_is_followed_on_both_sides(tracked_pair) -> None:
    pair = tracked_pair(0.01)
    later = pair.later.copy()
    later[500:] = np.roll(pair.later, (3, 2), axis=(0, 1))[500:]
    found = coarse.track(pair.earlier, later, context=pair.context)
    reach = pair.context.samples_per_period / 4
    assert np.abs(found.axial_samples - pair.axial_samples)[80:400, 4:-4].max() < reach
    assert np.abs(found.axial_samples - pair.axial_samples - 3)[620:-80, 8:-4].max() < reach


@pytest.mark.parametrize("constant", [0.0, 3.0])
def test_constant_frames_give_no_lock_and_no_error(constant: float, tracked_pair) -> None:
    frame = np.full((300, 16), constant, np.float32)
    found = coarse.track(frame, frame, context=tracked_pair(0.01).context)
    assert found.lock_share == 0
    assert not found.axial_samples.any()


@pytest.mark.parametrize(
    ("earlier", "later", "message"),
    [
        (np.zeros((300, 16)), np.zeros((301, 16)), "equal .* shape"),
        (np.zeros((300, 3)), np.zeros((300, 3)), "at least 128 samples x 4 lines"),
        (np.zeros((100, 16)), np.zeros((100, 16)), "at least 128 samples x 4 lines"),
        (np.full((300, 16), np.nan), np.zeros((300, 16)), "NaN or infinite"),
    ],
)
def test_unusable_frames_are_refused(earlier: np.ndarray, later: np.ndarray, message: str, tracked_pair) -> None:
    with pytest.raises(DataError, match=message):
        coarse.track(earlier.astype("f4"), later.astype("f4"), context=tracked_pair(0.01).context)
