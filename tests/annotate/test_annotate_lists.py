"""Work lists, their order, agreement of readers, and what is exported."""

from __future__ import annotations

import itertools
import uuid

import numpy as np
import pytest

from sonometry.annotate.agreement import results_of
from sonometry.annotate.desk import Desk
from sonometry.annotate.export import export
from sonometry.annotate.work_lists import Target, Work, WorkList, _shuffled
from sonometry.core.errors import DataError, UsageError
from sonometry.io.annotations import read_annotations
from sonometry.io.manifest import read_manifest


def put(desk, name, target, slot, value, *, reader="ann", number=1):
    one = desk.lists.get(name)
    seen = desk.store.current(one.scope(reader, number), target).get(slot)
    return desk.put(
        one, target, slot, value, reader=reader, round_=number,
        seen_version=seen.version if seen else 0, action_id=str(uuid.uuid4()),
    )  # fmt: skip


def circle(row: float, column: float, radius: float, n: int = 12) -> dict:
    angle = np.arange(n) * 2 * np.pi / n
    points = np.stack([row + radius * np.sin(angle), column + radius * np.cos(angle)], axis=1)
    return {"points": points.tolist()}


def label(desk, target, *labels: tuple[int, str], name="Views", **who):
    segments = [{"start": start, "label": text} for start, text in labels]
    return put(desk, name, target, "view", {"segments": segments}, **who)


@pytest.fixture
def keys(desk):
    return [clip.clip_key for clip in desk.catalogue.clips()]


@pytest.fixture
def exams(desk):
    return sorted({clip.study_key for clip in desk.catalogue.clips()})


def test_a_workspace_without_a_catalogue_is_refused(tmp_path):
    with pytest.raises(DataError, match="sonometry ingest"):
        Desk(tmp_path)


def test_progress_counts_labelled_and_unusable_clips(desk, keys):
    label(desk, keys[0], (0, "A2C"))
    label(desk, keys[1], (0, "A2C"), (3, ""))
    put(desk, "Views", keys[2], "unusable", {"reason": "poor image"})
    _, done = desk.progress(desk.lists.get("Views"), "ann", 1)
    assert done == {keys[0], keys[2]}


def test_every_reader_and_round_has_an_order_of_its_own_that_stays(desk):
    desk.lists.add(WorkList("blind", Work.VIEWS, is_blind=True, rounds=2))
    one = desk.lists.get("blind")
    orders = {}
    for who in (("ann", 1), ("ann", 2), ("ben", 1)):
        orders[who] = [t.key for t in desk.progress(one, *who)[0]]
        assert orders[who] == [t.key for t in desk.progress(one, *who)[0]]
    assert len({tuple(order) for order in orders.values()}) == 3
    assert len({tuple(sorted(order)) for order in orders.values()}) == 1


