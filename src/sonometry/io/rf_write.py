"""Write RF as recordings come from scanners: MATLAB (v5, v7.3), MetaImage, HDF5, NumPy, Ultrasonix.

All formats but Ultrasonix keep the samples (float32) and every fact exactly, under Sonometry's own names, so that
`read_rf(write_rf(frames, path)) == frames` without flags. The same frames give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from sonometry.core.errors import OutputError, UsageError
from sonometry.core.rf import Geometry, RFFrames
from sonometry.io.atomic import atomic_file, write_atomic
from sonometry.io.rf_ultrasonix import HEADER, RF_TYPE

#: A variable of a v5 file has its size in a signed 32-bit number.
LARGEST_V5_BYTES = (1 << 31) - 1
#: First bytes of a .mat file, without the date that would make every file differ.
_MATLAB_TEXT = "MATLAB {version} MAT-file, written by Sonometry"


def write_rf(frames: RFFrames, path: Path, *, matlab_version: str = "5") -> tuple[Path, ...]:
    """Write all frames to `path`, in the format of its ending: .mat, .mhd, .mha, .h5, .hdf5, .npz or .rf.

    matlab_version : "5" or "7.3", of a .mat file. Returns the files written (a .mhd has a .raw beside it).
    Ultrasonix keeps whole numbers of 16 bits: other samples are scaled to that range, and the pitch, the start depth
    and the sound speed are lost. Raises UsageError for another ending, OutputError where writing fails.
    """
    path = Path(path)
    writers: dict[str, Callable[[RFFrames, Path], tuple[Path, ...]]] = {
        ".mat": _write_matlab73 if matlab_version == "7.3" else _write_matlab5,
        ".mhd": _write_metaimage,
        ".mha": _write_metaimage,
        ".h5": _write_hdf5,
        ".hdf5": _write_hdf5,
        ".npz": _write_npz,
        ".rf": _write_ultrasonix,
    }
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise UsageError(f"RF cannot be written as {path.name}; choose one of the endings {', '.join(writers)}")
    return writer(frames, path)


def write_rf_sequence(frames: RFFrames, folder: Path, stem: str = "frame") -> tuple[Path, ...]:
    """One .mhd per frame, numbered from 1, as research scanners export sequences. Returns the headers in order."""
    width = len(str(frames.n_frames))
    headers = []
    for i in range(frames.n_frames):
        frame = replace(frames, samples=frames.samples[i : i + 1], frame_times_s=None)
        headers.append(_write_metaimage(frame, Path(folder) / f"{stem}{i + 1:0{width}d}.mhd")[0])
    return tuple(headers)


def _numbers(frames: RFFrames) -> dict[str, float]:
    """Facts by Sonometry's own names; a fan is told by the angle between its lines."""
    numbers = {
        "sampling_rate_hz": frames.sampling_rate_hz,
        "centre_frequency_hz": frames.centre_frequency_hz,
        "line_pitch_m": frames.line_pitch_m,
        "sound_speed_m_s": frames.sound_speed_m_s,
        "start_depth_m": frames.start_depth_m,
    }
    if frames.geometry is Geometry.SECTOR:
        numbers |= {"line_angle_rad": frames.line_angle_rad, "probe_radius_m": frames.probe_radius_m}
    return {name: float(value) for name, value in numbers.items()}


def _arrays(frames: RFFrames) -> dict[str, np.ndarray]:
    """Facts and frame times as arrays."""
    arrays = {name: np.array(value) for name, value in _numbers(frames).items()}
    if frames.frame_times_s is not None:
        arrays["frame_times_s"] = np.asarray(frames.frame_times_s, np.float64)
    return arrays


def _write_matlab5(frames: RFFrames, path: Path) -> tuple[Path, ...]:
    import scipy.io

    if frames.samples.nbytes > LARGEST_V5_BYTES:
        raise OutputError(f"{path.name} cannot be written: MATLAB v5 holds at most 2 GB a variable; write .h5 instead")
    variables = {"rf": frames.samples.transpose(1, 2, 0), **_arrays(frames)}
    with atomic_file(path) as partial:
        scipy.io.savemat(partial, variables, oned_as="column")
        with partial.open("r+b") as stream:
            stream.write(_MATLAB_TEXT.format(version="5.0").encode().ljust(116))
    return (path,)


