"""Which two frames of a sequence to compare.

A strain image is the better the larger the compression and the less the echo has changed otherwise. Both go into the
elastographic signal-to-noise ratio that a pair lets expect: the strain over the error of the displacement, which for a
correlation c after motion compensation is proportional to sqrt(1 - c^2) / c (the Cramer-Rao bound of a phase). That is

    score = share of valid pixels x min(|strain|, target) c / sqrt(1 - c^2 + f).

Pairs that keep lock in at least `quality.LIMITED_BELOW` of the image go before all others: their image is whole.
Sources: Varghese & Ophir 1997, doi:10.1109/58.585212 (strain filter); frames are ranked by correlation after warping
together with strain as in Zayed & Rivaz 2020, doi:10.1109/TUFFC.2020.2994028, who predict the former by a network.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sonometry.applications.elastography.config import ElastographyConfig
from sonometry.applications.elastography.displacement import CLASSICAL, METHODS, TrackingSetup
from sonometry.applications.elastography.quality import LIMITED_BELOW, WITHHELD_BELOW, holds_echo
from sonometry.applications.elastography.strain_image import applied_strain
from sonometry.core.application import Progress
from sonometry.core.errors import UsageError
from sonometry.core.rf import RFFrames

#: Share of decorrelation that electronic noise and interpolation always leave.
DECORRELATION_FLOOR = 0.01
#: Lines in the middle of the image on which pairs are compared, and frames that a long recording is started from.
COMPARED_LINES, MOST_STARTS = 160, 40


@dataclass(frozen=True)
class Candidate:
    """One pair and what it promises: median correlation, applied strain and valid share of the middle lines."""

    pair: tuple[int, int]
    correlation: float
    strain: float
    valid_share: float
    score: float


def check_pair_option(pair: tuple[int, int], n_frames: int) -> None:
    """UsageError for a frame that the recording does not have."""
    if max(pair) >= n_frames:
        raise UsageError(f"--pair must name frames 0 to {n_frames - 1} of this recording, got {pair[0]} {pair[1]}")


class PairScores:
    """Scores of the pairs of one recording, each computed once."""

    def __init__(self, recording: RFFrames, config: ElastographyConfig) -> None:
        n_lines = recording.samples.shape[2]
        first = max(0, (n_lines - COMPARED_LINES) // 2)
        self._frames = recording.samples[:, :, first : first + COMPARED_LINES]
        self._setup = TrackingSetup.of(recording)
        self._config = config
        # A learned method begins with AM2D, which is enough to tell good pairs from bad ones.
        self._method = config.method if config.method in CLASSICAL else "am2d"
        self._known: dict[tuple[int, int], Candidate] = {}

    @property
    def known(self) -> tuple[Candidate, ...]:
        """Every pair looked at so far."""
        return tuple(self._known.values())

    def of(self, pair: tuple[int, int]) -> Candidate:
        """What `pair` promises."""
        if pair not in self._known:
            self._known[pair] = self._look(pair)
        return self._known[pair]

    def _look(self, pair: tuple[int, int]) -> Candidate:
        earlier, later = (np.ascontiguousarray(self._frames[i]) for i in pair)
        if np.ptp(earlier) == 0 or np.ptp(later) == 0 or np.array_equal(earlier, later):
            return Candidate(pair, 0.0, 0.0, 0.0, 0.0)
        moved = METHODS[self._method](earlier, later, context=self._setup)
        correlation = max(0.0, float(np.median(moved.correlation)))
        valid = moved.has_lock & (moved.correlation >= self._config.quality_threshold)
        share = float(valid[holds_echo(earlier)].mean())
        strain = applied_strain(moved)
        worth = score(correlation, strain, share, target_strain=self._config.target_strain)
        return Candidate(pair, correlation, strain, share, worth)


def score(correlation: float, strain: float, valid_share: float, *, target_strain: float) -> float:
    """Elastographic signal-to-noise ratio that a pair lets expect, up to a constant factor."""
    useful = min(abs(strain), target_strain)
    return valid_share * useful * correlation / float(np.sqrt(1 - correlation**2 + DECORRELATION_FLOOR))


def best_pair(scores: PairScores, n_frames: int, config: ElastographyConfig, progress: Progress) -> Candidate:
    """The pair of highest score among those at most `maximum_gap_frames` apart.

    A recording of more than `MOST_STARTS` frames is started from that many, evenly spread.
    """
    n_starts = min(n_frames - 1, MOST_STARTS)
    starts = np.unique(np.linspace(0, n_frames - 2, n_starts).astype(int))
    for k, start in enumerate(starts):
        progress(k / len(starts), "comparing frames")
        _best_partner(scores, int(start), n_frames, config)
    return _highest(scores.known)


def chain(scores: PairScores, n_frames: int, config: ElastographyConfig) -> list[tuple[int, int]]:
    """Pairs that lead through the sequence, each beginning where the last ended: from every frame its best partner.

    Frames without a partner that keeps enough lock to be measured are passed over. At most `maximum_sequence_pairs`.
    """
    pairs: list[tuple[int, int]] = []
    frame = 0
    while frame < n_frames - 1 and len(pairs) < config.maximum_sequence_pairs:
        found = _best_partner(scores, frame, n_frames, config)
        if found.score > 0 and found.valid_share >= WITHHELD_BELOW:
            pairs.append(found.pair)
            frame = found.pair[1]
        else:
            frame += 1
    return pairs


def _best_partner(scores: PairScores, start: int, n_frames: int, config: ElastographyConfig) -> Candidate:
    """The later frame that promises most together with `start`."""
    last = min(start + config.maximum_gap_frames, n_frames - 1)
    return _highest(scores.of((start, later)) for later in range(start + 1, last + 1))


def _highest(candidates: Iterable[Candidate]) -> Candidate:
    """Highest score among the pairs that keep lock, else among all; of equal ones (all 0) the first."""
    return max(candidates, key=lambda one: (one.valid_share >= LIMITED_BELOW and one.score > 0, one.score))
