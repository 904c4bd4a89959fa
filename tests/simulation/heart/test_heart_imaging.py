"""Fast imaging: point spread, speckle statistics, speckle that follows tissue, scan conversion, display."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.ndimage import correlate1d, uniform_filter1d

from sonometry.simulation.echo.beams import Raster, ScanConverter, Sector, fitted_raster
from sonometry.simulation.echo.blur import blur_across, blur_along, box_blur, gaussian_taps, power_after_blur
from sonometry.simulation.echo.engine import EchoEngine, compress
from sonometry.simulation.echo.settings import Display, sample_acquisition
from sonometry.simulation.echo.speckle import crop_noise, material_noise, noise_volume, smooth_noise
from sonometry.simulation.phantoms.heart.patients import Patient
from sonometry.simulation.phantoms.heart.poses import NOMINAL, View
from sonometry.simulation.phantoms.heart.recording import ClipOptions
from sonometry.simulation.phantoms.heart.tissue import Structure

GRID = (160, 96)


@dataclass
class Tissue:
    tissue: np.ndarray
    blood: np.ndarray
    texture: tuple[np.ndarray, np.ndarray, np.ndarray]


def uniform_tissue(shift=(0.0, 0.0, 0.0), amplitude=1.0):
    row, column = np.indices(GRID).astype(np.float32)
    texture = (
        row - np.float32(shift[0]),
        column - np.float32(shift[1]),
        np.zeros(GRID, np.float32) - np.float32(shift[2]),
    )
    return Tissue(np.full(GRID, amplitude, np.float32), np.zeros(GRID, np.float32), texture)


def clean_engine(**resolution):
    """An engine without clutter, noise or gain variation."""
    drawn = sample_acquisition(np.random.default_rng(0), GRID, quality=1.0)
    art = replace(
        drawn.artefacts, side_lobes=-90, haze=None, near_field=-120, reverberation=None, noise=-120, patches=(),
        gain_db=np.zeros(GRID, np.float32), mirror=0.0, slide_per_s=0.0,
    )  # fmt: skip
    acquisition = replace(
        drawn, artefacts=art, display=Display(), resolution=replace(drawn.resolution, **{"looks": 1, **resolution})
    )
    return EchoEngine(acquisition, GRID, np.random.default_rng(1))


def test_blurs_agree_with_scipy(rng):
    field = rng.normal(size=GRID).astype(np.float32)
    taps = gaussian_taps(np.array([1.7]))[:, 0]
    expected = correlate1d(field, taps, axis=1, mode="nearest")
    np.testing.assert_allclose(blur_across(field, np.full(GRID[0], 1.7)), expected, atol=1e-5)
    np.testing.assert_allclose(blur_along(field, 1.7), correlate1d(field, taps, axis=0, mode="nearest"), atol=1e-5)


@pytest.mark.parametrize("axis", [0, -1])
def test_box_blur_agrees_with_scipy(rng, axis):
    field = rng.normal(size=GRID).astype(np.float32)
    np.testing.assert_allclose(box_blur(field, 5, axis), uniform_filter1d(field, 11, axis, mode="nearest"), atol=1e-4)


def test_power_after_blur_is_what_white_noise_keeps(rng):
    across = np.linspace(0.8, 2.0, GRID[0])
    field = rng.normal(size=(40, *GRID)).astype(np.float32)
    power = (blur_along(blur_across(field, across), 1.1) ** 2).mean(axis=(0, 2))
    np.testing.assert_allclose(power[10:-10], power_after_blur(1.1, across)[10:-10], rtol=0.3)


def test_interpolated_noise_has_unit_power_between_and_on_voxels(rng):
    on = tuple(rng.integers(0, 200, 20_000).astype(np.float32) for _ in range(3))
    between = tuple(c + np.float32(0.5) * (i < 2) for i, c in enumerate(on))
    for coordinates in (on, between):
        assert np.mean(np.abs(material_noise(coordinates, (0.0, 0.0, 0.0))) ** 2) == pytest.approx(1, abs=0.25)


def test_noise_is_periodic_and_the_same_for_everyone():
    shape = noise_volume().shape
    at = tuple(np.array([3.3, 7.9], np.float32) for _ in range(3))
    around = tuple(a + n for a, n in zip(at, shape, strict=True))
    np.testing.assert_allclose(material_noise(at, (0, 0, 0)), material_noise(around, (0, 0, 0)), atol=1e-3)


def test_smooth_noise_varies_over_its_scale(rng):
    x = np.linspace(0, 1, 20_000).astype(np.float32)
    values = smooth_noise((x, 0 * x, 0 * x), 0.02, (0.0, 0.0, 0.0))
    assert values.std() == pytest.approx(1, abs=0.4)
    lag = 200  # 10 mm: half the scale
    assert 0.05 < np.corrcoef(values[:-lag], values[lag:])[0, 1] < 0.9


def test_speckle_envelope_is_rayleigh_distributed():
    power = clean_engine()._power(uniform_tissue(), 0.0)
    envelope = np.sqrt(power[20:-20, 10:-10])
    assert envelope.mean() / envelope.std() == pytest.approx(1.91, abs=0.12)


def test_mean_power_is_that_of_the_tissue_at_every_depth():
    power = np.mean([clean_engine()._power(uniform_tissue((0, 0, 5 * i)), 0.0) for i in range(12)], axis=0)
    bands = power[8:-8].reshape(8, -1).mean(axis=1)
    np.testing.assert_allclose(bands, 1.0, rtol=0.25)


def test_speckle_follows_tissue_by_fractions_of_a_sample():
    still = clean_engine().frame(uniform_tissue())
    moved = clean_engine().frame(uniform_tissue((2.5, 1.0, 0.0)))
    row, column = np.mgrid[30:120, 20:70]
    expected = 0.5 * (still[row - 2, column - 1] + still[row - 3, column - 1])
    assert np.corrcoef(expected.ravel(), moved[row, column].ravel())[0, 1] > 0.85


def test_speckle_fades_as_tissue_leaves_the_slice():
    pictures = [clean_engine().frame(uniform_tissue((0, 0, away))) for away in (0.0, 0.5, 1.5, 4.0)]
    kept = [np.corrcoef(pictures[0].ravel(), p.ravel())[0, 1] for p in pictures]
    assert kept == sorted(kept, reverse=True)
    assert kept[1] > 0.6
    assert abs(kept[3]) < 0.15


def test_blood_changes_from_frame_to_frame():
    engine = clean_engine()
    blood = Tissue(np.zeros(GRID, np.float32), np.ones(GRID, np.float32), uniform_tissue().texture)
    first, second = engine.frame(blood), engine.frame(blood)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] < 0.5


def test_ten_decibels_are_a_fixed_step_of_grey():
    display = Display(dynamic_range_db=50)
    levels = compress(np.array([[-40.0, -30.0, -20.0, -10.0]]), display, 0.0)
    np.testing.assert_allclose(np.diff(levels), 0.2)


def test_display_saturates_at_both_ends():
    levels = compress(np.array([[-200.0, 50.0]]), Display(dynamic_range_db=50, gamma=1.5), 0.0)
    np.testing.assert_array_equal(levels, [[0.0, 1.0]])


def test_scan_conversion_puts_samples_where_they_are():
    sector = Sector(0.15, 0.6, 200, 150)
    converter = ScanConverter(sector, fitted_raster(sector, (220, 260)))
    lateral, axial = sector.points_m()
    for values in (lateral, axial):
        image = converter.convert(values)
        expected = converter.raster.points_m()[0 if values is lateral else 1]
        np.testing.assert_allclose(image[converter.mask], expected[converter.mask], atol=2e-5)


def test_nearest_conversion_keeps_labels():
    sector = Sector(0.15, 0.6, 100, 60)
    converter = ScanConverter(sector, fitted_raster(sector, (128, 128)))
    labels = (np.arange(100)[:, None] // 20 + np.zeros((1, 60))).astype(np.uint8)
    assert set(np.unique(converter.nearest(labels)[converter.mask])) == {0, 1, 2, 3, 4}


def test_pixels_and_metres_are_inverse():
    raster = Raster((50, 70), 0.5e-3, 0.01, -0.02)
    lateral, axial = raster.points_m()
    rows, columns = raster.to_pixels(lateral, axial)
    np.testing.assert_allclose(rows, np.indices((50, 70))[0], atol=1e-3)
    np.testing.assert_allclose(columns, np.indices((50, 70))[1], atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth_m": 0.0, "half_angle_rad": 0.5}, "starts before it ends"),
        ({"depth_m": 0.1, "half_angle_rad": 2.0}, "half angle"),
        ({"depth_m": 0.1, "half_angle_rad": 0.5, "n_beams": 2}, "at least 8"),
    ],
)
def test_impossible_sectors_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Sector(**arguments)


def test_crops_of_noise_have_unit_power(rng):
    assert np.mean(np.abs(crop_noise(GRID, rng)) ** 2) == pytest.approx(1, abs=0.05)


def test_muscle_speckle_moves_as_the_truth_says():
    """Blocks of muscle found again by normalised correlation lie where the displacement field puts them."""
    import cv2

    options = ClipOptions(
        n_frames=2, frame_rate_hz=60, start_s=0.16, size=(400, 400), is_cropped=True, drift=0.0, variation=NOMINAL,
        quality=1.0, samples=480, beams=220,
    )  # fmt: skip
    recording = Patient(5, vendor="cascade").recording(View.A4C, options=options)
    art = replace(recording.acquisition.artefacts, slide_per_s=0.0, noise=-90, near_field=-90, haze=None)
    recording.engine.acquisition = replace(recording.acquisition, artefacts=art)
    images = [recording.image(i)[0] for i in range(2)]
    truth = recording.truth()
    step = truth["displacement_next_mm"][0] / (recording.screen.raster.pixel_m * 1e3)
    errors = []
    for row, column in np.argwhere(truth["mask"][0] == 2)[::37]:
        block = images[0][row - 10 : row + 11, column - 10 : column + 11]
        area = images[1][row - 18 : row + 19, column - 18 : column + 19]
        if block.shape != (21, 21) or area.shape != (37, 37) or block.std() < 15:
            continue
        score = cv2.matchTemplate(area, block, cv2.TM_CCOEFF_NORMED)
        found = np.array(np.unravel_index(np.argmax(score), score.shape)) - 8
        errors.append(found - step[row, column])
    errors = np.array(errors)
    assert len(errors) > 20
    assert np.median(np.hypot(*errors.T)) < 1.5  # px of 0.4 mm; found positions are whole pixels


@pytest.mark.slow
def test_batches_equal_single_scenes_and_run_on_torch():
    torch = pytest.importorskip("torch")
    options = ClipOptions(n_frames=3, frame_rate_hz=12, size=(64, 64), samples=96, beams=48)

    def fresh():
        return Patient(5).recording(View.A4C, options=options)

    singles = np.stack([fresh().scene(i).structure for i in range(3)])
    images, structures = fresh().batch(range(3))
    on_torch, structures_on_torch = fresh().batch(range(3), like_array=torch.zeros(1))
    np.testing.assert_array_equal(structures, singles)
    np.testing.assert_array_equal(structures_on_torch.numpy(), singles)
    np.testing.assert_allclose(on_torch.numpy(), images, atol=1e-4)


def shown(changes, *, seed=3, view=View.A4C):
    """A clean image in beams, in dB of muscle, with one clip's echogenicity changed; structure of every sample."""
    options = ClipOptions(n_frames=1, variation=NOMINAL, drift=0.0, samples=160, beams=96)
    recording = Patient(seed).recording(view, options=options)
    still = {"fat": None, "crux": 0.0, "septal_gain": 0.0, "apical_drop": 0.0, "dropout": 0.0}
    recording.imagined.echo = replace(recording.imagined.echo, **{**still, **changes})
    scene = recording.scene(0)
    return 20 * np.log10(np.maximum(scene.tissue, 1e-6)), scene


