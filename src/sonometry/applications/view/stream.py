"""An endless stream of simulated training pictures with their view, each a function of (seed, index).

Frames of the simulated heart are made in blocks and kept on disk; the pool grows while training goes on, so that a
resumed run finds what it had. What carries a network from simulation to real clips is variation: of the simulator
(`simulation.echo.settings`) and here of how a picture reaches us: cut, squeezed, turned, marked, blurred, compressed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from multiprocessing import parent_process
from pathlib import Path

import cv2
import numpy as np

from sonometry.applications.view.distractors import distractor
from sonometry.applications.view.marks import draw_marks
from sonometry.applications.view.prepare import SIDE, Box, content_box
from sonometry.core.echo_views import NONE, EchoView
from sonometry.core.parallel import on_all_cores
from sonometry.io.atomic import atomic_file
from sonometry.simulation.appearance import RANDOM, VENDORS
from sonometry.simulation.phantoms.heart import ANYTHING, OtherPicture, OtherView, View, frames

#: Rows and columns of the frames of the pool.
FRAME_SIDE = 208
#: Frames of a block, of which this many are no ultrasound of a heart at all.
BLOCK, DISTRACTORS = 48, 4
#: Clips of a block, and their frames.
CLIP_BLOCK, CLIP_FRAMES = 12, 10
#: A make that the shipped network never saw, kept for its test.
HELD_OUT_VENDOR = "dorado"
#: How often each section is drawn; A4C twice as often as any other, as clinics record it even more often.
_VIEWS: tuple[View | OtherView | OtherPicture, ...] = (
    *(View(view.value) for view in EchoView for _ in range(5)),
    *([View.A4C] * 5),
    *([OtherView.SAXAPEX] * 3),
    *([OtherView.IVC] * 2),
    *([OtherPicture.SUPRASTERNAL] * 2),
    *([OtherPicture.NONCARDIAC] * 3),
    OtherPicture.DOPPLER,
    OtherPicture.MMODE,
)
_STREAM = 77
_GREYS = np.arange(256) / 255


@dataclass(frozen=True)
class Pooled:
    """One frame (H, W) or short clip (K, H, W) of the pool: grey uint8, its label, and where its content lies."""

    image: np.ndarray
    label: str
    box: Box


def training_vendors() -> tuple[str, ...]:
    """Makes of the training stream: mostly drawn at random, and all named ones but the held-out."""
    return (*(name for name in VENDORS if name != HELD_OUT_VENDOR), *([RANDOM] * 4))


MakeBlock = Callable[[np.random.Generator, Sequence[str] | None], list[Pooled]]


@dataclass(frozen=True)
class Pool:
    """Blocks of frames or clips in `folder`; block b of a seed is always the same. vendors : makes, or None for all."""

    folder: Path
    seed: int
    vendors: tuple[str, ...] | None
    make: MakeBlock

    def item(self, block: int, index: int) -> Pooled:
        """Number `index` of a block, which is made first when it is not there."""
        path = self._path(block)
        if not path.exists():
            self._write(block)
        labels, boxes = _facts(path)
        # Opened anew every time: a pool has more blocks than a process may hold open files.
        image = np.array(np.load(path, mmap_mode="r")[index])
        return Pooled(image, str(labels[index]), Box(*(int(v) for v in boxes[index])))

    def fill(self, n_blocks: int) -> None:
        """Make those of the first blocks that are not there, on all cores when they are many."""
        missing = [block for block in range(n_blocks) if not self._path(block).exists()]
        for _ in on_all_cores(partial(_write_alone, self), missing):
            pass

    def _path(self, block: int) -> Path:
        return self.folder / f"{self.seed}-{block:06d}.npy"

    def _write(self, block: int) -> None:
        made = self.make(np.random.default_rng([_STREAM, self.seed, block]), self.vendors)
        path = self._path(block)
        path.parent.mkdir(parents=True, exist_ok=True)
        facts = path.with_suffix(".npz")
        boxes = np.array([[p.box.top, p.box.bottom, p.box.left, p.box.right] for p in made])
        with atomic_file(facts) as temporary, open(temporary, "wb") as stream:
            np.savez(stream, labels=np.array([p.label for p in made]), boxes=boxes)
        with atomic_file(path) as temporary, open(temporary, "wb") as stream:
            np.save(stream, np.stack([p.image for p in made]))


def _write_alone(pool: Pool, block: int) -> None:
    """Make a block, with one thread where several processes do."""
    if parent_process() is not None:
        cv2.setNumThreads(1)
    pool._write(block)


@lru_cache(maxsize=16384)
def _facts(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Labels and boxes of a block."""
    with np.load(path.with_suffix(".npz")) as facts:
        return facts["labels"], facts["boxes"]


