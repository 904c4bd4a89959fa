"""Which labelled items are learnt from, how often, and how much each counts. Every draw is a function of its seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def class_weights(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """(C,) weights that make every class count alike: n / (classes that occur x items of the class); 0 for an empty.

    labels : (N,) index of the class. Same as scikit-learn's "balanced".
    """
    counts = np.bincount(labels, minlength=n_classes)
    weights: np.ndarray = np.where(counts > 0, len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1)), 0.0)
    return weights


def stratified_subsample(labels: np.ndarray, share: float, *, rng: np.random.Generator) -> np.ndarray:
    """Sorted indices of `share` of every class, drawn at random, rounded, at least one of each class that occurs.

    Source: the echo view thesis, section 4.4.
    """
    if not 0 < share <= 1:
        raise ValueError(f"the share must lie in (0, 1], got {share}")
    kept = []
    for value in np.unique(labels):
        own = np.flatnonzero(labels == value)
        kept.append(rng.permutation(own)[: max(1, round(share * len(own)))])
    return np.sort(np.concatenate(kept))


def equal_by_source(
    labels: np.ndarray,
    sources: np.ndarray,
    wanted: Sequence[str],
    sizes: Sequence[int],
    *,
    rng: np.random.Generator,
) -> np.ndarray:
    """Sorted indices of `sizes[c]` items of every class c, as equal shares as can be from each of the wanted sources.

    labels : (N,) index of the class. sources : (N,) vendor of every item. A source that has too few gives all it has,
    and the others make up for it. Source: the echo view thesis, section 4.3 and figure 4.10.
    """
    kept: list[np.ndarray] = []
    for label, size in enumerate(sizes):
        pools = [rng.permutation(np.flatnonzero((labels == label) & (sources == source))) for source in wanted]
        quotas = _quotas([len(pool) for pool in pools], size)
        kept += [pool[:quota] for pool, quota in zip(pools, quotas, strict=True)]
    return np.sort(np.concatenate(kept)) if kept else np.zeros(0, np.intp)


def _quotas(available: Sequence[int], size: int) -> list[int]:
    """`size` divided over pools as evenly as they allow."""
    quotas = [0] * len(available)
    left = min(size, sum(available))
    while left:
        open_pools = [i for i, n in enumerate(available) if quotas[i] < n]
        share = max(1, left // len(open_pools))
        for i in open_pools:
            taken = min(share, available[i] - quotas[i], left)
            quotas[i] += taken
            left -= taken
    return quotas


def epoch_order(n: int, *, seed: int, epoch: int) -> np.ndarray:
    """(n,) every index once, in an order of its own for each epoch."""
    return np.random.default_rng([seed, epoch, 1]).permutation(n)


def balanced_order(labels: np.ndarray, *, seed: int, epoch: int) -> np.ndarray:
    """(N,) indices in which every class comes equally often (to within one); rare items are repeated, and all are used
    before any comes again."""
    rng = np.random.default_rng([seed, epoch, 2])
    groups = [np.flatnonzero(labels == value) for value in np.unique(labels)]
    per_class = -(-len(labels) // len(groups))
    drawn = [np.concatenate([rng.permutation(g) for _ in range(-(-per_class // len(g)))])[:per_class] for g in groups]
    order: np.ndarray = np.stack(drawn, axis=1)[rng.permutation(per_class)]
    shuffled = rng.permuted(order, axis=1).ravel()
    return shuffled[: len(labels)]


def frames_to_use(n_frames: int, limit: int) -> np.ndarray:
    """Indices of at most `limit` frames, evenly spaced over the clip; all with limit 0."""
    if limit <= 0 or n_frames <= limit:
        return np.arange(n_frames)
    return np.round((np.arange(limit) + 0.5) * n_frames / limit - 0.5).astype(np.intp)
