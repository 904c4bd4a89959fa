"""Frames of a video stream on demand, as grey levels, through PyAV (FFmpeg).

Opening reads packets, not pictures: their time stamps tell how many frames there are and when they are shown. A frame
is decoded from the key frame before it; going forward continues where the decoder stands. Memory holds one frame.
"""

from __future__ import annotations

import bisect
import io
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from sonometry.core.errors import DataError

#: A container's header counts its frames; a stream with fewer was cut off. Writers are off by one or two.
COUNT_SLACK_FRAMES = 2

#: A larger picture is a damaged header that would exhaust memory.
MAX_SIDE_PX = 16_384


@dataclass(frozen=True)
class VideoIndex:
    """What the packets of a stream tell.

    stamps : presentation time stamps of all frames, in order; None where the stream has none that can be trusted.
    key_stamps : those of the key frames. seconds_per_stamp : their unit.
    rate_hz : nominal mean rate of the container, or None. n_announced : frames its header counts, 0 if it does not.
    pixel_aspect : width of a pixel over its height.
    """

    n_frames: int
    height: int
    width: int
    stamps: tuple[int, ...] | None
    key_stamps: tuple[int, ...]
    seconds_per_stamp: float
    rate_hz: float | None
    codec: str
    container: str
    n_announced: int
    pixel_aspect: float = 1.0


class VideoFrames:
    """Grey frames of one stream, for one thread at a time.

    name : for messages. content : the file, or the bytes of a stream that lies within another file.
    Raises DataError when nothing can be decoded or the stream is cut off.
    """

    _container: Any
    _pictures: Any

    def __init__(self, name: str, content: Path | bytes) -> None:
        self.name = name
        self.content = content
        self.index = _index_packets(name, content)
        self._reset()
        if not self._is_as_indexed():
            self.index = self._index_pictures()
            self._reset()
        _check_length(name, content)
        if self.index.n_announced - self.index.n_frames > COUNT_SLACK_FRAMES:
            raise DataError(
                f"{name} announces {self.index.n_announced} frames but holds {self.index.n_frames}: "
                "the video is truncated; copy or export it again"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.index.n_frames, self.index.height, self.index.width

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    def frame(self, index: int) -> np.ndarray:
        """(H, W) uint8. DataError names the frame that cannot be decoded."""
        with self._lock:
            try:
                grey = self._grey.reformat(self._picture(index), format="gray").to_ndarray()
            except (av.FFmpegError, LookupError, ValueError) as error:
                self._pictures = None
                raise DataError(
                    f"frame {index} of {self.name} cannot be decoded: the video is damaged there"
                ) from error
        if grey.shape != self.shape[1:]:
            raise DataError(
                f"frame {index} of {self.name} is {grey.shape[0]} x {grey.shape[1]} pixels, unlike the first"
            )
        return np.array(grey)

    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name, "content": self.content, "index": self.index}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._grey = VideoReformatter()
        self._container = None
        self._pictures = None
        self._next = 0

    def _picture(self, index: int) -> Any:
        """The decoded picture of a frame. LookupError if the stream does not give it."""
        stamps = self.index.stamps
        if stamps is None:
            return self._picture_by_count(index)
        target = stamps[index]
        keys = self.index.key_stamps
        key = keys[max(bisect.bisect_right(keys, target) - 1, 0)] if keys else stamps[0]
        if self._pictures is None or index < self._next or (self._next < len(stamps) and key > stamps[self._next]):
            self._seek(key)
        picture = self._advance_to(target)
        if picture is None:  # the container's index is inexact: decode from the start
            self._open()
            picture = self._advance_to(target)
        if picture is None:
            raise LookupError(index)
        self._next = index + 1
        return picture

    def _advance_to(self, stamp: int) -> Any:
        """Decode forward to the picture with this time stamp; None when there is none."""
        for picture in self._pictures or ():
            if picture.pts == stamp:
                return picture
            if picture.pts is None or picture.pts > stamp:
                return None
        return None

    def _picture_by_count(self, index: int) -> Any:
        if self._pictures is None or index < self._next:
            self._open()
        for picture in self._pictures or ():
            self._next += 1
            if self._next == index + 1:
                return picture
        raise LookupError(index)

    def _open(self) -> None:
        self._container = _open(self.content)
        stream = self._container.streams.video[0]
        stream.thread_type = "AUTO"
        self._pictures = self._container.decode(stream)
        self._next = 0

    def _seek(self, stamp: int) -> None:
        """Decode from the key frame at or before `stamp`."""
        if self._container is None or self._pictures is None:
            self._open()
        if not self.index.stamps or stamp <= self.index.stamps[0]:
            self._open()
            return
        stream = self._container.streams.video[0]
        self._container.seek(stamp, stream=stream, backward=True)
        self._pictures = self._container.decode(stream)

    def _is_as_indexed(self) -> bool:
        """Whether the first picture and those after the last key frame come out as the packets promise.

        Packets need not become pictures: streams cut out of longer ones begin with pictures that nothing decodes.
        """
        stamps = self.index.stamps
        if stamps is None or not self.index.key_stamps:
            return False
        try:
            self._picture(0)
            self._seek(self.index.key_stamps[-1])
            tail = [picture.pts for picture in self._pictures]
        except (av.FFmpegError, LookupError, ValueError):
            return False
        finally:
            self._pictures = None
        tail = [stamp for stamp in tail if stamp is None or stamp >= self.index.key_stamps[-1]]
        return tail == [stamp for stamp in stamps if stamp >= self.index.key_stamps[-1]]

    def _index_pictures(self) -> VideoIndex:
        """Index of the pictures that really come out, by decoding all of them once."""
        stamps = []
        n_frames = 0
        try:
            self._open()
            for picture in self._pictures:
                n_frames += 1
                if picture.pts is not None:
                    stamps.append(picture.pts)
        except (av.FFmpegError, ValueError) as error:
            if not n_frames:
                raise DataError(f"{self.name} holds no frame that can be decoded; export it again") from error
        if not n_frames:
            raise DataError(f"{self.name} holds no frame; export it again")
        is_ordered = len(stamps) == n_frames and stamps == sorted(set(stamps))
        return replace(self.index, n_frames=n_frames, stamps=tuple(stamps) if is_ordered else None)


