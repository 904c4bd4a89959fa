"""Labelled clips, frame cache, sampling and augmentation: nothing leaks or is lost, broken frames are told."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, generate_frames
from sklearn.utils.class_weight import compute_class_weight

from sonometry.core.cine import Cine
from sonometry.core.errors import DataError
from sonometry.data.augment import NO_AUGMENTATION, Augmentation, augmented, random_matrix, with_graphics
from sonometry.data.frame_cache import FrameCache
from sonometry.data.frames import frame_table
from sonometry.data.labelled import check_learnable, labelled, read_labelled
from sonometry.data.preparation import Rescaling, imaged_area
from sonometry.data.sampling import (
    balanced_order,
    class_weights,
    epoch_order,
    equal_by_source,
    frames_to_use,
    stratified_subsample,
)
from sonometry.io.dicom_write import write_cine
from sonometry.io.manifest import Manifest, ManifestRow, write_manifest

SMALL = Rescaling(12, 16)


def clip(number: int, n_frames: int = 4) -> Cine:
    """A bright disc on black that grows with the frame; its level tells the clip."""
    rows, columns = np.mgrid[:48, :64]
    discs = [np.hypot(rows - 24, columns - 32) < 10 + 2 * t for t in range(n_frames)]
    pixels = (np.stack(discs) * (60 + 20 * number)).astype(np.uint8)
    return Cine(pixels, frame_times_s=np.arange(n_frames) / 30)


def row(number: int, view: str, split: str = "train", **more: str) -> ManifestRow:
    keys = {"clip_key": f"clip{number}", "subject_key": f"s{number}", "path": f"clip{number}.dcm", "kind": "cine"}
    return ManifestRow(**{**keys, "view": view, "split": split, "vendor": "x", **more})  # type: ignore[arg-type]


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Four clips of two views in two splits; the path of their manifest."""
    rows = [row(0, "A2C"), row(1, "A4C"), row(2, "A2C", "validation"), row(3, "A4C", "validation")]
    for number in range(4):
        write_cine(clip(number), tmp_path / f"clip{number}.dcm")
    write_manifest(Manifest(tuple(rows), tmp_path), tmp_path / "manifest.csv")
    return tmp_path / "manifest.csv"


def test_frames_come_from_the_cache_as_they_were_prepared(cohort: Path, tmp_path: Path) -> None:
    clips = read_labelled(cohort).of_split("train")
    table = frame_table(clips, tmp_path / "cache", SMALL)
    assert len(table) == 8
    assert table.picture(5)[6, 8] == 80
    assert list(table.labels) == [0] * 4 + [1] * 4
    np.testing.assert_array_equal(table.keys()["subjects"], ["s0"] * 4 + ["s1"] * 4)
    levels = np.concatenate([table.picture(i).ravel() for i in range(8)]) / 255
    assert table.statistics() == pytest.approx((levels.mean(), levels.std()))
    assert table.area(0)[6, 8]
    assert not table.area(0)[0, 0]


def test_a_table_too_large_for_memory_reads_the_same_frames(cohort: Path, tmp_path: Path) -> None:
    clips = read_labelled(cohort).of_split("train")
    held = frame_table(clips, tmp_path / "cache", SMALL)
    read = frame_table(clips, tmp_path / "cache", SMALL, memory_mb=0)
    assert held.fits_memory
    assert not read.fits_memory
    for i in range(len(held)):
        np.testing.assert_array_equal(held.picture(i), read.picture(i))
    np.testing.assert_array_equal(read.chosen(np.array([6, 1])).picture(0), held.picture(6))


