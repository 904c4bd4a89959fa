"""Contours that an application proposes: the outline of its masks, opened where the ventricle is open."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sonometry.applications import application
from sonometry.workflows.suggest import contour_of, opened_at_base, outline_of, proposer

SHAPE = (120, 100)
ROWS, COLUMNS = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)


def ventricle(scale: float, tilt: float = 0.0) -> np.ndarray:
    """Half an ellipse with its apex up and a straight base below, turned by `tilt` rad."""
    rows, columns = ROWS - 80, COLUMNS - 50
    along, across = rows * np.cos(tilt) + columns * np.sin(tilt), columns * np.cos(tilt) - rows * np.sin(tilt)
    return (along <= 0) & ((along / (60 * scale)) ** 2 + (across / (25 * scale)) ** 2 <= 1)


@pytest.fixture
def offering():
    suggests = {"lv_endocardium": "mask:1", "lv_epicardium": "mask:1,2", "muscle_boundary": "contour_px"}
    return dataclasses.replace(application("elastography"), suggests=suggests)


@pytest.fixture
def fields():
    mask = np.zeros((2, *SHAPE), np.uint8)
    mask[0][ventricle(1.0)] = 2
    mask[0][ventricle(0.7)] = 1
    return {"mask": mask, "contour_px": np.full((2, 30, 2), np.nan)}


def test_the_outline_lies_half_a_pixel_outside_of_the_mask(fields):
    outline = outline_of(fields["mask"][0] == 1)
    assert outline[:, 0].max() == pytest.approx(80.5, abs=0.01)
    assert outline[:, 0].min() == pytest.approx(38 - 0.5, abs=0.51)


def test_specks_and_empty_masks_have_no_outline():
    mask = np.zeros(SHAPE, bool)
    assert outline_of(mask) is None
    mask[5, 5:8] = True
    assert outline_of(mask) is None


@pytest.mark.parametrize("tilt", [-0.4, 0.0, 0.4])
def test_a_ventricle_is_opened_along_its_base(tilt):
    line = opened_at_base(outline_of(ventricle(1.0, tilt)))
    corners = np.array([(80 - 25 * np.sin(s * tilt), 50 + s * 25 * np.cos(tilt)) for s in (-1, 1)])
    distance = np.linalg.norm(line[[0, -1]][:, None] - corners[None], axis=2)
    assert distance.min(axis=1).max() < 4
    apex = (80 - 60 * np.cos(tilt), 50 - 60 * np.sin(tilt))
    assert np.linalg.norm(line - apex, axis=1).min() < 2
    middle_of_base = np.array((80, 50))
    assert np.linalg.norm(line - middle_of_base, axis=1).min() > 15


def test_labels_of_a_mask_are_joined(offering, fields):
    inner = contour_of(offering, "lv_endocardium", fields, 0, is_closed=False)
    outer = contour_of(offering, "lv_epicardium", fields, 0, is_closed=False)
    assert np.ptp(outer[:, 1]) / np.ptp(inner[:, 1]) == pytest.approx(1 / 0.7, abs=0.06)


def test_what_was_not_found_is_no_contour(offering, fields):
    assert contour_of(offering, "lv_endocardium", fields, 1, is_closed=False) is None
    assert contour_of(offering, "muscle_boundary", fields, 0, is_closed=True) is None
    assert contour_of(offering, "lv_endocardium", {}, 0, is_closed=False) is None


def test_a_structure_that_no_application_knows_has_no_proposer():
    assert proposer("nose") is None
