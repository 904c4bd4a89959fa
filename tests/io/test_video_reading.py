"""Videos: frames in any order, times, damage."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from sonometry.core import DataError
from sonometry.io.facts import Facts
from sonometry.io.sniff import FileFormat, sniff
from sonometry.io.video import read_video
from sonometry.io.video_stream import VideoFrames

MakeVideo = Callable[..., Path]
N_FRAMES = 24


def brightness(index: int) -> int:
    """Grey level of frame `index` of a made video: each is told from its neighbours by ten levels."""
    return 10 * index + 10


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Write a clip of uniform frames: `make_video("a.mp4", codec, stamps=..., n_frames=...)`."""

    def build(
        name: str,
        codec: str = "mpeg4",
        *,
        n_frames: int = N_FRAMES,
        rate: int = 25,
        pixel_format: str = "yuv420p",
        stamps: list[int] | None = None,
        size: tuple[int, int] = (48, 64),
        gop: int = 6,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=rate)
            stream.height, stream.width = size
            stream.pix_fmt = pixel_format
            stream.codec_context.gop_size = gop
            stream.codec_context.time_base = Fraction(1, 1000) if stamps else Fraction(1, rate)
            for i in range(n_frames):
                picture = av.VideoFrame.from_ndarray(np.full((*size, 3), brightness(i), np.uint8), format="rgb24")
                picture.pts = stamps[i] if stamps else i
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        return path

    return build


def levels(frames: list[np.ndarray]) -> list[int]:
    return [round(float(frame.mean())) for frame in frames]


KINDS = [
    ("a.mp4", "libx264", "yuv420p"),
    ("a.mov", "mpeg4", "yuv420p"),
    ("a.avi", "mpeg4", "yuv420p"),
    ("a.avi", "mjpeg", "yuvj420p"),
    ("a.avi", "rawvideo", "bgr24"),
    ("a.mkv", "ffv1", "yuv420p"),
    ("a.webm", "libvpx-vp9", "yuv420p"),
    ("a.wmv", "wmv2", "yuv420p"),
    ("a.mpg", "mpeg2video", "yuv420p"),
]


@pytest.mark.parametrize(("name", "codec", "pixel_format"), KINDS)
def test_every_frame_has_its_grey_level(make_video: MakeVideo, name: str, codec: str, pixel_format: str) -> None:
    path = make_video(name, codec, pixel_format=pixel_format)
    assert sniff(path) is FileFormat.VIDEO
    cine = read_video(path)
    assert cine.shape == (N_FRAMES, 48, 64)
    np.testing.assert_allclose(levels(list(cine.pixels)), [brightness(i) for i in range(N_FRAMES)], atol=3)


@pytest.mark.parametrize(("name", "codec", "pixel_format"), KINDS)
def test_frames_are_the_same_in_any_order(make_video: MakeVideo, name: str, codec: str, pixel_format: str) -> None:
    cine = read_video(make_video(name, codec, pixel_format=pixel_format))
    order = np.random.default_rng(5).permutation(N_FRAMES).tolist()
    found = levels([cine.frame(i) for i in order])
    np.testing.assert_allclose(found, [brightness(i) for i in order], atol=3)


def test_times_are_the_time_stamps(make_video: MakeVideo) -> None:
    stamps = np.cumsum([0, *np.random.default_rng(3).integers(20, 70, N_FRAMES - 1)]).tolist()
    cine = read_video(make_video("a.mkv", stamps=stamps))
    np.testing.assert_allclose(cine.frame_times_s, np.array(stamps) / 1000, atol=1e-3)


def test_rate_of_a_video_is_noted_as_perhaps_nominal(make_video: MakeVideo) -> None:
    cine = read_video(make_video("a.mp4"))
    assert cine.frame_rate_hz == pytest.approx(25)
    assert any("nominal playing rate" in note and "--fps" in note for note in cine.source.notes)


def test_told_rate_and_spacing_are_used(make_video: MakeVideo) -> None:
    cine = read_video(make_video("a.mp4"), Facts(fps=61, spacing_mm=(0.0883, 0.0883)))
    assert cine.frame_rate_hz == pytest.approx(61)
    assert cine.spacing_m == pytest.approx((8.83e-5, 8.83e-5))
    assert not any("nominal" in note for note in cine.source.notes)


def test_video_is_uncalibrated(make_video: MakeVideo) -> None:
    assert read_video(make_video("a.mp4")).spacing_m is None


def test_one_frame_is_a_still(make_video: MakeVideo) -> None:
    cine = read_video(make_video("a.mp4", n_frames=1))
    assert cine.n_frames == 1
    assert cine.frame_rate_hz is None


def test_opening_decodes_no_more_than_first_and_last_group(
    make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    advance = VideoFrames._advance_to
    monkeypatch.setattr(VideoFrames, "_advance_to", lambda self, stamp: counted.append(stamp) or advance(self, stamp))
    read_video(make_video("a.mp4"))
    assert len(counted) == 1


def test_frame_source_survives_pickling(make_video: MakeVideo) -> None:
    frames = VideoFrames("a.mp4", make_video("a.mp4"))
    copy = pickle.loads(pickle.dumps(frames))
    np.testing.assert_array_equal(copy.frame(7), frames.frame(7))


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.avi", "mpeg4"), ("a.webm", "libvpx-vp9")])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_truncated_video_is_refused(make_video: MakeVideo, name: str, codec: str, share: float) -> None:
    path = make_video(name, codec)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=r"truncated|damaged|no frame|export it"):
        read_video(path)


def test_damage_in_the_middle_is_named_on_access(make_video: MakeVideo) -> None:
    path = make_video("a.avi", "mjpeg", pixel_format="yuvj420p")
    data = bytearray(path.read_bytes())
    starts = [i for i in range(len(data) - 1) if data[i : i + 2] == b"\xff\xd8"]
    data[starts[10] : starts[11] - 16] = bytes(starts[11] - 16 - starts[10])
    path.write_bytes(data)
    cine = read_video(path)
    assert levels([cine.frame(9)]) == pytest.approx([brightness(9)], abs=3)
    with pytest.raises(DataError, match=r"frame 10 of a\.avi cannot be decoded"):
        cine.frame(10)
    assert levels([cine.frame(12)]) == pytest.approx([brightness(12)], abs=3)


def test_sound_without_pictures_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(DataError, match="no video stream"):
        read_video(path)


def test_missing_and_empty_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(DataError, match=r"empty\.mp4 is empty"):
        read_video(tmp_path / "empty.mp4")
    with pytest.raises(DataError, match=r"absent\.mp4 does not exist"):
        read_video(tmp_path / "absent.mp4")


@pytest.mark.data
def test_real_clips_give_frames_at_their_rates(shared_data: Path) -> None:
    clips = shared_data / "muscle" / "gastrocnemius_dynamometer" / "Clips"
    cine = read_video(clips / "p6_isokinetic120_01_push_02.mp4")
    assert cine.shape == (68, 624, 1148)
    assert cine.frame_rate_hz == pytest.approx(61)
    echo = read_video(shared_data / "echo" / "apical_clips" / "NORM2.avi")
    assert echo.shape == (92, 224, 224)
    assert echo.frame(91).std() > 10
