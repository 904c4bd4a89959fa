"""What is refused before tracking, and the verdict after it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sonometry.applications.elastography.displacement import Displacement
from sonometry.applications.elastography.quality import echo_spectrum, holds_echo, judge, quality_map, unmeasurable
from sonometry.core import Status


def displaced(correlation):
    field = np.zeros(correlation.shape, np.float32)
    return Displacement(field, field, correlation.astype(np.float32), np.ones(correlation.shape, bool))


def test_quality_is_the_correlation_without_its_negative_part():
    correlation = np.array([[-0.4, 0.0], [0.3, 1.0]])
    np.testing.assert_allclose(quality_map(displaced(correlation)), [[0, 0], [0.3, 1.0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("share", "status"), [(1.0, Status.OK), (0.9, Status.OK), (0.8, Status.LIMITED), (0.5, Status.WITHHELD)]
)
def test_verdict_follows_the_share_of_valid_pixels(share, status):
    valid = np.arange(1000).reshape(100, 10) < 1000 * share
    verdict = judge(valid, valid.astype(float), np.ones_like(valid))
    assert verdict.status is status
    assert verdict.valid_share == share


def test_lost_share_is_stated_in_per_cent():
    valid = np.arange(1000).reshape(100, 10) < 820
    verdict = judge(valid, valid.astype(float), np.ones_like(valid))
    assert verdict.reasons == ("lock was lost in 18 % of the image; the rest is measured",)


def test_pixels_without_echo_do_not_count_as_lost():
    has_echo = np.arange(1000).reshape(100, 10) < 400
    verdict = judge(has_echo, has_echo.astype(float), has_echo)
    assert (verdict.status, verdict.valid_share) == (Status.OK, 1.0)


def test_an_empty_frame_is_lost_altogether():
    nothing = np.zeros((100, 10), bool)
    assert judge(nothing, nothing.astype(float), nothing).status is Status.WITHHELD


def test_zeros_beside_and_below_the_image_hold_no_echo(pair):
    frame = pair.recording.samples[0].copy()
    frame[:, :10] = 0
    frame[1000:] = 0
    has_echo = holds_echo(frame)
    assert not has_echo[:, :10].any()
    assert not has_echo[1020:].any()
    assert has_echo[:1000, 10:].mean() > 0.999


def test_margin_is_left_out_beside_empty_parts_but_not_at_the_edges_of_the_frame(pair):
    frame = pair.recording.samples[0].copy()
    frame[1000:] = 0
    has_echo = holds_echo(frame, (50, 3))
    assert not has_echo[970:].any()
    assert has_echo[:900].mean() > 0.999


def test_rf_that_is_stored_with_an_offset_may_be_measured(pair):
    offset = (pair.recording.samples / np.abs(pair.recording.samples).max() * 2000 + 2048).astype(np.float32)
    assert unmeasurable(replace(pair.recording, samples=offset)) is None


def test_good_rf_may_be_measured(pair):
    assert unmeasurable(pair.recording) is None


def test_one_constant_frame_among_good_ones_does_not_stop_the_recording(pair):
    samples = np.concatenate([np.zeros_like(pair.recording.samples[:1]), pair.recording.samples])
    assert unmeasurable(replace(pair.recording, samples=samples)) is None


def test_b_mode_with_its_mean_removed_is_not_taken_for_rf(pair):
    envelope = np.abs(pair.recording.samples)
    smooth = np.apply_along_axis(lambda line: np.convolve(line, np.ones(40) / 40, "same"), 1, envelope)
    grey = (smooth - smooth.mean()).astype(np.float32)
    assert "not RF of that frequency" in unmeasurable(replace(pair.recording, samples=grey))


def test_spectrum_peaks_at_the_centre_frequency(pair):
    recording = pair.recording
    frequency_hz, power = echo_spectrum(recording.samples[0], recording.sampling_rate_hz)
    assert frequency_hz[np.argmax(power)] == pytest.approx(recording.centre_frequency_hz, rel=0.15)
