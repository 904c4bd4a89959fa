"""One call for any recording: what a file is, is decided by its content and not by its ending.

One file gives a `Cine`, `RFFrames` or `Signals`; several RF files in order one `RFFrames`; a folder or any other set of
files of one examination a `Study`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sonometry.core.cine import Cine
from sonometry.core.errors import DataError, UsageError
from sonometry.core.rf import RFFrames
from sonometry.core.signals import Signals
from sonometry.core.study import Study
from sonometry.io.facts import Facts
from sonometry.io.own_results import RECORD, result_files
from sonometry.io.sniff import FileFormat, is_folder, read_head, sniff

#: Files that Sonometry itself writes beside recordings; no recordings themselves.
OWN_FILES = re.compile(r"(fields\.npz|.*\.truth\.npz|manifest\.csv|report\.(json|html))", re.IGNORECASE)

#: Endings of formats that `rf_files` reads; they choose only whose error a user sees.
RF_ENDINGS = frozenset({".mat", ".h5", ".hdf5", ".npz", ".mhd", ".mha", ".rf"})

Source = str | os.PathLike[str]


def read(
    source: Source | Iterable[Source], *more: Source, facts: Facts | None = None, **facts_fields: object
) -> Cine | RFFrames | Signals | Study:
    """Read recordings.

    source, more : a file, files in order, or the folder of one examination.
    facts : what the files lack (see `Facts`); its fields may also be given by name, as `spacing_mm=(0.1, 0.1)`.
    Frames of a cine are decoded on access. Raises DataError, in one line, for anything that cannot be read.
    """
    facts = _facts(facts, facts_fields)
    paths = _paths(source, more)
    if len(paths) == 1 and is_folder(paths[0]):
        return _read_folder(paths[0], facts)
    files = _without_companions([file for path in paths for file in _expand(path)])
    return _together([_Recognised(file, kind_of(file, facts)) for file in files], facts)


def kind_of(path: Path, facts: Facts | None = None) -> str:
    """ "cine", "rf" or "signals" by the file's content. DataError when it is none of them."""
    family = sniff(path)
    if family in (FileFormat.DICOM, FileFormat.VIDEO, FileFormat.IMAGE):
        return "cine"
    if family in (FileFormat.VOLUME, FileFormat.NUMPY, FileFormat.OTHER):
        return _kind_of_array(path, family, facts or Facts())
    raise DataError(f"{path.name} is {_article(family)}, not a recording; unpack or export it first")


def recording_files(folder: Path) -> list[Path]:
    """Files below a folder that may be recordings: without hidden ones, own results, DICOMDIR and raw companions."""
    return [file for file in _without_companions(_files_in(folder)) if not _is_known_dicomdir(file)]


@dataclass(frozen=True)
class _Recognised:
    path: Path
    kind: str


def _facts(facts: Facts | None, fields: dict[str, object]) -> Facts:
    if not fields:
        return facts or Facts()
    if isinstance(spacing := fields.get("spacing_mm"), Sequence):
        fields = {**fields, "spacing_mm": tuple(spacing)}
    try:
        return replace(facts or Facts(), **fields)  # type: ignore[arg-type]
    except TypeError:
        unknown = ", ".join(sorted(set(fields) - set(Facts.__dataclass_fields__)))
        raise UsageError(
            f"unknown facts: {unknown or 'wrong types'}; there are: {', '.join(Facts.__dataclass_fields__)}"
        ) from None


def _paths(source: Source | Iterable[Source], more: tuple[Source, ...]) -> list[Path]:
    first = [source] if isinstance(source, str | os.PathLike) else list(source)
    paths = [Path(item) for item in (*first, *more)]
    if not paths:
        raise UsageError("no file was given; pass a recording or the folder of an examination")
    return paths


def _expand(path: Path) -> list[Path]:
    """Files of a folder, those a DICOMDIR names, or the file itself."""
    if is_folder(path):
        return _files_in(path)
    if not _is_dicomdir(path):
        return [path]
    from sonometry.io.exam import files_of_dicomdir

    return files_of_dicomdir(path)


def _is_dicomdir(path: Path) -> bool:
    """Media Storage Directory Storage stands in the meta header."""
    head = read_head(path)
    return head[128:132] == b"DICM" and b"1.2.840.10008.1.3.10" in head


def _is_known_dicomdir(path: Path) -> bool:
    """False where the file cannot be read: whoever reads it will say so, and the others of its folder are sound."""
    try:
        return _is_dicomdir(path)
    except DataError:
        return False


def _files_in(folder: Path) -> list[Path]:
    """All files below, hidden and own ones left out, numbers in their names in numerical order."""
    try:
        found = [path for path in folder.rglob("*") if path.is_file()]
    except OSError as error:
        raise DataError(f"folder {folder.name} cannot be read: {error.strerror}") from error
    below = (path.relative_to(folder) for path in found)
    visible = [p for p in below if not any(part.startswith(".") for part in p.parts)]
    results = {place: result_files(folder / place) for place in {p.parent for p in visible if p.name == RECORD}}
    kept = [p for p in visible if not OWN_FILES.match(p.name) and p.name not in results.get(p.parent, ())]
    return [folder / path for path in sorted(kept, key=_natural_order)]


