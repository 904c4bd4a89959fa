"""Prepared frames of clips, kept in zarr, so that a recording is decoded once and not in every epoch.

The folder holds one group a clip, made whole or not at all: any number of processes may fill and read it, and a run
that was killed goes on. A frame that cannot be decoded is left out, counted, and told by the key of its clip.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.core.application import Progress, no_progress
from sonometry.core.errors import DataError
from sonometry.data.preparation import Preparation, imaged_area
from sonometry.data.sampling import frames_to_use
from sonometry.io.atomic import PARTIAL_PREFIX, output_error
from sonometry.io.manifest import ManifestRow
from sonometry.io.read import read_cine

#: Raised when cached frames of before cannot be used any more.
_LAYOUT = 1


@dataclass(frozen=True)
class Skipped:
    """Frames of one clip that could not be decoded; `frames` empty where the whole clip could not be read."""

    clip_key: str
    frames: tuple[int, ...]
    reason: str

    def __str__(self) -> str:
        what = f"{len(self.frames)} frames" if self.frames else "all frames"
        return f"{what} of clip {self.clip_key} left out: {self.reason}"


@dataclass(frozen=True, eq=False)
class CachedClip:
    """frames : (T, rows, columns) uint8, a zarr array. numbers : (T,) which frames of the recording they are.

    area : (rows, columns) bool, where tissue is imaged. skipped : what could not be decoded, or None.
    """

    frames: Any
    numbers: np.ndarray
    area: np.ndarray
    skipped: Skipped | None


class FrameCache:
    """Prepared frames below `folder`, at most `limit` of each clip, evenly spaced (0: all)."""

    def __init__(self, folder: Path, preparation: Preparation, *, limit: int = 0) -> None:
        self.preparation, self.limit = preparation, limit
        identity = f"{_LAYOUT} {preparation.name} {limit}"
        self.folder = folder / f"{preparation.name[:40]}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
        self._open: dict[str, CachedClip] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}

    def fill(
        self,
        rows: Sequence[ManifestRow],
        file_of: Callable[[ManifestRow], Path],
        *,
        workers: int = 2,
        progress: Progress = no_progress,
    ) -> tuple[Skipped, ...]:
        """Prepare the clips that are not there yet; what was left out of all of `rows`.

        Raises DataError when no frame of any clip can be read, OutputError where the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(self.folder, error) from error
        skipped = []
        with ThreadPoolExecutor(max(1, workers)) as pool:
            for done, found in enumerate(pool.map(lambda row: self._ensure(row, file_of(row)), rows), 1):
                progress(done / len(rows), "preparing frames")
                skipped += [found] if found else []
        if rows and sum(not s.frames for s in skipped) == len(rows):
            raise DataError(f"no frame of any clip could be read; the first: {skipped[0]}")
        return tuple(skipped)

    def clip(self, clip_key: str) -> CachedClip:
        """The frames of a clip that `fill` has prepared."""
        if clip_key not in self._open:
            self._open[clip_key] = self._load(clip_key)
        return self._open[clip_key]

    def _ensure(self, row: ManifestRow, file: Path) -> Skipped | None:
        stamp = _stamp(file)
        place = self.folder / row.clip_key
        if place.exists():
            try:
                if self._attributes(row.clip_key)["stamp"] == stamp:
                    return self.clip(row.clip_key).skipped
            except (OSError, ValueError, KeyError):
                pass  # damaged: made again
            self._open.pop(row.clip_key, None)
            shutil.rmtree(place, ignore_errors=True)
        frames, numbers, skipped = self._prepared(row, file)
        self._write(place, frames, numbers, skipped, stamp)
        return skipped

    def _prepared(self, row: ManifestRow, file: Path) -> tuple[np.ndarray, list[int], Skipped | None]:
        """Pictures, the numbers of their frames, and what was left out."""
        nothing = np.zeros((0, *self.preparation.size), np.uint8)
        try:
            cine = read_cine(file)
            prepare = self.preparation(cine)
        except DataError as error:
            return nothing, [], Skipped(row.clip_key, (), _reason(error, file))
        pictures, numbers, damaged, reason = [], [], [], ""
        for number in frames_to_use(cine.n_frames, self.limit):
            try:
                pictures.append(prepare(cine.frame(int(number))))
                numbers.append(int(number))
            except DataError as error:
                damaged.append(int(number))
                reason = reason or _reason(error, file)
        if not pictures:
            return nothing, [], Skipped(row.clip_key, (), reason)
        return np.stack(pictures), numbers, Skipped(row.clip_key, tuple(damaged), reason) if damaged else None

    def _write(
        self, place: Path, frames: np.ndarray, numbers: list[int], skipped: Skipped | None, stamp: list[int]
    ) -> None:
        """Write beside `place`, then rename; where another process was faster, its frames are as good."""
        import zarr

        partial = place.parent / (PARTIAL_PREFIX + secrets.token_hex(6))
        about: dict[str, Any] = {"stamp": stamp, "numbers": numbers}
        if skipped:
            about["skipped"] = [list(skipped.frames), skipped.reason]
        try:
            group = zarr.open_group(str(partial), mode="w", attributes=about)
            if len(frames):
                shape = (1, *frames.shape[1:])
                group.create_array("frames", shape=frames.shape, dtype="uint8", chunks=shape, shards=frames.shape)[
                    :
                ] = frames
                group.create_array("area", shape=frames.shape[1:], dtype="bool")[:] = imaged_area(frames)
            os.rename(partial, place)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            if not place.exists():
                raise output_error(place, error) from error
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    def _attributes(self, clip_key: str) -> dict[str, Any]:
        import zarr

        return dict(zarr.open_group(str(self.folder / clip_key), mode="r").attrs)

    def _load(self, clip_key: str) -> CachedClip:
        import zarr

        try:
            group = zarr.open_group(str(self.folder / clip_key), mode="r")
            numbers = np.array(group.attrs["numbers"], dtype=np.intp)
            told: Any = group.attrs.get("skipped")
            skipped = Skipped(clip_key, tuple(told[0]), str(told[1])) if told else None
            if not len(numbers):
                size = self.preparation.size
                return CachedClip(np.zeros((0, *size), np.uint8), numbers, np.zeros(size, bool), skipped)
            area: Any = group["area"]
            return CachedClip(group["frames"], numbers, area[:], skipped)
        except (OSError, ValueError, KeyError) as error:
            raise DataError(
                f"cached frames of clip {clip_key} are missing or damaged; delete {self.folder.name} and run again"
            ) from error


def _stamp(file: Path) -> list[int]:
    """Size and time of change; zeros for a file that is not there."""
    try:
        status = file.stat()
    except OSError:
        return [0, 0]
    return [status.st_size, status.st_mtime_ns]


def _reason(error: DataError, file: Path) -> str:
    """The text of an error without the name of the file, which may say whose it is."""
    return str(error).replace(file.name, "the file")
