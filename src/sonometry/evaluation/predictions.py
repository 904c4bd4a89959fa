"""What a classifier said about labelled frames: class probabilities with clip, subject and vendor; and per clip.

A label is an index only inside a `Predictions`, which holds the names of its classes beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sonometry.core.errors import DataError

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]
Keys = npt.NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Class probabilities of N labelled items (frames or clips).

    probabilities : (N, C), each row adds to 1. truth : (N,) index into `class_names`.
    clips, subjects, vendors : (N,) keys; a vendor is "" where it is unknown.
    """

    class_names: tuple[str, ...]
    probabilities: Array
    truth: Integers
    clips: Keys
    subjects: Keys
    vendors: Keys

    def __post_init__(self) -> None:
        n, n_classes = len(self.truth), len(self.class_names)
        if self.probabilities.shape != (n, n_classes):
            raise ValueError(f"{n} labels of {n_classes} classes need as many rows, got {self.probabilities.shape}")
        if any(len(keys) != n for keys in (self.clips, self.subjects, self.vendors)):
            raise ValueError(f"{n} labels need as many clips, subjects and vendors")
        if n == 0:
            raise DataError("there is nothing to evaluate: no labelled clip could be read in this split")
        if not np.isfinite(self.probabilities).all() or np.abs(self.probabilities.sum(axis=1) - 1).max() > 1e-3:
            raise ValueError("probabilities must be finite and add to 1 in every row")
        if self.truth.min() < 0 or self.truth.max() >= n_classes:
            raise ValueError(f"labels must lie in 0..{n_classes - 1}")

    def __len__(self) -> int:
        return len(self.truth)

    @classmethod
    def of_names(
        cls,
        class_names: Sequence[str],
        probabilities: npt.ArrayLike,
        truth: Sequence[str],
        *,
        clips: Sequence[str],
        subjects: Sequence[str] | None = None,
        vendors: Sequence[str] | None = None,
    ) -> Predictions:
        """From the names of the true classes. subjects : by default every clip is a subject of its own.

        Raises DataError for a name that is no class.
        """
        index = {name: i for i, name in enumerate(class_names)}
        unknown = sorted(set(truth) - set(index))
        if unknown:
            raise DataError(f"unknown label {unknown[0]!r}; the classes are: {', '.join(class_names)}")
        return cls(
            tuple(class_names),
            np.asarray(probabilities, dtype=np.float64),
            np.array([index[name] for name in truth], dtype=np.intp),
            np.array(clips, dtype=np.str_),
            np.array(clips if subjects is None else subjects, dtype=np.str_),
            np.array([""] * len(truth) if vendors is None else vendors, dtype=np.str_),
        )

    @property
    def predicted(self) -> Integers:
        """(N,) index of the most probable class."""
        best: Integers = np.argmax(self.probabilities, axis=1)
        return best

    @property
    def confidence(self) -> Array:
        """(N,) probability of the most probable class."""
        highest: Array = self.probabilities.max(axis=1)
        return highest

    @property
    def is_right(self) -> npt.NDArray[np.bool_]:
        """(N,) whether the most probable class is the true one."""
        right: npt.NDArray[np.bool_] = self.predicted == self.truth
        return right

    def where(self, mask: npt.NDArray[np.bool_]) -> Predictions:
        """The items of a mask (N,). Raises DataError when none is left."""
        return replace(
            self,
            probabilities=self.probabilities[mask],
            truth=self.truth[mask],
            clips=self.clips[mask],
            subjects=self.subjects[mask],
            vendors=self.vendors[mask],
        )

    def by_vendor(self) -> Mapping[str, Predictions]:
        """The items of every vendor, in alphabetical order."""
        return {str(vendor): self.where(self.vendors == vendor) for vendor in np.unique(self.vendors)}


def majority_vote(frames: Predictions) -> Predictions:
    """One item a clip: its probabilities are the shares of the frames that name each class.

    A tie goes to the class with the larger mean probability. Source: Madani et al. 2018,
    doi:10.1038/s41746-017-0013-1, and the echo view thesis, section 3.4.3.
    """

    def vote(probabilities: Array) -> Array:
        votes = np.bincount(np.argmax(probabilities, axis=1), minlength=probabilities.shape[1])
        leaders = votes == votes.max()
        if leaders.sum() > 1:  # the shares stay: only the order of equals is decided
            mean = np.where(leaders, probabilities.mean(axis=0), -np.inf)
            share: Array = votes + 1e-6 * (np.arange(len(votes)) == mean.argmax())
            return np.asarray(share / share.sum(), dtype=np.float64)
        return np.asarray(votes / votes.sum(), dtype=np.float64)

    return _per_clip(frames, vote)


def averaged(frames: Predictions) -> Predictions:
    """One item a clip: the mean of the probabilities of its frames, which should be calibrated first."""

    def mean(probabilities: Array) -> Array:
        means: Array = np.asarray(probabilities.mean(axis=0))
        return means

    return _per_clip(frames, mean)


def _per_clip(frames: Predictions, combine: Callable[[Array], Array]) -> Predictions:
    _, first, inverse = np.unique(frames.clips, return_index=True, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(inverse))[:-1])
    for own in members:
        if (frames.truth[own] != frames.truth[own[0]]).any():
            raise ValueError(f"the frames of clip {frames.clips[own[0]]} have more than one label")
    return replace(
        frames,
        probabilities=np.stack([combine(frames.probabilities[own]) for own in members]),
        truth=frames.truth[first],
        clips=frames.clips[first],
        subjects=frames.subjects[first],
        vendors=frames.vendors[first],
    )
