"""Windowed cross-correlation against the exact motion of simulated pairs."""

from __future__ import annotations

import numpy as np
import pytest

from sonometry.applications.elastography import ncc
from sonometry.applications.elastography.ncc import NccConfig
from sonometry.numerics.strain import least_squares_strain, odd_window


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


@pytest.mark.parametrize(("compression", "tolerance"), [(0.001, 0.008), (0.01, 0.02), (-0.01, 0.02), (0.05, 0.06)])
def test_displacement_is_that_of_the_truth(tracked_pair, compression: float, tolerance: float) -> None:
    pair = tracked_pair(compression)
    found = ncc.track(pair.earlier, pair.later, context=pair.context)
    inner = pair.inner()
    # Noise of 30 dB over windows of 16 x 1.2 mm leaves 0.005 samples; strain inside a window adds the rest.
    assert rms((found.axial_samples - pair.axial_samples)[inner]) < tolerance
    assert rms((found.lateral_lines - pair.lateral_lines)[inner]) < 0.08


def test_strain_is_that_of_the_truth(tracked_pair) -> None:
    pair = tracked_pair(0.01)
    found = ncc.track(pair.earlier, pair.later, context=pair.context)
    step_m = pair.context.axial_step_m
    window = odd_window(1.8e-3, step_m, n_available=len(pair.earlier))
    strain = least_squares_strain(found.axial_samples * step_m, step_m, window=window)
    assert rms((strain - pair.strain)[pair.inner()]) < 6e-4


def test_frame_against_itself_has_not_moved(tracked_pair) -> None:
    pair = tracked_pair(0.01)
    found = ncc.track(pair.earlier, pair.earlier, context=pair.context)
    assert rms(found.axial_samples) < 0.005
    assert rms(found.lateral_lines) < 0.01
    assert found.correlation.min() > 0.99


def test_frames_in_reverse_order_move_the_other_way(tracked_pair) -> None:
    pair = tracked_pair(0.01)
    there = ncc.track(pair.earlier, pair.later, context=pair.context).axial_samples
    back = ncc.track(pair.later, pair.earlier, context=pair.context).axial_samples
    # The grids differ by the motion itself, up to 10 samples, over which displacement changes by 0.2.
    assert np.abs(there + back)[pair.inner()].max() < 0.3


def test_gain_does_not_matter(tracked_pair) -> None:
    pair = tracked_pair(0.01)
    plain = ncc.track(pair.earlier, pair.later, context=pair.context)
    loud = ncc.track(1e-3 * pair.earlier, 5e3 * pair.later, context=pair.context)
    np.testing.assert_allclose(loud.axial_samples, plain.axial_samples, atol=2e-3)


def test_longer_windows_are_smoother(tracked_pair) -> None:
    pair = tracked_pair(0.01, 15.0)
    rough, smooth = (
        ncc.track(pair.earlier, pair.later, context=pair.context, config=NccConfig(window_wavelengths=w))
        for w in (4.0, 12.0)
    )
    bend = lambda d: rms(np.diff(d.axial_samples[pair.inner()], n=2, axis=0))  # noqa: E731
    assert bend(smooth) < 0.6 * bend(rough)
