"""Overlap and distance of shapes with a known answer, and against SimpleITK."""

from __future__ import annotations

import numpy as np
import pytest

from sonometry.evaluation.consensus import majority_label, majority_mask, mean_score, median_score, staple
from sonometry.evaluation.overlap import contour_distance, dice, jaccard, mask_distance, overlap

ROW, COLUMN = np.mgrid[:120, :140]


def disc(row=60, column=70, radius=30):
    return np.hypot(ROW - row, COLUMN - column) <= radius


def ring(radius, n=300):
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.stack([60 + radius * np.sin(angle), 70 + radius * np.cos(angle)], axis=1)


def test_overlap_agrees_with_simpleitk(rng):
    import SimpleITK as sitk

    a, b = disc(), disc(64, 75, 28)
    peer = sitk.LabelOverlapMeasuresImageFilter()
    peer.Execute(*(sitk.GetImageFromArray(m.astype(np.uint8)) for m in (a, b)))
    assert dice(a, b) == pytest.approx(peer.GetDiceCoefficient())
    assert jaccard(a, b) == pytest.approx(peer.GetJaccardCoefficient())


def test_the_largest_distance_agrees_with_scipy():
    from scipy.spatial.distance import directed_hausdorff
    from skimage.segmentation import find_boundaries

    a, b = disc(), disc(64, 75, 28)
    spacing = np.array([0.0003, 0.0005])
    points = [np.argwhere(find_boundaries(m, mode="inner", connectivity=1)) * spacing for m in (a, b)]
    peer = max(directed_hausdorff(*points)[0], directed_hausdorff(*points[::-1])[0])
    assert mask_distance(a, b, tuple(spacing)).hausdorff_m == pytest.approx(peer)


def test_concentric_discs_lie_their_difference_of_radii_apart():
    """Border pixels of a disc of radius r lie within one pixel of r."""
    result = mask_distance(disc(radius=30), disc(radius=24), (0.001, 0.001))
    assert result.mean_m == pytest.approx(0.006, abs=0.0005)
    assert result.hausdorff_m == pytest.approx(0.006, abs=0.001)


def test_contours_are_compared_along_their_length():
    """The inner circle has 300 points, the outer one only 12: its chords lie up to 1 px inside its circle."""
    result = contour_distance(ring(24), ring(30), (0.001, 0.001))
    assert (result.mean_m, result.hausdorff_m) == pytest.approx((0.006, 0.006), abs=2e-5)
    few = contour_distance(ring(24), ring(30, n=12), (0.001, 0.001))
    assert few.mean_m == pytest.approx(0.0053, abs=3e-4)


def test_spacing_of_rows_and_columns_counts_for_itself():
    line = np.array([(10.0, 0.0), (10.0, 50.0)])
    assert contour_distance(line, line + np.array([2, 0]), (0.002, 0.001), is_closed=False).mean_m == pytest.approx(
        0.004
    )


def test_doubling_the_spacing_doubles_every_distance():
    near, far = (mask_distance(disc(), disc(62, 70), (s, s)) for s in (1e-3, 2e-3))
    assert (far.mean_m, far.hausdorff_95_m) == pytest.approx((2 * near.mean_m, 2 * near.hausdorff_95_m))


def test_a_table_of_pairs_counts_empty_ones_and_has_intervals_by_patient():
    first = [disc(radius=20 + i) for i in range(8)] + [disc()]
    second = [disc(radius=21 + i) for i in range(8)] + [np.zeros_like(ROW, bool)]
    groups = [f"p{i // 2}" for i in range(8)] + ["p9"]
    result = overlap(first, second, spacing_m=[(1e-3, 1e-3)] * 8 + [None], groups=groups, n_resamples=200)
    assert result.n_empty == 1
    assert result.dice.n == 9
    assert result.dice.interval.low < result.dice.value < result.dice.interval.high
    assert result.mean_distance_m.n == 8
    assert overlap(first, first).hausdorff_m is None


def test_two_empty_masks_agree():
    empty = np.zeros((4, 4))
    assert (dice(empty, empty), jaccard(empty, empty)) == (1, 1)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: dice(np.ones((2, 2)), np.ones((3, 3))), "one shape"),
        (lambda: mask_distance(np.zeros((3, 3)), np.ones((3, 3)), (1, 1)), "with pixels"),
        (lambda: contour_distance([], [(1, 1)], (1, 1)), "with points"),
        (lambda: overlap([], []), "no pair"),
        (lambda: staple([disc()]), "at least two readers"),
        (lambda: majority_mask([np.ones((2, 2)), np.ones((3, 3))]), "one shape"),
    ],
)
def test_what_cannot_be_compared_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_the_majority_decides_and_a_draw_decides_nothing():
    assert majority_label(["A4C", "A5C", "A4C", None]) == "A4C"
    assert majority_label(["A4C", "A5C"]) is None
    assert majority_label([None]) is None


def test_scores_that_are_missing_do_not_count():
    assert mean_score([1, np.nan, 3]) == 2
    assert median_score([1, 2, 7, np.nan]) == 2
    assert np.isnan(mean_score([np.nan]))


def test_staple_finds_the_truth_and_the_careless_reader(rng):
    """Four readers miss 3 % of pixels at random, one misses 40 % and adds 10 %."""
    truth = disc()
    careful = [truth ^ (rng.random(truth.shape) < 0.03) & (disc(radius=40)) for _ in range(4)]
    careless = (truth & (rng.random(truth.shape) > 0.4)) | (disc(radius=40) & (rng.random(truth.shape) < 0.1))
    result = staple([*careful, careless])
    assert dice(result.mask, truth) > 0.995
    assert result.sensitivity[:4].min() > 0.95
    assert result.sensitivity[4] == pytest.approx(0.64, abs=0.03)


def test_staple_of_equal_masks_is_that_mask():
    np.testing.assert_array_equal(staple([disc(), disc()]).mask, disc())
    assert not staple([np.zeros((5, 5)), np.zeros((5, 5))]).mask.any()
