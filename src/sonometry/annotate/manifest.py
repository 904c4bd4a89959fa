"""Marks into the catalogue and from there into manifest.csv, so that training can begin.

    view                        of a clip that shows one view; a clip that was split has none
    end_diastole, end_systole   labels: frames from 0 with spaces between
    unusable                    label: the reason
    SCT, TT ...                 labels: median score of all readings of the exam
    truth_path                  contours as masks of the marked frames, below `truth` of the data root; a clip that has
                                truth from elsewhere keeps it
A clip that was split is cut: each part with a view becomes a clip of its own below `parts` of the data root.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sonometry.annotate.desk import Desk
from sonometry.annotate.labels import labels_of
from sonometry.annotate.readings import annotated_clips, annotations_of, consensus_scores, consensus_views, readings_of
from sonometry.annotate.store import Mark, Scope
from sonometry.annotate.structures import PHASE, VIEW, contour_structure
from sonometry.annotate.work_lists import PART_OF, Work, targets_of
from sonometry.core.cine import Cine
from sonometry.core.errors import SonometryError
from sonometry.data.catalogue import Clip
from sonometry.data.clip_facts import read_facts, stamp_of
from sonometry.data.sparse_truth import packed
from sonometry.deid.keys import open_key
from sonometry.deid.places import Places
from sonometry.io.atomic import write_atomic
from sonometry.io.manifest import ManifestRow
from sonometry.workflows.export_marks import truth_of
from sonometry.workflows.ingest import export_manifest

FOLDER, TRUTH_FOLDER = "parts", "truth"


def export_labels(desk: Desk) -> tuple[list[Path], list[str]]:
    """Write what was marked into the catalogue and every manifest.csv. Returns the files and notes."""
    facts = clip_labels(desk)
    notes: list[str] = []
    if not facts:
        return [], []
    desk.catalogue.describe(facts)
    for key, segments in split_clips(desk).items():
        clip = desk.catalogue.clip(key)
        if clip is None:
            continue
        try:
            _cut(desk, clip, segments)
        except SonometryError as error:
            notes.append(f"{key} could not be cut into its views: {error}")
    _write_truth(desk)
    paths = []
    for root_id in desk.catalogue.roots():
        written, said = export_manifest(desk.catalogue, root_id)
        notes += said
        paths += [written] if written else []
    return paths, notes


def _write_truth(desk: Desk) -> None:
    """Truth files of the clips on which people drew together."""
    roots = desk.catalogue.roots()
    marks = [
        mark for mark in desk.store.standing(Scope()) if contour_structure(mark.structure) or mark.structure == PHASE
    ]
    for drawn in annotated_clips(desk, annotations_of(marks)):
        clip = desk.catalogue.clip(drawn.clip_key)
        if clip is None or not drawn.contours:
            continue
        place = f"{TRUTH_FOLDER}/{drawn.clip_key}.truth.npz"
        if clip.truth_path in ("", place):
            write_atomic(roots[clip.root_id] / place, packed(truth_of(drawn)))
            desk.catalogue.describe({drawn.clip_key: {"truth_path": place}})


def clip_labels(desk: Desk) -> dict[str, dict[str, str]]:
    """View and labels by clip_key, as `Catalogue.describe` takes them; "" takes a former label away."""
    facts: dict[str, dict[str, str]] = defaultdict(dict)
    for one in desk.lists.all():
        if one.is_blind and one.work is Work.VIEWS:
            for key, label in consensus_views(readings_of(desk, one.name)).items():
                facts[key]["view"] = label if "+" not in label else ""
    for key, marks in _touched(desk).items():
        facts[key] |= labels_of(marks)
    for key, scores in _exam_scores(desk).items():
        facts[key] |= scores
    return dict(facts)


def _touched(desk: Desk) -> dict[str, list[Mark]]:
    """Newest marks that are made together, by target."""
    found: dict[str, list[Mark]] = defaultdict(list)
    for mark in desk.store.touched(Scope()):
        found[mark.target].append(mark)
    return found


def split_clips(desk: Desk) -> dict[str, list[tuple[int, int | None, str]]]:
    """First frame, frame after the last (None: to the end) and view of every part, of clips with several parts."""
    found = {}
    for mark in desk.store.standing(Scope(), [VIEW]):
        segments = mark.value["segments"] if mark.value else []
        if len(segments) > 1:
            ends = [*(s["start"] for s in segments[1:]), None]
            found[mark.target] = [(s["start"], end, s["label"]) for s, end in zip(segments, ends, strict=True)]
    return found


def _exam_scores(desk: Desk) -> dict[str, dict[str, str]]:
    """Median scores by clip: those of an exam stand with each of its clips."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for one in desk.lists.all():
        survey = desk.survey_of(one)
        readings = readings_of(desk, one.name) if survey else []
        if not survey or not readings:
            continue
        members = {t.key: t.clips for t in targets_of(one, desk.catalogue, reader="", round_=1)}
        for item in survey.items:
            for key, score in consensus_scores(readings, item.id).items():
                for clip in members.get(key, ()):
                    found[clip.clip_key][item.id] = f"{score:g}"
    return found