def test_frames_that_were_chosen_stay_those_in_another_process(cohort: Path, tmp_path: Path) -> None:
    """A worker gets the table without its pictures and reads them again."""
    table = frame_table(read_labelled(cohort).of_split("train"), tmp_path / "cache", SMALL)
    expected = [table.picture(i).copy() for i in range(len(table))]
    for whole in (table, frame_table(table.clips, tmp_path / "cache", SMALL)):  # pictures held already, and not yet
        chosen = whole.chosen(np.array([7, 2, 3, 6]))
        for part in (
            chosen,
            pickle.loads(pickle.dumps(chosen)),
            pickle.loads(pickle.dumps(chosen)).chosen(np.arange(4)),
        ):
            for place, index in enumerate([7, 2, 3, 6]):
                np.testing.assert_array_equal(part.picture(place), expected[index])


def test_a_clip_is_decoded_once_until_its_file_changes(cohort: Path, tmp_path: Path) -> None:
    clips = read_labelled(cohort)
    frame_table(clips, tmp_path / "cache", SMALL)
    place = next((tmp_path / "cache").iterdir())
    before = (place / "clip0").stat().st_mtime_ns
    frame_table(clips, tmp_path / "cache", SMALL)
    assert (place / "clip0").stat().st_mtime_ns == before
    write_cine(clip(5), tmp_path / "clip0.dcm")
    table = frame_table(clips, tmp_path / "cache", SMALL)
    assert table.picture(0)[6, 8] == 160


def test_a_corrupt_frame_is_left_out_counted_and_named_by_clip_key(cohort: Path, tmp_path: Path) -> None:
    import simplejpeg

    pixels = np.repeat(clip(1).pixels[..., None], 3, axis=3)
    frames = [simplejpeg.encode_jpeg(np.ascontiguousarray(frame)) for frame in pixels]
    frames[2] = frames[2][:20] + bytes(30)
    dataset = pydicom.dcmread(cohort.parent / "clip1.dcm")
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "YBR_FULL_422", 0
    dataset.PixelData = encapsulate(frames)
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEGBaseline8Bit
    dataset.save_as(cohort.parent / "clip1.dcm")
    assert len(list(generate_frames(dataset.PixelData, number_of_frames=4))) == 4

    clips = read_labelled(cohort).of_split("train")
    for _ in range(2):  # told again when it comes from the cache
        table = frame_table(clips, tmp_path / "cache", SMALL)
        assert len(table) == 7
        assert [(s.clip_key, s.frames) for s in table.skipped] == [("clip1", (2,))]
        assert "1 frames of clip clip1 left out: frame 2 of the file cannot be decoded" in str(table.skipped[0])


def test_an_unreadable_clip_is_left_out_and_one_readable_clip_is_enough(cohort: Path, tmp_path: Path) -> None:
    (cohort.parent / "clip0.dcm").write_bytes(b"no recording")
    clips = read_labelled(cohort).of_split("train")
    table = frame_table(clips, tmp_path / "cache", SMALL)
    assert [str(s)[:28] for s in table.skipped] == ["all frames of clip clip0 lef"]
    assert {r.clip_key for r in table.clips.rows} == {"clip1"}
    (cohort.parent / "clip1.dcm").unlink()
    with pytest.raises(DataError, match="no frame of any clip could be read"):
        frame_table(clips, tmp_path / "other", SMALL)


def test_a_damaged_cache_is_made_again(cohort: Path, tmp_path: Path) -> None:
    clips = read_labelled(cohort).of_split("train")
    cache = FrameCache(tmp_path / "cache", SMALL)
    cache.fill(clips.rows, clips.file_of)
    (cache.folder / "clip0" / "zarr.json").write_text("{")
    again = FrameCache(tmp_path / "cache", SMALL)
    again.fill(clips.rows, clips.file_of)
    assert again.clip("clip0").frames.shape == (4, 12, 16)


def test_padding_keeps_the_shape_of_the_frame() -> None:
    tall = Cine(np.full((1, 40, 20), 200, np.uint8), frame_times_s=np.zeros(1))
    picture = Rescaling(20, 20, fit="pad")(tall)(tall.frame(0))
    assert (picture[:, 5:15] == 200).all()
    assert (picture[:, :5] == 0).all()


