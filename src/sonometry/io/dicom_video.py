"""DICOM files whose Pixel Data is one video stream: MPEG-2, MPEG-4 AVC/H.264 and HEVC/H.265 (PS3.5 8.2.5 to 8.2.9)."""

from __future__ import annotations

from sonometry.core.errors import DataError
from sonometry.io.dicom_fragments import index_encapsulated
from sonometry.io.dicom_header import DicomFile, integer
from sonometry.io.video_stream import COUNT_SLACK_FRAMES, VideoFrames

#: 1.2.840.10008.1.2.4.100 to .108, and the fragmentable variants of each with a further .1.
VIDEO_SYNTAXES = tuple(f"1.2.840.10008.1.2.4.{number}" for number in range(100, 109))


def is_video(file: DicomFile) -> bool:
    """Whether the transfer syntax is a video stream."""
    return file.transfer_syntax.removesuffix(".1") in VIDEO_SYNTAXES


def open_video(file: DicomFile) -> VideoFrames:
    """Frames of the stream. DataError when it is damaged or has fewer frames than the header announces."""
    frames = VideoFrames(file.name, index_encapsulated(file, 1).read(0))
    announced = integer(file.dataset, "NumberOfFrames", 1) or 1
    if announced - frames.shape[0] > COUNT_SLACK_FRAMES:
        raise DataError(
            f"{file.name} announces {announced} frames but its video holds {frames.shape[0]}: "
            "the file is truncated; copy it again"
        )
    return frames
