"""Grey levels of every transfer syntax and photometric interpretation."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import gdcm
import numpy as np
import pydicom
import pytest
import simplejpeg
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

from sonometry.core import DataError
from sonometry.io.dicom import read_dicom

MakeDicom = Callable[..., Path]

#: Files that pydicom brings along.
TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"

#: JPEG of quality 95 moves grey levels by a few steps, by the most at the sharp edge of the disc.
JPEG_LEVELS = 12


def bt601(rgb: np.ndarray) -> np.ndarray:
    """Luminance by the formula of ITU-R BT.601, in floats."""
    return rgb.astype(float) @ np.array([0.299, 0.587, 0.114])


def ycc(rgb: np.ndarray) -> np.ndarray:
    """Full-range YCbCr of (T, H, W, 3) RGB (JFIF)."""
    frames = [cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]] for frame in rgb]
    return np.stack(frames)


def transcoded(source: Path, syntax: int, name: str) -> Path:
    """The file in another transfer syntax, written by gdcm."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(source))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    target = source.with_name(name)
    writer.SetFileName(str(target))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return target


def jpeg_data(frames: np.ndarray, colour_space: str = "RGB", subsampling: str = "422") -> bytes:
    return encapsulate([simplejpeg.encode_jpeg(np.ascontiguousarray(f), 95, colour_space, subsampling) for f in frames])


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
)
def test_uncompressed_grey_is_read_exactly(make_dicom: MakeDicom, clip: np.ndarray, syntax: str) -> None:
    cine = read_dicom(make_dicom(syntax=syntax))
    np.testing.assert_array_equal(cine.pixels, clip)
    assert cine.pixels.dtype == np.uint8


def test_monochrome1_is_inverted(make_dicom: MakeDicom, clip: np.ndarray) -> None:
    cine = read_dicom(make_dicom(255 - clip, photometric="MONOCHROME1"))
    np.testing.assert_array_equal(cine.pixels, clip)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_twelve_bits_become_float_on_the_scale_of_255(make_dicom: MakeDicom, clip: np.ndarray, syntax: str) -> None:
    deep = (clip.astype(np.uint16) * 16 + 7).astype(">u2" if syntax == ExplicitVRBigEndian else "<u2")
    cine = read_dicom(make_dicom(deep, bits=12, syntax=syntax))
    assert cine.pixels.dtype == np.float32
    np.testing.assert_allclose(cine.pixels, deep.astype(float) * 255 / 4095, atol=1e-4)


def test_bits_above_the_high_bit_are_ignored(make_dicom: MakeDicom, clip: np.ndarray) -> None:
    deep = clip.astype("<u2") | 0xF000  # overlays of old files lie in unused bits
    cine = read_dicom(make_dicom(deep, bits=12))
    np.testing.assert_allclose(cine.pixels, clip.astype(float) * 255 / 4095, atol=1e-4)


def test_samples_in_the_upper_bits_are_shifted_down(make_dicom: MakeDicom, clip: np.ndarray) -> None:
    deep = clip.astype("<u2") << 8
    cine = read_dicom(make_dicom(deep, bits=16, BitsStored=8, HighBit=15))
    np.testing.assert_array_equal(cine.pixels, clip)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("planar", [0, 1])
def test_rgb_becomes_its_luminance(make_dicom: MakeDicom, colour_clip: np.ndarray, planar: int, syntax: str) -> None:
    stored = np.ascontiguousarray(np.moveaxis(colour_clip, 3, 1)) if planar else colour_clip
    cine = read_dicom(make_dicom(colour_clip, data=stored.tobytes(), PlanarConfiguration=planar, syntax=syntax))
    np.testing.assert_allclose(cine.pixels, bt601(colour_clip), atol=1)


def test_big_endian_words_of_eight_bit_samples_are_unswapped(make_dicom: MakeDicom, clip: np.ndarray) -> None:
    odd = np.ascontiguousarray(clip[:3, :5, :5])  # frames of 25 bytes begin within a word
    words = np.frombuffer(odd.tobytes() + b"\0", "<u2").byteswap().tobytes()
    path = make_dicom(odd, syntax=ExplicitVRBigEndian, data=words)
    path.write_bytes(path.read_bytes().replace(b"\x7f\xe0\x00\x10OB", b"\x7f\xe0\x00\x10OW"))
    np.testing.assert_array_equal(read_dicom(path).pixels, odd)


