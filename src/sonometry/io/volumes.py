"""Grey arrays with a header to a `Cine`: NIfTI, NRRD and MetaImage through SimpleITK, uint8 NumPy arrays.

The last two axes (the first two of NIfTI) are the picture; what remains is time. RF in these containers belongs to
`rf_files`, which is asked first.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import tempfile
import tokenize
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.core.cine import Cine
from sonometry.core.errors import DataError
from sonometry.core.source import Source, digest_files
from sonometry.io.dicom_timing import NOMINAL_RATE_HZ, uniform_times_s
from sonometry.io.facts import Facts
from sonometry.io.luminance import grey_from_rgb
from sonometry.io.native_noise import without_native_messages
from sonometry.io.sniff import read_head
from sonometry.io.told import told_spacing, told_times

#: Pixel distances of ultrasound in mm; 1 x 1 is what writers put where nothing is known.
PLAUSIBLE_SPACING_MM = (0.002, 5.0)

#: Headers of MetaImage and NRRD are short texts.
LONGEST_HEADER = 1 << 16

#: A damaged .npy header is Python text that its parser refuses in several ways.
NUMPY_ERRORS = (OSError, ValueError, EOFError, SyntaxError, TypeError, MemoryError, OverflowError, tokenize.TokenError)

#: NIfTI-1 xyzt_units: bits of the unit of time (s, ms, us); ITK converts all to s.
NIFTI_TIME_UNITS = (8, 16, 24)


def read_volume(path: Path, facts: Facts | None = None) -> Cine:
    """Read a NIfTI, NRRD or MetaImage file of grey or RGB pictures.

    Raises DataError for a damaged file and for one that is a volume in space rather than a clip.
    """
    image = itk_image(path)
    pixels, notes = _frames(_array(image, path.name), path.name)
    file_spacing_m, spacing_notes = _spacing_m(image)
    times_s, is_timed, time_notes = _times(image, len(pixels))
    return _cine(
        path,
        pixels,
        _format(path),
        facts or Facts(),
        (file_spacing_m, spacing_notes),
        (times_s, is_timed, time_notes),
        notes,
    )


def read_numpy(path: Path, facts: Facts | None = None) -> Cine:
    """Read a .npy array of uint8: (H, W), (T, H, W) or (T, H, W, 3). Raises DataError for any other."""
    try:
        array = np.load(path, allow_pickle=False)
    except NUMPY_ERRORS as error:
        raise DataError(f"{path.name} is not a readable NumPy array: it is damaged or holds objects") from error
    if array.dtype != np.uint8 or not 2 <= array.ndim <= 4 or array.size == 0:
        raise DataError(f"{path.name} holds {array.dtype} {array.shape}; a clip is uint8 of (T, H, W) or (T, H, W, 3)")
    pixels, notes = _frames(array, path.name)
    timing = (uniform_times_s(len(pixels), NOMINAL_RATE_HZ), False, _untimed_notes(len(pixels)))
    return _cine(path, pixels, "NumPy array", facts or Facts(), (None, ()), timing, notes)


def is_picture_array(path: Path) -> bool:
    """Whether a .npy file holds uint8 pictures, by its header alone."""
    try:
        array = np.load(path, allow_pickle=False, mmap_mode="r")
    except NUMPY_ERRORS:
        return False
    return bool(array.dtype == np.uint8 and 2 <= array.ndim <= 4)


def _cine(
    path: Path,
    pixels: np.ndarray,
    file_format: str,
    facts: Facts,
    spacing: tuple[tuple[float, float] | None, tuple[str, ...]],
    timing: tuple[np.ndarray, bool, tuple[str, ...]],
    notes: tuple[str, ...],
) -> Cine:
    spacing_m, spacing_notes = told_spacing(facts, spacing[0])
    times_s, is_timed, told_notes = told_times(facts, timing[0], timing[1])
    return Cine(
        pixels,
        frame_times_s=times_s,
        spacing_m=spacing_m,
        is_timed=is_timed,
        source=Source(
            name="clip",
            format=file_format,
            sha256=digest_files([path]),
            paths=(path,),
            notes=(*(told_notes or timing[2]), *(spacing_notes or spacing[1]), *notes),
        ),
    )


def itk_image(path: Path) -> Any:
    """The SimpleITK image of a file whose content, not whose name, tells its format. DataError where it is damaged."""
    import SimpleITK

    if _format(path) == "NIfTI":
        _check_nifti_length(path)
    else:
        _check_data_files(path)
    try:
        with _with_known_ending(path) as named, without_native_messages():
            return SimpleITK.ReadImage(str(named))
    except RuntimeError as error:
        raise DataError(f"{path.name} is not a readable image volume: it is damaged or truncated") from error


def _check_data_files(path: Path) -> None:
    """DataError where a header names data outside of its folder: it would show any file of the machine as a picture."""
    text = read_head(path, LONGEST_HEADER).decode("latin-1")
    found = re.search(r"(?im)^(?:ElementDataFile[ \t]*=|data ?file:)[ \t]*([^\r\n]*)", text)
    if found is None:
        return
    is_list = found[1].strip().upper().startswith("LIST")
    names = text[found.end() :].splitlines() if is_list else [found[1]]
    folder = path.parent.resolve()
    for name in filter(None, map(str.strip, names)):
        try:
            is_inside = (path.parent / name).resolve().is_relative_to(folder)
        except (OSError, ValueError):
            is_inside = False
        if not is_inside and name.upper() != "LOCAL":
            raise DataError(f"{path.name} names a data file outside its folder; put both into one folder")


def _check_nifti_length(path: Path) -> None:
    """DataError for a file that ends before its voxels do: ITK fills them with zeros and says nothing."""
    expected = 0
    try:
        with _unpacked(path) as stream:
            expected = _nifti_length(stream.read(544))
        voxels = path.with_suffix(".img") if _ending(path) == ".hdr" else path
        with _unpacked(voxels) as stream:
            stream.seek(expected - 1)
            is_complete = len(stream.read(1)) == 1
    except (OSError, EOFError, zlib.error, struct.error, ValueError, OverflowError) as error:
        raise DataError(f"{path.name} is not a readable NIfTI file: it is damaged or truncated") from error
    if not is_complete:
        raise DataError(f"{path.name} ends before its {expected} bytes: the file is truncated; copy it again")


def _unpacked(path: Path) -> Any:
    return gzip.open(path) if read_head(path).startswith(b"\x1f\x8b") else path.open("rb")


def _nifti_length(header: bytes) -> int:
    """Bytes up to the last voxel (nifti1.h, nifti2.h: dim, bitpix, vox_offset)."""
    order = "<" if header[:4] in (struct.pack("<i", 348), struct.pack("<i", 540)) else ">"
    if header[4:7] in (b"n+2", b"ni2"):
        dims = struct.unpack(f"{order}8q", header[16:80])
        (bits,), (offset,) = struct.unpack(f"{order}h", header[14:16]), struct.unpack(f"{order}q", header[168:176])
    else:
        dims = struct.unpack(f"{order}8h", header[40:56])
        (bits,), (offset,) = struct.unpack(f"{order}h", header[72:74]), struct.unpack(f"{order}f", header[108:112])
    n_voxels = math.prod(dims[1 : 1 + dims[0]]) if 1 <= dims[0] <= 7 else 0
    if n_voxels <= 0 or bits <= 0:
        raise ValueError("no voxels")
    return int(offset) + n_voxels * bits // 8


@contextmanager
def _with_known_ending(path: Path) -> Iterator[Path]:
    """ITK chooses its reader by the ending; a file with another one is read through a link that has the right one."""
    ending = _ending(path)
    if path.name.lower().endswith(ending):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / f"image{ending}"
        link.symlink_to(path.resolve())
        yield link


def _ending(path: Path) -> str:
    head = read_head(path)
    if head.startswith(b"\x1f\x8b"):
        return ".nii.gz"
    if head.startswith(b"NRRD"):
        return ".nhdr" if path.suffix.lower() == ".nhdr" else ".nrrd"
    if head[344:347] == b"n+1" or head[4:7] == b"n+2":
        return ".nii"
    if head[344:347] == b"ni1" or head[4:7] == b"ni2":
        return ".hdr"
    return ".mha" if b"LOCAL" in head else ".mhd"


def _format(path: Path) -> str:
    ending = _ending(path)
    if ending in (".nii", ".nii.gz", ".hdr"):
        return "NIfTI"
    return "NRRD" if ending in (".nrrd", ".nhdr") else "MetaImage"


def _array(image: Any, name: str) -> np.ndarray:
    """(T, H, W) or (T, H, W, 3), slowest axis first as SimpleITK gives it, without axes of length one."""
    import SimpleITK

    array = np.asarray(SimpleITK.GetArrayFromImage(image))
    n_channels = image.GetNumberOfComponentsPerPixel()
    if n_channels not in (1, 3, 4):
        raise DataError(f"{name} has {n_channels} values a pixel; 1 (grey) or 3 (RGB) can be read")
    picture_axes = 2 if n_channels == 1 else 3
    leading = array.shape[: array.ndim - picture_axes]
    if sum(length > 1 for length in leading) > 1:
        raise DataError(
            f"{name} is a volume in time ({' x '.join(map(str, array.shape))}); "
            "a clip has one axis besides rows and columns"
        )
    return (
        array.reshape(-1, *array.shape[array.ndim - picture_axes :])[..., :3]
        if n_channels > 1
        else array.reshape(-1, *array.shape[-2:])
    )


def _frames(array: np.ndarray, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """(T, H, W) uint8, or float32 scaled to 0-255 where values do not fit, with a note of the scaling."""
    if array.ndim == 2:
        array = array[np.newaxis]
    if array.ndim == 4 and array.shape[-1] in (3, 4):
        array = np.stack([grey_from_rgb(picture[..., :3]) for picture in array])
    if array.ndim != 3:
        raise DataError(f"{name} has shape {array.shape}; a clip is (T, H, W) or (T, H, W, 3)")
    if not np.isfinite(array).all():
        raise DataError(f"{name} contains NaN or infinite values")
    low, high = float(array.min()), float(array.max())
    if array.dtype == np.uint8 or (array.dtype.kind in "iu" and low >= 0 and high <= 255):
        return array.astype(np.uint8), ()
    if low >= 0 and 1 < high <= 255:
        return array.astype(np.float32), ()
    low = min(low, 0.0)
    scale = 255 / (high - low) if high > low else 1.0
    note = f"grey levels from {low:g} to {high:g} were scaled to 0 to 255"
    return ((array.astype(np.float64) - low) * scale).astype(np.float32), (note,)


def _spacing_m(image: Any) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """(row, column) from the header, which these formats give in mm."""
    column_mm, row_mm = image.GetSpacing()[:2]
    is_plausible = all(PLAUSIBLE_SPACING_MM[0] <= v <= PLAUSIBLE_SPACING_MM[1] for v in (row_mm, column_mm))
    if is_plausible and (row_mm, column_mm) != (1.0, 1.0):
        return (row_mm / 1e3, column_mm / 1e3), ()
    note = (
        f"the header's pixel distance, {row_mm:g} x {column_mm:g} mm, is a placeholder, "
        "so lengths cannot be measured without --spacing-mm ROW COL"
    )
    return None, (note,)


def _times(image: Any, n_frames: int) -> tuple[np.ndarray, bool, tuple[str, ...]]:
    """The fourth axis of NIfTI is time when its header names a unit of time; a third axis has no defined meaning."""
    units = image.GetMetaData("xyzt_units") if image.HasMetaDataKey("xyzt_units") else ""
    interval_s = image.GetSpacing()[3] if image.GetDimension() == 4 else 0.0
    if units.isdigit() and int(units) & 0x38 in NIFTI_TIME_UNITS and 1e-5 < interval_s < 100 and n_frames > 1:
        return uniform_times_s(n_frames, 1 / interval_s), True, ()
    return uniform_times_s(n_frames, NOMINAL_RATE_HZ), False, _untimed_notes(n_frames)


def _untimed_notes(n_frames: int) -> tuple[str, ...]:
    if n_frames == 1:
        return ()
    return ("the file tells no frame rate, so rates and times cannot be measured without --fps",)