@pytest.mark.parametrize(
    ("changes", "structures"),
    [
        ({"crux": 15.0}, (Structure.CONNECTIVE, Structure.MYOCARDIUM)),
        ({"fat": 5.0, "fat_m": 8e-3}, (Structure.BACKGROUND,)),
        ({"septal_gain": 10.0, "septal_middle": 0.3, "septal_reach": 0.3}, (Structure.MYOCARDIUM,)),
    ],
)
def test_crux_fat_and_septum_brighten_their_own_tissue_alone(changes, structures):
    plain, scene = shown({})
    bright, _ = shown(changes)
    gained = bright - plain > 1.0
    assert gained.sum() > 40
    assert (bright - plain).min() > -1e-3
    named = np.isin(scene.structure, [int(s) for s in structures])
    assert named[gained & (scene.blood < 0.05)].mean() > 0.75  # the rest lies in leaflets and at borders


def test_apical_muscle_is_lost_at_the_apex_alone():
    plain, scene = shown({})
    lost = plain - shown({"apical_drop": 10.0})[0] > 1.0
    length = Patient(3).valves.chambers.motion.shape.length_m
    assert lost.sum() > 40
    assert scene.material.z[lost].min() > 0.45 * length


def test_an_image_of_even_grey_is_not_readable_and_a_clear_one_is():
    recording = Patient(3).recording(View.A4C, options=ClipOptions(n_frames=1, samples=160, beams=96))
    screen, structure = recording.image(0)
    assert recording.is_readable(screen, structure)
    assert not recording.is_readable(np.full_like(screen, 90), structure)
    assert not recording.is_readable(255 - screen, structure)


def test_recordings_that_nobody_could_read_are_taken_again():
    options = ClipOptions(n_frames=1, size=(160, 160), samples=96, beams=48, has_displacement=False)
    first, kept = [], []
    for seed in range(24):
        patient = Patient(seed)
        for into, recording in (
            (first, patient._recording(View.A2C, 0, options)),
            (kept, patient.recording(View.A2C, options=options)),
        ):
            into.append(recording.is_readable(*recording.image(0)))
    assert 0.6 < np.mean(first) < 1.0
    assert all(kept)
