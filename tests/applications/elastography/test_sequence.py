"""A strain movie averages in time what the tissue carries along, and begins anew where the past is contradicted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sonometry.applications.elastography.config import ElastographyConfig
from sonometry.applications.elastography.quality import Verdict
from sonometry.applications.elastography.sequence import StrainStream, TemporalFilter
from sonometry.applications.elastography.strain_image import StrainImage
from sonometry.core.errors import DataError
from sonometry.core.measurement import Status
from sonometry.core.rf import RFFrames

SHAPE = (200, 16)
RECORDING = RFFrames(np.zeros((1, *SHAPE), np.float32) + 1e-3, 40e6, 6e6, 0.3e-3)
NOISE = 2e-3


def image(strain: np.ndarray, k: int, *, noise: float = NOISE, valid: np.ndarray | None = None) -> StrainImage:
    """Image of the pair (k, k + 1) at 1 % compression, whose noise has a known standard deviation."""
    rows = np.arange(SHAPE[0], dtype=np.float32)[:, None]
    axial_m = np.broadcast_to(-0.01 * rows * np.float32(RECORDING.axial_step_m), SHAPE).astype(np.float32)
    rng = np.random.default_rng(k)
    everywhere = np.ones(SHAPE, bool)
    return StrainImage(
        (k, k + 1),
        axial_m,
        np.zeros(SHAPE, np.float32),
        (strain + noise * rng.standard_normal(SHAPE)).astype(np.float32),
        np.ones(SHAPE, np.float32),
        everywhere if valid is None else valid,
        Verdict(Status.OK, (), 1.0),
        np.full(SHAPE, noise, np.float32),
    )


def truth() -> np.ndarray:
    """1 % everywhere but 0.4 % in a stiff part."""
    strain = np.full(SHAPE, -0.01, np.float32)
    strain[80:120, 4:12] = -0.004
    return strain


def error(found: StrainImage) -> float:
    return float(np.sqrt(np.mean((found.axial_strain - truth())[:70] ** 2)))


def test_noise_averages_out_over_the_pairs():
    """Ten pairs without drift would leave 0.32 of the noise; the assumed drift lets it keep about half."""
    temporal = TemporalFilter(RECORDING)
    images = [temporal.push(image(truth(), k)) for k in range(10)]
    assert error(images[-1]) < 0.6 * error(images[0])


def test_the_stated_deviation_falls_with_the_noise_and_allows_for_drift():
    """The truth of this test does not drift, so the error is below what is stated, but of its size."""
    temporal = TemporalFilter(RECORDING)
    last = [temporal.push(image(truth(), k)) for k in range(10)][-1]
    assert last.axial_strain_sd is not None
    stated = float(last.axial_strain_sd[:70].mean())
    assert stated < 0.5 * NOISE
    assert 0.4 * stated < error(last) < stated


def test_a_precise_pair_is_hardly_changed():
    temporal = TemporalFilter(RECORDING)
    temporal.push(image(truth(), 0))
    precise = image(truth(), 1, noise=1e-5)
    found = temporal.push(precise)
    assert np.abs(found.axial_strain - precise.axial_strain)[:70].mean() < 0.3 * NOISE


def test_what_contradicts_the_past_begins_anew():
    """Another probe position: the stiff part has vanished, and no ghost of it may stay."""
    temporal = TemporalFilter(RECORDING)
    for k in range(5):
        temporal.push(image(truth(), k, noise=2e-4))
    found = temporal.push(image(np.full(SHAPE, -0.01, np.float32), 5, noise=2e-4))
    assert np.abs(found.axial_strain[85:110, 6:10] + 0.01).mean() < 4e-4


def test_a_gap_in_the_chain_begins_anew():
    temporal = TemporalFilter(RECORDING)
    temporal.push(image(truth(), 0))
    later = image(truth(), 5)
    np.testing.assert_allclose(temporal.push(later).axial_strain, later.axial_strain, atol=1e-7)


def test_where_a_pair_is_not_valid_the_past_is_kept():
    temporal = TemporalFilter(RECORDING)
    temporal.push(image(truth(), 0, noise=1e-4))
    lost = np.ones(SHAPE, bool)
    lost[20:40] = False
    found = temporal.push(image(truth() + 0.5 * ~lost, 1, noise=1e-4, valid=lost))
    assert np.abs(found.axial_strain[22:38] + 0.01).max() < 1e-3


def test_a_stream_gives_the_strain_since_the_frame_before(sequence):
    """At 0.5 % between frames 2 and 3, as the sequence was made."""
    stream = StrainStream(sequence.recording, ElastographyConfig(method="am2d"))
    images = [stream.push(frame) for frame in sequence.recording.samples[:4]]
    assert images[0] is None
    assert [i.pair for i in images[1:] if i is not None] == [(0, 1), (1, 2), (2, 3)]
    assert images[3] is not None
    assert images[3].axial_strain[images[3].valid].mean() == pytest.approx(-0.005, rel=0.1)


def test_a_frame_of_another_size_is_refused(sequence):
    stream = StrainStream(sequence.recording, ElastographyConfig(method="am2d"))
    with pytest.raises(DataError, match="the stream has frames of"):
        stream.push(np.zeros((10, 10), np.float32))


def test_a_pair_at_rest_is_left_as_it_is():
    still = replace(image(truth(), 0), axial_displacement_m=np.zeros(SHAPE, np.float32))
    assert TemporalFilter(RECORDING).push(still) is still