def make_frames(rng: np.random.Generator, vendors: Sequence[str] | None) -> list[Pooled]:
    """`BLOCK` new frames, the last of them no ultrasound of a heart."""
    size = (FRAME_SIDE, FRAME_SIDE)
    source = frames(rng, size=size, views=_VIEWS, vendors=vendors, frames_per_clip=2, clips_per_patient=2)
    made = [(frame.image, label_of(frame.view.value)) for frame in islice(source, BLOCK - DISTRACTORS)]
    made += [(distractor(rng, FRAME_SIDE), NONE) for _ in range(DISTRACTORS)]
    return [Pooled(image, label, content_box(image)) for image, label in made]


def make_clips(rng: np.random.Generator, vendors: Sequence[str] | None) -> list[Pooled]:
    """`CLIP_BLOCK` new clips of `CLIP_FRAMES` frames over a beat, the last of them a still picture of anything."""
    size = (FRAME_SIDE, FRAME_SIDE)
    source = frames(rng, size=size, views=_VIEWS, vendors=vendors, frames_per_clip=CLIP_FRAMES, clips_per_patient=1)
    made = []
    for _ in range(CLIP_BLOCK - 1):
        clip = list(islice(source, CLIP_FRAMES))
        made.append((np.stack([frame.image for frame in clip]), label_of(clip[0].view.value)))
    made.append((np.repeat(distractor(rng, FRAME_SIDE)[None], CLIP_FRAMES, axis=0), NONE))
    return [Pooled(images, label, content_box(images.max(axis=0))) for images, label in made]


def label_of(section: str) -> str:
    """Label of anything the simulator makes: one of the eight views, or NONE."""
    if section not in {kind.value for kind in ANYTHING}:
        raise ValueError(f"{section!r} is nothing that the simulated heart shows")
    return section if section in {view.value for view in EchoView} else NONE


def varied(pooled: Pooled, rng: np.random.Generator, *, side: int = SIDE) -> np.ndarray:
    """(side, side) uint8 of a frame as some user might bring it."""
    source = draw_marks(pooled.image, rng) if rng.random() < 0.4 else pooled.image
    return as_shown(_placed(source, _region(pooled, rng), rng, side), rng)


def _region(pooled: Pooled, rng: np.random.Generator) -> Box:
    """What is cut out: about the content, the whole frame, or something between."""
    rows, columns = pooled.image.shape
    box, way = pooled.box, rng.random()
    if way < 0.2:
        return Box(0, rows, 0, columns)
    towards_whole = 0.0 if way < 0.75 else rng.random()
    height, width = box.shape
    jitter = rng.normal(0, 0.035, 4) * np.array([height, height, width, width])
    edges = np.array([box.top, box.bottom, box.left, box.right]) * (1 - towards_whole)
    edges = edges + towards_whole * np.array([0, rows, 0, columns]) + jitter
    top, left = np.clip(edges[[0, 2]], 0, None)
    bottom, right = min(edges[1], rows), min(edges[3], columns)
    return Box(int(top), int(max(bottom, top + 16)), int(left), int(max(right, left + 16)))