def test_ybr_full_gives_its_first_sample(make_dicom: MakeDicom, colour_clip: np.ndarray) -> None:
    stored = ycc(colour_clip)
    cine = read_dicom(make_dicom(stored, photometric="YBR_FULL"))
    np.testing.assert_array_equal(cine.pixels, stored[..., 0])


def test_uncompressed_422_shares_chroma_between_two_pixels(make_dicom: MakeDicom, colour_clip: np.ndarray) -> None:
    stored = ycc(colour_clip)
    y, chroma = stored[..., 0], stored[:, :, ::2, 1:]
    packed = np.concatenate([y.reshape(4, 40, 24, 2), chroma], axis=3)
    cine = read_dicom(make_dicom(stored, photometric="YBR_FULL_422", data=packed.tobytes()))
    np.testing.assert_array_equal(cine.pixels, y)


def test_uncompressed_422_of_odd_width_is_refused(make_dicom: MakeDicom, colour_clip: np.ndarray) -> None:
    with pytest.raises(DataError, match="47 columns, but 4:2:2 pixels come in pairs"):
        read_dicom(make_dicom(colour_clip[:, :, :47], photometric="YBR_FULL_422"))


def test_422_jpeg_of_odd_width_is_read(make_dicom: MakeDicom, colour_clip: np.ndarray) -> None:
    odd = np.ascontiguousarray(colour_clip[:, :, :47])
    data = jpeg_data(odd)
    cine = read_dicom(make_dicom(odd, syntax=JPEGBaseline8Bit, photometric="YBR_FULL_422", data=data))
    assert np.abs(cine.pixels - bt601(odd)).mean() < 1.5


def test_partial_range_luminance_is_stretched(make_dicom: MakeDicom, clip: np.ndarray) -> None:
    y = np.round(16 + clip * (219 / 255)).astype(np.uint8)
    packed = np.concatenate([y.reshape(4, 40, 24, 2), np.full((4, 40, 24, 2), 128, np.uint8)], axis=3)
    frames = np.repeat(clip[..., None], 3, axis=3)
    cine = read_dicom(make_dicom(frames, photometric="YBR_PARTIAL_422", data=packed.tobytes()))
    np.testing.assert_allclose(cine.pixels, clip, atol=1)


@pytest.mark.parametrize("bits", [8, 16])
def test_palette_gives_luminance_of_its_colours(make_dicom: MakeDicom, clip: np.ndarray, bits: int) -> None:
    ramp = np.arange(256)
    colours = np.stack([ramp, np.minimum(255, ramp * 2), 255 - ramp], axis=1).astype(np.uint8)
    entries = colours.astype("<u2") * (257 if bits == 16 else 1)
    tables = {
        f"{name}PaletteColorLookupTable{part}": value
        for i, name in enumerate(("Red", "Green", "Blue"))
        for part, value in (
            ("Descriptor", [256, 0, bits]),
            ("Data", entries[:, i].astype("<u2" if bits == 16 else np.uint8).tobytes()),
        )
    }
    cine = read_dicom(make_dicom(photometric="PALETTE COLOR", **tables))
    np.testing.assert_allclose(cine.pixels, bt601(colours)[clip], atol=1)


def test_16_bit_palette_with_8_bit_values_is_not_black(make_dicom: MakeDicom, clip: np.ndarray) -> None:
    entries = np.arange(256).astype("<u2").tobytes()
    tables = {
        f"{name}PaletteColorLookupTable{part}": value
        for name in ("Red", "Green", "Blue")
        for part, value in (("Descriptor", [256, 0, 16]), ("Data", entries))
    }
    np.testing.assert_array_equal(read_dicom(make_dicom(photometric="PALETTE COLOR", **tables)).pixels, clip)


def test_palette_without_tables_is_refused(make_dicom: MakeDicom) -> None:
    with pytest.raises(DataError, match="no usable colour palette"):
        read_dicom(make_dicom(photometric="PALETTE COLOR"))


@pytest.mark.parametrize("kind", ["grey", "colour", "deep"])
def test_rle_is_read_exactly(make_dicom: MakeDicom, clip: np.ndarray, colour_clip: np.ndarray, kind: str) -> None:
    frames = {"grey": clip, "colour": colour_clip, "deep": clip.astype("<u2") * 257}[kind]
    path = make_dicom(frames, bits=16 if kind == "deep" else 8)
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.save_as(path)
    expected = {"grey": clip, "colour": bt601(colour_clip), "deep": clip}[kind]
    np.testing.assert_allclose(read_dicom(path).pixels, expected, atol=1 if kind == "colour" else 1e-4)


