"""CAMUS: apical two- and four-chamber clips from end-diastole to end-systole with cavity, muscle and left atrium.

    database_nifti/patient0001/patient0001_2CH_half_sequence.nii.gz, ..._half_sequence_gt.nii.gz
                               patient0001_2CH_ED.nii.gz, ..._ED_gt.nii.gz, the same for ES and 4CH
                               Info_2CH.cfg: ED, ES (counted from 1), NbFrame, Sex, Age, ImageQuality, EF, FrameRate
    database_split/subgroup_training.txt, subgroup_validation.txt, subgroup_testing.txt

and the first release: training/ and testing/ with patient0001/patient0001_2CH_sequence.mhd, _ED.mhd, _ED_gt.mhd and
LVef in Info_2CH.cfg. Labels: 1 cavity, 2 muscle, 3 left atrium. Source: Leclerc et al. 2019,
doi:10.1109/TMI.2019.2900516. Sonometry's own CAMUS-like exports are read as well.
"""

from __future__ import annotations

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
    relative,
    split_of,
)
from sonometry.data.sparse_truth import sparse_masks
from sonometry.io.annotated_clip import HEART_VALUES
from sonometry.io.annotation_nifti import CAMUS_VIEWS, read_nifti
from sonometry.io.manifest import ManifestRow

VIEWS = {camus: ours for ours, camus in CAMUS_VIEWS.items()}
SEQUENCES = ("half_sequence", "sequence")
ENDINGS = (".nii.gz", ".nii", ".mhd")
VENDOR, DEVICE = "GE Healthcare", "Vivid E95"


@dataclass(frozen=True)
class Frames:
    """Files of one view. labels : (file, frame) of every label picture; frame None for a sequence of labels."""

    picture: Path
    labels: tuple[tuple[Path, int | None], ...]
    end_diastole: int | None
    end_systole: int | None
    ejection_fraction: float | None

    def __call__(self) -> Truth:
        """Arrays of the truth file. Raises DataError where labels do not fit the pictures."""
        pictures, spacing_m = read_nifti(self.picture)
        shape = pictures.shape if pictures.ndim == 3 else (1, *pictures.shape)
        masks: dict[int, np.ndarray] = {}
        for path, frame in self.labels:
            marked, _ = read_nifti(path)
            stack = marked.reshape(-1, *marked.shape[-2:])
            first = 0 if frame is None else frame
            masks |= {first + i: mask.astype(np.uint8) for i, mask in enumerate(stack)}
        try:
            truth = sparse_masks(shape, masks, list(HEART_VALUES.values())) if masks else {}
        except ValueError as error:
            raise DataError(f"labels of {self.picture.name} do not fit it: {error}") from error
        for name, frame in (("end_diastole", self.end_diastole), ("end_systole", self.end_systole)):
            if frame is not None and frame < shape[0]:
                truth[name] = np.array([frame], np.int64)
        if self.ejection_fraction is not None:
            truth["ejection_fraction"] = np.array(self.ejection_fraction)
        if spacing_m is not None:
            truth["spacing_m"] = np.array(spacing_m)
        return truth


def find(folder: Path, options: ImportOptions) -> Listing:
    """One clip for every view of every patient: the sequence, or stills of ED and ES where there is none."""
    infos = sorted(folder.rglob("Info_*.cfg"), key=lambda p: natural_order(relative(p, folder)))
    if not infos:
        raise SET.wrong_layout(folder, "no Info_2CH.cfg or Info_4CH.cfg lies below it")
    splits = _splits(folder)
    clips: list[PublicClip] = []
    n_bare = 0
    for info in infos:
        found = _clips(folder, info, splits)
        clips += found
        n_bare += not found
    notes = [f"{counted(n_bare, 'view')} with an Info file but no picture"] if n_bare else []
    return Listing(tuple(clips), tuple(notes))


