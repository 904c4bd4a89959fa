"""What a network tells apart, in two dimensions: principal components, then t-SNE, or UMAP where it is installed.

Source: van der Maaten & Hinton 2008, JMLR 9:2579; McInnes et al. 2018, arXiv:1802.03426; the echo view thesis, 3.4.3.
"""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, import-not-found, unused-ignore]

from sonometry.core.errors import DataError

Array = npt.NDArray[np.float64]
#: Components that are kept before the slow part.
N_COMPONENTS = 50
#: More items than this make a picture no clearer.
MOST_ITEMS = 3000
_FEWEST_ITEMS = 6


def drawn_items(n: int, *, most: int = MOST_ITEMS, seed: int = 0) -> npt.NDArray[np.intp]:
    """Sorted indices of the items to show: all, or `most` drawn at random."""
    if n <= most:
        return np.arange(n)
    drawn: npt.NDArray[np.intp] = np.sort(np.random.default_rng(seed).choice(n, most, replace=False))
    return drawn


def principal_components(features: Array, n: int = N_COMPONENTS, *, seed: int = 0) -> Array:
    """(N, F) -> (N, at most n) coordinates along the directions of largest variance."""
    from sklearn.decomposition import PCA

    kept = min(n, *features.shape)
    reduced: Array = PCA(kept, random_state=seed).fit_transform(np.asarray(features, np.float64))
    return reduced


def t_sne(features: Array, *, seed: int = 0) -> Array:
    """(N, F) -> (N, 2) by PCA to 50 dimensions and t-SNE. Raises DataError for fewer than 6 items."""
    from sklearn.manifold import TSNE

    _check(features)
    perplexity = min(30.0, (len(features) - 1) / 3)
    # Few items: threads that wait for one another cost more than they save, minutes on a busy machine.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        model = TSNE(2, perplexity=perplexity, init="pca", random_state=seed)
        points: Array = np.asarray(model.fit_transform(principal_components(features, seed=seed)), np.float64)
    return points


def has_umap() -> bool:
    """Whether the package umap-learn is installed."""
    return importlib.util.find_spec("umap") is not None


def umap(features: Array, *, seed: int = 0) -> Array:
    """(N, F) -> (N, 2) by PCA to 50 dimensions and UMAP; needs the package umap-learn."""
    from umap import UMAP  # type: ignore[import-not-found, unused-ignore]

    _check(features)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = UMAP(n_components=2, n_neighbors=min(15, len(features) - 1), random_state=seed)
        points: Array = np.asarray(model.fit_transform(principal_components(features, seed=seed)), np.float64)
    return points


def _check(features: Array) -> None:
    if len(features) < _FEWEST_ITEMS:
        raise DataError(f"a map of the embedding needs at least {_FEWEST_ITEMS} frames, there are {len(features)}")
