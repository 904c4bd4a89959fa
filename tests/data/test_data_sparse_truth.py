"""Masks of some frames: what is marked, what is not, and what was looked for."""

from __future__ import annotations

import io

import numpy as np
import pytest

from sonometry.data.sparse_truth import NOT_MARKED, marked_masks, packed, sparse_masks

MASK = np.array([[0, 1, 1], [0, 0, 1]], np.uint8)


def test_only_marked_frames_come_back():
    truth = dict(np.load(io.BytesIO(packed(sparse_masks((4, 2, 3), {2: MASK, 0: 0 * MASK}, [1])))))
    frames, masks, values = marked_masks(truth)
    np.testing.assert_array_equal(frames, [0, 2])
    np.testing.assert_array_equal(masks, [0 * MASK, MASK])
    assert values == (1,)
    assert (truth["mask"][[1, 3]] == NOT_MARKED).all()


def test_a_simulation_has_all_frames_and_values_marked():
    frames, masks, values = marked_masks({"mask": np.stack([MASK, 2 * MASK])})
    np.testing.assert_array_equal(frames, [0, 1])
    assert values == (1, 2)
    assert len(masks) == 2


@pytest.mark.parametrize(
    ("masks", "said"), [({4: MASK}, "does not fit"), ({0: MASK.T}, "does not fit"), ({0: 7 * MASK}, "other than")]
)
def test_masks_that_do_not_fit_are_refused(masks, said):
    with pytest.raises(ValueError, match=said):
        sparse_masks((4, 2, 3), masks, [1])