SYNTAXES = {
    "lossless_jpeg": gdcm.TransferSyntax.JPEGLosslessProcess14_1,
    "lossless_jpeg_any_predictor": gdcm.TransferSyntax.JPEGLosslessProcess14,
    "jpeg_ls": gdcm.TransferSyntax.JPEGLSLossless,
    "jpeg_2000_lossless": gdcm.TransferSyntax.JPEG2000Lossless,
}


@pytest.mark.parametrize("kind", ["grey", "colour", "deep"])
@pytest.mark.parametrize("name", SYNTAXES)
def test_lossless_compression_is_read_exactly(
    make_dicom: MakeDicom, clip: np.ndarray, colour_clip: np.ndarray, name: str, kind: str
) -> None:
    frames = {"grey": clip, "colour": colour_clip, "deep": clip.astype("<u2") * 16}[kind]
    path = transcoded(make_dicom(frames, bits=12 if kind == "deep" else 8), SYNTAXES[name], f"{name}.dcm")
    expected = {"grey": clip, "colour": bt601(colour_clip), "deep": clip * (16 * 255 / 4095)}[kind]
    np.testing.assert_allclose(read_dicom(path).pixels, expected, atol=1 if kind == "colour" else 1e-3)


@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_lossy_jpeg_2000_stays_near(
    make_dicom: MakeDicom, clip: np.ndarray, colour_clip: np.ndarray, kind: str
) -> None:
    frames = clip if kind == "grey" else colour_clip
    path = transcoded(make_dicom(frames), gdcm.TransferSyntax.JPEG2000, "j2k.dcm")
    expected = clip if kind == "grey" else bt601(colour_clip)
    assert np.abs(read_dicom(path).pixels - expected).mean() < 2


def test_12_bit_jpeg_is_read_as_dcmtk_reads_it() -> None:
    cine = read_dicom(TEST_FILES / "JPGExtended.dcm")
    stored = cine.pixels * (4095 / 255)  # dcmdjpeg gives 0 to 264 with this mean
    assert stored.max() == pytest.approx(264, abs=1e-3)
    assert stored.mean() == pytest.approx(14.369991302, rel=1e-5)


def test_grey_jpeg_is_read(make_dicom: MakeDicom, clip: np.ndarray) -> None:
    path = make_dicom(syntax=JPEGBaseline8Bit, data=jpeg_data(clip[..., None], "GRAY", "Gray"))
    np.testing.assert_allclose(read_dicom(path).pixels, clip, atol=JPEG_LEVELS)


@pytest.mark.parametrize("subsampling", ["444", "422", "420"])
@pytest.mark.parametrize("photometric", ["YBR_FULL_422", "YBR_FULL", "RGB"])
def test_colour_jpeg_with_jfif_marker_is_ycc_whatever_the_header_says(
    make_dicom: MakeDicom, colour_clip: np.ndarray, photometric: str, subsampling: str
) -> None:
    data = jpeg_data(colour_clip, subsampling=subsampling)
    cine = read_dicom(make_dicom(colour_clip, syntax=JPEGBaseline8Bit, photometric=photometric, data=data))
    assert np.abs(cine.pixels - bt601(colour_clip)).mean() < 1.5
    assert any("PhotometricInterpretation" in n for n in cine.source.notes) == (photometric == "RGB")


def without_markers(stream: bytes) -> bytes:
    """A JPEG stream without its JFIF segment, which leaves the colour space to the header."""
    assert stream[2:4] == b"\xff\xe0"
    return stream[:2] + stream[4 + int.from_bytes(stream[4:6], "big") :]


def test_colour_jpeg_without_markers_follows_the_header(make_dicom: MakeDicom, colour_clip: np.ndarray) -> None:
    streams = [without_markers(simplejpeg.encode_jpeg(f, 95, "RGB", "444")) for f in colour_clip]
    data = encapsulate(streams)
    cine = read_dicom(make_dicom(colour_clip, syntax=JPEGBaseline8Bit, photometric="YBR_FULL", data=data))
    assert np.abs(cine.pixels - bt601(colour_clip)).mean() < 1.5


