"""Scatterers to RF: against direct sums, closed forms and another array library."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sonometry.numerics.analytic import analytic_signal, baseband, envelope
from sonometry.simulation.acoustics import add_noise, gridded_rf, simulate_rf, summed_rf
from sonometry.simulation.probes import LinearProbe, SectorProbe

SMALL = LinearProbe(n_lines=24)
STEP_M = 1540 / 80e6

PROBES = {
    "linear": (SMALL, (0.0, 0.03)),
    "linear sampled at 2.2 times the centre": (LinearProbe(n_lines=24, sampling_rate_hz=13e6), (0.002, 0.03)),
    "phased": (SectorProbe(n_lines=24, line_angle_rad=math.radians(2)), (0.0, 0.06)),
    "curved": (SectorProbe(n_lines=24, line_angle_rad=math.radians(1), radius_m=0.05), (0.003, 0.06)),
}


def cloud(rng: np.random.Generator, n: int, depth_m: float, *, dimensions: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Uniform scatterers under the small probe."""
    positions = rng.uniform([0, -0.004, -0.002], [depth_m, 0.004, 0.002], (n, 3))[:, :dimensions]
    return positions, rng.standard_normal(n)


def difference_db(found: np.ndarray, expected: np.ndarray) -> float:
    return float(20 * np.log10(np.abs(found - expected).max() / np.abs(expected).max() + 1e-12))


@pytest.mark.parametrize("attenuation", [0.0, 0.7])
@pytest.mark.parametrize("name", PROBES)
def test_gridded_sum_agrees_with_the_direct_sum_to_80_db(name, attenuation, rng):
    # Kernel of six samples at half the sampling rate: exp(-6 pi sqrt(1/2)) = -116 dB; single precision; attenuation
    # nodes chosen for -80 dB. Measured: -104 dB and better.
    probe, depth_m = PROBES[name]
    positions, amplitudes = cloud(rng, 400, depth_m[1], dimensions=3)
    options = {"depth_m": depth_m, "attenuation_db_cm_mhz": attenuation}
    found = gridded_rf(positions, amplitudes, probe, **options)
    assert difference_db(found, summed_rf(positions, amplitudes, probe, **options)) < -80


def test_line_is_the_sum_of_delayed_gaussian_pulses_in_time(rng):
    # Written anew in the time domain: scatterers on the line itself, so that the beam is only its normalisation.
    probe = LinearProbe(n_lines=1)
    depth, amplitudes = rng.uniform(0.005, 0.02, 40), rng.standard_normal(40)
    rf = simulate_rf(np.stack([depth, np.zeros(40)], axis=1), amplitudes, probe, depth_m=(0.0, 0.025))[:, 0]
    sigma_s = 2 * math.sqrt(2 * math.log(2)) / (2 * math.pi * 0.6 * 6e6)
    alpha, _ = probe.lateral_beam(depth, 2 * math.pi * 6e6 / 1540, np)
    late_s = np.arange(rf.size)[:, None] / 40e6 - 2 * depth / 1540
    pulses = np.exp(-0.5 * (late_s / sigma_s) ** 2) * np.cos(2 * math.pi * 6e6 * late_s)
    expected = pulses @ (amplitudes * (2e-6 * alpha / math.pi) ** 0.25)
    assert difference_db(rf, expected) < -60  # the spectrum is cut at -80 dB


def test_torch_gives_what_numpy_gives(rng):
    torch = pytest.importorskip("torch")
    positions, amplitudes = cloud(rng, 200, 0.03, dimensions=3)
    options = {"depth_m": (0.0, 0.03), "attenuation_db_cm_mhz": 0.5}
    expected = simulate_rf(positions, amplitudes, SMALL, **options)
    found = simulate_rf(torch.asarray(positions), torch.asarray(amplitudes), SMALL, **options, xp=torch)
    assert found.dtype == torch.float32
    assert difference_db(found.numpy(), expected) < -80


@pytest.mark.parametrize("samples", [0.01, 0.5, 3.25])
def test_rigid_axial_shift_appears_as_that_delay(samples, rng):
    positions, amplitudes = cloud(rng, 2000, 0.03)
    before = simulate_rf(positions, amplitudes, SMALL, depth_m=(0.0, 0.03))
    after = simulate_rf(positions + np.array([samples * STEP_M, 0]), amplitudes, SMALL, depth_m=(0.0, 0.03))
    # Shift the later frame back by the same amount as a phase ramp: it must lie on the earlier one.
    spectrum = np.fft.fft(analytic_signal(after.astype(float)), axis=0)
    turn = np.exp(2j * np.pi * np.fft.fftfreq(len(after))[:, None] * samples)
    back = np.fft.ifft(spectrum * turn, axis=0)[100:-100]
    product = (back * analytic_signal(before.astype(float))[100:-100].conj()).sum()
    residual_samples = np.angle(product) / (2 * np.pi * 6 / 40)
    assert abs(residual_samples) < 1e-3


