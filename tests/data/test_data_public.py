"""Every public set from a tiny replica of its published layout: labels, splits, patients, truth."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.io

from sonometry.core.errors import DataError, UsageError
from sonometry.data.public import folders
from sonometry.data.public.base import digest_key, key_of
from sonometry.data.public.registry import SETS, public_set
from sonometry.io.annotation_nifti import write_nifti
from sonometry.io.manifest import read_manifest
from sonometry.io.read import read
from sonometry.workflows.import_set import import_set

ROW, COLUMN = np.mgrid[:64, :72]


def write_video(path: Path, n_frames: int = 6) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.random.default_rng(n_frames).integers(0, 255, (n_frames, 64, 72), dtype=np.uint8)
    out = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 50, (72, 64))
    for frame in frames:
        out.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
    out.release()


def write_picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = cv2.GaussianBlur(np.random.default_rng(seed).integers(0, 255, (64, 72), dtype=np.uint8), (0, 0), 5)
    cv2.imwrite(str(path), pixels)


def disc(radius):
    return np.hypot(ROW - 32, COLUMN - 36) <= radius


def discs_of(name, radius, frame):
    """Tracing as EchoNet writes it: the long axis, then chords across it."""
    lines = [f"{name}.avi,36,{32 - radius},36,{32 + radius},{frame}"]
    for y in np.linspace(-0.98, 0.98, 21) * radius:
        half = np.sqrt(radius**2 - y**2)
        lines.append(f"{name}.avi,{36 - half},{32 + y},{36 + half},{32 + y},{frame}")
    return lines


@pytest.fixture
def echonet(tmp_path):
    """Three videos, of which one lacks its tracing and one its file."""
    folder = tmp_path / "EchoNet-Dynamic"
    header = "FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split"
    table = ["0X1A,62.5,30.2,80.5,64,72,50,6,TRAIN", "0X2B,40,50,90,64,72,50,6,VAL", "0X3C,55,1,2,64,72,50,6,TEST"]
    for name in ("0X1A", "0X2B"):
        write_video(folder / f"Videos/{name}.avi")
    (folder / "FileList.csv").write_text("\n".join([header, *table]) + "\n")
    tracing = ["FileName,X1,Y1,X2,Y2,Frame", *discs_of("0X1A", 12, 1), *discs_of("0X1A", 20, 4)]
    (folder / "VolumeTracings.csv").write_text("\n".join(tracing) + "\n")
    return folder


def test_echonet_dynamic_has_views_splits_and_traced_cavities(echonet):
    result = import_set("echonet-dynamic", echonet)
    manifest = read_manifest(result.manifest)
    assert [(r.clip_key, r.view, r.split) for r in manifest] == [
        ("0X1A", "A4C", "train"), ("0X2B", "A4C", "validation"),
    ]  # fmt: skip
    assert manifest.rows[0]["ejection_fraction"] == "0.625"
    assert "1 video of FileList.csv is not in Videos" in result.notes
    truth = np.load(manifest.truth_of(manifest.rows[0]))
    np.testing.assert_array_equal(truth["mask_frames"], [1, 4])
    assert truth["end_diastole"] == [4]  # the larger one, though it comes later
    assert truth["end_systole"] == [1]
    assert float(truth["ejection_fraction"]) == 0.625
    area = (truth["mask"][4] == 1).sum()
    assert area == pytest.approx(np.pi * 400, rel=0.03)  # 21 chords cut off the caps
    overlap = 2 * (disc(20) & (truth["mask"][4] == 1)).sum() / (disc(20).sum() + area)
    assert overlap > 0.98
    assert (truth["mask"][0] == 255).all()
    assert read(manifest.file_of(manifest.rows[0])).shape == (6, 64, 72)


def test_a_second_run_keeps_the_truth_and_mends_a_damaged_one(echonet):
    first = import_set("echonet-dynamic", echonet)
    assert first.n_made == 2
    assert import_set("echonet-dynamic", echonet).n_made == 0
    damaged = echonet / "truth/0X1A.truth.npz"
    damaged.write_bytes(damaged.read_bytes()[:100])
    again = import_set("echonet-dynamic", echonet)
    assert (again.n_made, again.n_truth) == (1, 2)
    assert read_manifest(again.manifest).rows == read_manifest(first.manifest).rows


def test_the_set_may_lie_in_an_archive_folder_and_the_manifest_elsewhere(echonet, tmp_path):
    result = import_set("EchoNet Dynamic", tmp_path, out=tmp_path.parent / f"{tmp_path.name}-out")
    manifest = read_manifest(result.manifest)
    assert manifest.rows[0].path == "recordings/EchoNet-Dynamic/Videos/0X1A.avi"
    assert manifest.file_of(manifest.rows[0]).is_file()
    assert not (tmp_path / "manifest.csv").exists()
    assert not (echonet / "truth").exists()


def test_splits_and_labels_of_a_former_manifest_are_kept(tmp_path):
    from dataclasses import replace

    from sonometry.io.manifest import write_manifest

    for name in ("A4C/p1/a.png", "PLAX/p2/b.png", "PLAX/p3/c.png"):
        write_picture(tmp_path / name)
    path = import_set("classes", tmp_path).manifest
    split = [replace(r, split="test", labels={**r.labels, "quality": "good"}) for r in read_manifest(path)]
    write_manifest(split, path)
    write_picture(tmp_path / "A4C/p1/new.png")  # of a patient who has a split
    write_picture(tmp_path / "A4C/p9/new.png")
    (tmp_path / "PLAX/p3/c.png").unlink()
    result = import_set("classes", tmp_path)
    found = {row.path: (row.split, row["quality"] if "quality" in row.labels else "") for row in read_manifest(path)}
    assert found == {
        "A4C/p1/a.png": ("test", "good"), "A4C/p1/new.png": ("test", ""), "A4C/p9/new.png": ("", ""),
        "PLAX/p2/b.png": ("test", "good"),
    }  # fmt: skip
    assert [row.path for row in read_manifest(tmp_path / "manifest.former.csv")] == ["PLAX/p3/c.png"]
    assert any("1 rows of the manifest.csv" in note for note in result.notes)


def test_a_damaged_video_costs_its_truth_and_not_the_run(echonet):
    (echonet / "Videos/0X2B.avi").write_bytes(b"RIFF no video")
    result = import_set("echonet-dynamic", echonet)
    assert [key for key, _ in result.left_out] == ["0X2B"]
    assert result.n_truth == 1


def test_echonet_pediatric_keeps_children_apart_over_views_and_folds(tmp_path):
    for view, stems in (("A4C", ("CR1-CR2-000039", "CR7-CR8-000001")), ("PSAX", ("CR1-CR3-000055",))):
        folder = tmp_path / "pediatric_echo_avi" / view
        for stem in stems:
            write_video(folder / f"Videos/{stem}.avi")
        rows = [f"{stem}.avi,60,F,9,30,130,{3 if stem.startswith('CR1') else 4}" for stem in stems]
        (folder / "FileList.csv").write_text("FileName,EF,Sex,Age,Weight,Height,Split\n" + "\n".join(rows) + "\n")
        angle = np.linspace(0, 2 * np.pi, 30, endpoint=False)
        outline = [
            f"{stems[0]}.avi,{36 + 15 * np.cos(a)},{32 + 15 * np.sin(a)},{frame}"
            for frame in (0, "No Systolic")
            for a in angle
        ]
        (folder / "VolumeTracings.csv").write_text("FileName,X,Y,Frame\n" + "\n".join(outline) + "\n")
    manifest = read_manifest(import_set("echonet-pediatric", tmp_path, fold=3).manifest)
    assert [(r.clip_key, r.subject_key, r.view, r.split) for r in manifest] == [
        ("A4C-CR1-CR2-000039", "CR1", "A4C", "test"),
        ("A4C-CR7-CR8-000001", "CR7", "A4C", "validation"),
        ("PSAX-CR1-CR3-000055", "CR1", "SAXMID", "test"),
    ]
    truth = np.load(manifest.truth_of(manifest.rows[0]))
    np.testing.assert_array_equal(truth["mask_frames"], [0])
    assert (truth["mask"][0] == 1).sum() == pytest.approx(np.pi * 225, rel=0.02)
    assert "end_diastole" not in truth  # one traced frame does not tell which phase it is


def test_echonet_lvh_has_calipers_in_metres(tmp_path):
    write_video(tmp_path / "Batch2/0XAB.avi")
    (tmp_path / "MeasurementsList.csv").write_text(
        ",HashedFileName,Calc,CalcValue,Frame,X1,X2,Y1,Y2,Frames,FPS,Width,Height,split\n"
        "0,0XAB,IVSd,1.1,2,10,12,20,31,6,50,72,64,train\n"
        "1,0XAB,LVIDd,4.9,2,12,14,31,50,6,50,72,64,train\n"
        "2,0XAB,LVIDs,3.0,5,12,14,31,44,6,50,72,64,train\n"
        "3,0XCD,IVSd,1.0,2,1,2,3,4,6,50,72,64,val\n"
        "4,0XEF,IVSd,1.0,2,10,12,20,30,6,50,144,128,test\n"
    )
    write_video(tmp_path / "Batch1/0XEF.avi")
    result = import_set("echonet-lvh", tmp_path)
    row, smaller = read_manifest(result.manifest)
    np.testing.assert_array_equal(np.load(tmp_path / smaller.truth_path)["septum_diastole_px"], [[10, 5], [15, 6]])
    assert (row.view, row.split, row["septum_diastole_m"]) == ("PLAX", "train", "0.011")
    truth = np.load(tmp_path / row.truth_path)
    np.testing.assert_array_equal(truth["septum_diastole_px"], [[20, 10], [31, 12]])
    assert (truth["end_diastole"], truth["end_systole"]) == ([2], [5])
    assert any("1 video of MeasurementsList.csv" in note for note in result.notes)


def camus_patient(folder, *, whole):
    """One patient as NIfTI: 4CH with a sequence, 2CH with stills only."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 255, (4, 64, 72), dtype=np.uint8)
    labels = np.zeros((4, 64, 72), np.uint8)
    for i in range(4):
        labels[i][disc(25 - i)] = 2
        labels[i][disc(18 - i)] = 1
    labels[:, 60:, :] = 3
    stem = folder / f"{folder.name}_4CH"
    write_nifti(pixels, (3e-4, 1.5e-4), Path(f"{stem}_half_sequence.nii.gz"))
    if whole:
        write_nifti(labels, (3e-4, 1.5e-4), Path(f"{stem}_half_sequence_gt.nii.gz"))
    for name, frame in (("ED", 3), ("ES", 0)):
        write_nifti(pixels[frame], (3e-4, 1.5e-4), Path(f"{stem}_{name}.nii.gz"))
        write_nifti(labels[frame], (3e-4, 1.5e-4), Path(f"{stem}_{name}_gt.nii.gz"))
        write_nifti(pixels[frame], (3e-4, 1.5e-4), folder / f"{folder.name}_2CH_{name}.nii.gz")
        write_nifti(labels[frame], (3e-4, 1.5e-4), folder / f"{folder.name}_2CH_{name}_gt.nii.gz")
    for view in ("2CH", "4CH"):
        (folder / f"Info_{view}.cfg").write_text(
            "ED: 4\nES: 1\nNbFrame: 4\nSex: F\nAge: 56\nImageQuality: Good\nEF: 54\nFrameRate: 51.8\n"
        )
    return pixels, labels