def _open(content: Path | bytes) -> Any:
    source = io.BytesIO(content) if isinstance(content, bytes) else str(content)
    return av.open(source, metadata_errors="ignore")


def _check_length(name: str, content: Path | bytes) -> None:
    """DataError for a RIFF file (AVI) that is shorter than its first chunk says."""
    if isinstance(content, bytes):
        return
    with content.open("rb") as stream:
        head = stream.read(8)
    announced = int.from_bytes(head[4:8], "little") + 8
    # Recorders that stream write the largest number or none.
    is_known = head[:4] == b"RIFF" and 8 < announced < 0xFFFFFFFF
    if is_known and announced > content.stat().st_size + 1:
        raise DataError(f"{name} announces {announced} bytes but has fewer: the video is truncated; copy it again")


def _index_packets(name: str, content: Path | bytes) -> VideoIndex:
    """Index a stream by its packets. DataError when it is no video or has no packet."""
    stamps: list[int | None] = []
    keys: list[int | None] = []
    try:
        with _open(content) as container:
            if not container.streams.video:
                raise DataError(f"{name} has no video stream; pass a clip with pictures")
            stream = container.streams.video[0]
            index = _describe_stream(name, container, stream)
            duration_s = _header_duration_s(container)
            for packet in container.demux(stream):
                if packet.size == 0 or packet.is_discard:
                    continue
                stamps.append(packet.pts)
                if packet.is_keyframe:
                    keys.append(packet.pts)
    except (av.FFmpegError, ValueError, OSError) as error:
        if isinstance(error, DataError):
            raise
        if not stamps:
            raise DataError(f"{name} is not a readable video: it is damaged or truncated; export it again") from error
    if not stamps:
        raise DataError(f"{name} holds no frame; export it again")
    ordered = sorted(stamp for stamp in stamps if stamp is not None)
    if ordered and index.n_announced == 0:
        index = replace(index, n_announced=_announced_by_duration(duration_s, ordered, index))
    is_complete = len(ordered) == len(stamps) == len(set(ordered))
    return replace(
        index,
        n_frames=len(stamps),
        stamps=tuple(ordered) if is_complete else None,
        key_stamps=tuple(sorted(stamp for stamp in keys if stamp is not None)),
    )


def _header_duration_s(container: Any) -> float:
    """Duration that the header of a Matroska, Flash or Windows Media file states; 0 for others, which estimate it.

    With sound the duration may be that of the sound.
    """
    is_stated = any(name in container.format.name for name in ("matroska", "flv", "asf"))
    if not is_stated or not container.duration or container.streams.audio:
        return 0.0
    return float(container.duration / av.time_base)


def _announced_by_duration(duration_s: float, stamps: list[int], index: VideoIndex) -> int:
    """Frames that a stated duration means at the rate of the frames that are there; 0 when that tells nothing."""
    if len(stamps) < 2:
        return int(duration_s * (index.rate_hz or 0.0))
    mean_s = (stamps[-1] - stamps[0]) * index.seconds_per_stamp / (len(stamps) - 1)
    return int(duration_s / mean_s) if mean_s > 0 else 0


def _describe_stream(name: str, container: Any, stream: Any) -> VideoIndex:
    if stream.codec_context is None:
        raise DataError(f"{name} is encoded in a way that nothing decodes; export it as MP4 or AVI")
    height, width = stream.codec_context.height, stream.codec_context.width
    if not (1 <= height <= MAX_SIDE_PX and 1 <= width <= MAX_SIDE_PX):
        raise DataError(f"{name} has pictures of {height} x {width} pixels, which cannot be read; export it again")
    rate, aspect = stream.average_rate, stream.sample_aspect_ratio
    return VideoIndex(
        n_frames=0,
        height=height,
        width=width,
        stamps=None,
        key_stamps=(),
        seconds_per_stamp=float(stream.time_base or 0),
        rate_hz=float(rate) if rate else None,
        codec=stream.codec_context.name,
        container=container.format.name,
        n_announced=stream.frames,
        pixel_aspect=float(aspect) if aspect else 1.0,
    )