def test_floating_point_frames_use_the_whole_range() -> None:
    cine = Cine(np.linspace(-2, 3, 400, dtype=np.float32).reshape(1, 20, 20), frame_times_s=np.zeros(1))
    picture = Rescaling(20, 20)(cine)(cine.frame(0))
    assert (picture.min(), picture.max()) == (0, 255)


def test_the_imaged_area_leaves_text_out(rng: np.random.Generator) -> None:
    rows, columns = np.mgrid[:60, :80]
    sector = (np.abs(columns - 40) < 0.7 * rows) & (rows < 55)
    frames = (sector * rng.integers(30, 250, (3, 60, 80))).astype(np.uint8)
    frames[:, 2, 2:20:2] = 255
    area = imaged_area(frames)
    assert not area[:6, :20].any()
    assert (area & sector).sum() / (area | sector).sum() > 0.93
    assert imaged_area(np.zeros((2, 10, 10), np.uint8)).all()


def test_unknown_label_missing_column_and_empty_split_are_one_line(cohort: Path) -> None:
    with pytest.raises(DataError, match="clip clip1 has the unknown view 'A4C'; expected one of: A2C, PLAX"):
        read_labelled(cohort, class_names=("A2C", "PLAX"))
    with pytest.raises(DataError, match="has no column 'diagnosis'"):
        read_labelled(cohort, "diagnosis")
    with pytest.raises(DataError, match="no labelled clip is in the split 'test'"):
        read_labelled(cohort).of_split("test")
    cohort.write_text(cohort.read_text().replace("split,", "part,", 1))
    with pytest.raises(DataError, match="lacks the columns split"):
        read_labelled(cohort)


@pytest.mark.parametrize(
    ("rows", "names", "message"),
    [
        ([row(0, "A2C"), row(1, "A2C", "validation")], ("A2C", "A4C"), "class A4C has no clip; add some"),
        ([row(0, "A2C"), row(1, "A2C", "validation"), row(2, "A4C")], (), "class A4C has one patient"),
        (
            [row(0, "A2C"), row(1, "A2C", "validation"), *(row(i, "A4C", "validation") for i in (2, 3))],
            (),
            "class A4C has no clip in train",
        ),
    ],
)
def test_classes_that_cannot_be_learnt_are_told(rows: list[ManifestRow], names: tuple[str, ...], message: str) -> None:
    clips = labelled(Manifest(tuple(rows)), class_names=names)
    with pytest.raises(DataError, match=message):
        check_learnable(clips.of_split("train"), clips.of_split("validation"))


def test_a_patient_on_both_sides_is_refused() -> None:
    clips = labelled(Manifest((row(0, "A2C"), row(1, "A2C"))))
    with pytest.raises(DataError, match="subject s0 is in train and in validation"):
        check_learnable(clips, clips.chosen([True, False]))


def test_class_weights_are_those_of_scikit_learn(rng: np.random.Generator) -> None:
    labels = rng.choice(4, size=300, p=[0.5, 0.3, 0.15, 0.05])
    np.testing.assert_allclose(
        class_weights(labels, 4), compute_class_weight("balanced", classes=np.arange(4), y=labels)
    )
    assert class_weights(np.array([0, 0, 2]), 3)[1] == 0


def test_a_subsample_keeps_the_shares_of_the_classes(rng: np.random.Generator) -> None:
    labels = np.repeat([0, 1, 2], [1000, 200, 3])
    kept = stratified_subsample(labels, 0.1, rng=rng)
    assert list(np.bincount(labels[kept])) == [100, 20, 1]
    assert len(set(kept)) == len(kept)


def test_vendors_give_equal_parts_of_a_training_set_of_given_size(rng: np.random.Generator) -> None:
    labels = np.repeat([0, 1], 300)
    sources = np.tile(["a", "b", "c"], 200)
    kept = equal_by_source(labels, sources, ["a", "b"], [50, 40], rng=rng)
    counts = {(k, s): int(((labels[kept] == k) & (sources[kept] == s)).sum()) for k in (0, 1) for s in "abc"}
    assert counts == {(0, "a"): 25, (0, "b"): 25, (0, "c"): 0, (1, "a"): 20, (1, "b"): 20, (1, "c"): 0}