def rgb_stream(frame: np.ndarray) -> bytes:
    """A JPEG whose components are R, G and B with identifiers 1, 2, 3 and no marker that says so."""
    planes = [np.ascontiguousarray(frame[..., i]) for i in range(3)]
    return without_markers(simplejpeg.encode_jpeg_yuv_planes(*planes, 95))


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
def test_jpeg_of_rgb_components_is_recognised_by_its_picture(
    make_dicom: MakeDicom, colour_clip: np.ndarray, photometric: str
) -> None:
    data = encapsulate([rgb_stream(frame) for frame in colour_clip])
    cine = read_dicom(make_dicom(colour_clip, syntax=JPEGBaseline8Bit, photometric=photometric, data=data))
    assert np.abs(cine.pixels - bt601(colour_clip)).mean() < 2


def test_green_pictures_of_mislabelled_ycc_are_put_right(make_dicom: MakeDicom, colour_clip: np.ndarray) -> None:
    stored = ycc(colour_clip)
    cine = read_dicom(make_dicom(stored, photometric="RGB"))
    np.testing.assert_array_equal(cine.pixels, stored[..., 0])
    assert "PhotometricInterpretation says RGB but the pixels are YCbCr and are read so" in cine.source.notes


def test_frames_in_several_fragments_are_joined_by_the_offset_table(make_dicom: MakeDicom, clip: np.ndarray) -> None:
    streams = [simplejpeg.encode_jpeg(f[..., None], 95, "GRAY", "Gray") for f in clip]
    path = make_dicom(syntax=JPEGBaseline8Bit, data=encapsulate(streams, fragments_per_frame=3))
    np.testing.assert_allclose(read_dicom(path).pixels, clip, atol=JPEG_LEVELS)


def test_frames_in_several_fragments_without_table_begin_at_start_markers(
    make_dicom: MakeDicom, clip: np.ndarray
) -> None:
    streams = [simplejpeg.encode_jpeg(f[..., None], 95, "GRAY", "Gray") for f in clip]
    data = encapsulate(streams, fragments_per_frame=3, has_bot=False)
    path = make_dicom(syntax=JPEGBaseline8Bit, data=data)
    np.testing.assert_allclose(read_dicom(path).pixels, clip, atol=JPEG_LEVELS)


def test_extended_offset_table_is_accepted(make_dicom: MakeDicom, clip: np.ndarray) -> None:
    streams = [simplejpeg.encode_jpeg(f[..., None], 95, "GRAY", "Gray") for f in clip]
    data, offsets, lengths = encapsulate_extended(streams)
    path = make_dicom(
        syntax=JPEGBaseline8Bit, data=data, ExtendedOffsetTable=offsets, ExtendedOffsetTableLengths=lengths
    )
    np.testing.assert_allclose(read_dicom(path).pixels, clip, atol=JPEG_LEVELS)


def test_wrong_transfer_syntax_in_the_header_is_noted(make_dicom: MakeDicom, clip: np.ndarray) -> None:
    path = make_dicom(syntax=RLELossless, data=jpeg_data(clip[..., None], "GRAY", "Gray"))
    cine = read_dicom(path)
    np.testing.assert_allclose(cine.pixels, clip, atol=JPEG_LEVELS)
    assert any("not RLE Lossless as the header says" in note for note in cine.source.notes)