def _cut(desk: Desk, clip: Clip, segments: list[tuple[int, int | None, str]]) -> None:
    """Write the parts that have a view, enter them, and take away parts of a former cut."""
    from sonometry.io.dicom_write import write_cine

    root = desk.catalogue.roots()[clip.root_id]
    folder = root / FOLDER / clip.clip_key
    cine = desk.frames.read(clip.clip_key)
    wanted: dict[str, str] = {}
    for first, after, view in segments:
        if not view:
            continue
        last = (cine.n_frames if after is None else after) - 1
        path = folder / f"frames-{first}-{last}.dcm"
        wanted[path.relative_to(root).as_posix()] = view
        if not path.exists():
            part = _part(cine, first, last + 1)
            is_synthetic = clip.deidentification == "simulated"
            subject, study = clip.subject_key, clip.study_key or ""
            write_cine(part, path, subject_key=subject, study_key=study, is_synthetic=is_synthetic)
    _enter(desk, clip, root, wanted)


def _part(cine: Cine, first: int, after: int) -> Cine:
    times = cine.frame_times_s[first:after]
    pixels = cine.pixels[first:after]
    is_timed = cine.is_timed or after - first == 1
    return replace(cine, pixels=pixels, frame_times_s=times, ecg=None, is_timed=is_timed)


def _enter(desk: Desk, clip: Clip, root: Path, wanted: Mapping[str, str]) -> None:
    known = desk.catalogue.files(clip.root_id)
    prefix = f"{FOLDER}/{clip.clip_key}/"
    former = [path for path in known if path.startswith(prefix) and path not in wanted]
    for path in former:
        (root / path).unlink(missing_ok=True)
    key = open_key(Places(desk.workspace).folder)
    rows = {
        path: ManifestRow(
            f"{clip.clip_key[:50]}.f{Path(path).stem.split('-')[1]}-{Path(path).stem.split('-')[2]}",
            path,
            "cine",
            clip.subject_key,
            clip.study_key or "",
            clip.vendor,
            clip.device,
            clip.time_point,
            clip.plane,
            view,
        )
        for path, view in wanted.items()
    }
    facts = [read_facts(root, stamp_of(root, root / path), key, "cine") for path in wanted]
    desk.catalogue.record(clip.root_id, facts, rows)
    desk.catalogue.settle(clip.root_id, [*(p for p in known if p not in former), *wanted])
    entered = desk.catalogue.files(clip.root_id)
    named = {str(entered[path].clip_key): {"view": view, PART_OF: clip.clip_key} for path, view in wanted.items()}
    desk.catalogue.describe(named)
