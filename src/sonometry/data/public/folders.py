"""A folder per class: the layout that most people have.

    CLASS/anything.png, CLASS/PATIENT/clip.avi, train/CLASS/..., val/CLASS/..., test/CLASS/...

A class that is the name of an echo view in one of its usual spellings fills `view`; `class` holds it in any case. A
folder below the class is a patient. Where there is none, --subject PATTERN finds the patient in the path; else names
that differ only in their last number (p12_0001.png, p12_0002.png) are taken for one, unless that leaves too few.
Names of files and folders may be those of patients, so keys are digests of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from sonometry.core.errors import DataError, UsageError
from sonometry.data.public.base import (
    ImportOptions,
    Listing,
    PublicClip,
    PublicSet,
    counted,
    digest_key,
    split_of,
)
from sonometry.io.manifest import ManifestRow
from sonometry.io.read import kind_of, recording_files

#: Spellings of the eight views, compared without case, blanks and marks. NONE, as the view application calls it, is
#: none of them.
VIEW_NAMES = {
    "A2C": ("a2c", "ap2", "2ch", "2c", "apical2chamber", "apicaltwochamber", "a2ch", "ap2c"),
    "A3C": (
        "a3c",
        "ap3",
        "3ch",
        "3c",
        "apical3chamber",
        "apicalthreechamber",
        "aplax",
        "apicallongaxis",
        "a3ch",
        "ap3c",
    ),
    "A4C": ("a4c", "ap4", "4ch", "4c", "apical4chamber", "apicalfourchamber", "a4ch", "ap4c"),
    "A5C": ("a5c", "ap5", "5ch", "5c", "apical5chamber", "apicalfivechamber", "a5ch", "ap5c"),
    "PLAX": ("plax", "parasternallongaxis", "parasternallong", "pla"),
    "SAXBASAL": ("saxbasal", "psaxmv", "saxmv", "psaxbasal", "psaxmitral", "saxmitral"),
    "SAXMID": ("saxmid", "psaxpm", "saxpm", "psaxmid", "psaxpapillary", "saxpapillary", "psaxpap"),
    "SUB4C": ("sub4c", "subcostal4chamber", "subcostalfourchamber", "sc4c", "subcostal", "s4c"),
    "NONE": (
        *("other", "others", "none", "unknown", "noneofthese", "nonview", "noncardiac"),
        *("doppler", "colordoppler", "colourdoppler", "spectraldoppler", "mmode", "ivc", "suprasternal"),
    ),
}
_VIEW_OF = {spelling: view for view, spellings in VIEW_NAMES.items() for spelling in spellings}
#: A guess of patients from names counts only where it leaves at least so many for every class.
FEWEST_PER_CLASS = 3


def find(folder: Path, options: ImportOptions) -> Listing:
    """Recordings two or more levels down with class, patient, and the split where the first level names one."""
    pattern = _pattern(options.subject)
    places = [(path, PurePosixPath(path.relative_to(folder).as_posix())) for path in recording_files(folder)]
    placed = [(path, below, *_class_of(below)) for path, below in places]
    inside = [(path, below, split, rest) for path, below, split, rest in placed if len(rest.parts) >= 2]
    if not inside:
        raise SET.wrong_layout(folder, "no file lies in a folder below it")
    kinds = {path: kind for path, *_ in inside if (kind := _kind(path))}
    subject_of, how = _subjects([rest for path, _, _, rest in inside if path in kinds], pattern)
    clips = []
    for path, below, split, rest in inside:
        if path in kinds:
            clips.append(PublicClip(_row(below, split, rest, kinds[path], subject_of(below, rest))))
    return Listing(tuple(clips), tuple(_notes(how, len(placed) - len(inside), len(inside) - len(clips), clips)))


def view_of(name: str) -> str:
    """The view that a class is called after, "NONE" for none of them, "" where the name is another one."""
    return _VIEW_OF.get(re.sub(r"[^a-z0-9]", "", name.lower()), "")


def _row(below: PurePosixPath, split: str, rest: PurePosixPath, kind: str, subject: str) -> ManifestRow:
    return ManifestRow(
        clip_key=digest_key(below.as_posix(), "c"),
        path=below.as_posix(),
        kind=kind,
        subject_key=digest_key(subject, "s"),
        view=view_of(rest.parts[0]),
        split=split,
        labels={"class": rest.parts[0]},
    )


def _class_of(below: PurePosixPath) -> tuple[str, PurePosixPath]:
    """Split and the path from the class on; a first folder that is called like a split is one."""
    split = split_of(below.parts[0])
    if split and len(below.parts) >= 3:
        return split, PurePosixPath(*below.parts[1:])
    return "", below


def _kind(path: Path) -> str:
    try:
        return kind_of(path)
    except DataError:
        return ""


def _pattern(text: str | None) -> re.Pattern[str] | None:
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        raise UsageError(f"--subject is no regular expression ({error}); an example: 'patient(\\d+)'") from error


def _subjects(
    files: list[PurePosixPath], pattern: re.Pattern[str] | None
) -> tuple[Callable[[PurePosixPath, PurePosixPath], str], str]:
    """How the patient of a file is found, and that in words."""
    if pattern is not None:

        def by_pattern(below: PurePosixPath, rest: PurePosixPath) -> str:
            found = pattern.search(below.as_posix())
            if found is None:
                raise UsageError(
                    f"--subject {pattern.pattern} fits nothing in the path of a file of class {rest.parts[0][:40]}; "
                    "it must fit every path"
                )
            return found.group(found.lastindex or 0)

        return by_pattern, "patients are what --subject finds in the paths"
    if files and all(len(file.parts) >= 3 for file in files):
        return (lambda _below, rest: rest.parts[1]), "every folder below a class is taken for a patient"
    stems = [_without_number(file) for file in files]
    n_classes = len({file.parts[0] for file in files})
    if len(set(stems)) >= FEWEST_PER_CLASS * n_classes and len(set(stems)) < len(stems):
        return (lambda _below, rest: _without_number(rest)), (
            "files whose names differ only in their last number count as one patient; --subject PATTERN says better"
        )
    return (lambda below, _rest: below.as_posix()), (
        "every file is taken for a patient of its own, since names do not tell; --subject PATTERN says better"
    )


def _without_number(file: PurePosixPath) -> str:
    """A name without its last number; the folder of a patient where there is one."""
    if len(file.parts) >= 3:
        return file.parts[1]
    return re.sub(r"[\s._-]+(frame|img|image)?[\s._-]*\d+$", "", file.stem, flags=re.IGNORECASE) or file.stem


def _notes(how: str, n_outside: int, n_unreadable: int, clips: list[PublicClip]) -> list[str]:
    notes = [how]
    if n_outside:
        notes.append(f"{counted(n_outside, 'file')} in no class folder left out")
    if n_unreadable:
        notes.append(
            f"{counted(n_unreadable, 'file')} that {'is' if n_unreadable == 1 else 'are'} no recording left out"
        )
    unnamed = Counter(clip.row.labels["class"] for clip in clips if not clip.row.view)
    if unnamed:
        notes.append(
            f"classes named like no echo view: {len(unnamed)}; `view` stays empty there, "
            "use the column class (sonometry splits --label class)"
        )
    return notes


SET = PublicSet(
    name="classes",
    title="a folder per class",
    source="your own pictures or clips",
    layout="DIR/CLASS/file, DIR/CLASS/PATIENT/file or DIR/train|val|test/CLASS/file",
    find=find,
)