def test_lateral_shift_by_one_line_moves_the_picture_by_one_line(rng):
    positions, amplitudes = cloud(rng, 500, 0.03)
    before = simulate_rf(positions, amplitudes, SMALL, depth_m=(0.0, 0.03))
    after = simulate_rf(positions + np.array([0, SMALL.line_pitch_m]), amplitudes, SMALL, depth_m=(0.0, 0.03))
    assert difference_db(after[:, 1:], before[:, :-1]) < -80


def test_mirrored_sector_cloud_gives_mirrored_lines(rng):
    probe, depth_m = PROBES["curved"]
    positions, amplitudes = cloud(rng, 300, 0.05)
    found = simulate_rf(positions * [1, -1], amplitudes, probe, depth_m=depth_m)
    assert difference_db(found[:, ::-1], simulate_rf(positions, amplitudes, probe, depth_m=depth_m)) < -90


def test_lateral_width_at_the_focus_is_that_of_a_rectangular_aperture():
    # 0.886 wavelength x f-number at half amplitude, two-way, transmit and receive alike.
    probe = LinearProbe(n_lines=201, line_pitch_m=2e-5, transmit_f_number=2.0, receive_f_number=2.0)
    rf = simulate_rf(np.array([[0.025, 0.0]]), np.ones(1), probe, depth_m=(0.023, 0.027))
    profile = envelope(rf.astype(float)).max(axis=0)
    width_m = (profile > 0.5 * profile.max()).sum() * 2e-5
    assert width_m == pytest.approx(0.886 * 1540 / 6e6 * 2.0, abs=4e-5)


def test_axial_width_is_that_of_the_bandwidth():
    # Gaussian: duration x bandwidth at half amplitude = 4 ln 2 / pi = 0.8825.
    probe = LinearProbe(n_lines=1, sampling_rate_hz=400e6)
    rf = simulate_rf(np.array([[0.01, 0.0]]), np.ones(1), probe, depth_m=(0.008, 0.012))[:, 0]
    lobe = envelope(rf.astype(float))
    width_s = (lobe > 0.5 * lobe.max()).sum() / 400e6
    assert width_s == pytest.approx(4 * math.log(2) / math.pi / (0.6 * 6e6), rel=0.02)


def test_echo_peaks_at_its_depth_in_a_sector():
    probe = SectorProbe(n_lines=33, line_angle_rad=math.radians(2), radius_m=0.04)
    angle = probe.line_coordinate[25]
    point = [[0.07 * math.cos(angle) - 0.04, 0.07 * math.sin(angle)]]
    rf = simulate_rf(np.array(point), np.ones(1), probe, depth_m=(0.01, 0.05))
    sample, line = np.unravel_index(envelope(rf).argmax(), rf.shape)
    assert line == 25
    assert 0.01 + sample * 1540 / 40e6 == pytest.approx(0.03, abs=2e-5)


def test_attenuation_lowers_and_downshifts_the_echo_as_a_gaussian_must():
    # exp(-a f) times a Gaussian of deviation s is a Gaussian moved down by a s^2, lower by exp(-a f0 + a^2 s^2 / 2).
    probe, depth_m = LinearProbe(n_lines=1), 0.04
    options = {"depth_m": (0.035, 0.045)}
    free = simulate_rf(np.array([[depth_m, 0.0]]), np.ones(1), probe, **options)[:, 0]
    damped = simulate_rf(np.array([[depth_m, 0.0]]), np.ones(1), probe, **options, attenuation_db_cm_mhz=0.5)[:, 0]
    per_hz = 0.5 * math.log(10) / 20 * 8 * 1e-6
    sigma_hz = probe.bandwidth_sigma_hz
    frequency_hz = np.fft.rfftfreq(free.size, 1 / 40e6)
    power = np.abs(np.fft.rfft(damped.astype(float))) ** 2
    centroid_hz = (frequency_hz * power).sum() / power.sum()
    assert centroid_hz == pytest.approx(6e6 - per_hz * sigma_hz**2, abs=0.03e6)
    ratio = envelope(damped).max() / envelope(free).max()
    assert ratio == pytest.approx(math.exp(-per_hz * 6e6 + (per_hz * sigma_hz) ** 2 / 2), rel=0.02)