def _natural_order(path: Path) -> list[tuple[int, str]]:
    """ "frame10" after "frame9"."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", str(path).lower())]


def _read_folder(folder: Path, facts: Facts) -> RFFrames | Study:
    """RF files alone are one sequence; anything else is a study. What is no recording is left out and counted."""
    files = recording_files(folder)
    recognised, n_other = _recognise(files, facts)
    if recognised and all(item.kind == "rf" for item in recognised):
        rf = _read_rf([item.path for item in recognised], facts)
        return replace(rf, source=replace(rf.source, notes=(*rf.source.notes, *_left_out(n_other, 0))))
    readings, n_damaged = _read_all(_in_exam_order(recognised), facts, is_strict=False)
    if not readings:
        raise DataError(
            f"folder {folder.name} holds no recording that can be read ({len(files)} files were looked at, "
            f"{n_damaged} of them damaged or without pixels); pass a folder of exported clips"
        )
    return _study(readings, _left_out(n_other, n_damaged))


def _recognise(files: list[Path], facts: Facts) -> tuple[list[_Recognised], int]:
    """Files that are recordings, and how many are not."""
    recognised, n_other = [], 0
    for file in files:
        try:
            recognised.append(_Recognised(file, kind_of(file, facts)))
        except DataError:
            n_other += 1
    return recognised, n_other


def _in_exam_order(files: list[_Recognised]) -> list[_Recognised]:
    """DICOM files as they were acquired, whatever their names; other files keep their order."""
    from sonometry.io.exam import exam_order

    return sorted(files, key=lambda item: exam_order(item.path))


def _left_out(n_other: int, n_damaged: int) -> tuple[str, ...]:
    notes = []
    if n_other:
        notes.append(f"{n_other} files of the folder are no recordings and were left out")
    if n_damaged:
        notes.append(f"{n_damaged} files of the folder are damaged or without pixels and were left out")
    return tuple(notes)


def _together(files: list[_Recognised], facts: Facts) -> Cine | RFFrames | Signals | Study:
    readings, _ = _read_all(files, facts, is_strict=True)
    if len(readings) == 1:
        return readings[0]
    if sorted(item.kind for item in files) == ["cine", "signals"]:
        from sonometry.io.clock import on_one_clock

        readings = on_one_clock(readings, facts)
    return _study(readings)


def _study(readings: list[Cine | RFFrames | Signals], notes: tuple[str, ...] = ()) -> Study:
    from sonometry.io.exam import study_of

    return study_of(readings, notes)


def _read_all(
    files: list[_Recognised], facts: Facts, *, is_strict: bool
) -> tuple[list[Cine | RFFrames | Signals], int]:
    """Recordings in the given order, RF files joined to one at the end; and how many could not be read."""
    groups = [(item.kind, [item.path]) for item in files if item.kind != "rf"]
    if rf := [item.path for item in files if item.kind == "rf"]:
        groups.append(("rf", rf))
    readings: list[Cine | RFFrames | Signals] = []
    for kind, paths in groups:
        try:
            readings.append(_READERS[kind](paths, facts))
        except DataError:
            if is_strict:
                raise
    return readings, len(groups) - len(readings)


def read_cine(path: Path, facts: Facts | None = None) -> Cine:
    """Read one cine or still of any format. DataError for anything else."""
    family = sniff(path)
    if family is FileFormat.DICOM:
        from sonometry.io.dicom import read_dicom

        return read_dicom(path, facts)
    if family is FileFormat.VIDEO:
        from sonometry.io.video import read_video

        return read_video(path, facts)
    if family is FileFormat.IMAGE:
        from sonometry.io.images import read_image

        return read_image(path, facts)
    from sonometry.io.volumes import read_numpy, read_volume

    return read_numpy(path, facts) if family is FileFormat.NUMPY else read_volume(path, facts)


def _read_rf(paths: list[Path], facts: Facts) -> RFFrames:
    from sonometry.io.rf_files import read_rf

    return read_rf(paths, facts)


def _read_signals(paths: list[Path], facts: Facts) -> Signals:
    from sonometry.io.signals import read_signals

    return read_signals(paths[0], facts)


def _read_cine(paths: list[Path], facts: Facts) -> Cine:
    return read_cine(paths[0], facts)


_READERS: dict[str, Callable[[list[Path], Facts], Cine | RFFrames | Signals]] = {
    "cine": _read_cine,
    "rf": _read_rf,
    "signals": _read_signals,
}


def _without_companions(files: list[Path]) -> list[Path]:
    """Without the .raw files that a MetaImage header among them names."""
    from sonometry.io.rf_files import without_raw_companions

    return without_raw_companions(files)


def _kind_of_array(path: Path, family: FileFormat, facts: Facts) -> str:
    from sonometry.io.rf_files import is_rf, read_rf
    from sonometry.io.signals import is_signals
    from sonometry.io.volumes import is_picture_array

    if family is FileFormat.NUMPY and is_picture_array(path):
        return "cine"
    if is_rf(path):
        return "rf"
    if family is FileFormat.VOLUME:
        return "cine"
    if is_signals(path):
        return "signals"
    if path.suffix.lower() in RF_ENDINGS or facts.variable is not None:
        read_rf([path], facts)  # tells what is wrong with it, or finds the variable that the user named
        return "rf"
    raise DataError(
        f"{path.name} is {_found(path)}; expected DICOM, a video, an image, NIfTI, "
        "RF (.mat, .mhd, .h5, .npz, .rf) or signals (.csv, .c3d, .mat, .h5)"
    )


def _found(path: Path) -> str:
    head = read_head(path)
    is_text = not head.translate(None, bytes(range(32, 127)) + b"\t\n\r")
    return "a text without a table of numbers" if is_text else "of a kind that is not known, or damaged"


def _article(family: FileFormat) -> str:
    return f"an {family}" if family is FileFormat.ARCHIVE else f"a {family}"