@pytest.mark.parametrize("whole", [True, False])
def test_camus_has_masks_phases_and_published_splits(tmp_path, whole):
    pixels, labels = camus_patient(tmp_path / "database_nifti/patient0001", whole=whole)
    (tmp_path / "database_split").mkdir()
    (tmp_path / "database_split/subgroup_testing.txt").write_text("patient0001\n")
    manifest = read_manifest(import_set("camus", tmp_path).manifest)
    assert [(r.clip_key, r.view, r.split, r.subject_key) for r in manifest] == [
        ("patient0001-2CH-ED", "A2C", "test", "patient0001"),
        ("patient0001-2CH-ES", "A2C", "test", "patient0001"),
        ("patient0001-4CH", "A4C", "test", "patient0001"),
    ]
    cine = read(manifest.file_of(manifest.rows[2]))
    np.testing.assert_array_equal(cine.pixels, pixels)
    assert cine.spacing_m == pytest.approx((3e-4, 1.5e-4))
    truth = np.load(manifest.truth_of(manifest.rows[2]))
    marked = truth["mask_frames"]
    np.testing.assert_array_equal(marked, [0, 1, 2, 3] if whole else [0, 3])
    np.testing.assert_array_equal(truth["mask"][marked], labels[marked])
    assert (truth["end_diastole"], truth["end_systole"], float(truth["ejection_fraction"])) == ([3], [0], 0.54)
    assert truth["spacing_m"] == pytest.approx([3e-4, 1.5e-4])
    still = np.load(manifest.truth_of(manifest.rows[0]))
    np.testing.assert_array_equal(still["mask"][0], labels[3])


