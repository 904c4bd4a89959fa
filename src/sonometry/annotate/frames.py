"""Pictures of the clips for a browser: decoded once into `frames.zarr` of the workspace, sent as grey JPEG.

A clip is asked for by its key. Its file is found through the catalogue, and only below its data root. The cache is
written beside its place and then renamed, so a killed server leaves no half clip; the oldest clips make room.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import struct
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg

from sonometry.core.cine import Cine
from sonometry.core.errors import DataError, UsageError
from sonometry.data.catalogue import Catalogue, Clip
from sonometry.io.atomic import output_error

#: Folder in the workspace, and the part of it that holds what is shown.
CACHE = Path("frames.zarr", "shown")
#: Of JPEG: no difference to the eye, a tenth of the size.
QUALITY = 93
_SHARD_FRAMES = 32
#: Frames that are sent together.
_BLOCK_FRAMES = 4
_MEMORY_BYTES = 256 << 20
_LAYOUT = 1


@dataclass(frozen=True)
class ClipPictures:
    """What a page needs to show a clip. times_s : of each frame; spacing_m : (row, column) or None where not known."""

    n_frames: int
    n_rows: int
    n_columns: int
    times_s: tuple[float, ...]
    spacing_m: tuple[float, float] | None
    is_timed: bool


class FrameCache:
    """Use from any number of threads. most_bytes : of the cache on disk."""

    def __init__(self, workspace: Path, catalogue: Catalogue, *, most_bytes: int = 20 << 30) -> None:
        self.folder, self.catalogue, self.most_bytes = workspace / CACHE, catalogue, most_bytes
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        self._encoded: OrderedDict[str, dict[int, bytes]] = OrderedDict()
        self._n_bytes = 0
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.parent.chmod(0o700)  # names may be burned into frames
            for left in self.folder.glob(".partial-*"):
                shutil.rmtree(left, ignore_errors=True)
        except OSError as error:
            raise output_error(self.folder.parent, error) from error

    def clip(self, key: str) -> Clip:
        """The clip of the catalogue. UsageError where there is none to show."""
        found = self.catalogue.clip(key)
        if found is None or found.kind != "cine":
            raise UsageError("there is no such clip")
        return found

    def pictures(self, key: str) -> ClipPictures:
        """Size, timing and scale of a clip, which is decoded now if it was not. DataError where it cannot be read."""
        return _pictures(self._array(key))

    def is_cached(self, key: str) -> bool:
        return (self.folder / key / "zarr.json").is_file() if _is_key(key) else False

    def jpeg(self, key: str, frame: int) -> bytes:
        """One frame. UsageError for a frame that there is not."""
        array = self._array(key)
        if not 0 <= frame < array.shape[0]:
            raise UsageError(f"this clip has frames 0 to {array.shape[0] - 1}")
        return self._picture(key, array, frame)

    def pack(self, key: str) -> Iterator[bytes]:
        """What `pictures` tells as JSON, then all frames in order, each part with its length before it (4 bytes, big
        end first): the first frame can be shown while the others are on their way."""
        array = self._array(key)
        facts = json.dumps(asdict(_pictures(array))).encode()
        return self._parts(key, array, facts)

    def _parts(self, key: str, array: Any, facts: bytes) -> Iterator[bytes]:
        yield _with_length(facts) + _with_length(self._picture(key, array, 0))
        for start in range(1, array.shape[0], _BLOCK_FRAMES):
            stop = min(start + _BLOCK_FRAMES, array.shape[0])
            yield b"".join(_with_length(self._picture(key, array, frame)) for frame in range(start, stop))

    def _picture(self, key: str, array: Any, frame: int) -> bytes:
        known = self._encoded.get(key, {}).get(frame)
        if known is None:
            known = _encode(np.asarray(array[frame]))
            self._remember(key, frame, known)
        return known

    def grey(self, key: str, frame: int) -> np.ndarray:
        """(H, W) uint8 as shown."""
        return np.asarray(self._array(key)[frame])

    def read(self, key: str) -> Cine:
        """The recording itself, lazily."""
        from sonometry.io.read import read_cine

        return read_cine(self.file(self.clip(key)))

    def _array(self, key: str) -> Any:
        import zarr

        if not self.is_cached(key):
            clip = self.clip(key)
            with self._lock_of(key):
                if not self.is_cached(key):
                    self._decode(clip)
        return zarr.open_array(self.folder / key, mode="r")

    def _decode(self, clip: Clip) -> None:
        import zarr
        from zarr.codecs import BloscCodec

        from sonometry.io.read import read_cine

        cine = read_cine(self.file(clip))
        pixels = shown_pixels(cine)
        partial = self.folder / f".partial-{secrets.token_hex(6)}"
        self._make_room(pixels.nbytes)
        facts = ClipPictures(
            *cine.shape, tuple(map(float, cine.frame_times_s)), cine.spacing_m and (*cine.spacing_m,), cine.is_timed
        )
        shards = (min(_SHARD_FRAMES, cine.n_frames), *cine.shape[1:])
        try:
            array = zarr.create_array(
                partial,
                shape=pixels.shape,
                chunks=(1, *cine.shape[1:]),
                shards=shards,
                dtype="uint8",
                compressors=BloscCodec(cname="lz4", clevel=3, shuffle="bitshuffle"),
                attributes={"layout": _LAYOUT, "sha256": clip.sha256, **asdict(facts)},
            )
            array[:] = pixels
            os.replace(partial, self.folder / clip.clip_key)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise output_error(self.folder.parent, error) from error
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    def file(self, clip: Clip) -> Path:
        """The file of a clip; DataError where it has gone or a link leads out of its data root."""
        root = self.catalogue.roots()[clip.root_id].resolve()
        path = (root / clip.path).resolve()
        if not path.is_relative_to(root) or not path.exists():
            raise DataError("the file of this clip has gone; run sonometry ingest again")
        return path

    def _make_room(self, n_bytes: int) -> None:
        """Remove the clips that were decoded first until `n_bytes` more fit."""
        kept = sorted((one for one in self.folder.iterdir() if _is_key(one.name)), key=lambda p: p.stat().st_mtime)
        sizes = {one: sum(f.stat().st_size for f in one.rglob("*") if f.is_file()) for one in kept}
        total = sum(sizes.values()) + n_bytes
        for one in kept:
            if total <= self.most_bytes:
                return
            shutil.rmtree(one, ignore_errors=True)
            total -= sizes[one]

    def _lock_of(self, key: str) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(key, threading.Lock())

    def _remember(self, key: str, frame: int, picture: bytes) -> None:
        with self._guard:
            frames = self._encoded.setdefault(key, {})
            self._encoded.move_to_end(key)
            self._n_bytes += len(picture) - len(frames.get(frame, b""))
            frames[frame] = picture
            while self._n_bytes > _MEMORY_BYTES and len(self._encoded) > 1:
                _, gone = self._encoded.popitem(last=False)
                self._n_bytes -= sum(map(len, gone.values()))


def shown_pixels(cine: Cine) -> np.ndarray:
    """(T, H, W) uint8; float frames from their darkest to their brightest, the same for all frames."""
    pixels = cine.pixels
    if pixels.dtype == np.uint8:
        return pixels
    low, high = (float(v) for v in np.percentile(pixels, (0.1, 99.9)))
    if low >= 0 and 32 < high <= 255:  # grey levels already
        low, high = 0.0, 255.0
    scaled = (pixels - low) * (255.0 / max(high - low, 1e-12))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def _with_length(part: bytes) -> bytes:
    return struct.pack(">I", len(part)) + part


def _encode(frame: np.ndarray) -> bytes:
    grey = np.ascontiguousarray(frame)[..., None]
    return bytes(simplejpeg.encode_jpeg(grey, quality=QUALITY, colorspace="GRAY"))


def _pictures(array: Any) -> ClipPictures:
    facts = array.attrs
    spacing = facts["spacing_m"]
    return ClipPictures(
        facts["n_frames"],
        facts["n_rows"],
        facts["n_columns"],
        tuple(facts["times_s"]),
        (spacing[0], spacing[1]) if spacing else None,
        facts["is_timed"],
    )


def _is_key(name: str) -> bool:
    from sonometry.core.study import KEY_PATTERN

    return bool(KEY_PATTERN.fullmatch(name)) and ".." not in name