def _clips(folder: Path, info: Path, splits: dict[str, str]) -> list[PublicClip]:
    patient, name = info.parent.name, info.stem.removeprefix("Info_")
    facts = _facts(info)
    split = splits.get(patient, "")
    if not split:
        split = next((s for part in info.parts[-4:-2] if (s := split_of(part))), "")
    row = ManifestRow(
        clip_key=key_of(patient, name),
        path=relative(info, folder),
        kind="cine",
        subject_key=key_of(patient),
        study_key=key_of(patient),
        vendor=VENDOR if patient.startswith("patient") else "",
        device=DEVICE if patient.startswith("patient") else "",
        view=VIEWS.get(name, name),
        split=split,
        labels=_labels(facts),
    )
    stem = f"{patient}_{name}"
    for sequence in SEQUENCES:
        if picture := _file(info.parent, f"{stem}_{sequence}"):
            return [_sequence(folder, row, picture, info.parent, stem, facts)]
    return _stills(folder, row, info.parent, stem, facts)


def _sequence(
    folder: Path, row: ManifestRow, picture: Path, place: Path, stem: str, facts: dict[str, str]
) -> PublicClip:
    from dataclasses import replace

    phases = {name: _frame(facts.get(name)) for name in ("ED", "ES")}
    whole = next((p for s in SEQUENCES if (p := _file(place, f"{stem}_{s}_gt"))), None)
    if whole is not None:
        labels: list[tuple[Path, int | None]] = [(whole, None)]
    else:
        found = [(_file(place, f"{stem}_{name}_gt"), frame) for name, frame in phases.items()]
        labels = [(path, frame) for path, frame in found if path is not None and frame is not None]
    truth = Frames(picture, tuple(labels), phases["ED"], phases["ES"], _fraction(facts))
    return PublicClip(replace(row, path=relative(picture, folder)), truth)


def _stills(folder: Path, row: ManifestRow, place: Path, stem: str, facts: dict[str, str]) -> list[PublicClip]:
    from dataclasses import replace

    clips = []
    for name in ("ED", "ES"):
        if (picture := _file(place, f"{stem}_{name}")) is None:
            continue
        label = _file(place, f"{stem}_{name}_gt")
        truth = Frames(
            picture,
            ((label, 0),) if label else (),
            0 if name == "ED" else None,
            0 if name == "ES" else None,
            _fraction(facts),
        )
        still = replace(row, clip_key=key_of(row.clip_key, name), path=relative(picture, folder))
        clips.append(PublicClip(still, truth))
    return clips


def _file(place: Path, stem: str) -> Path | None:
    return next((path for ending in ENDINGS if (path := place / f"{stem}{ending}").is_file()), None)


def _facts(info: Path) -> dict[str, str]:
    """Lines "ED: 1" of a small text file."""
    try:
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise DataError(f"{info.name} cannot be read: {error.strerror}") from error
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def _frame(text: str | None) -> int | None:
    value = number(text or "")
    return None if value is None or value < 1 else int(value) - 1


def _fraction(facts: dict[str, str]) -> float | None:
    value = number(facts.get("EF", facts.get("LVef", "")))
    return None if value is None else value / 100


def _labels(facts: dict[str, str]) -> dict[str, str]:
    fraction = _fraction(facts)
    labels = {"ejection_fraction": "" if fraction is None else f"{fraction:.6g}"}
    for name, label in (
        ("ImageQuality", "image_quality"),
        ("FrameRate", "fps"),
        ("Sex", "sex"),
        ("Age", "age_years"),
        ("LVedv", "end_diastolic_volume_ml"),
        ("LVesv", "end_systolic_volume_ml"),
    ):
        labels[label] = facts.get(name, "")
    return labels


def _splits(folder: Path) -> dict[str, str]:
    """Split of every patient from the published lists, wherever below the folder (or beside it) they lie."""
    found: dict[str, str] = {}
    lists = [*folder.rglob("subgroup_*.txt"), *folder.parent.glob("database_split/subgroup_*.txt")]
    for path in sorted(set(lists)):
        split = split_of(path.stem.removeprefix("subgroup_"))
        for line in path.read_text(encoding="utf-8", errors="replace").split():
            found.setdefault(line, split)
    return found


SET = PublicSet(
    name="camus",
    title="CAMUS",
    source="https://www.creatis.insa-lyon.fr/Challenge/camus",
    layout="patient0001/Info_2CH.cfg with patient0001_2CH_half_sequence.nii.gz (or _sequence.mhd) and ..._gt beside it",
    find=find,
)
