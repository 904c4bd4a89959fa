"""The full scatterer path of the heart: its scatterers move as the field says, and it shows the same structures."""

from __future__ import annotations

import numpy as np
import pytest

from sonometry.numerics.analytic import envelope
from sonometry.simulation.phantoms.heart.patients import Patient
from sonometry.simulation.phantoms.heart.poses import NOMINAL, View
from sonometry.simulation.phantoms.heart.recording import ClipOptions, HeartRecording
from sonometry.simulation.phantoms.heart.scatterers import HeartScatterers, heart_rf, sector_probe

OPTIONS = ClipOptions(
    n_frames=4, frame_rate_hz=10, start_s=0.0, size=(200, 200), is_cropped=True, variation=NOMINAL, quality=1.0
)


def recording_with_apex_in_the_face(is_wanted: bool = True) -> HeartRecording:
    for seed in range(20):
        recording = Patient(seed, vendor="cascade").recording(View.A4C, options=OPTIONS)
        if (recording.imagined.sector.apex_m == 0) == is_wanted:
            return recording
    raise AssertionError("no such recording in twenty seeds")


def test_scatterers_move_as_the_dense_field_of_the_truth():
    recording = recording_with_apex_in_the_face()
    scatterers = HeartScatterers(recording, 40_000, np.random.default_rng(0), slab_m=0.2e-3)
    first, second = (scatterers.positions_m(i) for i in (0, 1))
    field = recording.truth()["displacement_next_mm"][0]
    near = scatterers.is_heart & (np.abs(first[:, 2]) < 0.1e-3)
    rows, columns = recording.screen.raster.to_pixels(first[near, 1], first[near, 0])
    rows, columns = np.round(rows).astype(int), np.round(columns).astype(int)
    inside = (rows >= 0) & (rows < 200) & (columns >= 0) & (columns < 200)
    expected = field[rows[inside], columns[inside]]
    moved = 1e3 * (second - first)[near][inside][:, :2]
    known = np.isfinite(expected).all(axis=1)
    error = moved[known] - expected[known]
    assert known.sum() > 2000
    assert np.abs(error.mean(axis=0)).max() < 0.01  # mm; zero within the rounding to pixels
    assert np.median(np.abs(error)) < 0.05


def test_both_paths_show_bright_muscle_and_dark_blood():
    recording = recording_with_apex_in_the_face()
    rf = heart_rf(
        recording, [0], np.random.default_rng(0), n_scatterers=20_000, probe=sector_probe(recording, n_lines=60)
    )
    scene = recording.scene(0)
    power = envelope(rf.samples, axis=1)[0] ** 2
    row = np.linspace(0, power.shape[0] - 1, scene.structure.shape[0]).astype(int)
    column = np.linspace(0, 59, scene.structure.shape[1]).round().astype(int)
    power = power[row][:, column]
    level = [10 * np.log10(power[scene.structure == s].mean()) for s in (1, 2)]
    expected = [10 * np.log10(((scene.tissue + scene.blood)[scene.structure == s] ** 2).mean()) for s in (1, 2)]
    assert level[1] - level[0] == pytest.approx(expected[1] - expected[0], abs=6)


def test_an_apex_behind_the_face_is_refused():
    recording = recording_with_apex_in_the_face(is_wanted=False)
    with pytest.raises(ValueError, match="apex lies in the probe's face"):
        heart_rf(recording, [0], np.random.default_rng(0), n_scatterers=100)