def _write_matlab73(frames: RFFrames, path: Path) -> tuple[Path, ...]:
    """HDF5 with reversed axes behind MATLAB's own first 512 bytes."""
    import h5py

    with atomic_file(path) as partial:
        with h5py.File(partial, "w", userblock_size=512) as file:
            samples = file.create_dataset("rf", data=frames.samples.transpose(0, 2, 1))
            samples.attrs["MATLAB_class"] = np.bytes_("single")
            for name, value in _arrays(frames).items():
                column = file.create_dataset(name, data=np.atleast_1d(value)[np.newaxis])
                column.attrs["MATLAB_class"] = np.bytes_("double")
        text = _MATLAB_TEXT.format(version="7.3") + " HDF5 schema 1.00 ."
        with partial.open("r+b") as stream:
            stream.write(text.encode().ljust(116) + bytes(8) + b"\x00\x02IM")
    return (path,)


def _write_hdf5(frames: RFFrames, path: Path) -> tuple[Path, ...]:
    import h5py

    with atomic_file(path) as partial, h5py.File(partial, "w") as file:
        samples = file.create_dataset("rf", data=frames.samples)
        samples.attrs.update(_numbers(frames))
        samples.attrs["axes"] = "frame, axial, line"
        if frames.frame_times_s is not None:
            file.create_dataset("frame_times_s", data=np.asarray(frames.frame_times_s, np.float64))
    return (path,)


def _write_npz(frames: RFFrames, path: Path) -> tuple[Path, ...]:
    with atomic_file(path) as partial:
        np.savez(partial, rf=frames.samples, **_arrays(frames))  # type: ignore[arg-type]
    return (path,)


def _write_metaimage(frames: RFFrames, path: Path) -> tuple[Path, ...]:
    """Header and samples; the header comes last, so that it never names samples that are not there."""
    samples = np.ascontiguousarray(frames.samples, "<f4")
    if path.suffix.lower() == ".mha":
        with atomic_file(path) as partial, partial.open("wb") as stream:
            stream.write(_metaimage_header(frames, "LOCAL").encode())
            samples.tofile(stream)
        return (path,)
    raw = path.with_suffix(".raw")
    with atomic_file(raw) as partial:
        samples.tofile(partial)
    write_atomic(path, _metaimage_header(frames, raw.name))
    return path, raw


def _metaimage_header(frames: RFFrames, data_file: str) -> str:
    n_frames, n_samples, n_lines = frames.samples.shape
    pitch_mm, step_mm = frames.line_pitch_m * 1e3 or 1.0, frames.axial_step_m * 1e3
    fields: Mapping[str, object] = {
        "ObjectType": "Image",
        "NDims": 3,
        "BinaryData": True,
        "BinaryDataByteOrderMSB": False,
        "CompressedData": False,
        "TransformMatrix": "1 0 0 0 1 0 0 0 1",
        "Offset": "0 0 0",
        "ElementSpacing": f"{pitch_mm:.9g} {step_mm:.9g} 1",
        "DimSize": f"{n_lines} {n_samples} {n_frames}",
        "ElementType": "MET_FLOAT",
        **{name: repr(value) for name, value in _numbers(frames).items()},
    }
    if frames.frame_times_s is not None:
        fields = {**fields, "frame_times_s": " ".join(repr(float(t)) for t in frames.frame_times_s)}
    return "".join(f"{key} = {value}\n" for key, value in fields.items()) + f"ElementDataFile = {data_file}\n"


def _write_ultrasonix(frames: RFFrames, path: Path) -> tuple[Path, ...]:
    n_frames, n_samples, n_lines = frames.samples.shape
    header = np.zeros((), HEADER)
    header["type"], header["ss"] = RF_TYPE, 16
    header["frames"], header["w"], header["h"], header["ld"] = n_frames, n_lines, n_samples, n_lines
    header["urx"], header["brx"] = n_lines - 1, n_lines - 1
    header["bry"], header["bly"] = n_samples - 1, n_samples - 1
    header["txf"], header["sf"] = round(frames.centre_frequency_hz), round(frames.sampling_rate_hz)
    times = frames.frame_times_s
    header["dr"] = 0 if times is None or n_frames < 2 else round((n_frames - 1) / float(times[-1] - times[0]))
    with atomic_file(path) as partial, partial.open("wb") as stream:
        stream.write(header.tobytes())
        stream.write(_as_int16(frames.samples).transpose(0, 2, 1).tobytes())
    return (path,)


def _as_int16(samples: np.ndarray) -> np.ndarray:
    """Samples as they are where they are whole numbers of 16 bits, else scaled to the full range."""
    largest = float(np.abs(samples).max())
    is_whole = largest <= 32767 and bool((samples == np.round(samples)).all())
    scale = 1.0 if is_whole or largest == 0 else 32767 / largest
    return np.round(samples * np.float32(scale)).astype("<i2")