def test_stray_bytes_between_jpeg_markers_are_tolerated(make_dicom: MakeDicom, clip: np.ndarray) -> None:
    streams = []
    for frame in clip:
        stream = simplejpeg.encode_jpeg(frame[..., None], 95, "GRAY", "Gray")
        streams.append(stream[:-2] + b"\x11\x22" + stream[-2:])
    path = make_dicom(syntax=JPEGBaseline8Bit, data=encapsulate(streams))
    np.testing.assert_allclose(read_dicom(path).pixels, clip, atol=JPEG_LEVELS)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"Rows": 0}, "no usable Rows"),
        ({"Columns": None}, "no usable Columns"),
        ({"SamplesPerPixel": 2}, "2 samples of 8 bits"),
        ({"BitsAllocated": 32}, "1 samples of 32 bits"),
        ({"PhotometricInterpretation": "HSV"}, "PhotometricInterpretation that cannot be read"),
        ({"PhotometricInterpretation": "RGB"}, "contradicts itself: RGB with 1 samples"),
        ({"NumberOfFrames": 0}, "NumberOfFrames of 0"),
        ({"NumberOfFrames": 400}, "announces 400 frames of 1920 bytes but holds only 7680"),
    ],
)
def test_unusable_pixel_modules_are_refused(make_dicom: MakeDicom, attributes: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_dicom(make_dicom(**attributes))


def test_jpeg_of_another_size_than_the_header_is_refused(make_dicom: MakeDicom, clip: np.ndarray) -> None:
    data = jpeg_data(clip[:, :32, :, None], "GRAY", "Gray")
    with pytest.raises(DataError, match=r"frame 0 .* is 32 x 48 pixels where the header says 40 x 48"):
        read_dicom(make_dicom(syntax=JPEGBaseline8Bit, data=data))


def test_unknown_transfer_syntax_is_refused_by_name(make_dicom: MakeDicom) -> None:
    path = make_dicom(syntax="1.2.840.10008.1.2.4.201", data=encapsulate([b"\xff\x4f\xff\x51"] * 4))
    with pytest.raises(DataError, match="nothing decodes the transfer syntax High-Throughput"):
        read_dicom(path)


def expected_grey(path: Path, index: int) -> np.ndarray:
    """Luminance of what pydicom decodes: an independent path through other decoders and colour conversions."""
    dataset = pydicom.dcmread(path)
    array = pydicom.pixels.pixel_array(dataset, index=index)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        array = pydicom.pixels.apply_color_lut(array, dataset)
        array = array >> 8 if array.dtype == np.uint16 else array
    return bt601(array) if array.ndim == 3 else array


@pytest.mark.data
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize(
    "name",
    [
        "acuson_doppler_jpeg_frametimevector",
        "acuson_doppler_raw_frametimevector",
        "aloka_palette16_three_regions",
        "cx50_palette_2frame",
        "cx50_palette_rle_2frame",
        "epiq5g_grey_cine_test_patient",
        "logiq_jpeg2000",
        "logiq_rgb",
        "retired_us_sop_class",
    ],
)
def test_real_files_agree_with_pydicom(shared_data: Path, name: str) -> None:
    path = shared_data / "dicom" / f"{name}.dcm"
    cine = read_dicom(path)
    difference = np.abs(cine.frame(cine.n_frames - 1) - expected_grey(path, cine.n_frames - 1))
    assert difference.mean() < 0.5
    assert difference.max() < (12 if "jpeg_frame" in name else 1)  # saturated colours clip in another order


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize("name", ["examples_ybr_color", "examples_jpeg2k", "examples_palette", "ExplVR_BigEnd"])
def test_bundled_files_agree_with_pydicom(name: str) -> None:
    path = TEST_FILES / f"{name}.dcm"
    cine = read_dicom(path)
    difference = np.abs(cine.frame(cine.n_frames - 1) - expected_grey(path, cine.n_frames - 1))
    assert difference.mean() < 0.5


@pytest.mark.peers
@pytest.mark.skipif(shutil.which("dcmcjpeg") is None, reason="dcmtk is not installed (Debian: dcmtk)")
class TestByDcmtk:
    """What dcmtk compresses is read as dcmtk decompresses it."""

    @pytest.mark.parametrize(
        "command",
        [
            "dcmcjpeg +e1", "dcmcjpeg +el", "dcmcjpeg +eb", "dcmcjpeg +eb +cr", "dcmcjpeg +ee", "dcmcjpeg +es",
            "dcmcjpeg +ep", "dcmcjpls +el", "dcmcjpls +en", "dcmcrle",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("kind", ["grey", "colour", "deep"])
    def test_compressed_file(
        self, make_dicom: MakeDicom, clip: np.ndarray, colour_clip: np.ndarray, command: str, kind: str
    ) -> None:
        frames = {"grey": clip, "colour": colour_clip, "deep": (clip.astype(np.uint16) * 16).astype("<u2")}[kind]
        source = make_dicom(frames, bits=12 if kind == "deep" else 8)
        small, back = source.with_name("small.dcm"), source.with_name("back.dcm")
        if subprocess.run([*command.split(), str(source), str(small)], capture_output=True, check=False).returncode:
            pytest.skip(f"{command} does not compress {kind} frames")
        decompress = "dcmdrle" if "rle" in command else "dcmdjpls" if "jpls" in command else "dcmdjpeg"
        subprocess.run([decompress, str(small), str(back)], capture_output=True, check=True)
        ours, theirs = read_dicom(small).pixels.astype(float), read_dicom(back).pixels.astype(float)
        assert np.abs(ours - theirs).mean() < 0.5
        assert np.abs(ours - theirs).max() < (12 if kind == "colour" else 3)
