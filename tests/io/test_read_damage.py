"""Damaged files of every format: only DataError may come out of `read` and `describe`, in one line."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pydicom
import pytest
import SimpleITK
import simplejpeg
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from sonometry.core import Cine, DataError
from sonometry.io.describe import describe
from sonometry.io.read import read, recording_files

MakeDicom = Callable[..., Path]

N_DAMAGES = 22
FORMATS = [
    "native.dcm", "jpeg.dcm", "rle.dcm", "j2k.dcm", "jls.dcm",
    "a.mp4", "a.avi", "a.gif", "a.png", "a.jpg", "a.tif", "a.nii", "a.mha", "a.npy",
]  # fmt: skip


def write_sample(path: Path, clip: np.ndarray, make_dicom: MakeDicom) -> Path:
    """A small sound file of the format that its name tells."""
    if path.suffix == ".dcm":
        return write_dicom(path.stem, clip, make_dicom)
    if path.suffix in (".mp4", ".avi"):
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.height, stream.width, stream.pix_fmt = 40, 48, "yuv420p"
            for frame in np.repeat(clip, 3, axis=0):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.dstack([frame] * 3), format="rgb24")))
            container.mux(stream.encode(None))
    elif path.suffix in (".nii", ".mha"):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(clip), str(path))
    elif path.suffix == ".npy":
        np.save(path, clip)
    else:
        first, *rest = [Image.fromarray(frame) for frame in clip]
        options = {"save_all": True, "append_images": rest} if path.suffix in (".gif", ".tif") else {}
        first.save(path, **options)
    return path


def write_dicom(kind: str, clip: np.ndarray, make_dicom: MakeDicom) -> Path:
    if kind == "jpeg":
        streams = [simplejpeg.encode_jpeg(frame[..., None], 90, "GRAY", "Gray") for frame in clip]
        return make_dicom(syntax=JPEGBaseline8Bit, data=encapsulate(streams), name="jpeg.dcm")
    path = make_dicom(name=f"{kind}.dcm")
    if kind in ("rle", "jls"):
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless if kind == "rle" else JPEGLSLossless, generate_instance_uid=False)
        dataset.save_as(path)
    if kind == "j2k":
        streams = [_jpeg_2000(frame) for frame in clip]
        return make_dicom(syntax=JPEG2000Lossless, data=encapsulate(streams), name="j2k.dcm")
    return path


def _jpeg_2000(frame: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, "JPEG2000", no_jp2=True)
    return stream.getvalue()


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Cut off, with wrong bytes (more often in the header), or with a piece replaced by noise of another length."""
    content = bytearray(data)
    kind = chance.randrange(4)
    if kind == 0:
        return bytes(content[: chance.randrange(1, len(content))])
    if kind == 3:
        start, length = chance.randrange(len(content)), chance.randrange(1, 200)
        content[start : start + length] = chance.randbytes(chance.choice([0, length]))
        return bytes(content)
    within = len(content) if kind == 1 else min(len(content), 1500)
    for _ in range(chance.choice([1, 3, 20])):
        content[chance.randrange(within)] = chance.choice([0, 255, chance.randrange(256)])
    return bytes(content)


@pytest.mark.parametrize("name", FORMATS)
def test_only_one_line_data_errors_come_out(
    tmp_path: Path, clip: np.ndarray, make_dicom: MakeDicom, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write_sample(tmp_path / name, clip, make_dicom)
    data = path.read_bytes()
    messages = []
    for seed in range(N_DAMAGES):
        path.write_bytes(damaged(data, random.Random(1000 * FORMATS.index(name) + seed)))
        try:
            recording = read(path)
            if isinstance(recording, Cine):
                assert recording.pixels.shape == recording.shape
            str(describe(path))
        except DataError as error:
            messages.append(str(error))
    assert messages
    assert not any("\n" in message or "Doe" in message for message in messages)
    assert capfd.readouterr().err == ""


def test_results_of_a_report_beside_recordings_are_no_recordings(tmp_path):
    clip = np.random.default_rng(0).integers(0, 255, (3, 32, 32), dtype=np.uint8)
    for name in ("clip.npy", "figure.npy", "out/figure.npy", "out/other.npy"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        np.save(tmp_path / name, clip)
    (tmp_path / "out/report.json").write_text('{"schema": "sonometry.report/1", "figures": [{"file": "figure.npy"}]}')
    (tmp_path / "out/overlay.dcm").write_bytes(b"x")
    found = [path.relative_to(tmp_path).as_posix() for path in recording_files(tmp_path)]
    assert found == ["clip.npy", "figure.npy", "out/other.npy"]


def test_a_short_name_is_hidden_where_it_stands_and_not_within_words(tmp_path):
    clip = np.random.default_rng(0).integers(0, 255, (3, 32, 32), dtype=np.uint8)
    for name in ("a", "rate", "frame"):
        np.save(tmp_path / f"{name}.npy", clip)
    sentence = "the file tells no {frame} {rate}, so rates and times cannot be measured without --fps"
    for number, info in enumerate(describe(tmp_path).recordings, 1):
        words = {"frame": "frame", "rate": "rate", ("a", "frame", "rate")[number - 1]: f"file {number}"}
        assert sentence.format(**words) in info.problems


def test_an_empty_file_does_not_spoil_its_folder(tmp_path):
    np.save(tmp_path / "clip.npy", np.random.default_rng(0).integers(0, 255, (3, 32, 32), dtype=np.uint8))
    (tmp_path / "interrupted.dcm").write_bytes(b"")
    study = read(tmp_path)
    assert len(study.recordings) == 1
    assert any("1 files of the folder are no recordings" in note for note in study.source.notes)
    assert len(describe(tmp_path).recordings) == 1
