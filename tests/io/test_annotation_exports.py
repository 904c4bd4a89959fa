"""Marks written as COCO, CAMUS-like NIfTI, DICOM SEG and SR come back as they were, also through other programs."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime

import numpy as np
import pydicom
import pytest

from sonometry.core.annotation import Annotation
from sonometry.core.cine import Cine
from sonometry.core.errors import DataError
from sonometry.io.annotated_clip import AnnotatedClip, readings
from sonometry.io.annotation_coco import read_coco, write_coco
from sonometry.io.annotation_nifti import read_camus_label, read_nifti, write_camus
from sonometry.io.dicom_marks import read_marks, write_marks
from sonometry.io.dicom_segmentation import read_segmentation, write_segmentation
from sonometry.io.dicom_write import write_cine

TIME = datetime(2026, 3, 1, 9, 30, 15, tzinfo=UTC)
ANGLE = np.linspace(0, 2 * np.pi, 50, endpoint=False)


def mark(structure, **values):
    return Annotation("clip1", structure, author="anna", round=2, time=TIME, **values)


def ring(radius):
    return np.stack([45 + radius * np.sin(ANGLE), 50 + 1.2 * radius * np.cos(ANGLE)], axis=1)


MARKS = (
    mark("lv_endocardium", frame=1, contour_px=ring(15)),
    mark("lv_epicardium", frame=1, contour_px=ring(22)),
    mark("lv_endocardium", frame=3, contour_px=ring(10)),
    mark("view", label="A4C"),
    mark("phase", label="ED", frame=1),
    mark("phase", label="ES", frame=3),
    mark("score:SCT", score=5.0),
    mark("unusable", label="poor image"),
)


@pytest.fixture
def cine(rng):
    pixels = rng.integers(0, 255, (5, 90, 101), dtype=np.uint8)
    return Cine(pixels, frame_times_s=np.arange(5) / 30, spacing_m=(3e-4, 4e-4))


@pytest.fixture
def clip(cine, tmp_path):
    write_cine(cine, tmp_path / "clip.dcm", subject_key="s1", study_key="st1")
    return AnnotatedClip("clip1", "s1", cine.shape, MARKS, tmp_path / "clip.dcm", cine.spacing_m, 30.0)


def assert_same(back, written, *, tolerance=0.0):
    assert len(back) == len(written)
    for one, other in zip(back, written, strict=True):
        for name in ("clip_key", "structure", "author", "round", "time", "frame", "label", "score"):
            assert getattr(one, name) == getattr(other, name), name
        if other.contour_px is not None:
            np.testing.assert_allclose(one.contour_px, other.contour_px, rtol=0, atol=tolerance)


def test_contours_come_back_from_coco(clip, tmp_path):
    write_coco([clip], tmp_path / "coco.json")
    assert_same(read_coco(tmp_path / "coco.json"), MARKS[:3], tolerance=1e-12)


def test_coco_counts_from_the_corner_of_the_first_pixel(clip, tmp_path):
    """A box of one pixel around (row 45, column 50) is x 50 to 51, y 45 to 46 there."""
    square = mark(
        "tendon_region", frame=0, contour_px=np.array([(44.5, 49.5), (44.5, 50.5), (45.5, 50.5), (45.5, 49.5)])
    )
    write_coco([AnnotatedClip("clip1", "s1", clip.shape, (square,))], tmp_path / "coco.json")
    content = json.loads((tmp_path / "coco.json").read_text())
    (annotation,) = content["annotations"]
    assert annotation["bbox"] == [50, 45, 1, 1]
    assert annotation["area"] == 1
    assert (content["images"][0]["width"], content["images"][0]["height"]) == (101, 90)
    assert content["categories"] == [{"id": 1, "name": "tendon_region", "supercategory": "anatomy"}]


def test_regions_come_back_from_a_segmentation(clip, tmp_path):
    write_segmentation(clip, tmp_path / "seg.dcm")
    back = read_segmentation(tmp_path / "seg.dcm")
    assert back.source_uid == pydicom.dcmread(clip.path).SOPInstanceUID
    assert back.author == "anna"
    assert {(f, name) for f, masks in back.masks.items() for name in masks} == {
        (1, "lv_cavity"), (1, "lv_myocardium"), (3, "lv_cavity"),
    }  # fmt: skip
    for frame, masks in back.masks.items():
        for name, mask in masks.items():
            np.testing.assert_array_equal(mask, clip.region_masks(frame)[name])


def test_a_segmentation_is_told_from_a_recording(clip, tmp_path):
    from sonometry.io.read import read

    write_segmentation(clip, tmp_path / "seg.dcm")
    with pytest.raises(DataError, match=r"seg\.dcm is a DICOM Segmentation, a result and no recording"):
        read(tmp_path / "seg.dcm")


def test_a_line_that_encloses_no_pixel_makes_no_frame(clip, tmp_path):
    sliver = mark("lv_endocardium", frame=4, contour_px=np.array([(3.2, 3.2), (3.3, 3.4), (3.4, 3.2)]))
    bare = AnnotatedClip("clip1", "s1", clip.shape, (*MARKS, sliver), clip.path)
    write_segmentation(bare, tmp_path / "seg.dcm")
    assert list(read_segmentation(tmp_path / "seg.dcm").masks) == [1, 3]


def test_a_single_region_of_a_still_comes_back(cine, tmp_path):
    still = Cine(cine.pixels[:1], frame_times_s=np.zeros(1))
    write_cine(still, tmp_path / "still.dcm")
    clip = AnnotatedClip(
        "clip1", "s1", still.shape, (mark("tendon_region", frame=0, contour_px=ring(9)),), tmp_path / "still.dcm"
    )
    write_segmentation(clip, tmp_path / "seg.dcm")
    np.testing.assert_array_equal(
        read_segmentation(tmp_path / "seg.dcm").masks[0]["tendon"], clip.region_masks(0)["tendon"]
    )
    write_marks(clip, tmp_path / "sr.dcm")
    (back,) = read_marks(tmp_path / "sr.dcm", clip_key="clip1")
    assert back.frame == 0
    np.testing.assert_allclose(back.contour_px, ring(9), atol=1e-5)


def test_highdicom_reads_the_segmentation_by_frame_of_the_cine(clip, tmp_path):
    import highdicom

    write_segmentation(clip, tmp_path / "seg.dcm")
    peer = highdicom.seg.segread(tmp_path / "seg.dcm")
    uid = pydicom.dcmread(clip.path).SOPInstanceUID
    pixels = peer.get_pixels_by_source_frame(uid, [2, 4], assert_missing_frames_are_empty=True)
    cavity, muscle = pixels[..., 0].astype(bool), pixels[..., 1].astype(bool)
    np.testing.assert_array_equal(cavity[0], clip.region_masks(1)["lv_cavity"])
    np.testing.assert_array_equal(cavity[1], clip.region_masks(3)["lv_cavity"])
    assert muscle[0].sum() == clip.region_masks(1)["lv_myocardium"].sum()
    assert not muscle[1].any()


def test_marks_come_back_from_a_structured_report(clip, tmp_path):
    write_marks(clip, tmp_path / "sr.dcm")
    assert_same(read_marks(tmp_path / "sr.dcm", clip_key="clip1"), MARKS, tolerance=1e-5)


def test_highdicom_reads_region_area_and_view_of_the_report(clip, tmp_path):
    """The ring is an ellipse of 15 x 18 pixels of 0.3 x 0.4 mm; 50 corners enclose 0.26 % less."""
    import highdicom

    write_marks(clip, tmp_path / "sr.dcm")
    report = highdicom.sr.srread(tmp_path / "sr.dcm").content
    regions = report.get_planar_roi_measurement_groups()
    assert [str(r.finding_type.CodeMeaning) for r in regions] == [
        "Left ventricle", "Left Ventricle Myocardium", "Left ventricle",
    ]  # fmt: skip
    (area,) = regions[0].get_measurements()
    assert float(area.value) == pytest.approx(np.pi * 15 * 18 * 0.12 * 0.9974, rel=1e-3)
    evaluations = [e for g in report.get_image_measurement_groups() for e in g.get_qualitative_evaluations()]
    assert "Apical four chamber" in [e.value.meaning for e in evaluations]


@pytest.mark.peers
def test_dciodvfy_finds_no_error_in_either_object(clip, tmp_path):
    write_segmentation(clip, tmp_path / "seg.dcm")
    write_marks(clip, tmp_path / "sr.dcm")
    for name, kind in (("seg.dcm", "Segmentation"), ("sr.dcm", "ComprehensiveSR")):
        said = subprocess.run(["dciodvfy", str(tmp_path / name)], capture_output=True, text=True, check=False).stderr
        assert kind in said
        assert "Error" not in said, said


@pytest.mark.peers
@pytest.mark.data
@pytest.mark.parametrize(
    "name", ["acuson_doppler_raw_frametimevector", "logiq_rgb", "retired_us_sop_class", "cx50_palette_rle_2frame"]
)
def test_objects_of_real_files_are_valid(shared_data, tmp_path, name):
    from sonometry.io.dicom import read_dicom

    path = shared_data / f"dicom/{name}.dcm"
    cine = read_dicom(path)
    marks = (mark("tendon_region", frame=cine.n_frames - 1, contour_px=ring(15)), mark("view", label="PLAX"))
    clip = AnnotatedClip("clip1", "s1", cine.shape, marks, path, cine.spacing_m)
    for write, target in ((write_segmentation, tmp_path / "seg.dcm"), (write_marks, tmp_path / "sr.dcm")):
        write(clip, target)
        said = subprocess.run(["dciodvfy", str(target)], capture_output=True, text=True, check=False).stderr
        errors = [line for line in said.splitlines() if line.startswith("Error")]
        # The UIDs of one source are invalid themselves, and a result has to refer to them.
        assert not [line for line in errors if "Illegal root for UID" not in line]


def test_the_camus_folder_holds_pictures_labels_and_phases(clip, cine, tmp_path):
    files = write_camus(clip, cine, tmp_path / "out")
    assert [f.name for f in files] == [
        "Info_4CH.cfg",
        "clip1_4CH_ED.nii.gz",
        "clip1_4CH_ED_gt.nii.gz",
        "clip1_4CH_ES.nii.gz",
        "clip1_4CH_ES_gt.nii.gz",
        "clip1_4CH_half_sequence.nii.gz",
    ]
    assert files[0].read_text() == "ED: 1\nES: 3\nNbFrame: 3\nFrameRate: 30\n"
    picture, spacing = read_nifti(files[1])
    np.testing.assert_array_equal(picture, cine.frame(1))
    assert spacing == pytest.approx(cine.spacing_m)
    sequence, _ = read_nifti(files[5])
    np.testing.assert_array_equal(sequence, cine.pixels[1:4])
    back = read_camus_label(files[2])
    assert set(back) == {"lv_cavity", "lv_myocardium"}
    for name, mask in back.items():
        np.testing.assert_array_equal(mask, clip.region_masks(1)[name])


def test_a_clip_without_spacing_stays_uncalibrated(clip, cine, tmp_path):
    bare = AnnotatedClip("clip1", "s1", clip.shape, MARKS[:1])
    (_, picture, label) = write_camus(bare, cine, tmp_path)
    assert (picture.name, label.name) == ("clip1_VIEW_frame_0002.nii.gz", "clip1_VIEW_frame_0002_gt.nii.gz")
    assert read_nifti(picture)[1] is None


def test_the_outer_border_alone_is_no_muscle(clip):
    outer = AnnotatedClip("clip1", "s1", clip.shape, MARKS[1:2])
    assert outer.region_masks(1) == {}


def test_readings_are_told_apart():
    other = Annotation("clip1", "view", author="ben", round=1, time=TIME, label="A2C")
    assert {key: len(marks) for key, marks in readings([*MARKS, other]).items()} == {("anna", 2): 8, ("ben", 1): 1}
    with pytest.raises(DataError, match="several readings"):
        AnnotatedClip("clip1", "s1", (5, 90, 101), (*MARKS, other))


def test_marks_that_do_not_fit_the_clip_are_refused(clip):
    with pytest.raises(DataError, match="5 frames, but a mark on frame 7"):
        AnnotatedClip("clip1", "s1", clip.shape, (mark("phase", label="ED", frame=7),))
    with pytest.raises(DataError, match="another clip"):
        AnnotatedClip("clip2", "s1", clip.shape, MARKS)


def test_what_a_format_cannot_hold_is_told(clip, cine, tmp_path):
    bare = AnnotatedClip("clip1", "s1", clip.shape, MARKS)
    empty = AnnotatedClip("clip1", "s1", clip.shape, (MARKS[3],), clip.path)
    small = AnnotatedClip("clip1", "s1", (5, 80, 101), MARKS, clip.path)
    with pytest.raises(DataError, match="refers to one"):
        write_segmentation(bare, tmp_path / "x")
    with pytest.raises(DataError, match="encloses a region"):
        write_segmentation(empty, tmp_path / "x")
    with pytest.raises(DataError, match="90 x 101 pixels, but was marked on 80 x 101"):
        write_marks(small, tmp_path / "x")
    with pytest.raises(DataError, match="no contour of the heart"):
        write_camus(empty, cine, tmp_path)
    (tmp_path / "clip.png").write_bytes(b"no DICOM")
    with pytest.raises(DataError, match="not a DICOM file that a result can refer to"):
        write_marks(AnnotatedClip("clip1", "s1", clip.shape, MARKS, tmp_path / "clip.png"), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_other_files_are_refused_in_one_line(clip, tmp_path):
    (tmp_path / "other.json").write_text('{"images": []}')
    with pytest.raises(DataError, match=r"other.json is no COCO file"):
        read_coco(tmp_path / "other.json")
    shutil.copy(clip.path, tmp_path / "other.dcm")
    with pytest.raises(DataError, match=r"other.dcm is no"):
        read_segmentation(tmp_path / "other.dcm")
    with pytest.raises(DataError, match=r"other.dcm is no report"):
        read_marks(tmp_path / "other.dcm", clip_key="clip1")
