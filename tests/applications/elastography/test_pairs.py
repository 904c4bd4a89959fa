"""The choice of the pair: score, best pair, and the chain through a sequence."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from sonometry.applications.elastography.config import ElastographyConfig
from sonometry.applications.elastography.pairs import PairScores, best_pair, chain, check_pair_option, score
from sonometry.core import UsageError
from sonometry.core.application import no_progress

CONFIG = ElastographyConfig()


@pytest.fixture
def scores(sequence):
    return PairScores(sequence.recording, CONFIG)


def test_more_strain_at_equal_correlation_scores_higher():
    assert score(0.9, -0.008, 1.0, target_strain=0.01) > score(0.9, 0.004, 1.0, target_strain=0.01)


def test_strain_beyond_the_target_gains_nothing():
    assert score(0.9, -0.03, 1.0, target_strain=0.01) == score(0.9, 0.01, 1.0, target_strain=0.01)


def test_less_correlation_outweighs_some_more_strain():
    assert score(0.98, 0.004, 1.0, target_strain=0.01) > score(0.8, 0.006, 1.0, target_strain=0.01)


def test_score_is_proportional_to_the_valid_share():
    assert score(0.9, 0.01, 0.5, target_strain=0.01) == 0.5 * score(0.9, 0.01, 1.0, target_strain=0.01)


def test_best_pair_is_the_one_with_useful_compression(scores, sequence):
    found = best_pair(scores, sequence.recording.n_frames, CONFIG, no_progress)
    assert found.pair in {(0, 3), (1, 3)}
    assert found.strain == pytest.approx(-0.006, rel=0.1)


def test_pairs_further_apart_than_the_gap_are_not_looked_at(sequence):
    near = replace(CONFIG, maximum_gap_frames=1)
    scores = PairScores(sequence.recording, near)
    best_pair(scores, sequence.recording.n_frames, near, no_progress)
    assert {c.pair for c in scores.known} == {(0, 1), (1, 2), (2, 3), (3, 4)}


def test_chain_leads_from_frame_to_frame_and_leaves_out_the_foreign_one(scores, sequence):
    pairs = chain(scores, sequence.recording.n_frames, CONFIG)
    assert pairs[0][0] == 0
    assert all(first[1] == second[0] for first, second in itertools.pairwise(pairs))
    assert pairs[-1][1] == 3


def test_chain_stops_at_the_most_pairs(sequence):
    short = replace(CONFIG, maximum_gap_frames=1, maximum_sequence_pairs=1)
    assert len(chain(PairScores(sequence.recording, short), sequence.recording.n_frames, short)) == 1


def test_frames_without_echo_are_never_chosen(sequence):
    samples = sequence.recording.samples.copy()
    samples[3] = 0
    recording = replace(sequence.recording, samples=samples)
    assert 3 not in best_pair(PairScores(recording, CONFIG), 5, CONFIG, no_progress).pair


def test_frame_beyond_the_recording_is_refused():
    with pytest.raises(UsageError, match="--pair must name frames 0 to 3 of this recording, got 2 4"):
        check_pair_option((2, 4), 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pair": (1, 1)}, "--pair needs two different frames"),
        ({"method": "magic"}, "--method must be one of"),
        ({"quality_threshold": 2.0}, "--quality-threshold must lie between 0 and 1"),
        ({"strain_window_mm": 0.0}, "--strain-window-mm must be positive"),
        ({"region_mm": (1.0, 2.0, 3.0)}, "--region-mm needs two corners"),
    ],
)
def test_impossible_options_are_refused_by_their_flag(options, message):
    with pytest.raises(UsageError, match=message):
        ElastographyConfig(**options)


def test_same_pair_is_tracked_only_once(scores):
    first = scores.of((0, 3))
    assert scores.of((0, 3)) is first
    assert len(scores.known) == 1


def test_a_recording_at_rest_has_a_first_pair_of_no_worth(pair):
    still = replace(pair.recording, samples=np.stack([pair.recording.samples[0]] * 3))
    assert best_pair(PairScores(still, CONFIG), 3, CONFIG, no_progress).score == 0
