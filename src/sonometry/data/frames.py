"""All prepared frames of labelled clips as one numbered table, in memory where they fit, else read from the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sonometry.core.application import Progress, no_progress
from sonometry.core.errors import DataError
from sonometry.data.frame_cache import FrameCache, Skipped
from sonometry.data.labelled import LabelledClips
from sonometry.data.preparation import Preparation


class FrameTable:
    """Frame i of all clips in order.

    clips : what it was made from, without clips of which nothing could be read. clip : (N,) place in `clips.rows`.
    row : (N,) place within the clip. labels : (N,) index into `clips.class_names`.
    skipped : clips and frames that could not be decoded.
    """

    def __init__(
        self, clips: LabelledClips, cache: FrameCache, skipped: tuple[Skipped, ...] = (), *, memory_mb: int = 1024
    ) -> None:
        counts = [len(cache.clip(row.clip_key).numbers) for row in clips.rows]
        self.clips = clips.chosen(n > 0 for n in counts)
        counts = [n for n in counts if n]
        if not counts:
            raise DataError("none of the labelled clips could be read; see sonometry info")
        self.cache, self.skipped, self.memory_mb = cache, skipped, memory_mb
        self.clip = np.repeat(np.arange(len(counts)), counts)
        self.row = np.concatenate([np.arange(n) for n in counts])
        place = {name: i for i, name in enumerate(clips.class_names)}
        self.labels = np.array([place[name] for name in self.clips.labels], np.intp)[self.clip]
        self._pictures: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getstate__(self) -> dict[str, Any]:
        """A worker process reads the frames itself rather than being sent them."""
        return {**self.__dict__, "_pictures": None}

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.cache.preparation.size

    @property
    def fits_memory(self) -> bool:
        """Whether all frames together stay below `memory_mb`."""
        return len(self) * self.size[0] * self.size[1] <= self.memory_mb << 20

    def picture(self, index: int) -> np.ndarray:
        """(rows, columns) uint8."""
        if not self.fits_memory:
            one: np.ndarray = self._of_clip(self.clip[index]).frames[int(self.row[index])]
            return one
        if self._pictures is None:
            self._pictures = self._read_all()
        picture: np.ndarray = self._pictures[index]
        return picture

    def area(self, index: int) -> np.ndarray:
        """(rows, columns) bool: where tissue is imaged."""
        area: np.ndarray = self._of_clip(self.clip[index]).area
        return area

    def chosen(self, indices: np.ndarray) -> FrameTable:
        """A table of some of the frames."""
        part = object.__new__(FrameTable)
        part.__dict__.update(self.__dict__)
        part.clip, part.row, part.labels = self.clip[indices], self.row[indices], self.labels[indices]
        part._pictures = None if self._pictures is None else self._pictures[indices]
        return part

    def statistics(self) -> tuple[float, float]:
        """Mean and standard deviation of all pixels, in grey levels of 0-1: what whitening subtracts and divides by."""
        total, squares, count = 0.0, 0.0, 0
        for index in range(len(self)):
            levels = np.bincount(self.picture(index).ravel(), minlength=256)
            values = np.arange(256) / 255.0
            total += float(levels @ values)
            squares += float(levels @ values**2)
            count += int(levels.sum())
        mean = total / count
        return mean, float(np.sqrt(max(squares / count - mean**2, 1e-12)))

    def keys(self) -> dict[str, np.ndarray]:
        """(N,) clip, subject and vendor of every frame."""
        rows = self.clips.rows
        columns = {"clips": "clip_key", "subjects": "subject_key", "vendors": "vendor"}
        return {name: np.array([row[column] for row in rows], np.str_)[self.clip] for name, column in columns.items()}

    def _read_all(self) -> np.ndarray:
        """(N, rows, columns) every frame of the table; each clip is read once."""
        pictures = np.empty((len(self), *self.size), np.uint8)
        order = np.argsort(self.clip, kind="stable")
        starts = np.flatnonzero(np.diff(self.clip[order], prepend=-1))
        for own in np.split(order, starts[1:]):
            pictures[own] = self._of_clip(self.clip[own[0]]).frames[:][self.row[own]]
        return pictures

    def _of_clip(self, place: int) -> Any:
        return self.cache.clip(self.clips.rows[int(place)].clip_key)


def frame_table(
    clips: LabelledClips,
    folder: Path,
    preparation: Preparation,
    *,
    frames_per_clip: int = 0,
    memory_mb: int = 1024,
    workers: int = 2,
    progress: Progress = no_progress,
) -> FrameTable:
    """Prepare the frames of labelled clips in the cache below `folder`, and number them.

    frames_per_clip : at most so many, evenly spaced; 0 takes all. Raises DataError, OutputError.
    """
    cache = FrameCache(folder, preparation, limit=frames_per_clip)
    skipped = cache.fill(clips.rows, clips.file_of, workers=workers, progress=progress)
    return FrameTable(clips, cache, skipped, memory_mb=memory_mb)
