"""Patients with several clips: one heart and one scanner each, views and vendors as asked."""

from __future__ import annotations

from collections import Counter
from typing import get_args

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from sonometry.core import UsageError
from sonometry.simulation.appearance import RANDOM, VENDORS
from sonometry.simulation.phantoms.heart import (
    ANYTHING,
    Condition,
    StrainSimulation,
    View,
    ViewSimulation,
    simulate_strain,
    simulate_view,
    strain_cohort,
    view_cohort,
)
from sonometry.simulation.phantoms.heart.cohorts import ApicalName, VendorName, view_patient
from sonometry.simulation.phantoms.heart.poses import APICAL

QUICK = {"frames": 1, "size_px": (64, 64)}


@pytest.fixture(scope="module")
def strain_patient():
    return list(strain_cohort(3, 0, StrainSimulation(**QUICK)))


def test_names_of_options_are_those_of_vendors_and_views():
    assert set(get_args(VendorName)) == {*VENDORS, RANDOM}
    assert {View(name) for name in get_args(ApicalName)} <= set(APICAL)


def test_a_strain_patient_has_the_apical_views_of_one_heart(strain_patient):
    assert [clip.labels["view"] for clip in strain_patient] == ["A4C", "A2C", "A3C"]
    for name in ("subject_key", "study_key", "vendor", "diagnosis", "global_longitudinal_strain", "ejection_fraction"):
        assert len({clip.labels[name] for clip in strain_patient}) == 1


def test_the_labels_are_those_of_the_truth(strain_patient):
    clip = strain_patient[0]
    for name in ("global_longitudinal_strain", "ejection_fraction"):
        assert clip.labels[name] == float(clip.truth[name])


def test_two_patients_have_two_hearts(strain_patient):
    other = next(strain_cohort(3, 1, StrainSimulation(**QUICK)))
    assert other.labels["subject_key"] != strain_patient[0].labels["subject_key"]
    assert other.labels["end_diastolic_volume_m3"] != strain_patient[0].labels["end_diastolic_volume_m3"]


def test_prescribed_strain_and_ejection_fraction_are_those_of_the_heart():
    asked = {"global_longitudinal_strain": -0.16, "ejection_fraction": 0.55}
    clip = simulate_strain(4, StrainSimulation(**QUICK, diagnosis=Condition.HEALTHY, **asked))
    assert (clip.labels["global_longitudinal_strain"], clip.labels["ejection_fraction"]) == (-0.16, 0.55)


def test_a_heart_that_cannot_be_is_refused():
    with pytest.raises(UsageError, match="--ejection-fraction: ejection_fraction"):
        StrainSimulation(**QUICK, ejection_fraction=0.95)


def test_displacement_is_stored_to_a_hundredth_of_a_millimetre():
    exact = np.linspace(-16, 16, 1001, dtype=np.float32)
    np.testing.assert_allclose(exact.astype(np.float16), exact, atol=8e-3)
    assert next(strain_cohort(3, 0, StrainSimulation(**QUICK))).truth["displacement_next_mm"].dtype == np.float16


def test_view_patients_take_every_view_and_none_of_them():
    options = ViewSimulation(clips=8, none_share=0.3)
    seen = Counter(str(kind) for i in range(20) for kind in view_patient(1, i, options)[1])
    assert {*seen} == {str(kind) for kind in ANYTHING}
    none = seen.total() - sum(seen[view.value] for view in View)
    assert 0.2 < none / seen.total() < 0.4


def test_a_view_cohort_gives_what_the_patient_was_enrolled_for():
    options = ViewSimulation(**QUICK, clips=2, none_share=0.0)
    kinds = view_patient(1, 0, options)[1]
    assert [clip.labels["view"] for clip in view_cohort(1, 0, options)] == [kind.value for kind in kinds]


def test_clinics_record_four_chambers_more_often_than_two():
    kinds = [kind for i in range(40) for kind in view_patient(1, i, ViewSimulation(clips=8, shares="clinic"))[1]]
    assert kinds.count(View.A4C) > 1.5 * kinds.count(View.A2C)


def test_one_view_is_one_view():
    clips = view_cohort(1, 0, ViewSimulation(**QUICK, view=View.PLAX, none_share=1.0))
    assert {clip.labels["view"] for clip in clips} == {"PLAX"}
    assert simulate_view(9, ViewSimulation(**QUICK, view=View.SAXMID)).labels["view"] == "SAXMID"


def test_confounded_patients_have_the_views_and_the_disease_of_their_vendor():
    def pairs_of_a_vendor(vendors):
        seen = {}
        for i in range(60):
            patient, kinds = view_patient(5, i, ViewSimulation(clips=4, none_share=0.0, vendors=vendors))
            for kind in kinds:
                seen.setdefault(patient.scanner.name, Counter())[kind, patient.parameters.condition] += 1
        return {name: pairs.most_common(2) for name, pairs in seen.items()}

    tied, mixed = pairs_of_a_vendor("confounded"), pairs_of_a_vendor("balanced")
    assert len(tied) == len(mixed) == 6
    assert min(sum(count for _, count in pairs) for pairs in tied.values()) > 0.7 * 40
    assert max(sum(count for _, count in pairs) for pairs in mixed.values()) < 0.5 * 40


def test_screens_are_exported_with_at_most_the_rows_asked_for():
    options = ViewSimulation(frames=1, vendor="ember", largest_rows=240, view=View.A4C)
    assert simulate_view(1, options).recording.shape[1:] == (240, 344)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beats": 0.0}, "--beats must be positive"),
        ({"fps": 1000.0}, "--fps must lie between 5 and 200"),
        ({"quality": 2.0}, "--quality must lie between 0 and 1"),
        ({"size_px": (10, 64)}, "64 or more"),
        ({"none_share": 1.5}, "--none-share between 0 and 1"),
    ],
)
def test_impossible_options_are_wrong_calls(change, message):
    with pytest.raises(UsageError, match=message):
        ViewSimulation(**change)


def test_stored_displacement_carries_the_strain_of_the_view():
    """The centreline of every frame, taken back to end-diastole by the stored field, was as long as the strain says."""
    options = StrainSimulation(frames=4, fps=10, size_px=(320, 320))
    clip = next(strain_cohort(3, 1, options))
    truth, sector = clip.truth, clip.recording.sector
    pixel_mm = 1e3 * float(truth["spacing_m"][0])
    errors = []
    for frame, field in enumerate(truth["displacement_since_end_diastole_mm"].astype(np.float32)):
        line = truth["centreline_px"][frame].astype(float)
        moved = np.stack([map_coordinates(field[..., k], line.T, order=1, cval=np.nan) for k in (0, 1)], axis=-1)
        known = np.isfinite(moved).all(axis=-1)
        before = line - moved / pixel_mm
        pairs = known[1:] & known[:-1]
        lengths = [np.hypot(*np.diff(points, axis=0).T)[pairs].sum() for points in (line, before)]
        expected = truth["longitudinal_strain"][frame]
        shown = sector[tuple(np.clip(np.round(line).astype(int), 0, 319).T)]
        assert shown.all()  # a part that the sector cuts off has another strain than the whole
        assert known.mean() > 0.95
        errors.append(lengths[0] / lengths[1] - 1 - expected)
    assert np.abs(errors).max() < 1e-3  # 0.1 points: some ends of the line lie at the border of the heart
