"""RF to B-mode."""

from __future__ import annotations

import numpy as np
import pytest

from sonometry.core import RFFrames
from sonometry.simulation.acoustics import simulate_rf
from sonometry.simulation.bmode import bmode_cine, bmode_lines, picture_of
from sonometry.simulation.probes import LinearProbe, SectorProbe

PROBE = LinearProbe(n_lines=40, line_pitch_m=0.0004)


def recording(
    frames: list[np.ndarray], probe: LinearProbe | SectorProbe, times_s: np.ndarray | None = None
) -> RFFrames:
    return RFFrames(
        np.stack(frames),
        probe.sampling_rate_hz,
        probe.centre_frequency_hz,
        probe.line_pitch_m,
        frame_times_s=times_s,
        geometry=probe.geometry,
        line_angle_rad=probe.line_angle_rad,
        probe_radius_m=probe.radius_m,
    )


def test_points_lie_at_their_place_in_the_picture():
    points = np.array([[0.008, -0.003], [0.015, 0.004]])
    frame = simulate_rf(points, np.ones(2), PROBE, depth_m=(0.0, 0.02))
    cine = bmode_cine(recording([frame], PROBE), pixel_m=1e-4)
    for depth_m, lateral_m in points:
        row, column = round(depth_m / 1e-4), round(lateral_m / 1e-4) + (cine.shape[2] - 1) // 2
        near = cine.frame(0)[row - 8 : row + 9, column - 12 : column + 13].astype(float)
        rows, columns = np.mgrid[-8:9, -12:13]
        weight = near / near.sum()
        assert abs((weight * rows).sum()) < 1
        assert abs((weight * columns).sum()) < 1


def test_cine_is_calibrated_and_tells_whether_it_is_timed():
    frame = simulate_rf(np.array([[0.01, 0.0]]), np.ones(1), PROBE, depth_m=(0.0, 0.02))
    untimed = bmode_cine(recording([frame, frame], PROBE), pixel_m=1e-4)
    timed = bmode_cine(recording([frame, frame], PROBE, np.array([0.0, 0.05])), pixel_m=1e-4)
    assert untimed.spacing_m == pytest.approx((1e-4, 1e-4))
    assert untimed.frame_rate_hz is None
    assert timed.frame_rate_hz == pytest.approx(20)


def test_time_gain_undoes_attenuation(rng):
    positions = rng.uniform([0, -0.008], [0.04, 0.008], (30_000, 2))
    frame = simulate_rf(positions, rng.standard_normal(30_000), PROBE, depth_m=(0.0, 0.04), attenuation_db_cm_mhz=0.3)
    plain, gained = (bmode_lines(recording([frame], PROBE), tgc_db_m=gain)[0] for gain in (0.0, 0.3 * 6 * 2 * 100))
    assert plain[200:600].mean() - plain[-600:-200].mean() > 0.12  # 9 of 60 dB
    assert abs(gained[200:600].mean() - gained[-600:-200].mean()) < 0.03


def test_sector_picture_is_dark_outside_the_sector():
    probe = SectorProbe(n_lines=31, line_angle_rad=0.03)
    cine = bmode_cine(recording([np.ones((800, 31), np.float32)], probe))
    assert cine.sector is not None
    assert not cine.frame(0)[~cine.sector].any()
    assert not cine.sector[5, 0]


def test_labels_are_resampled_without_mixing():
    probe = SectorProbe(n_lines=31, line_angle_rad=0.03)
    labels = np.zeros((800, 31), np.uint8)
    labels[300:, 15:] = 3
    picture = picture_of(labels, recording([np.ones((800, 31), np.float32)], probe), order=0)
    assert set(np.unique(picture.pixels[picture.inside])) == {0.0, 3.0}