def test_the_first_release_of_camus_is_read_too(tmp_path):
    import SimpleITK as sitk

    folder = tmp_path / "training/patient0007"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(2)
    for name, array in (
        ("2CH_sequence", rng.integers(0, 255, (3, 64, 72), dtype=np.uint8)),
        ("2CH_ED_gt", disc(20)[None].astype(np.uint8)),
        ("2CH_ES_gt", disc(12)[None].astype(np.uint8)),
    ):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((0.15, 0.3, 1))
        sitk.WriteImage(image, str(folder / f"patient0007_{name}.mhd"))
    (folder / "Info_2CH.cfg").write_text("ED: 1\nES: 3\nNbFrame: 3\nLVedv: 94.7\nLVesv: 45.3\nLVef: 52.1\n")
    manifest = read_manifest(import_set("camus", tmp_path).manifest)
    (row,) = manifest
    assert (row.view, row.split, row["ejection_fraction"]) == ("A2C", "train", "0.521")
    truth = np.load(manifest.truth_of(row))
    np.testing.assert_array_equal(truth["mask"][2], disc(12))
    assert read(manifest.file_of(row)).shape == (3, 64, 72)


def test_an_export_of_our_own_is_read_like_camus(tmp_path):
    from datetime import UTC, datetime

    from sonometry.core.annotation import Annotation
    from sonometry.core.cine import Cine
    from sonometry.io.annotated_clip import AnnotatedClip
    from sonometry.io.annotation_nifti import write_camus

    cine = Cine(np.random.default_rng(0).integers(0, 255, (5, 64, 72), dtype=np.uint8), frame_times_s=np.arange(5) / 30)
    square = np.array([(10.0, 10.0), (10, 50), (50, 50), (50, 10)])
    common = {"author": "anna", "round": 1, "time": datetime(2026, 1, 1, tzinfo=UTC)}
    marks = [Annotation("c1", "view", label="A4C", **common)]
    for frame, phase in ((1, "ED"), (3, "ES")):
        marks += [
            Annotation("c1", f"phase:{phase}", label=phase, frame=frame, **common),
            Annotation("c1", "lv_endocardium", frame=frame, contour_px=square + frame, **common),
        ]
    clip = AnnotatedClip("c1", "s1", cine.shape, tuple(marks))
    write_camus(clip, cine, tmp_path)
    manifest = read_manifest(import_set("camus", tmp_path).manifest)
    truth = np.load(manifest.truth_of(manifest.rows[0]))
    np.testing.assert_array_equal(truth["mask"][0] == 1, clip.region_masks(1)["lv_cavity"])
    np.testing.assert_array_equal(truth["mask"][2] == 1, clip.region_masks(3)["lv_cavity"])


