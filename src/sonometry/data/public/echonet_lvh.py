"""EchoNet-LVH: parasternal long-axis AVI clips with calipers of wall thickness and cavity diameter.

    MeasurementsList.csv   HashedFileName, Calc, CalcValue (cm), Frame, X1, X2, Y1, Y2, Frames, FPS, Width, Height,
                           split
    Batch1 ... Batch4/HASH.avi

Calc is one of IVSd, LVIDd, LVPWd, IVSs, LVIDs, LVPWs. Source: Duffy et al. 2022, doi:10.1001/jamacardio.2021.6059.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sonometry.data.public.base import (
    ImportOptions,
    Listing,
    PublicClip,
    PublicSet,
    Truth,
    counted,
    files_by_name,
    folder_with,
    key_of,
    number,
    read_table,
    relative,
    split_of,
)
from sonometry.io.manifest import ManifestRow
from sonometry.io.read import read_cine

#: Calipers by their published names.
CALIPERS = {
    "IVSd": "septum_diastole",
    "LVIDd": "lv_diameter_diastole",
    "LVPWd": "posterior_wall_diastole",
    "IVSs": "septum_systole",
    "LVIDs": "lv_diameter_systole",
    "LVPWs": "posterior_wall_systole",
}


@dataclass(frozen=True)
class Caliper:
    """A measured distance. ends_px : (2, 2) row, column of its ends, None where the table does not tell them."""

    name: str
    length_m: float
    frame: int | None
    ends_px: np.ndarray | None


@dataclass(frozen=True)
class Calipers:
    """All calipers of one video. size : (height, width) in which the table counts pixels, None where it tells none."""

    video: Path
    calipers: tuple[Caliper, ...]
    size: tuple[float, float] | None

    def __call__(self) -> Truth:
        """NAME_m, NAME_frame and NAME_px of every caliper; end_diastole and end_systole where all agree.

        Ends are in pixels of the video, also where it was stored smaller than it was measured. Raises DataError where
        the video cannot be read.
        """
        _, *stored = read_cine(self.video).shape
        scale = np.ones(2) if self.size is None else np.array(stored) / self.size
        truth: dict[str, np.ndarray] = {}
        phases: dict[str, set[int]] = {}
        for caliper in self.calipers:
            truth[f"{caliper.name}_m"] = np.array(caliper.length_m)
            if caliper.ends_px is not None:
                truth[f"{caliper.name}_px"] = caliper.ends_px * scale
            if caliper.frame is not None:
                truth[f"{caliper.name}_frame"] = np.array(caliper.frame)
                phases.setdefault(f"end_{caliper.name.rsplit('_', 1)[1]}", set()).add(caliper.frame)
        return truth | {name: np.array(sorted(frames), np.int64) for name, frames in phases.items() if len(frames) == 1}


def find(folder: Path, options: ImportOptions) -> Listing:
    """Clips of EchoNet-LVH; every video is another person."""
    place = folder_with(folder, "MeasurementsList.csv")
    if place is None:
        raise SET.wrong_layout(folder, "it has no MeasurementsList.csv")
    rows = read_table(place / "MeasurementsList.csv", ("HashedFileName", "Calc", "CalcValue", "split"))
    videos = files_by_name(place, (".avi",))
    by_video: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_video.setdefault(row["HashedFileName"].removesuffix(".avi"), []).append(row)
    missing = [stem for stem in by_video if f"{stem}.avi" not in videos]
    clips = [
        _clip(folder, stem, videos[f"{stem}.avi"], of_it)
        for stem, of_it in by_video.items()
        if stem not in set(missing)
    ]
    notes = [f"{counted(len(missing), 'video')} of MeasurementsList.csv not found"] if missing else []
    return Listing(tuple(clips), tuple(notes))


def _clip(folder: Path, stem: str, video: Path, rows: list[dict[str, str]]) -> PublicClip:
    calipers = tuple(caliper for row in rows if (caliper := _caliper(row)) is not None)
    labels = {f"{c.name}_m": f"{c.length_m:.6g}" for c in calipers}
    if rows[0].get("FPS"):
        labels["fps"] = rows[0]["FPS"]
    row = ManifestRow(
        clip_key=key_of(stem),
        path=relative(video, folder),
        kind="cine",
        subject_key=key_of(stem),
        study_key=key_of(stem),
        view="PLAX",
        split=split_of(rows[0]["split"]),
        labels=labels,
    )
    height, width = (number(rows[0].get(name, "")) for name in ("Height", "Width"))
    size = (height, width) if height and width and height > 0 and width > 0 else None
    return PublicClip(row, Calipers(video, calipers, size))


def _caliper(row: dict[str, str]) -> Caliper | None:
    length_cm = number(row["CalcValue"])
    name = CALIPERS.get(row["Calc"])
    if name is None or length_cm is None:
        return None
    ends = [number(row.get(column, "")) for column in ("Y1", "X1", "Y2", "X2")]
    frame = number(row.get("Frame", ""))
    return Caliper(
        name,
        length_cm / 100,
        None if frame is None else int(frame),
        None if any(value is None for value in ends) else np.array(ends, np.float64).reshape(2, 2),
    )


SET = PublicSet(
    name="echonet-lvh",
    title="EchoNet-LVH",
    source="https://echonet.github.io/lvh",
    layout="MeasurementsList.csv and Batch1 to Batch4 with *.avi",
    find=find,
)
