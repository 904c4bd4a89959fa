"""Marks into files of other programs, from a manifest of a DICOM clip and a picture."""

from __future__ import annotations

from datetime import UTC, datetime

import cv2
import numpy as np
import pytest

from sonometry.core.annotation import Annotation
from sonometry.core.cine import Cine
from sonometry.core.errors import DataError, OutputError, UsageError
from sonometry.io.annotation_coco import read_coco
from sonometry.io.dicom_marks import read_marks
from sonometry.io.dicom_segmentation import read_segmentation
from sonometry.io.dicom_write import write_cine
from sonometry.io.linked_folder import link_to
from sonometry.io.manifest import Manifest, ManifestRow, read_manifest
from sonometry.workflows.export_marks import export_marks

TIME = datetime(2026, 3, 1, tzinfo=UTC)
ANGLE = np.linspace(0, 2 * np.pi, 40, endpoint=False)
RING = np.stack([30 + 12 * np.sin(ANGLE), 30 + 15 * np.cos(ANGLE)], axis=1)


def mark(clip_key, structure, **values):
    return Annotation(clip_key, structure, author=values.pop("author", "anna"), round=1, time=TIME, **values)


@pytest.fixture
def manifest(tmp_path, rng):
    folder = tmp_path / "scans"
    folder.mkdir()
    cine = Cine(
        rng.integers(0, 255, (6, 60, 64), dtype=np.uint8), frame_times_s=np.arange(6) / 25, spacing_m=(3e-4, 3e-4)
    )
    write_cine(cine, folder / "a.dcm", subject_key="s1")
    cv2.imwrite(str(folder / "b.png"), cine.pixels[0])
    rows = (ManifestRow("a", "a.dcm", "cine", "s1"), ManifestRow("b", "b.png", "cine", "s2", labels={"note": "x"}))
    return Manifest(rows, folder)


@pytest.fixture
def marks():
    return [
        mark("a", "view", label="A4C", frame=0),
        mark("a", "view", label="A2C", frame=4),
        mark("a", "phase", label="ED", frame=1),
        mark("a", "phase", label="ES", frame=3),
        mark("a", "lv_endocardium", frame=1, contour_px=RING),
        mark("b", "tendon_region", frame=0, contour_px=RING),
        mark("b", "score:SCT", score=4.0),
    ]


def test_every_format_is_written_and_read_back(manifest, marks, tmp_path):
    out = tmp_path / "out"
    exported = export_marks(manifest, marks, out)
    assert read_coco(out / "coco/annotations.json")[0].structure == "lv_endocardium"
    assert (out / "coco/images/b_00000.png").is_file()
    assert list(read_segmentation(out / "seg/a.dcm").masks) == [1]
    assert len(read_marks(out / "sr/a.dcm", clip_key="a")) == 5
    assert (out / "camus/a/a_4CH_ED_gt.nii.gz").is_file()
    assert {(one.clip_key, one.format) for one in exported.left_out} == {("b", "camus"), ("b", "seg"), ("b", "sr")}
    assert all(file.is_file() for file in exported.files)


def test_the_manifest_names_parts_labels_and_truth(manifest, marks, tmp_path):
    export_marks(manifest, marks, tmp_path / "out", formats=["manifest"])
    back = read_manifest(tmp_path / "out/manifest.csv")
    first, second, still = back.rows
    assert [(r.clip_key, r.view, r["first_frame"], r["last_frame"]) for r in (first, second)] == [
        ("a", "A4C", "0", "3"), ("a-2", "A2C", "4", "5"),
    ]  # fmt: skip
    assert first["end_diastole"] == "1"
    assert (still["SCT"], still["note"]) == ("4", "x")
    assert back.file_of(first).samefile(manifest.folder / "a.dcm")
    truth = np.load(back.truth_of(first))
    assert truth["mask"].shape == (6, 60, 64)
    assert set(np.unique(truth["mask"][1])) == {0, 1}
    assert (truth["mask"][[0, 2, 3, 4, 5]] == 255).all()
    np.testing.assert_array_equal(truth["mask_frames"], [1])
    np.testing.assert_array_equal(truth["end_systole"], [3])
    np.testing.assert_array_equal(truth["lv_endocardium_px"], RING)


def test_a_link_leads_to_recordings_elsewhere_and_never_to_others(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert link_to(tmp_path / "a", tmp_path / "out").as_posix() == "recordings"
    assert link_to(tmp_path / "a", tmp_path / "out").as_posix() == "recordings"
    assert link_to(tmp_path / "a", tmp_path).as_posix() == "a"
    with pytest.raises(OutputError, match="other recordings"):
        link_to(tmp_path / "b", tmp_path / "out")


def test_several_readings_or_none_are_told(manifest, marks, tmp_path):
    with pytest.raises(DataError, match=r"2 readings \(anna round 1, ben round 1\)"):
        export_marks(manifest, [*marks, mark("a", "view", label="A4C", author="ben")], tmp_path / "out")
    with pytest.raises(DataError, match="nothing to export"):
        export_marks(manifest, [mark("elsewhere", "view", label="A4C")], tmp_path / "out")
    with pytest.raises(UsageError, match="unknown format xml"):
        export_marks(manifest, marks, tmp_path / "out", formats=["xml"])


def test_a_clip_that_cannot_be_read_is_left_out_with_its_reason(manifest, marks, tmp_path):
    (manifest.folder / "b.png").write_bytes(b"")
    exported = export_marks(manifest, marks, tmp_path / "out", formats=["coco"])
    assert [(one.clip_key, one.format) for one in exported.left_out] == [("b", "coco")]
    assert "empty" in exported.left_out[0].reason