def test_tmed_has_patients_studies_views_and_the_chosen_fold(tmp_path):
    for name in ("3725s1_0", "3725s1_5", "3725s2_1", "9s1_0"):
        write_picture(tmp_path / f"view_and_diagnosis_labeled_set/labeled/{name}.png")
    (tmp_path / "DEV479").mkdir()
    (tmp_path / "DEV479/TMED2_fold1_labeledpart.csv").write_text(
        "query_key,SourceFolder,view_label,diagnosis_label,view_classifier_split,diagnosis_classifier_split\n"
        "3725s1_0.png,/view_and_diagnosis_labeled_set/labeled/,PLAX,severe_AS,train,train\n"
        "3725s1_5.png,/view_and_diagnosis_labeled_set/labeled/,PSAX,severe_AS,train,train\n"
        "3725s2_1.png,/view_and_diagnosis_labeled_set/labeled/,A4C,no_AS,train,train\n"
        "9s1_0.png,/view_labeled_set/labeled/,A4CorA2CorOther,Not_Provided,test,\n"
        "10s1_0.png,/view_labeled_set/labeled/,A2C,Not_Provided,val,\n"
    )
    result = import_set("tmed2", tmp_path, fold=1)
    rows = read_manifest(result.manifest).rows
    assert [(r.subject_key, r.study_key, r.view, r.split, r["tmed_view"], r["aortic_stenosis"]) for r in rows] == [
        ("tmed-3725", "tmed-3725s1", "PLAX", "train", "PLAX", "severe_AS"),
        ("tmed-3725", "tmed-3725s1", "", "train", "PSAX", "severe_AS"),
        ("tmed-3725", "tmed-3725s2", "A4C", "train", "A4C", "no_AS"),
        ("tmed-9", "tmed-9s1", "", "test", "A4CorA2CorOther", ""),
    ]
    assert any("1 picture of TMED2_fold1" in note for note in result.notes)


