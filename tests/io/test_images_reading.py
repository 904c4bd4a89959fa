"""Stills, animations, stacks and volumes."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from PIL import Image, TiffImagePlugin

from sonometry.core import DataError
from sonometry.io.facts import Facts
from sonometry.io.images import PictureFrames, read_image
from sonometry.io.sniff import FileFormat, sniff
from sonometry.io.volumes import is_picture_array, read_numpy, read_volume


def bt601(rgb: np.ndarray) -> np.ndarray:
    return rgb.astype(float) @ np.array([0.299, 0.587, 0.114])


def write_itk(array: np.ndarray, path: Path, spacing: tuple[float, ...], *, is_vector: bool = False) -> Path:
    image = SimpleITK.GetImageFromArray(array, isVector=is_vector)
    image.SetSpacing(spacing)
    SimpleITK.WriteImage(image, str(path))
    return path


def save_stack(path: Path, frames: np.ndarray, **options: object) -> Path:
    first, *rest = [Image.fromarray(frame) for frame in frames]
    first.save(path, save_all=True, append_images=rest, **options)
    return path


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "webp"])
def test_lossless_stills_are_read_exactly(tmp_path: Path, clip: np.ndarray, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    Image.fromarray(clip[0]).save(path, lossless=True)
    assert sniff(path) is FileFormat.IMAGE
    cine = read_image(path)
    assert cine.shape == (1, 40, 48)
    np.testing.assert_allclose(cine.frame(0), clip[0], atol=1 if ending == "webp" else 0)


def test_a_still_has_no_rate_and_no_spacing(tmp_path: Path, clip: np.ndarray) -> None:
    Image.fromarray(clip[0]).save(tmp_path / "a.png", dpi=(96, 96))
    cine = read_image(tmp_path / "a.png")
    assert cine.frame_rate_hz is None
    assert cine.spacing_m is None


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "tif"])
def test_colour_becomes_luminance(tmp_path: Path, colour_clip: np.ndarray, ending: str) -> None:
    Image.fromarray(colour_clip[0]).save(tmp_path / f"a.{ending}", quality=97, subsampling=0)
    found = read_image(tmp_path / f"a.{ending}").frame(0)
    assert np.abs(found - bt601(colour_clip[0])).max() < (12 if ending == "jpg" else 1.01)


def test_palette_picture_becomes_luminance(tmp_path: Path, colour_clip: np.ndarray) -> None:
    picture = Image.fromarray(colour_clip[0]).quantize(256)
    picture.save(tmp_path / "a.png")
    expected = bt601(np.asarray(picture.convert("RGB")))
    np.testing.assert_allclose(read_image(tmp_path / "a.png").frame(0), expected, atol=1)


def test_transparent_pixels_are_black(tmp_path: Path, clip: np.ndarray) -> None:
    alpha = np.full((40, 48), 255, np.uint8)
    alpha[:10] = 0
    rgba = np.dstack([clip[0], clip[0], clip[0], alpha])
    rgba[:10, :, :3] = 200
    Image.fromarray(rgba).save(tmp_path / "a.png")
    found = read_image(tmp_path / "a.png").frame(0)
    assert (found[:10] == 0).all()
    np.testing.assert_array_equal(found[10:], clip[0, 10:])


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_16_bits_become_float_on_the_scale_of_255(tmp_path: Path, clip: np.ndarray, ending: str) -> None:
    Image.fromarray(clip[0].astype(np.uint16) * 257).save(tmp_path / f"a.{ending}")
    found = read_image(tmp_path / f"a.{ending}").frame(0)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, clip[0], atol=1e-3)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate", "packbits"])
def test_tiff_stack_is_read_in_any_order(tmp_path: Path, clip: np.ndarray, compression: str | None) -> None:
    cine = read_image(save_stack(tmp_path / "a.tif", clip, compression=compression))
    assert cine.shape == clip.shape
    for index in (3, 0, 2, 1):
        np.testing.assert_array_equal(cine.frame(index), clip[index])
    assert not cine.is_timed
    assert any("--fps" in note for note in cine.source.notes)


def test_imagej_stack_brings_spacing_and_interval(tmp_path: Path, clip: np.ndarray) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270] = "ImageJ=1.53t\nimages=4\nframes=4\nunit=cm\nfinterval=0.02\n"
    tags[282], tags[283] = 50.0, 40.0
    cine = read_image(save_stack(tmp_path / "a.tif", clip, tiffinfo=tags))
    assert cine.spacing_m == pytest.approx((1e-2 / 40, 1e-2 / 50))
    assert cine.frame_rate_hz == pytest.approx(50)


def test_imagej_stack_with_missing_pages_is_refused(tmp_path: Path, clip: np.ndarray) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270] = "ImageJ=1.53t\nimages=900\n"
    with pytest.raises(DataError, match="announces 900 pictures but has 4 TIFF pages"):
        read_image(save_stack(tmp_path / "a.tif", clip, tiffinfo=tags))


def test_gif_times_are_its_display_durations(tmp_path: Path, clip: np.ndarray) -> None:
    cine = read_image(save_stack(tmp_path / "a.gif", clip, duration=[20, 50, 30, 40]))
    np.testing.assert_allclose(cine.frame_times_s, [0, 0.02, 0.07, 0.1])
    np.testing.assert_allclose(cine.pixels, clip, atol=1)


def test_gif_without_durations_is_untimed(tmp_path: Path, clip: np.ndarray) -> None:
    cine = read_image(save_stack(tmp_path / "a.gif", clip))
    assert not cine.is_timed


def test_told_facts_are_used(tmp_path: Path, clip: np.ndarray) -> None:
    path = save_stack(tmp_path / "a.tif", clip)
    cine = read_image(path, Facts(fps=50, spacing_mm=(0.1, 0.2)))
    assert cine.frame_rate_hz == pytest.approx(50)
    assert cine.spacing_m == pytest.approx((1e-4, 2e-4))


def test_pages_of_different_size_are_refused_on_access(tmp_path: Path, clip: np.ndarray) -> None:
    pages = [Image.fromarray(clip[0]), Image.fromarray(clip[1, :20])]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    cine = read_image(tmp_path / "a.tif")
    with pytest.raises(DataError, match=r"frame 1 of a\.tif is 20 x 48 uint8, the first 40 x 48 uint8"):
        cine.frame(1)


def test_not_a_number_in_float_pixels_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), np.nan, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match="NaN or infinite"):
        read_image(tmp_path / "a.tif")


def test_picture_of_too_many_pixels_is_refused(
    tmp_path: Path, clip: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(clip[0]).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match="too many pixels"):
        read_image(tmp_path / "a.png")


def test_frame_source_survives_pickling(tmp_path: Path, clip: np.ndarray) -> None:
    frames = PictureFrames(save_stack(tmp_path / "a.tif", clip))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(frames)).frame(2), clip[2])


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "gif", "tif", "webp"])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_truncated_pictures_are_refused(tmp_path: Path, clip: np.ndarray, ending: str, share: float) -> None:
    path = tmp_path / f"a.{ending}"
    Image.fromarray(clip[0]).save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(DataError, match="damaged"):
        read_image(path)


@pytest.mark.parametrize("ending", ["nii", "nii.gz", "nrrd", "mha", "mhd"])
def test_volumes_bring_frames_and_spacing(tmp_path: Path, clip: np.ndarray, ending: str) -> None:
    path = write_itk(clip, tmp_path / f"a.{ending}", (0.2, 0.3, 1.0))
    assert sniff(path) is FileFormat.VOLUME
    cine = read_volume(path)
    np.testing.assert_array_equal(cine.pixels, clip)
    assert cine.spacing_m == pytest.approx((3e-4, 2e-4), rel=1e-6)
    assert not cine.is_timed


def test_volume_with_another_ending_is_recognised_by_its_content(tmp_path: Path, clip: np.ndarray) -> None:
    path = write_itk(clip, tmp_path / "a.nii", (0.2, 0.3, 1.0)).rename(tmp_path / "export.dat")
    np.testing.assert_array_equal(read_volume(path).pixels, clip)


def test_placeholder_spacing_of_a_volume_is_not_used(tmp_path: Path, clip: np.ndarray) -> None:
    cine = read_volume(write_itk(clip, tmp_path / "a.nii", (1.0, 1.0, 1.0)))
    assert cine.spacing_m is None
    assert any("placeholder" in note and "--spacing-mm" in note for note in cine.source.notes)


def test_fourth_axis_of_nifti_is_time(tmp_path: Path, clip: np.ndarray) -> None:
    path = write_itk(clip[:, None], tmp_path / "a.nii", (0.2, 0.3, 1.0, 0.025))
    cine = read_volume(path)
    assert cine.shape == clip.shape
    assert cine.frame_rate_hz == pytest.approx(40, rel=1e-5)


def test_colour_volume_becomes_luminance(tmp_path: Path, colour_clip: np.ndarray) -> None:
    cine = read_volume(write_itk(colour_clip, tmp_path / "a.nii", (0.2, 0.3, 1.0), is_vector=True))
    np.testing.assert_allclose(cine.pixels, bt601(colour_clip), atol=1)


def test_volume_in_time_is_refused(tmp_path: Path) -> None:
    path = write_itk(np.zeros((3, 4, 8, 8), np.uint8), tmp_path / "a.nii", (1.0, 1.0, 1.0, 1.0))
    with pytest.raises(DataError, match="volume in time"):
        read_volume(path)


def test_deep_volume_is_scaled_with_a_note(tmp_path: Path, clip: np.ndarray) -> None:
    cine = read_volume(write_itk(clip.astype(np.int16) * 4, tmp_path / "a.nii", (0.2, 0.2, 1.0)))
    assert cine.pixels.dtype == np.float32
    assert cine.pixels.max() == pytest.approx(255)
    assert any("scaled to 0 to 255" in note for note in cine.source.notes)


def test_small_integers_of_any_width_stay_as_they_are(tmp_path: Path, clip: np.ndarray) -> None:
    cine = read_volume(write_itk(clip.astype(np.int16), tmp_path / "a.nii", (0.2, 0.2, 1.0)))
    np.testing.assert_array_equal(cine.pixels, clip)
    assert cine.pixels.dtype == np.uint8


@pytest.mark.parametrize("ending", ["nii", "nii.gz", "mha", "nrrd"])
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_truncated_volumes_are_refused(
    tmp_path: Path, clip: np.ndarray, ending: str, share: float, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write_itk(clip, tmp_path / f"a.{ending}", (0.2, 0.3, 1.0))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(DataError, match="truncated"):
        read_volume(path)
    assert capfd.readouterr().err == ""  # ITK's own lines would stand between a user and the message


@pytest.mark.parametrize("shape", [(40, 48), (4, 40, 48), (4, 40, 48, 3)])
def test_numpy_pictures_are_read(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    np.save(tmp_path / "a.npy", array)
    assert is_picture_array(tmp_path / "a.npy")
    cine = read_numpy(tmp_path / "a.npy")
    expected = bt601(array) if array.ndim == 4 else array.reshape(-1, 40, 48)
    np.testing.assert_allclose(cine.pixels, expected, atol=1)


def test_numpy_floats_are_no_pictures(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 5, 6)))
    assert not is_picture_array(tmp_path / "a.npy")
    with pytest.raises(DataError, match="a clip is uint8"):
        read_numpy(tmp_path / "a.npy")


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="holds objects"):
        read_numpy(tmp_path / "a.npy")


@pytest.mark.data
def test_real_stills_are_read(shared_data: Path) -> None:
    assert read_image(shared_data / "echo" / "views" / "plax_still.jpg").frame(0).std() > 20
    stills = sorted((shared_data / "echo" / "views").glob("*.png"))
    assert len(stills) == 19
    for path in stills:
        assert read_image(path).shape[0] == 1