def test_no_round_repeats_the_order_of_the_round_before():
    targets = [Target(key, ()) for key in "ab"]
    for reader in ("ann", "ben", "cleo"):
        orders = [[t.key for t in _shuffled(targets, "list", reader, round_)] for round_ in range(1, 6)]
        assert all(before != after for before, after in itertools.pairwise(orders))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "../x", "work": Work.VIEWS}, "a name of at most"),
        ({"name": "x", "work": Work.VIEWS, "rounds": 2}, "where readers are blind"),
        ({"name": "x", "work": Work.SCORES}, "needs a survey"),
        ({"name": "x", "work": Work.CONTOURS, "structures": ("nose",)}, "names some of"),
        ({"name": "x", "work": Work.VIEWS, "chosen": {"path": "a"}}, "clips are chosen by"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(fields, message):
    with pytest.raises(UsageError, match=message):
        WorkList(**fields)


def test_a_clip_outside_of_a_list_cannot_be_marked_through_it(desk, keys):
    desk.lists.add(WorkList("boreal", Work.VIEWS, chosen={"vendor": "Boreal"}))
    foreign = next(c.clip_key for c in desk.catalogue.clips() if c.vendor != "Boreal")
    with pytest.raises(UsageError, match="no such target"):
        label(desk, foreign, (0, "A2C"), name="boreal")


def test_a_users_survey_gets_a_list(workspace, tmp_path, quick_hashes):
    (tmp_path / "own.yaml").write_text("name: own\ntitle: Own\nitems:\n  - {id: Q1, low: 0, high: 3}\n")
    for brought in ([tmp_path / "own.yaml"], []):
        with Desk(workspace, surveys=brought) as desk:
            assert [one.name for one in desk.lists.all()].count("own") == 1
            assert desk.surveys["own"].items[0].high == 3


NO_SURVEYS = [
    "",
    "- 1",
    "name: x\nitems: []",
    "name: x\nitems: [{id: A, low: 3, high: 1}]",
    "!!python/object:os.system {}",
]


@pytest.mark.parametrize("text", [*NO_SURVEYS, "[" * 500])
def test_a_survey_that_is_none_is_told(tmp_path, text):
    from sonometry.annotate.surveys import read_survey

    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(DataError, match=r"s\.yaml"):
        read_survey(tmp_path / "s.yaml")


def test_the_manifest_has_views_phases_and_scores(desk, keys, exams):
    label(desk, keys[0], (0, "A2C"))
    label(desk, keys[1], (0, "NONE"))
    label(desk, keys[2], (0, "A4C"))
    put(desk, "Views", keys[2], "unusable", {"reason": "damaged"})
    put(desk, "Views", keys[0], "phase", {"ED": [0, 5], "ES": [3]})
    for number, score in ((1, 3), (2, 4)):
        put(desk, "Achilles healing", exams[0], "score:TT", {"score": score}, number=number)
    (path,) = export(desk, ["manifest"], None).paths
    rows = {row.clip_key: row for row in read_manifest(path)}
    assert [rows[k].view for k in keys[:3]] == ["A2C", "NONE", ""]
    assert (rows[keys[0]]["end_diastole"], rows[keys[0]]["end_systole"]) == ("0 5", "3")
    assert rows[keys[2]]["unusable"] == "damaged"
    scored = [row["TT"] for row in rows.values() if row.study_key == exams[0]]
    assert scored == ["3.5", "3.5"]


def test_the_catalogue_has_a_view_as_soon_as_it_is_marked_and_splits_write_it(desk, keys, workspace):
    from sonometry.workflows.splits import splits

    label(desk, keys[0], (0, "A2C"))
    label(desk, keys[1], (0, "A4C"))
    put(desk, "Views", keys[1], "unusable", {"reason": "damaged"})
    assert [desk.catalogue.clip(key).view for key in keys[:3]] == ["A2C", "", ""]
    desk.undo(desk.lists.get("Views"), reader="ann", round_=1, action_id=str(uuid.uuid4()))
    (manifest,) = splits(workspace=workspace).manifests
    rows = {row.clip_key: row for row in read_manifest(manifest)}
    assert [rows[key].view for key in keys[:3]] == ["A2C", "A4C", ""]
    assert all(row.split for row in rows.values())


def test_a_mark_that_was_taken_away_leaves_the_manifest(desk, keys):
    put(desk, "Views", keys[0], "unusable", {"reason": "damaged"})
    label(desk, keys[1], (0, "A2C"))
    export(desk, ["manifest"], None)
    put(desk, "Views", keys[0], "unusable", None)
    label(desk, keys[0], (0, "A2C"))
    put(desk, "Views", keys[1], "view", None)
    (path,) = export(desk, ["manifest"], None).paths
    rows = {row.clip_key: row for row in read_manifest(path)}
    assert rows[keys[0]].view == "A2C"
    assert rows[keys[0]].labels.get("unusable", "") == ""
    assert rows[keys[1]].view == ""


def test_a_split_clip_is_cut_and_cut_anew_when_the_split_moves(desk, keys):
    from sonometry.io.read import read_cine

    whole = desk.frames.read(keys[0]).pixels
    label(desk, keys[0], (0, "A4C"), (4, "PLAX"))
    (path,) = export(desk, ["manifest"], None).paths
    parts = {row.view: row for row in read_manifest(path) if row.labels.get("part_of") == keys[0]}
    assert set(parts) == {"A4C", "PLAX"}
    owner = {row.clip_key: row for row in read_manifest(path)}[keys[0]]
    assert owner.view == ""
    assert {row.subject_key for row in parts.values()} == {owner.subject_key}
    cut = read_cine(path.parent / parts["PLAX"].path)
    assert np.abs(cut.pixels.astype(float) - whole[4:]).mean() < 4
    assert np.allclose(np.diff(cut.frame_times_s), 0.04)
    label(desk, keys[0], (0, "A4C"), (3, "PLAX"))
    export(desk, ["manifest"], None)
    lengths = sorted(c.n_frames for c in desk.catalogue.clips() if c.label_map.get("part_of"))
    assert lengths == [3, 3]
    assert len(list((path.parent / "parts").rglob("*.dcm"))) == 2
    assert len(desk.progress(desk.lists.get("Views"), "ann", 1)[0]) == 6, "parts are not read again"


def test_contours_become_truth_of_the_marked_frames(desk, keys):
    put(desk, "Heart contours", keys[0], "contour:lv_endocardium@2", circle(60, 80, 20))
    put(desk, "Heart contours", keys[0], "contour:lv_epicardium@2", circle(60, 80, 30))
    (path,) = export(desk, ["manifest"], None).paths
    row = {row.clip_key: row for row in read_manifest(path)}[keys[0]]
    with np.load(path.parent / row.truth_path) as truth:
        assert truth["mask_frames"].tolist() == [2]
        areas = [(truth["mask"][2] == value).sum() for value in (1, 2)]
        assert (truth["mask"][0] == 255).all()
    assert areas == pytest.approx([np.pi * 20**2, np.pi * (30**2 - 20**2)], rel=0.02)


def test_truth_from_elsewhere_stays(desk, keys):
    desk.catalogue.describe({keys[0]: {"truth_path": "given.truth.npz"}})
    put(desk, "Heart contours", keys[0], "contour:lv_endocardium@2", circle(60, 80, 20))
    (path,) = export(desk, ["manifest"], None).paths
    assert {row.clip_key: row for row in read_manifest(path)}[keys[0]].truth_path == "given.truth.npz"


@pytest.mark.slow
def test_every_other_format_is_written_and_read_back(desk, keys, exams, tmp_path):
    from sonometry.io.annotation_coco import read_coco
    from sonometry.io.dicom_segmentation import read_segmentation

    put(desk, "Heart contours", keys[0], "contour:lv_endocardium@2", circle(60, 80, 20))
    put(desk, "Heart contours", keys[0], "contour:lv_epicardium@2", circle(60, 80, 30))
    put(desk, "Achilles healing", exams[0], "score:TU", {"score": 5})
    result = export(desk, ["marks", "camus", "dicom", "coco"], tmp_path / "out")
    assert result.notes == []
    marks = read_annotations(tmp_path / "out/annotations.jsonl")
    assert {(m.structure, m.author, m.round) for m in marks} == {
        ("lv_endocardium", "ann", 1), ("lv_epicardium", "ann", 1), ("score:TU", "ann", 1),
    }  # fmt: skip
    coco = read_coco(tmp_path / "out/coco/together/annotations.json")
    assert {m.structure for m in coco} == {"lv_endocardium", "lv_epicardium"}
    mask = read_segmentation(tmp_path / f"out/dicom/together/{keys[0]}.seg.dcm").masks[2]["lv_cavity"]
    assert mask.sum() == pytest.approx(np.pi * 20**2, rel=0.02)
    assert (tmp_path / "out/camus/together" / keys[0]).is_dir()


@pytest.mark.parametrize(("formats", "message"), [(["pdf"], "--to takes"), ([], "--to takes")])
def test_an_unknown_format_is_told(desk, formats, message):
    with pytest.raises(UsageError, match=message):
        export(desk, formats, None)


def test_an_export_of_nothing_is_told(desk):
    with pytest.raises(DataError, match="nothing has been marked"):
        export(desk, ["marks"], None)


def test_agreement_of_views_is_that_of_scikit_learn(desk, keys):
    from sklearn.metrics import cohen_kappa_score

    desk.lists.add(WorkList("blind", Work.VIEWS, is_blind=True))
    ann, ben = ["A2C", "A2C", "A4C", "A4C", "PLAX", "A2C"], ["A2C", "A4C", "A4C", "A4C", "PLAX", "A2C"]
    for reader, labels in (("ann", ann), ("ben", ben)):
        for key, text in zip(keys, labels, strict=True):
            label(desk, key, (0, text), name="blind", reader=reader)
    results = results_of(desk, desk.lists.get("blind"))
    ((_, n, same, kappa),) = results["tables"][0]["rows"]
    assert (n, same) == (6, "83.3 %")
    assert float(kappa.split()[0]) == pytest.approx(cohen_kappa_score(ann, ben), abs=0.005)
    assert ("no majority", 1) in results["consensus"]["rows"]


def test_agreement_of_contours_is_that_of_the_geometry(desk, keys):
    desk.lists.add(WorkList("blind", Work.CONTOURS, is_blind=True, structures=("tendon_region",)))
    for reader, radius in (("ann", 20), ("ben", 25)):
        for key in keys[:2]:
            contour = circle(60, 80, radius, n=24)
            put(desk, "blind", key, "contour:tendon_region@0", contour, reader=reader)
    results = results_of(desk, desk.lists.get("blind"))
    ((_, structure, n, dice, distance),) = results["tables"][0]["rows"]
    assert (structure, n) == ("Tendon region", 2)
    assert float(dice.split()[0]) == pytest.approx(2 * 400 / (400 + 625), abs=0.01)
    assert float(distance.split()[0]) == pytest.approx(4.5, abs=0.3)  # 5 px of 1 mm by 0.8 mm


def test_agreement_of_scores_between_rounds_of_one_reader(desk, exams):
    for number, shift in ((1, 0), (2, 1)):
        for i, exam in enumerate(exams):
            put(desk, "Achilles healing", exam, "score:TE", {"score": 1 + 2 * i + shift}, number=number)
    (table,) = results_of(desk, desk.lists.get("Achilles healing"))["tables"]
    assert "readings 1 and 2" in table["title"]
    ((item, _, n, _, icc, difference),) = table["rows"]
    assert (item, n, difference) == ("TE", 3, "1.00")
    assert float(icc.split()[0]) == pytest.approx(0.89, abs=0.01)  # 4 / (4 + 0.5): between 4, readers 0.5, error 0


def test_a_suggestion_without_a_model_says_why(desk, keys):
    from sonometry.annotate.suggest import suggest

    with pytest.raises(UsageError, match="no model proposes the Tendon region yet"):
        suggest(desk.frames.read(keys[0]), keys[0], "tendon_region", 0)