def test_unity_has_splines_points_and_splits(tmp_path):
    name = "01-ab12cd34-0012.png"
    write_picture(tmp_path / f"png-cache/01/ab/12/{name}")
    angle = np.linspace(-0.45 * np.pi, 1.45 * np.pi, 11)
    curve = {
        "type": "curve",
        "x": " ".join(f"{36 + 15 * np.cos(a):.3f}" for a in angle),
        "y": " ".join(f"{32 + 15 * np.sin(a):.3f}" for a in angle),
    }
    entry = {
        "labels": {
            "curve-lv-endo": [curve],
            "lv-apex-endo": {"type": "point", "x": "36.5", "y": "17"},
            "av": {"type": "off", "x": "", "y": ""},
        }
    }
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/labels-all.json").write_text(json.dumps({name: entry, "01-ee-0001.png": entry}))
    (tmp_path / "labels/labels-tune.json").write_text(json.dumps({name: entry}))
    result = import_set("unity", tmp_path)
    (row,) = read_manifest(result.manifest)
    assert (row.subject_key, row.split, row["frame"]) == ("unity-01-ab12cd34", "validation", "12")
    truth = np.load(tmp_path / row.truth_path)
    np.testing.assert_allclose(truth["lv_apex_endo_px"], [[17, 36.5]])
    radius = np.hypot(*(truth["lv_endocardium_px"] - [32, 36]).T)
    np.testing.assert_allclose(radius, 15, atol=0.05)  # a spline through 11 points of an arc stays on it
    assert "av_px" not in truth
    assert (truth["mask"] == 1).sum() == pytest.approx(np.pi * 225, rel=0.02)


def test_classes_find_views_splits_and_patients_below_them(tmp_path):
    for path in (
        "train/A4C/p1/a.png",
        "train/A4C/p2/b.png",
        "test/apical two-chamber/p3/c.png",
        "val/liver/p4/d.png",
    ):
        write_picture(tmp_path / path)
    (tmp_path / "train/A4C/p1/notes.txt").write_text("free text")
    result = import_set("classes", tmp_path)
    rows = read_manifest(result.manifest).rows
    assert [(r.view, r.split, r["class"]) for r in rows] == [
        ("A2C", "test", "apical two-chamber"), ("A4C", "train", "A4C"), ("A4C", "train", "A4C"),
        ("", "validation", "liver"),
    ]  # fmt: skip
    assert len({r.subject_key for r in rows}) == 4
    assert not any(name in str([r.clip_key for r in rows] + [r.subject_key for r in rows]) for name in ("p1", "p3"))
    assert any("no recording left out" in note for note in result.notes)


def test_frames_of_one_clip_are_one_patient_where_names_tell(tmp_path):
    for clip in range(6):
        for frame in range(3):
            write_picture(tmp_path / f"{'A4C' if clip % 2 else 'PLAX'}/clip {clip}_{frame:03d}.png")
    rows = read_manifest(import_set("classes", tmp_path).manifest).rows
    assert len({r.subject_key for r in rows}) == 6
    for row in rows:
        assert row.subject_key == digest_key(f"clip {Path(row.path).stem[5]}", "s")


def test_numbered_pictures_are_not_all_one_patient(tmp_path):
    for i in range(8):
        write_picture(tmp_path / f"A4C/img_{i:03d}.png")
    rows = read_manifest(import_set("classes", tmp_path).manifest).rows
    assert len({r.subject_key for r in rows}) == 8


def test_a_pattern_finds_the_patient_and_a_patient_in_two_splits_loses_both(tmp_path):
    for path in ("train/A4C/x_pat7_1.png", "test/A4C/y_pat7_2.png", "test/A4C/z_pat8_1.png"):
        write_picture(tmp_path / path)
    result = import_set("classes", tmp_path, subject=r"pat(\d+)")
    assert [r.split for r in read_manifest(result.manifest)] == ["", "test", ""]
    assert any(note.startswith("patients in two of the given splits: 1") for note in result.notes)
    with pytest.raises(UsageError, match="fits nothing"):
        import_set("classes", tmp_path, subject="patient")
    with pytest.raises(UsageError, match="no regular expression"):
        import_set("classes", tmp_path, subject="(")


