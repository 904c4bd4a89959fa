"""Phantoms and protocols: what is simulated, and that the RF carries the truth that goes with it."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
import subprocess
import sys

import numpy as np
import pytest

from sonometry.core import RFFrames
from sonometry.numerics.analytic import analytic_signal, envelope
from sonometry.simulation.phantoms.inclusion import (
    Blob,
    Inclusion,
    InclusionPhantom,
    Layer,
    Ripple,
    paper_pair,
    random_pair,
    simulate_pair,
    simulate_sequence,
    slip_plane,
    varied_pair,
)
from sonometry.simulation.probes import LinearProbe, SectorProbe

PROBE = LinearProbe(n_lines=32, line_pitch_m=0.0004)
BLOCK = InclusionPhantom(width_m=0.014, depth_m=0.02, n_scatterers=8000, elements=(50, 35))


def test_paper_pair_is_the_protocol_of_the_paper():
    pair = paper_pair(3, inclusion_pa=45e3, compression=0.02)
    rf = pair.recording
    assert isinstance(rf, RFFrames)
    assert rf.samples.shape == (2, 2598, 128)
    assert (rf.centre_frequency_hz, rf.sampling_rate_hz) == (6e6, 40e6)
    assert rf.n_frames == 2
    assert 128 * rf.line_pitch_m == pytest.approx(0.03)
    assert pair.labels["n_scatterers"] == 10_000
    assert (pair.labels["inclusion_pa"], pair.labels["background_pa"]) == (45e3, 25e3)
    assert pair.truth["axial_displacement_m"][-1].mean() == pytest.approx(-0.02 * 0.05, rel=2e-3)


def test_truth_has_the_grid_and_types_of_the_recording():
    pair = simulate_pair(dataclasses.replace(BLOCK, inclusions=(Inclusion(0.01, 0, 0.003, 8e3),)), PROBE, rng=rng_of(0))
    rf, truth = pair.recording, pair.truth
    for name in ("axial_displacement_m", "lateral_displacement_m", "axial_strain"):
        assert truth[name].shape == rf.samples.shape[1:]
        assert truth[name].dtype == np.float32
    assert truth["inclusion"].dtype == np.uint8
    np.testing.assert_array_equal(truth["depth_m"], rf.depth_m)
    np.testing.assert_allclose(truth["lateral_m"], rf.lateral_m)
    np.testing.assert_array_equal(truth["pair_frames"], [0, 1])


def rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("modulus_pa", [8e3, 80e3])
def test_phase_between_the_frames_tells_the_true_displacement(modulus_pa):
    # At 0.02 % the motion stays below a quarter wavelength, so the phase is the displacement without any tracking:
    # an estimate that knows nothing of the simulator. Averaged over half a millimetre.
    phantom = dataclasses.replace(BLOCK, compression=2e-4, inclusions=(Inclusion(0.01, 0, 0.003, modulus_pa),))
    pair = simulate_pair(phantom, PROBE, snr_db=60, rng=rng_of(1))
    before, after = (analytic_signal(frame) for frame in pair.recording.samples)
    product = after * before.conj()
    kernel = np.ones(25)
    summed = np.apply_along_axis(lambda column: np.convolve(column, kernel, mode="same"), 0, product)
    found_m = -np.angle(summed) / (4 * np.pi) * 1540 / 6e6
    error_samples = (found_m - pair.truth["axial_displacement_m"]) / (1540 / 80e6)
    inner = error_samples[100:-100]
    assert abs(np.median(inner)) < 1e-3
    assert np.percentile(np.abs(inner), 90) < 0.02


def test_soft_inclusion_strains_more_and_hard_one_less():
    for modulus_pa, sign in ((8e3, 1), (80e3, -1)):
        phantom = dataclasses.replace(BLOCK, inclusions=(Inclusion(0.01, 0, 0.003, modulus_pa),))
        truth = simulate_pair(phantom, PROBE, rng=rng_of(2)).truth
        inside = -truth["axial_strain"][truth["inclusion"] == 1].mean()
        assert sign * (inside - 0.01) > 0.002
        assert (truth["axial_strain"] < 0).all()


def test_labels_number_the_inclusions():
    phantom = dataclasses.replace(
        BLOCK, inclusions=(Inclusion(0.005, 0, 0.002, 8e3), Inclusion(0.015, 0.003, 0.002, 8e3))
    )
    labels = phantom.inclusion_labels(np.array([0.005, 0.010, 0.015]), np.array([0.0, 0.0, 0.003]))
    assert labels.tolist() == [1, 0, 2]


def test_tissue_above_a_slip_plane_slides_on_that_below():
    phantom = dataclasses.replace(
        BLOCK, layers=(slip_plane(0.01),), compression=0.01, shear=1.0, top_bonded=True, bottom_bonded=True
    )
    truth = simulate_pair(phantom, PROBE, rng=rng_of(3)).truth
    lateral = truth["lateral_displacement_m"][:, 14:18].mean(axis=1)
    above, below = lateral[truth["depth_m"] < 0.009], lateral[truth["depth_m"] > 0.011]
    jump = below.mean() - above.mean()
    assert jump > 0.85 * 0.0002  # the lower plate moves by 0.2 mm: most of it happens in the weak layer
    assert np.ptp(above) + np.ptp(below) < 0.3 * jump


def test_layers_change_stiffness_and_brightness():
    phantom = dataclasses.replace(BLOCK, layers=(Layer(0.0, 0.01, 25e3, echo_gain_db=12.0),))
    frame = simulate_pair(phantom, PROBE, rng=rng_of(4)).recording.samples[0]
    upper, lower = (envelope(part).mean() for part in (frame[100:450], frame[600:950]))
    assert 20 * np.log10(upper / lower) == pytest.approx(12, abs=1)
    assert phantom.modulus_pa(np.array([0.005]), np.array([0.0])) == 25e3


def test_lateral_slip_adds_to_the_lateral_truth():
    still = simulate_pair(BLOCK, PROBE, rng=rng_of(5)).truth["lateral_displacement_m"]
    slipped = simulate_pair(dataclasses.replace(BLOCK, lateral_slip_m=1e-4), PROBE, rng=rng_of(5)).truth
    np.testing.assert_allclose(slipped["lateral_displacement_m"] - still, 1e-4, atol=1e-9)


def test_out_of_plane_slip_decorrelates_the_frames():
    thick = dataclasses.replace(BLOCK, thickness_m=0.003, compression=1e-6)
    correlations = []
    for slip_m in (0.0, 5e-4):
        a, b = simulate_pair(
            dataclasses.replace(thick, elevation_slip_m=slip_m), PROBE, rng=rng_of(6)
        ).recording.samples
        correlations.append(np.corrcoef(a.ravel(), b.ravel())[0, 1])
    assert correlations[0] > 0.99
    assert correlations[1] < 0.8


def test_sequence_truth_composes_from_frame_to_frame():
    phantom = dataclasses.replace(BLOCK, inclusions=(Inclusion(0.01, 0, 0.003, 8e3),), compression=0.02)
    sequence = simulate_sequence(phantom, PROBE, (0.0, 0.01, 0.02), rng=rng_of(7))
    truth = sequence.truth
    assert sequence.recording.n_frames == 3
    assert truth["sequence_pairs"].tolist() == [[0, 1], [1, 2]]
    assert truth["axial_strain_sequence"].shape == (2, *truth["axial_strain"].shape)
    first, second = truth["axial_displacement_sequence_m"]
    where = truth["depth_m"][:, None] + first
    composed = first[:, 16] + np.interp(where[:, 16], truth["depth_m"], second[:, 16])
    np.testing.assert_allclose(composed, truth["axial_displacement_m"][:, 16], atol=2e-7)
    with pytest.raises(ValueError, match="two or more compressions"):
        simulate_sequence(phantom, PROBE, (0.0,), rng=rng_of(7))


def test_sector_probe_gives_a_sector_recording():
    phantom = InclusionPhantom(width_m=0.06, depth_m=0.05, n_scatterers=3000, elements=(40, 48), top_depth_m=-0.01)
    probe = SectorProbe(n_lines=20, line_angle_rad=0.03, radius_m=0.04)
    pair = simulate_pair(phantom, probe, rng=rng_of(8))
    assert pair.recording.geometry == "sector"
    assert pair.truth["axial_strain"].mean() < 0


def test_the_seed_alone_decides_the_pair():
    program = (
        "import hashlib, sys; from sonometry.simulation.phantoms.inclusion import random_pair;"
        "p = random_pair(11, n_lines=16); d = hashlib.sha256(p.recording.samples.tobytes());"
        "d.update(p.truth['axial_strain'].tobytes()); sys.stdout.write(d.hexdigest())"
    )
    elsewhere = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    pair = pickle.loads(pickle.dumps(random_pair))(11, n_lines=16)
    digest = hashlib.sha256(pair.recording.samples.tobytes())
    digest.update(pair.truth["axial_strain"].tobytes())
    assert digest.hexdigest() == elsewhere


def test_other_seeds_give_other_pairs():
    digests = {random_pair(seed, n_lines=8).recording.samples.tobytes() for seed in range(3)}
    assert len(digests) == 3


def test_random_pairs_are_wide_and_sound():
    pairs = [random_pair(seed, n_lines=8) for seed in range(16)]
    compressions = [abs(pair.labels["compression"]) for pair in pairs]
    assert min(compressions) < 0.003
    assert max(compressions) > 0.03
    for pair in pairs:
        assert all(np.isfinite(values).all() for values in pair.truth.values())
        assert np.abs(pair.truth["axial_strain"]).max() < 0.6
        pickle.loads(pickle.dumps(pair))


def test_a_blob_without_harmonics_is_a_disc():
    depth, lateral = np.mgrid[0:0.03:60j, -0.015:0.015:60j]
    disc = Inclusion(0.015, 0.001, 0.005, 80e3)
    blob = Blob(0.015, 0.001, 0.005, 80e3)
    np.testing.assert_array_equal(blob.contains(depth, lateral), disc.contains(depth, lateral))


def test_a_blob_of_the_second_order_is_longer_than_wide():
    depth, lateral = np.mgrid[0:0.03:300j, -0.015:0.015:300j]
    inside = Blob(0.015, 0.0, 0.005, 80e3, harmonics=((2, 0.3, 0.0),)).contains(depth, lateral)
    height, width = inside.any(axis=1).sum(), inside.any(axis=0).sum()
    assert height / width == pytest.approx(1.3 / 0.7, rel=0.1)


def test_ripples_change_the_modulus_by_their_amplitude():
    depth, lateral = np.mgrid[0:0.05:200j, -0.015:0.015:50j]
    even = InclusionPhantom().modulus_pa(depth, lateral)
    uneven = InclusionPhantom(ripples=(Ripple(0.5, (100.0, 0.0), 0.0),)).modulus_pa(depth, lateral)
    ratio = np.log(uneven / even)
    assert (ratio.max(), ratio.min()) == pytest.approx((0.5, -0.5), abs=0.01)


def test_a_varied_pair_follows_from_its_seed():
    first, second = varied_pair(3, n_lines=16), varied_pair(3, n_lines=16)
    np.testing.assert_array_equal(first.recording.samples, second.recording.samples)
    other = varied_pair(4, n_lines=16)
    assert first.recording.samples.shape != other.recording.samples.shape
