"""Truth of simulated clips: strain from dense displacement, labels carried by the field, centreline, volumes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from sonometry.core import UsageError
from sonometry.simulation.echo.beams import Raster
from sonometry.simulation.phantoms.heart.chambers import build_chambers
from sonometry.simulation.phantoms.heart.motion import END_DIASTOLE, HeartMotion
from sonometry.simulation.phantoms.heart.others import OtherPicture
from sonometry.simulation.phantoms.heart.parameters import Condition, HeartParameters, sample_parameters
from sonometry.simulation.phantoms.heart.patients import (
    ANYTHING,
    Patient,
    cohort,
    frames,
    simulate_clip,
    simulate_patient,
)
from sonometry.simulation.phantoms.heart.poses import NOMINAL, OtherView, PoseVariation, View, place_probe
from sonometry.simulation.phantoms.heart.recording import ClipOptions
from sonometry.simulation.phantoms.heart.timing import Rhythm
from sonometry.simulation.phantoms.heart.truth import displacement_mm, find_centreline, pixel_truth, segment_numbers

QUICK = ClipOptions(
    n_frames=1, frame_rate_hz=25, size=(64, 64), samples=64, beams=48, is_cropped=True, has_displacement=False
)


def strain_from_dense_field(parameters: HeartParameters, view: View) -> float:
    """End-systolic strain of one ideal view, integrated from the displacement of its pixels alone.

    The field from end-diastole is sampled at the pixels of the diastolic centreline by linear interpolation.
    """
    chambers = build_chambers(HeartMotion(parameters))
    pose = place_probe(view, chambers, np.random.default_rng(0), variation=NOMINAL)
    rhythm = Rhythm(parameters, np.random.default_rng(0), duration_s=1.5)
    state = chambers.motion.states(rhythm, rhythm.end_systoles_s()[:1]).frame(0)
    raster = Raster((360, 320), 0.4e-3, 0.0, -64e-3)
    truth = pixel_truth(chambers, END_DIASTOLE, pose, raster, np.ones(raster.shape, bool))
    field = displacement_mm(chambers.motion, truth, raster, state, pose, forwards=True)
    line = find_centreline(chambers.motion, pose)
    lateral, axial = line.positions_m(chambers.motion, END_DIASTOLE, pose)
    at = raster.to_pixels(lateral, axial)
    pixel_mm = raster.pixel_m * 1e3
    moved = [map_coordinates(np.nan_to_num(field[..., k]), at, order=1) / pixel_mm for k in (0, 1)]
    before = np.hypot(*(np.diff(a) for a in at)).sum()
    after = np.hypot(*(np.diff(a + m) for a, m in zip(at, moved, strict=True))).sum()
    return after / before - 1


@pytest.mark.parametrize("seed", [1, 2, 4])
def test_strain_integrated_from_dense_displacement_is_the_prescribed_one(seed):
    parameters = sample_parameters(np.random.default_rng(seed))
    views = (View.A2C, View.A3C, View.A4C)
    mean = np.mean([strain_from_dense_field(parameters, view) for view in views])
    assert mean == pytest.approx(parameters.global_longitudinal_strain, abs=1e-3)  # 0.1 percentage point


@pytest.fixture(scope="module")
def clip():
    options = ClipOptions(
        n_frames=10, frame_rate_hz=12, start_s=0.0, size=(160, 160), is_cropped=True, variation=NOMINAL
    )
    return simulate_clip(21, View.A4C, condition=Condition.HEALTHY, vendor="cascade", options=options)


def dice(first, second):
    return 2 * (first & second).sum() / (first.sum() + second.sum())


@pytest.fixture(scope="module")
def still_clip():
    """Truth of frames 0.02 s apart with heart and probe otherwise still, and the pixel in mm."""
    options = ClipOptions(
        n_frames=5, frame_rate_hz=50, start_s=0.10, size=(360, 360), is_cropped=True, drift=0.0, variation=NOMINAL
    )
    recording = Patient(5).recording(View.A4C, options=options)
    return recording.truth(), recording.screen.raster.pixel_m * 1e3


@pytest.mark.parametrize("value", [1, 2, 3])
def test_labels_carried_by_the_field_land_on_the_next_frame(still_clip, value):
    truth, pixel_mm = still_clip
    for i in range(len(truth["mask"]) - 1):
        step = truth["displacement_next_mm"][i] / pixel_mm
        carried = carry((truth["mask"][i] == value) & np.isfinite(step[..., 0]), step)
        assert dice(carried, truth["mask"][i + 1] == value) >= 0.97


def carry(chosen, step):
    """Where the chosen pixels arrive: 5 x 5 points of each are moved, a pixel is filled from 12 of 25 points on."""
    offsets = (np.arange(5) - 2) / 5
    rows, columns = np.nonzero(chosen)
    count = np.zeros(chosen.shape)
    for down in offsets:
        for right in offsets:
            to = [np.round(x + d + step[..., k][chosen]) for k, (x, d) in enumerate(((rows, down), (columns, right)))]
            to = [np.clip(t, 0, n - 1).astype(int) for t, n in zip(to, chosen.shape, strict=True)]
            np.add.at(count, tuple(to), 1)
    return count >= 12


def test_truth_has_the_arrays_of_the_design(clip):
    t, (n, height, width) = clip.truth, clip.recording.shape
    assert t["mask"].shape == (n, height, width)
    assert t["mask"].dtype == np.uint8
    assert t["centreline_px"].shape == (n, 120, 2)
    assert t["longitudinal_strain"].shape == (n,)
    assert t["segment_strain"].shape == (n, 6)
    assert t["displacement_next_mm"].shape == (n, height, width, 2)
    assert set(np.unique(t["segments"])) <= set(range(18))


def test_volumes_follow_the_ejection_fraction(clip):
    volume, parameters = clip.truth["volume_m3"], clip.labels
    assert volume.max() == pytest.approx(parameters["end_diastolic_volume_m3"], rel=1e-3)
    rhythm_smallest = parameters["end_diastolic_volume_m3"] * (1 - parameters["ejection_fraction"])
    assert volume.min() >= rhythm_smallest - 1e-12


def test_segments_cover_the_muscle_and_nothing_else(clip):
    assert ((clip.truth["segments"] > 0) == (clip.truth["mask"] == 2)).all()


def test_centreline_runs_within_the_muscle_of_every_frame(clip):
    for mask, line in zip(clip.truth["mask"], clip.truth["centreline_px"], strict=True):
        at = np.round(line).astype(int)
        inside = (at >= 0).all(axis=1) & (at < 160).all(axis=1)
        inside[inside] = clip.recording.sector[at[inside, 0], at[inside, 1]]
        values = mask[at[inside, 0], at[inside, 1]]
        assert inside.mean() > 0.7  # the sector may cut the wall
        assert (values == 2).mean() > 0.95  # basal ends may lie on the border


def test_four_chamber_centreline_starts_at_the_septum_and_ends_at_the_lateral_wall():
    motion = HeartMotion(HeartParameters())
    chambers = build_chambers(motion)
    pose = place_probe(View.A4C, chambers, np.random.default_rng(0), variation=NOMINAL)
    numbers = segment_numbers(motion, find_centreline(motion, pose).material)
    assert numbers[0] == 3
    assert numbers[-1] == 6
    assert {3, 9, 14, 16, 12, 6} <= set(numbers)


def test_short_axis_has_no_longitudinal_centreline():
    clip = simulate_clip(3, View.SAXMID, options=QUICK)
    assert "longitudinal_strain" not in clip.truth


def test_strain_is_zero_at_end_diastole_and_strongest_at_end_systole(clip):
    strain = clip.truth["longitudinal_strain"]
    assert abs(strain[clip.truth["end_diastole"][0]]) < 2e-3
    assert abs(int(np.argmin(strain)) - int(clip.truth["end_systole"][0])) <= 1


def test_same_seed_gives_the_same_recording():
    first, second = (simulate_clip(8, View.PLAX, options=QUICK) for _ in range(2))
    np.testing.assert_array_equal(first.recording.pixels, second.recording.pixels)
    np.testing.assert_array_equal(first.truth["mask"], second.truth["mask"])
    assert first.labels == second.labels


def test_other_seed_gives_another_recording():
    first, second = (simulate_clip(s, View.PLAX, options=QUICK) for s in (8, 9))
    assert (first.recording.pixels != second.recording.pixels).mean() > 0.05


def test_a_patient_has_the_same_heart_in_every_clip():
    clips = simulate_patient(4, (View.A4C, View.PLAX, OtherView.SAXAPEX), options=QUICK)
    assert len({c.labels["end_diastolic_volume_m3"] for c in clips}) == 1
    assert [c.labels["view"] for c in clips] == ["A4C", "PLAX", "NONE"]


def test_unknown_vendor_is_refused_by_name():
    with pytest.raises(UsageError, match="no simulated vendor is called 'acme'"):
        Patient(1, vendor="acme")


def test_cohort_is_lazy_and_balanced_over_vendors():
    rows = [labels for labels, _ in cohort(6, 3, clips_per_patient=1, options=QUICK)]
    assert len({r["vendor"] for r in rows}) == 6
    assert len({r["clip_key"] for r in rows}) == 6
    endless = cohort(10**9, 3, clips_per_patient=1, options=QUICK)
    assert next(endless)[0]["clip_key"] == rows[0]["clip_key"]


@pytest.mark.slow
def test_confounded_cohort_ties_views_to_vendors():
    def spread(vendors):
        seen = {}
        for labels, _ in cohort(12, 5, vendors=vendors, clips_per_patient=2, options=QUICK):
            seen.setdefault(labels["vendor"], set()).add(labels["view"])
        return np.mean([len(v) for v in seen.values()])

    assert spread("confounded") < spread("balanced")


def test_cohort_refuses_an_unknown_mix():
    with pytest.raises(UsageError, match="'balanced' or 'confounded'"):
        next(cohort(1, 1, vendors="random"))


def test_stream_gives_frames_with_masks_of_the_asked_views():
    stream = frames(np.random.default_rng(0), size=(64, 64), views=[View.A4C], samples=64, beams=48)
    for frame in (next(stream) for _ in range(4)):
        assert frame.image.shape == frame.mask.shape == (64, 64)
        assert frame.view is View.A4C
        assert (frame.mask == 1).sum() > 25


@pytest.mark.parametrize("picture", list(OtherPicture))
def test_other_pictures_have_an_empty_mask_and_no_view(picture):
    clip = Patient(3).clip(picture, options=QUICK)
    assert clip.labels["view"] == "NONE"
    assert not clip.truth["mask"].any()
    assert np.ptp(clip.recording.pixels) > 30


def test_stream_mixes_views_and_other_pictures_of_the_asked_vendor():
    stream = frames(
        np.random.default_rng(0),
        size=(64, 64),
        views=ANYTHING,
        vendors=["ember"],
        samples=64,
        beams=48,
        frames_per_clip=1,
    )
    seen = [next(stream) for _ in range(12)]
    assert {f.vendor for f in seen} == {"ember"}
    assert len({f.view for f in seen}) > 4


def test_still_options_keep_heart_and_probe_in_place():
    options = ClipOptions(n_frames=3, frame_rate_hz=10, size=(64, 64), drift=0.0, variation=PoseVariation().scaled(0))
    poses = Patient(2).recording(View.A4C, options=options).poses
    np.testing.assert_array_equal(poses[0].origin_m, poses[2].origin_m)