@pytest.mark.parametrize(
    ("name", "view"),
    [
        ("4CH", "A4C"),
        ("Apical 4-Chamber", "A4C"),
        ("psax_mv", "SAXBASAL"),
        ("None", "NONE"),
        ("M-Mode", "NONE"),
        ("liver", ""),
    ],
)
def test_usual_spellings_of_views_are_known(name, view):
    assert folders.view_of(name) == view


def test_deepuse_keeps_recordings_of_a_person_together(tmp_path, rng):
    from sonometry.core.rf import RFFrames
    from sonometry.io.rf_write import write_rf

    rf = RFFrames(
        rng.normal(0, 300, (1, 64, 16)).astype(np.float32),
        sampling_rate_hz=38.5e6, centre_frequency_hz=5e6, line_pitch_m=2e-4, sound_speed_m_s=1540, start_depth_m=0.0,
    )  # fmt: skip
    (tmp_path / "test_data/299").mkdir(parents=True)
    for i in (1, 2):
        write_rf(rf, tmp_path / f"test_data/299/igtlTestImage{i}.mhd")
    for name in ("rf0304_10", "rf0304_11", "rf0310_68"):
        write_rf(rf, tmp_path / f"{name}.mhd")
    (tmp_path / "data_partition").mkdir()
    (tmp_path / "data_partition/invivo_training.csv").write_text('"rf0304_10"\n"rf0310_68"\n')
    (tmp_path / "data_partition/invivo_test.csv").write_text('"rf0304_11"\n')
    result = import_set("deepuse", tmp_path)
    manifest = read_manifest(result.manifest)
    assert [(r.clip_key, r.kind, r.subject_key, r.split) for r in manifest] == [
        ("arm-299", "rf", "arm-299", ""),
        ("arm-304-10", "rf", "arm-304", ""),  # the lists have this person in two splits
        ("arm-304-11", "rf", "arm-304", ""),
        ("arm-310-68", "rf", "arm-310", "train"),
    ]
    facts = {"sampling_mhz": 38.5, "centre_mhz": 5.0, "pitch_mm": 0.2}
    assert read(manifest.file_of(manifest.rows[0]), **facts).samples.shape == (2, 64, 16)
    assert any("in more than one published list: 1" in note for note in result.notes)


def test_the_dynamometer_set_has_torque_and_angle_of_every_video_frame(tmp_path):
    write_video(tmp_path / "Clips/p6_isokinetic030_01_push_01.avi")
    write_video(tmp_path / "Clips/p6_isokinetic030_01_push_09.avi")
    n = 20
    push = {
        "TOR": np.arange(n, dtype=float), "POS": np.arange(n) * 2.0 - 10, "VEL": np.ones(n),
        "time": 5 + np.arange(n) / 100, "frameInds": np.array([1, 3, 5, 7, 8, 10]),
    }  # fmt: skip
    scipy.io.savemat(tmp_path / "Clips/AGR003_push_data.mat", {"clips": {"p6_isokinetic030_01": {"push_01": push}}})
    scipy.io.savemat(tmp_path / "p6_params.mat", {"Params": {"px2mmX": 0.09, "px2mmY": 0.08, "nx": 720.0}})
    (tmp_path / "manual_annotations.csv").write_text(
        "trial,push,frame_1based,observer,alpha_deg,beta_deg,height_px_in_jpg,torque,angle_deg\n"
        "p6_isokinetic030_01,push_01,2,1,18,-3,268,6,-21\np6_isokinetic030_01,push_01,2,2,20,-2,268,6,-21\n"
        "p6_isokinetic030_01,push_01,5,2,30,0,268,6,-21\n"
    )
    result = import_set("dynamometer", tmp_path)
    (row,) = read_manifest(result.manifest)
    assert (row.subject_key, row["task"], row["spacing_mm"]) == ("p6", "isokinetic030", "0.08 0.09")
    assert row["signals_path"] == "Clips/AGR003_push_data.mat"
    truth = np.load(tmp_path / row.truth_path)
    np.testing.assert_allclose(truth["torque"], [0, 2, 4, 6, 7, 9])
    np.testing.assert_allclose(truth["angle"], np.radians([-10, -6, -2, 2, 4, 8]))
    np.testing.assert_allclose(truth["time_s"], [0, 0.02, 0.04, 0.06, 0.07, 0.09], atol=1e-12)
    np.testing.assert_array_equal(truth["marked_frames"], [1, 4])
    np.testing.assert_allclose(np.degrees(truth["fascicle_angle_rad"]), [[18, 20], [np.nan, 30]])
    assert "1 video without signals left out" in result.notes


