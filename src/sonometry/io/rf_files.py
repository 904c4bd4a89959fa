"""RF recordings of any supported format to `RFFrames`: MATLAB, MetaImage, HDF5, NumPy, Ultrasonix.

What a file is, is decided by its content. Several files in the given order form one sequence. What a file lacks comes
from the user's flags (`Facts`); what it says is overridden only by them, with a note. The formats are described in
docs/reference/rf_formats.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.core.errors import DataError, UsageError
from sonometry.core.rf import RFFrames
from sonometry.core.source import Source, digest_files
from sonometry.io.facts import Facts
from sonometry.io.named_arrays import named_arrays_format, open_named_arrays
from sonometry.io.rf_arrays import read_named_rf, rf_candidates
from sonometry.io.rf_axes import CARRIER, carrier
from sonometry.io.rf_facts import known_facts, missing_flags, rf_frames
from sonometry.io.rf_layouts import KNOWN_RF_NAMES, file_facts
from sonometry.io.rf_metaimage import is_metaimage, read_header, read_metaimage_rf
from sonometry.io.rf_problems import rf_problems
from sonometry.io.rf_recording import StoredRF
from sonometry.io.rf_sequence import common_facts, common_order, joined_samples
from sonometry.io.rf_ultrasonix import read_ultrasonix_rf, ultrasonix_header
from sonometry.io.sniff import check_readable

__all__ = ["describe_rf", "is_rf", "read_rf", "rf_problems", "without_raw_companions"]

#: Fewest lines of a frame, below which an array is rather a table of signals.
FEWEST_LINES = 16


def is_rf(path: Path) -> bool:
    """Whether the file holds RF, by its content; large arrays are not read. DataError if it cannot be opened."""
    try:
        kind = named_arrays_format(path)
        if kind is not None:
            return _holds_rf_arrays(path, kind)
        if is_metaimage(path):
            return _is_rf_image(read_metaimage_rf(path))
        header = ultrasonix_header(path)
        return header is not None and abs(path.stat().st_size - 76 - header.n_frames * header.frame_bytes) < 1 << 24
    except DataError:
        check_readable(path)  # a file that cannot be opened is told; a damaged one is not RF
        return False


def read_rf(paths: Sequence[Path], facts: Facts | None = None) -> RFFrames:
    """All frames of the files, in the given order, as float32 (T, axial, line) in the units of the file.

    A .raw file that a header among `paths` names is not read twice. Raises DataError for a file that is no RF, damaged
    or truncated, complex (IQ), with several arrays to choose from, for files that do not fit together, and for facts
    that neither a file nor `facts` gives (all missing flags in one line).
    """
    facts = facts or Facts()
    files = without_raw_companions([Path(p) for p in paths])
    if not files:
        raise UsageError("no RF file was given; pass one file or the files of a sequence in order")
    stored = [rf for file in files for rf in _read_stored(file, facts.variable)]
    order, note = common_order(stored)
    stated = common_facts(stored, order)
    samples = joined_samples(stored, order)
    used = tuple(dict.fromkeys(path for rf in stored for path in rf.paths))
    source = Source(
        name="rf",
        format=stored[0].format,
        sha256=digest_files(used),
        paths=used,
        device=stored[0].device,
        notes=(note,) if note else (),
    )
    return rf_frames(samples, stated, facts, file_name=files[0].name, source=source)


def describe_rf(path: Path) -> dict[str, Any]:
    """What a file holds, without the facts it may lack: for `sonometry info`.

    Keys: "format"; "arrays", a list of {"name", "shape", "dtype"}; "frames", "samples", "lines" where one array is
    clearly the RF; "facts", the stated numbers in SI; "missing", the flags that are needed; "notes".
    """
    described: dict[str, Any] = {"format": "", "arrays": [], "facts": {}, "missing": [], "notes": []}
    kind = named_arrays_format(path)
    if kind is not None:
        arrays = open_named_arrays(path)
        described["format"] = arrays.format
        described["arrays"] = [
            {"name": e.name, "shape": list(e.shape), "dtype": e.dtype} for e in arrays.arrays if e.size > 1
        ]
    try:
        stored = _read_stored(path, None)
        order, note = common_order(list(stored))
    except DataError as error:
        return described | {"notes": [str(error)]}
    stated = common_facts(list(stored), order)
    known, derived = known_facts(stated)
    n_frames, n_samples, n_lines = (stored[0].samples.shape[axis] for axis in order)
    if kind is None:
        array = {"name": path.stem, "shape": list(stored[0].samples.shape), "dtype": stored[0].samples.dtype.name}
        described["arrays"] = [array]
    return described | {
        "format": stored[0].format,
        "frames": n_frames,
        "samples": n_samples,
        "lines": n_lines,
        "facts": known,
        "missing": list(missing_flags(stated, Facts())),
        "notes": [*([note] if note else []), *stated.notes, *derived],
    }


def _holds_rf_arrays(path: Path, kind: str) -> bool:
    """A known name, a stated centre frequency, or an array as large as frames in which the echoes oscillate."""
    arrays = open_named_arrays(path)
    candidates = rf_candidates(arrays)
    if any(entry.leaf in KNOWN_RF_NAMES for entry in candidates):
        return True
    frames = [e for e in candidates if sorted((n for n in e.shape if n > 1), reverse=True)[1] >= FEWEST_LINES]
    if not frames:
        return False
    largest = max(frames, key=lambda entry: entry.size)
    stated, _ = file_facts(arrays, largest.name, 0)
    if stated.centre_frequency_hz is not None:
        return True
    return any(_is_rf_image(stored) for stored in read_named_rf(path, largest.name))


def _is_rf_image(stored: StoredRF) -> bool:
    """Real samples with both signs, or constant, or with a carrier around an offset. 8-bit images are never RF."""
    samples = stored.samples
    if samples.dtype.kind == "u" and samples.dtype.itemsize == 1:
        return False
    looked_at = samples[samples.shape[0] // 2]
    if looked_at.min() < 0 or looked_at.min() == looked_at.max():
        return True
    along = max(range(2), key=lambda axis: looked_at.shape[axis])
    return carrier(np.moveaxis(looked_at, along, -1))[0] < CARRIER


def _read_stored(path: Path, variable: str | None) -> tuple[StoredRF, ...]:
    """The RF of one file, by what it is."""
    check_readable(path)
    if is_metaimage(path):
        return (read_metaimage_rf(path),)
    if named_arrays_format(path) is not None:
        return read_named_rf(path, variable)
    if ultrasonix_header(path) is not None:
        return (read_ultrasonix_rf(path),)
    if path.suffix.lower() in _RAW:
        raise DataError(f"{path.name} is raw data without a header; pass its header (.mhd) instead")
    named = _PROMISES.get(path.suffix.lower(), "an RF file (MATLAB, MetaImage, HDF5, NumPy or Ultrasonix)")
    raise DataError(f"{path.name} is not {named}: its content has another or no known format; export it again")


#: Endings of data files that a MetaImage header names.
_RAW = (".raw", ".zraw", ".bin", ".img")
#: What an ending promises.
_PROMISES = {
    ".mat": "a MATLAB file",
    ".mhd": "a MetaImage header",
    ".mha": "a MetaImage",
    ".h5": "an HDF5 file",
    ".hdf5": "an HDF5 file",
    ".npz": "a NumPy npz file",
    ".npy": "a NumPy npy file",
    ".rf": "an Ultrasonix RF file",
}


def without_raw_companions(files: Sequence[Path]) -> list[Path]:
    """The files without raw ones that a header among them names (a shell's `folder/*` gives both)."""
    named = {
        file.parent / read_header(file).fields["ElementDataFile"]
        for file in files
        if file.suffix.lower() == ".mhd" and file.is_file() and is_metaimage(file)
    }
    return [file for file in files if file.suffix.lower() not in _RAW or file not in named]