@pytest.mark.parametrize(("per_block", "expected", "tolerance"), [(10_000, 1.1, 0.08), (400_000, 1.91, 0.04)])
def test_speckle_is_as_sparse_as_its_density(per_block, expected, tolerance, rng):
    # The paper's 10,000 in 3x5 cm; with many per resolution cell the envelope is Rayleigh, mean/sd = 1.913.
    probe = LinearProbe(n_lines=64)
    n = per_block // 2
    positions = rng.uniform([0, -0.009], [0.05, 0.009], (round(n * 0.018 / 0.015), 2))
    rf = simulate_rf(positions, rng.standard_normal(len(positions)), probe, depth_m=(0.0, 0.05))
    speckle = envelope(rf)[200:-200]
    assert speckle.mean() / speckle.std() == pytest.approx(expected, abs=tolerance)


def test_uniform_tissue_is_equally_bright_at_all_depths(rng):
    positions = rng.uniform([0, -0.006], [0.05, 0.006], (40_000, 2))
    rf = simulate_rf(positions, rng.standard_normal(40_000), SMALL, depth_m=(0.0, 0.05))
    near, far = (np.sqrt((part**2).mean()) for part in (rf[100:900], rf[-900:-100]))
    assert near / far == pytest.approx(1, abs=0.1)


def test_echoes_add_up(rng):
    (a, amplitude_a), (b, amplitude_b) = cloud(rng, 100, 0.03), cloud(rng, 150, 0.03)
    options = {"depth_m": (0.0, 0.03)}
    both = simulate_rf(np.concatenate([a, b]), np.concatenate([amplitude_a, 3 * amplitude_b]), SMALL, **options)
    apart = simulate_rf(a, amplitude_a, SMALL, **options) + 3 * simulate_rf(b, amplitude_b, SMALL, **options)
    assert difference_db(both, apart) < -100


def test_scatterers_beside_the_image_plane_are_weaker():
    on_plane, beside = (
        simulate_rf(np.array([[0.025, 0.0, elevation]]), np.ones(1), SMALL, depth_m=(0.02, 0.03))
        for elevation in (0.0, 0.001)
    )
    assert np.abs(beside).max() < 0.5 * np.abs(on_plane).max()


def test_record_covers_the_asked_depth_at_the_sampling_rate():
    rf = simulate_rf(np.zeros((0, 2)), np.zeros(0), SMALL, depth_m=(0.01, 0.02))
    assert rf.shape == (int(0.01 / STEP_M) + 1, 24)
    assert rf.dtype == np.float32
    assert not rf.any()


def test_wavefront_ends_do_not_wrap_around():
    rf = simulate_rf(np.array([[0.02, 0.0]]), np.ones(1), SMALL, depth_m=(0.0, 0.02))
    assert np.abs(rf[:500]).max() < 1e-3 * np.abs(rf).max()


def test_noise_has_the_asked_level(rng):
    rf = np.sin(np.arange(200_000, dtype=np.float32)).reshape(1000, 200)
    noise = add_noise(rf, 20.0, rng) - rf
    assert 20 * math.log10(rf.std() / noise.std()) == pytest.approx(20, abs=0.1)
    assert np.array_equal(add_noise(rf, math.inf, rng), rf)


def test_baseband_phase_tells_the_delay():
    times_s = np.arange(4000) / 40e6
    pulse = np.exp(-(((times_s - 50e-6) / 5e-6) ** 2))
    shifted = [pulse * np.cos(2 * np.pi * 6e6 * (times_s - delay_s)) for delay_s in (0.0, 1e-9)]
    first, second = (baseband(s, sampling_rate_hz=40e6, centre_frequency_hz=6e6) for s in shifted)
    assert np.angle((second * first.conj()).sum()) == pytest.approx(-2 * np.pi * 6e6 * 1e-9, abs=1e-6)


def test_wrong_calls_say_what_was_expected():
    with pytest.raises(ValueError, match="0 <= start < stop"):
        simulate_rf(np.zeros((1, 2)), np.ones(1), SMALL, depth_m=(0.02, 0.01))
    with pytest.raises(ValueError, match=r"expected positions_m \(N, 2 or 3\)"):
        simulate_rf(np.zeros((2, 2)), np.ones(1), SMALL, depth_m=(0.0, 0.01))
    with pytest.raises(ValueError, match="must exceed twice"):
        LinearProbe(sampling_rate_hz=10e6)
    with pytest.raises(ValueError, match="focus_m of a probe must be positive"):
        LinearProbe(focus_m=0.0)
    with pytest.raises(ValueError, match="radius_m of a probe must not be negative"):
        SectorProbe(radius_m=-0.01)
