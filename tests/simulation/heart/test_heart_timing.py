"""Time course of the simulated beat."""

from __future__ import annotations

import numpy as np
import pytest

from sonometry.simulation.phantoms.heart.parameters import HeartParameters
from sonometry.simulation.phantoms.heart.timing import Rhythm, phases


@pytest.fixture
def rhythm():
    return Rhythm(HeartParameters(heart_rate_hz=1.0, rr_variation=0.0), np.random.default_rng(0), duration_s=2.5)


@pytest.mark.parametrize("rate_hz", [0.6, 1.0, 1.7, 2.9])
def test_phases_follow_each_other_at_any_heart_rate(rate_hz):
    p = phases(1 / rate_hz)
    ends = [0, p.contraction, p.ejection, p.relaxation, p.early_filling, p.diastasis, p.beat]
    assert (np.diff(ends) >= 0).all()
    assert p.beat == pytest.approx(1 / rate_hz)


def test_ejection_time_at_60_per_minute_is_weisslers():
    p = phases(1.0)
    assert p.ejection - p.contraction == pytest.approx(0.413 - 0.0017 * 60)


def test_volume_stands_still_in_the_isovolumic_phases(rhythm):
    p = phases(1.0)
    contraction = rhythm.state(np.linspace(0, p.contraction, 9)).emptying
    relaxation = rhythm.state(np.linspace(p.ejection, p.relaxation, 9)).emptying
    assert np.ptp(contraction) == 0
    assert np.ptp(relaxation) < 1e-12


def test_every_beat_ends_where_the_next_begins(rhythm):
    just_before, at_peak = rhythm.state(np.array([1.0 - 1e-6])), rhythm.state(np.array([1.0]))
    for name in ("emptying", "shortening", "twisting", "atrial_filling", "mitral", "aortic", "pulse"):
        assert getattr(just_before, name)[0] == pytest.approx(getattr(at_peak, name)[0], abs=1e-3)


def test_curves_have_no_jump(rhythm):
    times = np.linspace(0, 2.4, 4801)
    state = rhythm.state(times)
    for name in ("emptying", "shortening", "twisting", "atrial_filling", "mitral", "aortic", "pulse"):
        assert np.abs(np.diff(getattr(state, name))).max() < 0.05


def test_valves_are_never_open_together(rhythm):
    state = rhythm.state(np.linspace(0, 2, 2001))
    assert (state.mitral * state.aortic).max() < 1e-6


def test_end_systole_is_the_smallest_volume(rhythm):
    times = np.linspace(0, 0.99, 2001)
    smallest = times[np.argmax(rhythm.state(times).emptying)]
    assert smallest == pytest.approx(rhythm.end_systoles_s()[0], abs=2e-3)


def test_atrial_kick_adds_the_rest_of_the_filling(rhythm):
    p = phases(1.0)
    before, after = rhythm.state(np.array([p.diastasis, p.beat - 1e-9])).emptying
    assert before - after == pytest.approx(1 - HeartParameters().early_filling_share, abs=1e-3)


def test_ecg_peaks_at_the_r_peaks(rhythm):
    ecg = rhythm.ecg(np.random.default_rng(1), noise_mv=0.0)
    for peak in rhythm.end_diastoles_s()[1:]:
        near = np.abs(ecg.times_s - peak) < 0.2
        assert ecg.times_s[near][np.argmax(ecg["ecg"][near])] == pytest.approx(peak, abs=0.004)


def test_a_clip_may_start_anywhere_in_the_beat():
    heart = HeartParameters(heart_rate_hz=1.0, rr_variation=0.0)
    rhythm = Rhythm(heart, np.random.default_rng(0), duration_s=1.0, start_s=0.3)
    assert rhythm.end_diastoles_s()[0] == pytest.approx(0.7)
