"""The method of Wu et al. 2018: one network from RF patches to displacement, one from its patches to strain.

Frames are resized to 2608 x 128; the later one is stretched as a whole by the applied strain, so that what is left to
find lies within a few samples. Both networks are evaluated on every eighth row and every second column, and
interpolated between. The paper does not tell how the elongation is chosen; here it is the straight line through the
median motion of the coarse tracker. Lateral motion is not estimated and is given as 0.
Which reading of the paper's contradictions was taken stands in docs/decisions (layers of the strain network).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from sonometry.applications.elastography.coarse import SearchConfig, coarse_motion
from sonometry.applications.elastography.displacement import LearnedConfig, LearnedDisplacement, TrackingSetup
from sonometry.applications.elastography.echo_pair import EchoPair, prepare_pair, to_displacement
from sonometry.core.errors import DataError
from sonometry.models.inference import Network, load_network, shipped_weights

DISPLACEMENT_WEIGHTS, STRAIN_WEIGHTS = "elastography-wu2018-displacement", "elastography-wu2018-strain"
#: Size of all images (axial, line), and the grid on which the networks are evaluated.
SIZE = (2608, 128)
GRID = (8, 2)
#: Patches of the two networks.
DISPLACEMENT_PATCH, STRAIN_PATCH = (71, 9), (61, 9)
#: One unit of the networks' outputs: samples of the resized image, and strain. Input of the second, samples.
DISPLACEMENT_UNIT, STRAIN_UNIT, INPUT_UNIT = 2.0, 0.01, 0.5
#: Patches that are evaluated at once, few enough that their maps stay in the cache of a core.
_CHUNK = 256


@dataclass(frozen=True, eq=False)
class ResizedPair:
    """Two frames on the grid of the networks.

    frames : float32 (2, 2608, 128), standard deviation 1, the later one stretched.
    offset : (2608,) motion in samples that the stretch has taken away. scale : resized samples per original sample.
    """

    frames: np.ndarray
    offset: np.ndarray
    scale: float


def track(
    earlier: np.ndarray, later: np.ndarray, *, context: TrackingSetup, config: LearnedConfig | None = None
) -> LearnedDisplacement:
    """Displacement and strain of a pair (axial, line). Raises DataError as AM2D, and for unusable weights."""
    first, second = networks(None if config is None else config.weights)
    pair = prepare_pair(earlier, later, context)
    resized = resize_pair(earlier, later, pair, context)
    displacement = predicted_displacement(resized, first)
    strain = predicted_strain(displacement, second)
    return on_grid_of(pair, displacement / resized.scale, strain, earlier.shape)


def networks(weights: Path | None) -> tuple[Network, Network]:
    """The two shipped networks, or those in the two sub-folders of `weights`."""
    names = DISPLACEMENT_WEIGHTS, STRAIN_WEIGHTS
    found = [load_network(Path(weights) / n if weights else shipped_weights(n)) for n in names]
    for network, name in zip(found, names, strict=True):
        if network.metadata.get("name") != name:
            raise DataError(f"the weights {network.name} are not {name}; --weights needs a folder with both networks")
    return found[0], found[1]


def digest(weights: Path | None = None) -> str:
    """One SHA-256 of both networks."""
    return hashlib.sha256("".join(n.sha256 for n in networks(weights)).encode()).hexdigest()


def resize_pair(earlier: np.ndarray, later: np.ndarray, pair: EchoPair, context: TrackingSetup) -> ResizedPair:
    """Resize both frames and stretch the later one by the line through the coarse tracker's median motion."""
    motion = coarse_motion(pair, context, SearchConfig())
    profile = np.median(motion[0], axis=0)
    slope, start = np.polyfit(np.arange(len(profile)) * pair.band.step, profile, 1)
    scale = SIZE[0] / earlier.shape[0]
    # Middle of pixel k of the resized image, in samples of the original one.
    position = (np.arange(SIZE[0]) + 0.5) / scale - 0.5
    offset = (start + slope * position) * scale
    frames = np.stack([_read(earlier, position), _read(later, position + offset / scale)])
    return ResizedPair((frames / (frames[0].std() + 1e-12)).astype(np.float32), offset, scale)