def test_a_vendor_with_too_few_is_made_up_for_by_the_other(rng: np.random.Generator) -> None:
    labels, sources = np.zeros(110, int), np.repeat(["a", "b"], [10, 100])
    kept = equal_by_source(labels, sources, ["a", "b"], [60], rng=rng)
    assert (sources[kept] == "a").sum() == 10
    assert len(kept) == 60


def test_every_epoch_has_every_frame_once_in_another_order() -> None:
    first, second = (epoch_order(100, seed=1, epoch=e) for e in (0, 1))
    assert sorted(first) == sorted(second) == list(range(100))
    assert (first != second).any()


def test_a_balanced_epoch_has_every_class_equally_often() -> None:
    labels = np.repeat([0, 1, 2], [80, 15, 5])
    order = balanced_order(labels, seed=1, epoch=0)
    assert len(order) == 100
    assert np.ptp(np.bincount(labels[order])) <= 1
    assert set(order[labels[order] == 2]) == set(range(95, 100))


def test_frames_are_taken_evenly_from_a_long_clip() -> None:
    np.testing.assert_array_equal(frames_to_use(10, 5), [0, 2, 4, 6, 8])
    np.testing.assert_array_equal(frames_to_use(3, 5), [0, 1, 2])
    assert len(frames_to_use(10, 0)) == 10


def test_a_rotation_turns_about_the_centre_and_the_ranges_are_kept() -> None:
    rng = np.random.default_rng(0)
    turning = Augmentation(10, 0, 0, 0)
    matrices = [random_matrix((60, 80), turning, rng) for _ in range(300)]
    angles = np.rad2deg([np.arctan2(m[1, 0], m[0, 0]) for m in matrices])
    assert 9 < np.abs(angles).max() <= 10
    centre = np.array([39.5, 29.5, 1])
    for m in matrices[:20]:
        np.testing.assert_allclose(m @ centre, centre[:2], atol=1e-9)
    shifts = [random_matrix((60, 80), Augmentation(0, 0.1, 0, 0), rng)[:, 2] for _ in range(300)]
    assert np.abs(shifts).max(axis=0) == pytest.approx([8, 6], rel=0.1)
    zooms = [random_matrix((60, 80), Augmentation(0, 0, 0.08, 0), rng)[0, 0] for _ in range(300)]
    assert (min(zooms), max(zooms)) == pytest.approx((0.92, 1.08), abs=0.01)


def test_nothing_changes_without_augmentation_and_a_flip_is_a_mirror_image(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 255, (20, 30), dtype=np.uint8)
    np.testing.assert_array_equal(augmented(picture, NO_AUGMENTATION, rng), picture)
    mirrored = Augmentation(0, 0, 0, 0, flip_horizontal=True)
    seen = [augmented(picture, mirrored, rng) for _ in range(20)]
    is_mirrored = [np.array_equal(s, picture[:, ::-1]) for s in seen]
    assert 2 < sum(is_mirrored) < 18
    assert all(m or np.array_equal(s, picture) for m, s in zip(is_mirrored, seen, strict=True))


def test_graphics_are_drawn_outside_the_sector_only(rng: np.random.Generator) -> None:
    rows, columns = np.mgrid[:60, :80]
    area = (np.abs(columns - 40) < 0.7 * rows) & (rows < 55)
    picture = np.where(area, 128, 0).astype(np.uint8)
    drawn = [with_graphics(picture, area, rng) for _ in range(30)]
    assert all((d[area] == 128).all() for d in drawn)
    assert np.mean([(d[~area] > 0).any() for d in drawn]) > 0.9


def test_augmentation_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="--graphics is a share"):
        Augmentation(graphics=2)
    with pytest.raises(ValueError, match="rotation must lie"):
        Augmentation(rotation_deg=-1)
