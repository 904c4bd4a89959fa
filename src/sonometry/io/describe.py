"""What a file holds and everything suspicious about it, for `sonometry info`. Nothing of a patient is shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from sonometry.core.cine import Cine
from sonometry.core.errors import DataError
from sonometry.core.rf import RFFrames
from sonometry.core.signals import Signals
from sonometry.io.facts import Facts
from sonometry.io.file_info import ChannelInfo, FileInfo, RegionInfo, Timing
from sonometry.io.picture_problems import picture_problems
from sonometry.io.read import kind_of, read_cine, recording_files
from sonometry.io.sniff import FileFormat, is_folder, sniff

__all__ = ["FileInfo", "describe"]


def describe(path: Path | str, facts: Facts | None = None) -> FileInfo:
    """What a file, or a folder of recordings, holds. RF without its facts is described as far as possible.

    Raises DataError for what cannot be read at all; later frames that cannot be decoded are problems, not errors.
    """
    path, facts = Path(path), facts or Facts()
    if is_folder(path):
        return _describe_folder(path, facts)
    try:
        kind = kind_of(path, facts)
        return _DESCRIBERS[kind](path, facts)
    except DataError as error:
        return _describe_arrays(path, error)


def _describe_folder(folder: Path, facts: Facts) -> FileInfo:
    described: list[FileInfo] = []
    n_other = 0
    for path in recording_files(folder):
        try:
            described.append(_without_name(describe(path, facts), path, f"file {len(described) + n_other + 1}"))
        except DataError:
            n_other += 1
    if not described:
        raise DataError(f"folder {folder.name} holds no recording that can be read")
    return FileInfo(
        name=folder.name,
        format=f"folder of {len(described)} recordings",
        kind="study",
        size_bytes=sum(info.size_bytes for info in described),
        recordings=tuple(described),
        problems=(f"{n_other} files are damaged or no recordings",) if n_other else (),
    )


def _without_name(info: FileInfo, path: Path, alias: str) -> FileInfo:
    """Names of files in a folder of exports can be patients' names; the user gave only the folder's."""
    # A name as short as "a" or "25" is a word of our own sentences too; it is hidden where it is that of a file.
    is_word = len(path.stem) < 3 or path.stem.isdigit()
    stem = rf"{re.escape(path.stem)}(?=\.\w)" if is_word else re.escape(path.stem)
    named = re.compile(rf"(?<!\w)({re.escape(path.name)}|{stem})(?!\w)")
    hidden = {
        key: tuple(named.sub(lambda _: alias, text) for text in getattr(info, key))
        for key in ("arrays", "notes", "problems")
    }
    return replace(info, name=alias, **hidden)  # type: ignore[arg-type]


def _describe_cine(path: Path, facts: Facts) -> FileInfo:
    cine = read_cine(path, facts)
    told = tuple(note for note in cine.source.notes if "was given by --" in note)
    info = FileInfo(
        name=path.name,
        format=cine.source.format,
        kind="cine",
        size_bytes=path.stat().st_size,
        shape=cine.shape,
        dtype=str(cine.frame(0).dtype),
        spacing_m=cine.spacing_m,
        timing=_timing_of(cine, "--fps" if facts.fps else ""),
        device=cine.source.device,
        channels=_channels(cine.ecg) if cine.ecg else (),
        notes=told,
        problems=tuple(note for note in cine.source.notes if note not in told),
    )
    if sniff(path) is FileFormat.DICOM:
        info = _with_header(info, path, facts)
    return replace(info, problems=(*info.problems, *picture_problems(cine)))


def _with_header(info: FileInfo, path: Path, facts: Facts) -> FileInfo:
    """Add what only a DICOM header tells."""
    from sonometry.io.dicom import open_recording
    from sonometry.io.dicom_header import deidentification_of, heart_rate_per_min
    from sonometry.io.dicom_problems import dicom_problems
    from sonometry.io.dicom_regions import UNITS, regions_of

    opened = open_recording(path)
    dataset = opened.file.dataset
    regions = (
        RegionInfo(r.what, r.how, r.box, (UNITS.get(r.units[0], "?"), UNITS.get(r.units[1], "?")), r.deltas)
        for r in regions_of(dataset)
    )
    timing = info.timing
    if timing is not None and not facts.fps:
        timing = replace(timing, basis=opened.timing.basis)
    return replace(
        info,
        timing=timing,
        regions=tuple(regions),
        heart_rate_per_min=heart_rate_per_min(dataset),
        deidentification=str(deidentification_of(dataset)),
        problems=tuple(dict.fromkeys((*info.problems, *dicom_problems(opened)))),
    )


def _describe_rf(path: Path, facts: Facts) -> FileInfo:
    """The array and its facts; RF that lacks none is also judged by its samples."""
    from sonometry.io.rf_files import read_rf, rf_problems

    info = _describe_arrays(path)
    try:
        frames = read_rf([path], facts)
    except DataError as error:
        missing = "" if "missing" in info.rf else str(error)
        return replace(info, problems=(*info.problems, *([missing] if missing else [])))
    stated = {
        "sampling_rate_hz": frames.sampling_rate_hz,
        "centre_frequency_hz": frames.centre_frequency_hz,
        "line_pitch_m": frames.line_pitch_m,
        "sound_speed_m_s": frames.sound_speed_m_s,
        "start_depth_m": frames.start_depth_m,
        "geometry": str(frames.geometry),
    }
    return replace(
        info,
        shape=frames.samples.shape,
        dtype=str(frames.samples.dtype),
        rf={key: fact for key, fact in info.rf.items() if key != "missing"} | stated,
        timing=_timing_of(frames) if frames.frame_times_s is not None else None,
        device=frames.source.device,
        notes=tuple(dict.fromkeys((*info.notes, *frames.source.notes))),
        problems=rf_problems(frames),
    )


def _describe_arrays(path: Path, error: DataError | None = None) -> FileInfo:
    """A container of arrays as far as it is understood; `error` of reading it where there is no array at all."""
    from sonometry.io.rf_files import describe_rf

    found = describe_rf(path)
    if not found["arrays"]:
        raise error or DataError(f"{path.name} holds no recording that can be read")
    arrays = (f"{a['name']}: {' x '.join(map(str, a['shape']))} {a['dtype']}" for a in found["arrays"])
    shape = tuple(found[key] for key in ("frames", "samples", "lines")) if "lines" in found else ()
    missing = {"missing": " ".join(found["missing"])} if found["missing"] else {}
    problems = [f"it lacks facts that must be given: {missing['missing']}"] if missing else []
    problems += [str(error)] if error else []
    return FileInfo(
        name=path.name,
        format=found["format"],
        kind="rf" if shape else "arrays",
        size_bytes=path.stat().st_size,
        shape=shape,
        rf={**found["facts"], **missing},
        arrays=tuple(arrays),
        notes=() if error else tuple(found["notes"]),
        problems=tuple(problems),
    )


def _describe_signals(path: Path, facts: Facts) -> FileInfo:
    from sonometry.io.signals import read_signals

    signals = read_signals(path, facts)
    missing = [name for name in signals.names if np.isnan(signals[name]).any()]
    constant = [name for name in signals.names if np.ptp(signals[name]) == 0]
    return FileInfo(
        name=path.name,
        format=signals.source.format,
        kind="signals",
        size_bytes=path.stat().st_size,
        shape=signals.values.shape,
        dtype=str(signals.values.dtype),
        channels=_channels(signals),
        notes=signals.source.notes,
        problems=(
            *([f"samples are missing in: {', '.join(missing)}"] if missing else []),
            *([f"channels without any change: {', '.join(constant)}"] if constant else []),
        ),
    )


_DESCRIBERS: dict[str, Callable[[Path, Facts], FileInfo]] = {
    "cine": _describe_cine,
    "rf": _describe_rf,
    "signals": _describe_signals,
}


def _timing_of(frames: Cine | RFFrames, basis: str = "") -> Timing | None:
    if frames.n_frames < 2 or frames.frame_times_s is None:
        return None
    intervals_s = np.diff(frames.frame_times_s)
    is_timed = getattr(frames, "is_timed", True)
    return Timing(
        rate_hz=float(1 / intervals_s.mean()) if is_timed else None,
        duration_s=float(intervals_s.sum()),
        jitter_s=float(np.abs(intervals_s - np.median(intervals_s)).max()),
        is_timed=is_timed,
        basis=basis,
    )


def _channels(signals: Signals) -> tuple[ChannelInfo, ...]:
    described = []
    for name, unit in zip(signals.names, signals.units, strict=True):
        found = signals[name][~np.isnan(signals[name])]
        low, high = (float(found.min()), float(found.max())) if found.size else (None, None)
        described.append(ChannelInfo(name, unit, signals.sampling_rate_hz, low, high))
    return tuple(described)