def _read(frame: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """A frame at fractional rows, cubic along depth, on 128 lines; 0 outside."""
    n_lines = frame.shape[1]
    columns = (np.arange(SIZE[1]) + 0.5) * n_lines / SIZE[1] - 0.5
    grid = np.broadcast_to(columns.astype(np.float32), SIZE), np.broadcast_to(rows.astype(np.float32)[:, None], SIZE)
    read: np.ndarray = cv2.remap(
        np.ascontiguousarray(frame, dtype=np.float32), grid[0].copy(), grid[1].copy(), cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_CONSTANT,
    )  # fmt: skip
    return read


def predicted_displacement(resized: ResizedPair, network: Network) -> np.ndarray:
    """(2608, 128) axial displacement in resized samples, the stretch included."""
    found = _everywhere(resized.frames, _patch_of(network, DISPLACEMENT_PATCH), network)
    return found * DISPLACEMENT_UNIT + resized.offset[:, None]


def predicted_strain(displacement: np.ndarray, network: Network) -> np.ndarray:
    """(2608, 128) strain of a displacement in resized samples."""
    slope, images = strain_input(displacement)
    return _everywhere(images, _patch_of(network, STRAIN_PATCH), network) * STRAIN_UNIT + slope


def strain_input(displacement: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean strain of a displacement, and what the second network sees: the rest of it, (1, 2608, 128).

    The network learns the strain beyond the mean; patches are taken relative to their middle.
    """
    rows = np.arange(SIZE[0])
    slope, start = np.polyfit(rows, np.median(displacement, axis=1), 1)
    rest = (displacement - (start + slope * rows)[:, None]) / INPUT_UNIT
    return float(slope), rest[None].astype(np.float32)


def windows(images: np.ndarray, patch: tuple[int, int]) -> np.ndarray:
    """View (rows, columns, channel, patch rows, patch columns) of patches about every pixel; edges are repeated."""
    half = patch[0] // 2, patch[1] // 2
    padded = np.pad(images, ((0, 0), (half[0], half[0]), (half[1], half[1])), mode="edge")
    view = np.lib.stride_tricks.sliding_window_view(padded, patch, axis=(1, 2))
    return np.moveaxis(view, 0, 2)


def centred(patches: np.ndarray) -> np.ndarray:
    """Patches (B, 1, rows, columns) of displacement relative to their middle; RF patches (two channels) as they are."""
    if patches.shape[1] == 2:
        return patches
    middle = patches[:, :, patches.shape[2] // 2, patches.shape[3] // 2]
    relative: np.ndarray = patches - middle[:, :, None, None]
    return relative


def _patch_of(network: Network, usual: tuple[int, int]) -> tuple[int, int]:
    rows, columns = network.metadata.get("patch", usual)
    return int(rows), int(columns)


def _everywhere(images: np.ndarray, patch: tuple[int, int], network: Network) -> np.ndarray:
    """(rows, columns) output of a patch network, evaluated on the grid and interpolated (cubic)."""
    view = windows(images, patch)[:: GRID[0], :: GRID[1]]
    shape = view.shape[:2]
    flat = [(i, j) for i in range(shape[0]) for j in range(shape[1])]
    found = np.empty(len(flat), np.float32)
    for first in range(0, len(flat), _CHUNK):
        rows, columns = np.array(flat[first : first + _CHUNK]).T
        found[first : first + _CHUNK] = network(centred(view[rows, columns]))[:, 0]
    return _between(found.reshape(shape), (images.shape[1], images.shape[2]))


def _between(coarse: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Values known at every `GRID` step on all pixels: cubic between, repeated beyond the last."""
    rows = np.arange(size[0], dtype=np.float32)[:, None] / GRID[0] + np.zeros((1, size[1]), np.float32)
    columns = np.arange(size[1], dtype=np.float32)[None] / GRID[1] + np.zeros((size[0], 1), np.float32)
    fine: np.ndarray = cv2.remap(coarse, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return fine


def on_grid_of(pair: EchoPair, axial: np.ndarray, strain: np.ndarray, shape: tuple[int, ...]) -> LearnedDisplacement:
    """Results on the samples and lines of the frames, with the correlation of the frames they align."""
    axial, strain = (
        cv2.resize(image.astype(np.float32), shape[::-1], interpolation=cv2.INTER_LINEAR) for image in (axial, strain)
    )
    rows = axial[:: pair.band.step].T
    motion = np.stack([rows, np.zeros_like(rows)]).astype(np.float32)
    moved = to_displacement(pair, np.ascontiguousarray(motion))
    return LearnedDisplacement(axial, moved.lateral_lines, moved.correlation, moved.has_lock, strain)
