"""TMED-2: echo stills of 112 x 112 pixels with view and severity of aortic stenosis.

    labels_per_image.csv                  query_key, view_label, diagnosis_label
    DEV479/TMED2_fold0_labeledpart.csv    the same with SourceFolder, view_classifier_split, diagnosis_classifier_split
    view_and_diagnosis_labeled_set/labeled/3725s1_5.png, view_labeled_set/labeled/...

A name is patient, s, study, _, image. Labels are PLAX, PSAX, A4C, A2C, A4CorA2CorOther; its short axis lies at the
aortic valve, which is none of the eight views, so PSAX and the last label stand in `tmed_view` only.
Source: Huang et al. 2022, https://tmed.cs.tufts.edu.
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
    files_by_name,
    key_of,
    read_table,
    relative,
    split_of,
)
from sonometry.io.manifest import ManifestRow

VIEWS = {"PLAX": "PLAX", "A4C": "A4C", "A2C": "A2C"}
NAME = re.compile(r"(?P<patient>\d+)s(?P<study>\d+)_(?P<image>\d+)")
_NO_DIAGNOSIS = "Not_Provided"


def find(folder: Path, options: ImportOptions) -> Listing:
    """Labelled stills; splits are those of the chosen fold where its table is there."""
    table, has_split = _table(folder, options.fold)
    rows = read_table(table, ("query_key", "view_label"))
    pictures = files_by_name(folder, (".png",))
    clips: list[PublicClip] = []
    n_missing = n_other = 0
    for row in rows:
        name = Path(row["query_key"]).name
        match = NAME.match(name)
        picture = pictures.get(name if name.endswith(".png") else f"{name}.png")
        n_missing += picture is None
        n_other += match is None and picture is not None
        if picture is not None and match is not None:
            clips.append(PublicClip(_row(folder, picture, match, row)))
    notes = []
    if n_missing:
        notes.append(f"{counted(n_missing, 'picture')} of {table.name} not found")
    if n_other:
        notes.append(f"{counted(n_other, 'picture')} with a name that tells no patient left out")
    if not has_split:
        notes.append("no published split was found (TMED2_foldN_labeledpart.csv); run sonometry splits")
    return Listing(tuple(clips), tuple(notes))


def _row(folder: Path, picture: Path, match: re.Match[str], row: dict[str, str]) -> ManifestRow:
    diagnosis = row.get("diagnosis_label", "")
    split = row.get("diagnosis_classifier_split") or row.get("view_classifier_split") or ""
    return ManifestRow(
        clip_key=key_of("tmed", picture.stem),
        path=relative(picture, folder),
        kind="cine",
        subject_key=key_of(f"tmed-{match['patient']}"),
        study_key=key_of(f"tmed-{match['patient']}s{match['study']}"),
        view=VIEWS.get(row["view_label"], ""),
        split=split_of(split),
        labels={
            "tmed_view": row["view_label"],
            "aortic_stenosis": "" if diagnosis == _NO_DIAGNOSIS else diagnosis,
        },
    )


def _table(folder: Path, fold: int) -> tuple[Path, bool]:
    """The table of the fold (labelled part), else the one without splits."""
    folds = sorted(folder.rglob(f"TMED2_fold{fold}_labeledpart.csv"))
    if folds:
        return folds[0], True
    tables = [*sorted(folder.rglob("labels_per_image.csv")), *sorted(folder.rglob("TMED2_fold*_labeledpart.csv"))]
    if not tables:
        raise SET.wrong_layout(folder, "it has neither labels_per_image.csv nor TMED2_fold0_labeledpart.csv")
    return tables[0], tables[0].name != "labels_per_image.csv"


SET = PublicSet(
    name="tmed2",
    title="TMED-2",
    source="https://tmed.cs.tufts.edu",
    layout="labels_per_image.csv or DEV479/TMED2_fold0_labeledpart.csv, and .../labeled/*.png",
    find=find,
)
