"""Gastrocnemius on a dynamometer: B-mode clips of pushes with torque, angle and velocity on one clock.

    Clips/p6_isokinetic030_01_push_01.mp4           person, task, trial, push
    Clips/AGR003_push_data.mat                      clips.TRIAL.PUSH: TOR (N.m), POS (deg), VEL, time at 100 Hz,
                                                    frameInds (sample of each video frame, counted from 1)
    p6_params.mat                                   Params.px2mmX, px2mmY
    manual_annotations.csv                          trial, push, frame_1based, observer, alpha_deg (fascicle),
                                                    beta_deg (aponeurosis)

Source: https://github.com/joshrbaxter/ultrasound_tracking, data doi:10.5281/zenodo.2598553 (CC BY 4.0); annotations
joined from https://github.com/timvanderzee/ultrasound-automated-algorithm (CC BY 4.0).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sonometry.core.errors import DataError
from sonometry.data.public.base import (
    ImportOptions,
    Listing,
    PublicClip,
    PublicSet,
    Truth,
    counted,
    key_of,
    natural_order,
    number,
    read_table,
    relative,
)
from sonometry.io.manifest import ManifestRow
from sonometry.io.named_arrays import NamedArrays, open_named_arrays

NAME = re.compile(r"(?P<trial>(?P<person>[^_]+)_(?P<task>.+)_\d+)_(?P<push>push_\d+)")
SIGNALS = "AGR003_push_data.mat"
VIDEOS = (".mp4", ".avi", ".mov")


@dataclass(frozen=True)
class Push:
    """One push. angles : observer, frame from 0, fascicle and aponeurosis angle, rad."""

    signals: Path
    trial: str
    push: str
    angles: tuple[tuple[str, int, float, float], ...]
    spacing_m: tuple[float, float] | None

    def __call__(self) -> Truth:
        """Arrays of every video frame: time_s, torque (N.m), angle (rad), and the angles that people drew.

        Raises DataError where the file of signals lacks the push.
        """
        arrays = open_named_arrays(self.signals)
        owner = f"clips.{self.trial}.{self.push}"
        columns = {name: _vector(arrays, f"{owner}.{name}") for name in ("time", "TOR", "POS", "frameInds")}
        missing = [name for name, values in columns.items() if values is None]
        if missing:
            raise DataError(f"{self.signals.name} lacks {', '.join(missing)} of {self.trial} {self.push}")
        time, torque, position, frames = (np.asarray(v, np.float64) for v in columns.values() if v is not None)
        rows = frames.astype(np.int64) - 1
        if rows.min() < 0 or rows.max() >= len(time):
            raise DataError(f"{self.signals.name} has frames of {self.trial} {self.push} beyond its samples")
        truth = {
            "time_s": time[rows] - time[rows[0]],
            "torque": torque[rows],
            "angle": np.radians(position[rows]),
        }
        if self.spacing_m is not None:
            truth["spacing_m"] = np.array(self.spacing_m)
        return truth | self._drawn()

    def _drawn(self) -> dict[str, np.ndarray]:
        """Angles (frames, observers) at the frames that anybody marked, NaN where one did not."""
        if not self.angles:
            return {}
        frames = sorted({frame for _, frame, _, _ in self.angles})
        observers = sorted({observer for observer, *_ in self.angles}, key=natural_order)
        fascicle = np.full((len(frames), len(observers)), np.nan)
        aponeurosis = fascicle.copy()
        for observer, frame, alpha, beta in self.angles:
            place = frames.index(frame), observers.index(observer)
            fascicle[place], aponeurosis[place] = alpha, beta
        return {
            "marked_frames": np.array(frames, np.int64),
            "observers": np.array(observers),
            "fascicle_angle_rad": fascicle,
            "aponeurosis_angle_rad": aponeurosis,
        }


def find(folder: Path, options: ImportOptions) -> Listing:
    """One clip for every push that has a video."""
    signals = next(iter(sorted(folder.rglob(SIGNALS))), None)
    if signals is None:
        raise SET.wrong_layout(folder, f"{SIGNALS} is not there")
    owners = {entry.name.rsplit(".", 1)[0] for entry in open_named_arrays(signals).arrays}
    angles = _angles(folder)
    videos = sorted((p for p in folder.rglob("*") if p.suffix.lower() in VIDEOS), key=lambda p: natural_order(p.name))
    clips: list[PublicClip] = []
    n_other = 0
    for video in videos:
        match = NAME.fullmatch(video.stem)
        if match is None or f"clips.{match['trial']}.{match['push']}" not in owners:
            n_other += 1
            continue
        clips.append(_clip(folder, video, match, signals, angles))
    notes = [f"{counted(n_other, 'video')} without signals left out"] if n_other else []
    if len({clip.row.subject_key for clip in clips}) == 1:
        notes.append("all clips are of one person: judge across pushes and tasks, and do not split by patient")
    return Listing(tuple(clips), tuple(notes))


def _clip(
    folder: Path,
    video: Path,
    match: re.Match[str],
    signals: Path,
    angles: Mapping[tuple[str, str], tuple[tuple[str, int, float, float], ...]],
) -> PublicClip:
    spacing_m = _spacing(folder, match["person"])
    labels = {
        "task": match["task"],
        "trial": match["trial"],
        "push": match["push"],
        "signals_path": relative(signals, folder),
    }
    if spacing_m is not None:
        labels["spacing_mm"] = " ".join(f"{v * 1e3:.6g}" for v in spacing_m)
    row = ManifestRow(
        clip_key=key_of(video.stem),
        path=relative(video, folder),
        kind="cine",
        subject_key=key_of(match["person"]),
        study_key=key_of(match["trial"]),
        labels=labels,
    )
    drawn = angles.get((match["trial"], match["push"]), ())
    return PublicClip(row, Push(signals, match["trial"], match["push"], drawn, spacing_m))


def _angles(folder: Path) -> dict[tuple[str, str], tuple[tuple[str, int, float, float], ...]]:
    tables = sorted(folder.rglob("manual_annotations.csv"))
    if not tables:
        return {}
    found: dict[tuple[str, str], list[tuple[str, int, float, float]]] = {}
    for row in read_table(tables[0], ("trial", "push", "frame_1based", "observer", "alpha_deg", "beta_deg")):
        frame, alpha, beta = (number(row[name]) for name in ("frame_1based", "alpha_deg", "beta_deg"))
        if frame is not None and alpha is not None and beta is not None:
            mark = (row["observer"], int(frame) - 1, math.radians(alpha), math.radians(beta))
            found.setdefault((row["trial"], row["push"]), []).append(mark)
    return {key: tuple(marks) for key, marks in found.items()}


def _spacing(folder: Path, person: str) -> tuple[float, float] | None:
    """(row, column) distance of pixels from the settings of a person, which hold mm."""
    path = next(iter(sorted(folder.rglob(f"{person}_params.mat"))), None)
    if path is None:
        return None
    numbers = {name.rsplit(".", 1)[-1]: value for name, value in open_named_arrays(path).numbers()}
    found = numbers.get("px2mmY"), numbers.get("px2mmX")
    return None if found[0] is None or found[1] is None else (found[0] / 1e3, found[1] / 1e3)


def _vector(arrays: NamedArrays, name: str) -> np.ndarray | None:
    entry = arrays.get(name)
    return None if entry is None else np.asarray(entry.load()).reshape(-1)


SET = PublicSet(
    name="dynamometer",
    title="the gastrocnemius dynamometer set",
    source="https://doi.org/10.5281/zenodo.2598553",
    layout=f"Clips/PERSON_TASK_NN_push_NN.mp4 and Clips/{SIGNALS}",
    find=find,
)
