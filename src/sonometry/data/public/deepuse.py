"""DeepUSE: radio-frequency frames of forearms under freehand compression.

    299/igtlTestImage1.mhd ... igtlTestImage6.mhd    a folder a recording, one frame a file
    rf0299_07.mhd                                    a file a recording, named patient_recording
    data_partition/invivo_training.csv, invivo_validation.csv, invivo_test.csv   names of recordings

The MetaImage headers tell distances (0.2 x 0.02 mm) and no rates: at 1540 m/s 0.02 mm is 38.5 MHz; the transmit
frequency is about 5 MHz. These stand in the labels, to be given as flags of `measure`.
Source: https://github.com/RemiDelaunay/DeepUSE (MIT); Delaunay et al. 2021, doi:10.1109/JBHI.2021.3057208.
"""

from __future__ import annotations

import re
from pathlib import Path

from sonometry.data.public.base import (
    ImportOptions,
    Listing,
    PublicClip,
    PublicSet,
    counted,
    key_of,
    natural_order,
    relative,
    split_of,
)
from sonometry.io.manifest import ManifestRow

FACTS = {"sampling_mhz": "38.5", "centre_mhz": "5", "pitch_mm": "0.2"}
_NAME = re.compile(r"rf0*(?P<patient>\d+)_(?P<number>\d+)", re.IGNORECASE)
_FRAME = re.compile(r"igtlTestImage\d+", re.IGNORECASE)


def find(folder: Path, options: ImportOptions) -> Listing:
    """Recordings of both layouts."""
    headers = sorted(
        (p for p in folder.rglob("*.mh[da]") if not p.name.startswith(".")),
        key=lambda p: natural_order(relative(p, folder)),
    )
    splits, n_mixed = _splits(folder)
    folders = dict.fromkeys(p.parent for p in headers if _FRAME.fullmatch(p.stem))
    clips = [_folder_clip(folder, place) for place in folders if place != folder]
    clips += [_file_clip(folder, path, match, splits) for path in headers if (match := _NAME.fullmatch(path.stem))]
    if not clips and folder in folders:  # the folder of one recording itself
        raise SET.wrong_layout(folder, "it holds the frames of one recording; pass the folder above it")
    if not clips:
        raise SET.wrong_layout(folder, "no igtlTestImage1.mhd in a folder and no rf0299_07.mhd lies below it")
    n_lost = sum(
        not p.with_suffix(".raw").is_file()
        for p in headers
        if p.suffix == ".mhd" and (_FRAME.fullmatch(p.stem) or _NAME.fullmatch(p.stem))
    )
    notes = [f"{counted(n_lost, 'header')} without samples (.raw)"] if n_lost else []
    if n_mixed:
        notes.append(f"people in more than one published list: {n_mixed}, left without a split; run sonometry splits")
    return Listing(tuple(clips), tuple(notes))


def _folder_clip(folder: Path, place: Path) -> PublicClip:
    subject = key_of("arm", place.name)
    return PublicClip(ManifestRow(subject, relative(place, folder), "rf", subject, subject, labels=dict(FACTS)))


def _file_clip(folder: Path, path: Path, match: re.Match[str], splits: dict[str, str]) -> PublicClip:
    subject = key_of("arm", match["patient"])
    row = ManifestRow(
        clip_key=key_of("arm", match["patient"], match["number"]),
        path=relative(path, folder),
        kind="rf",
        subject_key=subject,
        study_key=subject,
        split=splits.get(path.stem.lower(), ""),
        labels=dict(FACTS),
    )
    return PublicClip(row)


def _splits(folder: Path) -> tuple[dict[str, str], int]:
    """Split by name of recording; a patient who is in two gets none, and is counted."""
    named: dict[str, str] = {}
    for path in [*folder.rglob("invivo_*.csv"), *folder.parent.glob("data_partition/invivo_*.csv")]:
        split = split_of(path.stem.removeprefix("invivo_"))
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.strip():
                named[line.strip().strip('"').lower()] = split
    of_patient: dict[str, set[str]] = {}
    for name, split in named.items():
        if match := _NAME.fullmatch(name):
            of_patient.setdefault(match["patient"], set()).add(split)
    mixed = {patient for patient, splits in of_patient.items() if len(splits) > 1}
    kept = {n: s for n, s in named.items() if (m := _NAME.fullmatch(n)) and m["patient"] not in mixed}
    return kept, len(mixed)


SET = PublicSet(
    name="deepuse",
    title="DeepUSE arm RF",
    source="https://github.com/RemiDelaunay/DeepUSE",
    layout="299/igtlTestImage1.mhd with .raw in a folder for each recording, or rf0299_07.mhd files",
    find=find,
)