def _placed(source: np.ndarray, box: Box, rng: np.random.Generator, side: int) -> np.ndarray:
    """The region on a square: letterboxed or squeezed, turned, shifted, rarely mirrored."""
    height, width = box.shape
    # collections of small clips squeeze pictures to squares: the content, or the screen before it was cut to that
    if rng.random() < 0.25:
        scale = np.array([side / width, side / height])
    else:
        squeeze = rng.uniform(0.68, 1.0) if rng.random() < 0.3 else 1.0
        scale = np.array([squeeze, 1.0]) * side / max(height, squeeze * width)
    scale = scale * np.exp(rng.normal(-0.02, 0.07)) * np.exp(np.array([0.5, -0.5]) * rng.normal(0, 0.08))
    # some scanners and clinics mirror the picture: rarely, as it is rare there
    sign = -1.0 if rng.random() < 0.06 else 1.0
    angle = np.radians(np.clip(rng.normal(0, 5), -14, 14))
    shear = rng.normal(0, 0.02)
    turn = np.array([[np.cos(angle), -np.sin(angle) + shear], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag(scale * np.array([sign, 1.0]))
    centre = np.array([(box.left + box.right) / 2, (box.top + box.bottom) / 2])
    goal = side / 2 + rng.normal(0, 0.03, 2) * side
    matrix = np.concatenate([linear, (goal - linear @ centre)[:, None]], axis=1).astype(np.float32)
    inside = np.zeros_like(source)
    inside[box.top : box.bottom, box.left : box.right] = box.cut(source)
    how = cv2.INTER_LINEAR if rng.random() < 0.8 else cv2.INTER_NEAREST
    return cv2.warpAffine(inside, matrix, (side, side), flags=how)


def as_shown(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Display and storage: grey curve, uneven gain, blur, low resolution, noise, compression, covered parts."""
    side = picture.shape[0]
    gamma, gain = np.exp(rng.normal(0, 0.28)), np.exp(rng.normal(0, 0.2))
    grey: np.ndarray = cv2.LUT(picture, (gain * _GREYS**gamma).astype(np.float32))
    if rng.random() < 0.3:
        field = cv2.resize(rng.normal(1, 0.3, (3, 3)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
        grey = grey * np.clip(field, 0.15, 2)
    if rng.random() < 0.25:
        small = int(rng.integers(int(0.35 * side), int(0.9 * side)))
        grey = cv2.resize(cv2.resize(grey, (small, small), interpolation=cv2.INTER_AREA), (side, side))
    if rng.random() < 0.35:
        soft = cv2.GaussianBlur(grey, (0, 0), rng.uniform(0.4, 1.5))
        grey = soft if rng.random() < 0.65 else grey + rng.uniform(0.3, 1.2) * (grey - soft)
    if rng.random() < 0.3:
        grey = grey + rng.uniform(0.005, 0.05) * rng.standard_normal((side, side), dtype=np.float32)
    if rng.random() < 0.2:  # black level, or a picture washed out
        grey = rng.uniform(0.0, 0.12) + grey * rng.uniform(0.6, 1.0)
    if rng.random() < 0.4:
        grey = grey * _dropout(side, rng)
    if rng.random() < 0.12:
        _cover(grey, rng)
    shown: np.ndarray = np.clip(255 * grey, 0, 255)
    if rng.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 95))]
        shown = np.asarray(cv2.imdecode(cv2.imencode(".jpg", shown.astype(np.uint8), quality)[1], cv2.IMREAD_GRAYSCALE))
    return np.round(shown).astype(np.uint8)


def _dropout(side: int, rng: np.random.Generator) -> np.ndarray:
    """(side, side) gain with soft dark spots: walls along the beam, such as the septum of the atria, are often lost."""
    axis = np.arange(side, dtype=np.float32) / side
    gain = np.ones((side, side), np.float32)
    for _ in range(int(rng.integers(1, 5))):
        middle, size = rng.uniform(0.1, 0.95, 2), rng.uniform(0.03, 0.14, 2)
        row, column = (np.exp(-(((axis - m) / s) ** 2)) for m, s in zip(middle, size, strict=True))
        gain *= 1 - (np.float32(rng.uniform(0.5, 1.0)) * row)[:, None] * column
    return gain


def _cover(grey: np.ndarray, rng: np.random.Generator) -> None:
    """Black out a box somewhere, or a strip at an edge, as masking of patient data does."""
    side = grey.shape[0]
    if rng.random() < 0.5:
        strip = int(rng.uniform(0.05, 0.2) * side)
        np.rot90(grey, int(rng.integers(4)))[:strip] = 0
        return
    row, column = rng.integers(0, side, 2)
    grey[row : row + int(rng.uniform(0.1, 0.4) * side), column : column + int(rng.uniform(0.1, 0.4) * side)] = 0