@pytest.mark.data
@pytest.mark.slow
def test_the_real_dynamometer_set_is_read_as_the_reader_of_signals_does(shared_data, tmp_path):
    folder = shared_data / "muscle/gastrocnemius_dynamometer"
    result = import_set("dynamometer", folder, out=tmp_path)
    assert (result.n_clips, result.n_truth, result.n_subjects) == (17, 17, 1)
    row = next(r for r in read_manifest(result.manifest) if r.clip_key == "p6_isokinetic030_01_push_01")
    truth = np.load(tmp_path / row.truth_path)
    study = read(
        folder / "Clips/p6_isokinetic030_01_push_01.mp4",
        folder / "Clips/AGR003_push_data.mat",
        variable="p6_isokinetic030_01.push_01",
    )
    cine, signals = study.of_kind("cine")[0], study.of_kind("signals")[0]
    assert len(truth["torque"]) == cine.n_frames
    times = signals.start_time_s + np.arange(len(signals.values)) / signals.sampling_rate_hz
    at = np.abs(cine.frame_times_s[:, None] - times).argmin(axis=1)
    stored = signals.values[at, signals.names.index("TOR")]
    assert np.corrcoef(stored, truth["torque"])[0, 1] > 0.999


def test_dl_track_groups_pictures_that_look_alike(tmp_path):
    for part, numbers in (("aponeurosis", (1, 2, 3)), ("fascicle", (2,))):
        for i in numbers:
            write_picture(tmp_path / f"{part}/images/img_{i:05d}.tif", seed=0 if i < 3 else 9)
            (tmp_path / f"{part}/masks").mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / f"{part}/masks/img_{i:05d}.tif"), disc(5 + i).astype(np.uint8) * 255)
    manifest = read_manifest(import_set("dl-track", tmp_path).manifest)
    subjects = [r.subject_key for r in manifest]
    assert subjects[0] == subjects[1] == subjects[3]
    assert subjects[2] != subjects[0]
    truth = np.load(manifest.truth_of(manifest.rows[3]))
    np.testing.assert_array_equal(truth["fascicle_mask"], disc(7))


@pytest.mark.parametrize("name", list(SETS))
def test_a_wrong_folder_says_what_was_expected(tmp_path, name):
    (tmp_path / "something").mkdir()
    with pytest.raises(DataError, match=r"does not look like .*; expected "):
        import_set(name, tmp_path / "something")
    assert not (tmp_path / "something/manifest.csv").exists()


def test_wrong_tables_and_calls_are_told(echonet, tmp_path):
    with pytest.raises(UsageError, match="unknown set tmed9; there are: tmed2, echonet-dynamic"):
        public_set("tmed9")
    with pytest.raises(DataError, match="is no folder"):
        import_set("camus", tmp_path / "nowhere")
    (echonet / "FileList.csv").write_text("Name,EF\na,1\n")
    with pytest.raises(DataError, match=r"FileList.csv lacks the columns FileName, Split; it has Name, EF"):
        import_set("echonet-dynamic", echonet)
    (echonet / "FileList.csv").write_bytes(b"")
    with pytest.raises(DataError, match="empty"):
        import_set("echonet-dynamic", echonet)
    with pytest.raises(UsageError, match="--fold"):
        import_set("echonet-dynamic", echonet, fold=-1)


def test_a_table_with_short_rows_is_read_as_far_as_it_goes(echonet):
    path = echonet / "FileList.csv"
    path.write_text(path.read_text().replace("0X2B,40,50,90,64,72,50,6,VAL", "0X2B,40"))
    tracing = echonet / "VolumeTracings.csv"
    tracing.write_text(tracing.read_text() + "0X1A.avi,3\n")
    rows = read_manifest(import_set("echonet-dynamic", echonet).manifest).rows
    assert [(row.clip_key, row.split, row["ejection_fraction"]) for row in rows] == [
        ("0X1A", "train", "0.625"), ("0X2B", "", "0.4"),
    ]  # fmt: skip


def test_keys_hold_what_a_manifest_allows():
    assert key_of("a", 1) == "a-1"
    assert key_of("Müller Anna").startswith("k")
    assert len(key_of("x" * 80)) <= 64
