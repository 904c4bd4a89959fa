"""The acoustic engine against SIMUS, and the SIMUS pairs as a test for elastography."""

from __future__ import annotations

import math
from importlib import resources

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from sonometry.core import Simulated
from sonometry.numerics.analytic import analytic_signal
from sonometry.simulation.reference import engine_pair, simus_pair
from sonometry.simulation.speckle import coherence, speckle_statistics


@pytest.fixture(scope="module", params=[0, 1, 2])
def pairs(request) -> tuple[Simulated, Simulated]:
    """The same scatterers through SIMUS and through the engine, without noise."""
    return simus_pair(request.param, snr_db=math.inf), engine_pair(request.param)


def test_engine_echoes_are_those_of_simus(pairs):
    # Same scatterers, two simulators: 0.90-0.95 in a third of the depth each (a common phase is free, since the phase
    # of a focused beam turns along the depth and the engine leaves that out).
    simus, engine = (analytic_signal(pair.recording.samples[0].astype(float)) for pair in pairs)
    third = len(simus) // 3
    for zone in range(3):
        part = slice(zone * third, (zone + 1) * third)
        assert abs(coherence(simus[part], engine[part])) > 0.88


def test_speckle_statistics_are_those_of_simus(pairs):
    simus, engine = (speckle_statistics(p.recording.samples[0], sampling_rate_hz=40e6) for p in pairs)
    assert engine.envelope_snr == pytest.approx(simus.envelope_snr, abs=0.06)
    assert engine.centre_hz == pytest.approx(simus.centre_hz, rel=0.02)
    assert engine.bandwidth_hz == pytest.approx(simus.bandwidth_hz, rel=0.04)
    np.testing.assert_allclose(engine.lateral_coherence[:2], simus.lateral_coherence[:2], atol=0.12)


def test_kept_truth_is_that_of_the_phantom(pairs):
    # Every fourth sample is kept, a cubic spline lies between: 2e-9 m and 3e-5 of strain at the edge of a disc.
    simus, engine = pairs
    for name, tolerance in (("axial_displacement_m", 2e-9), ("lateral_displacement_m", 4e-9), ("axial_strain", 4e-5)):
        np.testing.assert_allclose(simus.truth[name], engine.truth[name], atol=tolerance)
    np.testing.assert_array_equal(simus.truth["inclusion"], engine.truth["inclusion"])


def test_simus_frames_match_after_undoing_the_true_motion(pairs):
    for pair, share, samples in zip(pairs, (0.99, 0.995), (0.06, 0.006), strict=True):
        phase = warped_coherence(pair)
        assert abs(phase) > share
        # SIMUS has the phase turn of its focused beam: its echoes move 0.2-0.6 % less than the tissue.
        assert abs(np.angle(phase)) / (2 * np.pi * 5.58 / 40) < samples


def warped_coherence(pair: Simulated) -> complex:
    """Coherence of frame 0 with frame 1, after moving frame 1 back by the truth (cubic, on the demodulated signal)."""
    rf, truth = pair.recording, pair.truth
    axial, line = np.mgrid[: rf.samples.shape[1], : rf.samples.shape[2]]
    axial = axial + truth["axial_displacement_m"] / rf.axial_step_m
    line = line + truth["lateral_displacement_m"] / rf.line_pitch_m
    before, after = analytic_signal(rf.samples.astype(float), axis=1)
    carrier = np.exp(-2j * np.pi * 5.58 / 40 * np.arange(len(after)))[:, None]
    moved = map_coordinates((after * carrier).real, [axial, line]) + 1j * map_coordinates(
        (after * carrier).imag, [axial, line]
    )
    inner = slice(60, -60), slice(4, -4)
    return coherence((moved * np.exp(2j * np.pi * 5.58 / 40 * axial))[inner], before[inner])


def test_noise_is_added_on_request_and_always_the_same():
    clean, noisy, again = (simus_pair(0, snr_db=level).recording.samples for level in (math.inf, 20.0, 20.0))
    np.testing.assert_array_equal(noisy, again)
    assert 20 * np.log10(clean[0].std() / (noisy - clean)[0].std()) == pytest.approx(20, abs=0.2)


def test_frames_are_small_and_there_are_three():
    folder = resources.files("sonometry.simulation").joinpath("simus")
    sizes = [len(folder.joinpath(f"pair{index}.npz").read_bytes()) for index in range(3)]
    assert max(sizes) < 1e6
    with pytest.raises(ValueError, match="SIMUS pairs 0 to 2, not 3"):
        simus_pair(3)
