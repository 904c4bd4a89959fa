"""AM2D against the exact motion of simulated pairs, its invariances, and a real arm."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from sonometry.applications.elastography import am2d, ncc
from sonometry.applications.elastography.am2d import Am2dConfig, random_walk, residual_precision
from sonometry.applications.elastography.displacement import METHODS, TrackingSetup
from sonometry.applications.elastography.echo_pair import prepare_pair
from sonometry.numerics.strain import least_squares_strain, odd_window


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def track(pair, **options):
    return am2d.track(pair.earlier, pair.later, context=pair.context, config=Am2dConfig(**options))


@pytest.mark.parametrize(
    ("compression", "snr_db", "tolerance"),
    [(0.001, 30, 0.004), (0.01, 30, 0.009), (-0.01, 30, 0.009), (0.02, 30, 0.015), (0.05, 30, 0.035), (0.01, 15, 0.02)],
)
def test_displacement_is_that_of_the_truth(tracked_pair, compression: float, snr_db: float, tolerance: float) -> None:
    pair = tracked_pair(compression, snr_db)
    found = track(pair)
    # The tolerances are 1.5 times what was measured over five seeds.
    assert rms((found.axial_samples - pair.axial_samples)[pair.inner()]) < tolerance
    assert found.lock_share > 0.95


def test_lateral_displacement_is_that_of_the_truth(tracked_pair) -> None:
    pair = tracked_pair(0.02)
    assert rms((track(pair).lateral_lines - pair.lateral_lines)[pair.inner()]) < 0.04


def strain_error(found, pair) -> float:
    step_m = pair.context.axial_step_m
    window = odd_window(0.8e-3, step_m, n_available=len(pair.earlier))
    strain = least_squares_strain(found.axial_samples * step_m, step_m, window=window)
    return rms((strain - pair.strain)[pair.inner()])


def test_strain_is_that_of_the_truth(tracked_pair) -> None:
    pair = tracked_pair(0.01)
    assert strain_error(track(pair), pair) < 4e-4


def test_its_strain_is_at_least_twice_as_exact_as_that_of_cross_correlation(tracked_pair) -> None:
    pair = tracked_pair(0.02)
    classical = ncc.track(pair.earlier, pair.later, context=pair.context)
    assert strain_error(track(pair), pair) < 0.5 * strain_error(classical, pair)


def test_correcting_the_point_spread_makes_it_more_exact(tracked_pair) -> None:
    pair = tracked_pair(0.02)
    error = [
        rms((track(pair, correct_point_spread=on).axial_samples - pair.axial_samples)[pair.inner()])
        for on in (True, False)
    ]
    assert error[0] < 0.9 * error[1]


def test_gain_and_offset_do_not_matter(tracked_pair) -> None:
    pair = tracked_pair(0.01)
    other = am2d.track(300 * pair.earlier + 50, 1e-2 * pair.later - 7, context=pair.context)
    np.testing.assert_allclose(other.axial_samples, track(pair).axial_samples, atol=3e-3)


def test_mirrored_lines_mirror_the_motion(tracked_pair) -> None:
    pair = tracked_pair(0.01)
    mirrored = am2d.track(pair.earlier[:, ::-1], pair.later[:, ::-1], context=pair.context)
    plain = track(pair)
    inner = pair.inner()
    assert rms((mirrored.axial_samples[:, ::-1] - plain.axial_samples)[inner]) < 3e-3
    assert rms((mirrored.lateral_lines[:, ::-1] + plain.lateral_lines)[inner]) < 0.01


def test_frames_upside_down_turn_the_motion_round(tracked_pair) -> None:
    pair = tracked_pair(0.01)
    turned = am2d.track(pair.earlier[::-1], pair.later[::-1], context=pair.context)
    assert rms((turned.axial_samples[::-1] + track(pair).axial_samples)[pair.inner()]) < 5e-3


def test_sampling_rate_changes_only_the_unit(tracked_pair) -> None:
    pair = tracked_pair(0.01)
    setup = pair.context
    halved = TrackingSetup(
        setup.sampling_rate_hz / 2, setup.centre_frequency_hz, 2 * setup.axial_step_m, setup.line_pitch_m
    )
    found = am2d.track(pair.earlier[::2], pair.later[::2], context=halved)
    error = 2 * found.axial_samples - pair.axial_samples[::2]
    assert rms(error[40:-40, 4:-4]) < 0.012


@pytest.mark.parametrize("nominal_hz", [4.5e6, 8e6])
def test_nominal_centre_frequency_need_not_be_exact(tracked_pair, nominal_hz: float) -> None:
    pair = tracked_pair(0.01)
    setup = TrackingSetup(
        pair.context.sampling_rate_hz, nominal_hz, pair.context.axial_step_m, pair.context.line_pitch_m
    )
    found = am2d.track(pair.earlier, pair.later, context=setup)
    assert rms((found.axial_samples - pair.axial_samples)[pair.inner()]) < 0.01


def test_same_frames_give_the_same_bits(tracked_pair) -> None:
    pair = tracked_pair(0.01)
    np.testing.assert_array_equal(track(pair).axial_samples, track(pair).axial_samples)


def test_frame_against_itself_has_not_moved(tracked_pair) -> None:
    pair = tracked_pair(0.01)
    found = am2d.track(pair.earlier, pair.earlier, context=pair.context)
    # The coarse seed is a fraction of a sample off; rounds end when they change less than 0.006 samples.
    assert np.abs(found.axial_samples).max() < 0.01
    assert np.abs(found.lateral_lines).max() < 0.01


def test_tissue_that_slides_on_a_plane_keeps_its_edge(tracked_pair) -> None:
    pair = tracked_pair(0.01)
    later = pair.later.copy()
    later[500:] = np.roll(pair.later, (2, 1), axis=(0, 1))[500:]
    below = (np.arange(len(later)) >= 500)[:, None]
    found = am2d.track(pair.earlier, later, context=pair.context)
    error = np.abs(found.axial_samples - pair.axial_samples - 2 * below)[pair.inner(80, 8)]
    assert np.mean(error > 0.25) < 0.1  # within about 1 mm of the plane
    stiff = track(pair, edge_freedom=1e9)
    assert rms((track(pair).axial_samples - stiff.axial_samples)[pair.inner()]) < 3e-3  # and elsewhere it costs nothing


def test_one_dead_line_does_no_harm(tracked_pair) -> None:
    pair = tracked_pair(0.01)
    earlier, later = pair.earlier.copy(), pair.later.copy()
    earlier[:, 30] = later[:, 30] = 0
    found = am2d.track(earlier, later, context=pair.context)
    assert rms((found.axial_samples - pair.axial_samples)[pair.inner()]) < 0.01


@pytest.mark.parametrize(("n_samples", "n_lines"), [(200, 16), (128, 4)])
def test_small_images_are_tracked(tracked_pair, n_samples: int, n_lines: int) -> None:
    pair = tracked_pair(0.01)
    part = np.s_[300 : 300 + n_samples, 24 : 24 + n_lines]
    found = am2d.track(pair.earlier[part], pair.later[part], context=pair.context)
    assert rms((found.axial_samples - pair.axial_samples[part])[20:-20]) < 0.06


def test_noise_of_the_residual_is_read_from_the_residual(rng: np.random.Generator) -> None:
    power = rng.exponential(1.0, (100, 400)).astype(np.float32)
    variance = 0.02 + 0.1 * power
    noise = (rng.standard_normal((2, 100, 400)) * np.sqrt(variance / 2)).astype(np.float32)
    precision = residual_precision(noise[0] + 1j * noise[1], power)
    assert np.median(precision * variance) == pytest.approx(1, abs=0.1)


def test_prior_has_the_same_physical_meaning_at_another_pitch(tracked_pair) -> None:
    pair = tracked_pair(0.01)
    setup = pair.context
    echoes = prepare_pair(pair.earlier, pair.later, setup)
    wide = TrackingSetup(setup.sampling_rate_hz, setup.centre_frequency_hz, setup.axial_step_m, 2 * setup.line_pitch_m)
    still = np.zeros((2, *echoes.shape), np.float32)
    fine, coarse = (random_walk(0.01, still, echoes, s, Am2dConfig()) for s in (setup, wide))
    # The variance of a second difference grows with the third power of the distance.
    assert fine.across[0] / coarse.across[0] == pytest.approx(8)
    np.testing.assert_allclose(fine.along[0], coarse.along[0])


def test_every_method_is_found_by_name(tracked_pair) -> None:
    pair = tracked_pair(0.01)
    for name in ("ncc", "am2d", "glue"):
        found = METHODS[name](pair.earlier, pair.later, context=pair.context)
        assert rms((found.axial_samples - pair.axial_samples)[pair.inner()]) < 0.03, name


@pytest.mark.data
@pytest.mark.parametrize("sequence", ["299", "300"])
def test_consecutive_frames_of_a_compressed_arm_are_tracked(shared_data: Path, sequence: str) -> None:
    import SimpleITK as sitk

    folder = shared_data / "elastography" / "arm_in_vivo" / sequence
    frames = [
        np.ascontiguousarray(sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"igtlTestImage{n}.mhd"))), "f4")
        for n in range(1, 7)
    ]
    frames = [f.reshape(f.shape[-2:]) for f in frames]
    setup = TrackingSetup(38.5e6, 5e6, 1540 / 2 / 38.5e6, 0.2e-3)
    for earlier, later in pairwise(frames):
        found = am2d.track(earlier, later, context=setup)
        assert found.lock_share > 0.85
        assert np.median(found.correlation) > 0.8
        # Held against a skin that does not move, and pressed: all below moves towards the probe.
        assert abs(np.median(found.axial_samples[:100])) < 0.5
        assert -8 < np.median(found.axial_samples[1200:1700]) < -1
