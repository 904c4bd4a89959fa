"""Frames in every transfer syntax and colour: read, masked, written, read back by pydicom itself."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_color_lut, convert_color_space
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from sonometry.core.errors import DataError
from sonometry.deid.frames import Frames, coded_size, layout_of
from sonometry.deid.masking import mask_frames
from sonometry.deid.pixels import PixelRules

KEPT = np.zeros((48, 64), bool)
KEPT[8:40, 10:50] = True


@pytest.fixture
def colour(rng) -> np.ndarray:
    """Three smooth colour frames of 48 x 64."""
    return np.kron(rng.integers(0, 256, (3, 6, 8, 3), np.uint8), np.ones((1, 8, 8, 1), np.uint8))


def _fill(file: FileDataset, pixels: np.ndarray, photometric: str, **attributes: object) -> FileDataset:
    file.NumberOfFrames = len(pixels)
    file.Rows, file.Columns = pixels.shape[1:3]
    file.SamplesPerPixel = 3 if pixels.ndim == 4 else 1
    file.PhotometricInterpretation = photometric
    if pixels.ndim == 4:
        file.PlanarConfiguration = 0
    file.BitsAllocated = file.BitsStored = 8 * pixels.dtype.itemsize
    file.HighBit = file.BitsStored - 1
    file.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    for keyword, value in attributes.items():
        setattr(file, keyword, value)
    return file


def _masked(file: FileDataset, rules: PixelRules = PixelRules()):
    frames = Frames(file, layout_of(file, file.file_meta.TransferSyntaxUID))
    return frames, mask_frames(frames, KEPT, rules)


def _read_back(file: FileDataset, pixels) -> np.ndarray:
    """Decode the result by pydicom: (T, H, W[, 3]) as stored."""
    file.PixelData = pixels.data
    file["PixelData"].is_undefined_length = pixels.syntax.is_encapsulated
    file["PixelData"].VR = "OB" if pixels.syntax.is_encapsulated or file.BitsAllocated == 8 else "OW"
    file.file_meta.TransferSyntaxUID = pixels.syntax
    file.PhotometricInterpretation = pixels.photometric
    if file.SamplesPerPixel == 3:
        file.PlanarConfiguration = 0
    stream = io.BytesIO()
    file.save_as(stream, enforce_file_format=True)
    stream.seek(0)
    again = dcmread(stream)
    again.pixel_array_options(raw=True)
    return again.pixel_array


@pytest.mark.parametrize(
    ("syntax", "expected"),
    [
        (ImplicitVRLittleEndian, ExplicitVRLittleEndian),
        (ExplicitVRLittleEndian, ExplicitVRLittleEndian),
        (DeflatedExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian),
        (RLELossless, RLELossless),
        (JPEGLSLossless, JPEGLSLossless),
    ],
)
@pytest.mark.parametrize("photometric", ["RGB", "MONOCHROME2", "YBR_FULL"])
def test_lossless_images_keep_every_pixel_inside_and_are_black_outside(header, colour, syntax, expected, photometric):
    pixels = colour if photometric != "MONOCHROME2" else np.ascontiguousarray(colour[..., 0])
    file = _fill(header(), pixels, photometric)
    if syntax.is_encapsulated:
        file.compress(syntax)
    else:
        file.file_meta.TransferSyntaxUID = syntax
    frames, result = _masked(file)
    again = _read_back(file, result)
    assert result.syntax == expected
    assert result.sha256_before == result.sha256_after
    assert result.exact_share == 1.0
    assert np.array_equal(again[:, KEPT], pixels[:, KEPT])
    assert (again[:, ~KEPT] == frames.black).all()


@pytest.mark.parametrize("planar", [0, 1])
def test_planes_and_pixels_give_the_same_frames(header, colour, planar):
    file = _fill(header(), colour, "RGB", PlanarConfiguration=planar)
    if planar:
        file.PixelData = np.ascontiguousarray(colour.transpose(0, 3, 1, 2)).tobytes()
    frames = Frames(file, layout_of(file, ExplicitVRLittleEndian))
    assert np.array_equal(frames.stored(1), colour[1])


def test_big_endian_words_become_little_endian_ones(header, rng):
    pixels = rng.integers(0, 4096, (2, 48, 64), np.uint16)
    file = _fill(header(), pixels, "MONOCHROME2", BitsStored=12, HighBit=11)
    file.PixelData = pixels.astype(">u2").tobytes()
    file.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    _, result = _masked(file)
    assert result.syntax == ExplicitVRLittleEndian
    again = np.frombuffer(result.data, "<u2").reshape(pixels.shape)
    assert np.array_equal(again[:, KEPT], pixels[:, KEPT])
    assert not again[:, ~KEPT].any()


def test_overlays_in_unused_bits_are_cleared(header, rng):
    pixels = rng.integers(0, 4096, (1, 48, 64), np.uint16)
    file = _fill(header(), pixels | 0xA000, "MONOCHROME2", BitsStored=12, HighBit=11)
    _, result = _masked(file)
    again = np.frombuffer(result.data, "<u2").reshape(pixels.shape)
    assert again.max() < 4096
    assert np.array_equal(again[:, KEPT], pixels[:, KEPT])


def test_inverted_greys_are_masked_with_their_black(header, colour):
    file = _fill(header(), np.ascontiguousarray(colour[..., 0]), "MONOCHROME1")
    _, result = _masked(file)
    assert (np.frombuffer(result.data, np.uint8).reshape(3, 48, 64)[:, ~KEPT] == 255).all()


def test_a_palette_is_masked_with_its_darkest_entry(header, rng):
    indices = rng.integers(0, 4, (1, 48, 64), np.uint8)
    file = _fill(header(), indices, "PALETTE COLOR")
    for name, levels in (("Red", [255, 9, 0, 80]), ("Green", [255, 9, 1, 70]), ("Blue", [255, 9, 0, 0])):
        setattr(file, f"{name}PaletteColorLookupTableDescriptor", [4, 0, 16])
        setattr(file, f"{name}PaletteColorLookupTableData", (np.array(levels) * 257).astype("<u2").tobytes())
    frames, result = _masked(file)
    assert (np.frombuffer(result.data, np.uint8).reshape(48, 64)[~KEPT] == 2).all()
    expected = (apply_color_lut(indices[0], file) >> 8).astype(np.uint8)
    assert np.array_equal(frames.rgb(0), expected)


def test_luminance_and_chrominance_are_shown_as_pydicom_shows_them(header, colour):
    file = _fill(header(), colour, "YBR_FULL")
    frames = Frames(file, layout_of(file, ExplicitVRLittleEndian))
    assert np.array_equal(frames.rgb(0), convert_color_space(colour[0], "YBR_FULL", "RGB"))
    assert frames.black.tolist() == [0, 128, 128]


def test_shared_chrominance_without_compression_is_unfolded(header, rng):
    pairs = rng.integers(0, 256, (48 * 32, 4), np.uint8)
    file = _fill(header(), np.zeros((1, 48, 64, 3), np.uint8), "YBR_FULL_422")
    file.PixelData = pairs.tobytes()
    frames = Frames(file, layout_of(file, ExplicitVRLittleEndian))
    assert frames.stored(0)[0, 0].tolist() == pairs[0, [0, 2, 3]].tolist()
    assert frames.stored(0)[0, 1].tolist() == pairs[0, [1, 2, 3]].tolist()


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_2000_becomes_lossless_jpeg_ls(header, colour, mode):
    from PIL import Image

    pixels = colour if mode == "RGB" else np.ascontiguousarray(colour[..., 0])
    streams = []
    for frame in pixels:
        stream = io.BytesIO()
        Image.fromarray(frame, mode if mode == "L" else None).save(stream, "JPEG2000", irreversible=False, no_jp2=True)
        streams.append(stream.getvalue())
    file = _fill(header(), pixels, "RGB" if mode == "RGB" else "MONOCHROME2")
    file.PixelData = encapsulate(streams)
    file.file_meta.TransferSyntaxUID = JPEG2000Lossless
    frames, result = _masked(file)
    assert result.syntax == JPEGLSLossless
    again = _read_back(file, result)
    assert np.array_equal(again[:, KEPT], np.stack([frames.stored(i) for i in range(3)])[:, KEPT])


def _jpeg_file(header, colour, **options: object) -> FileDataset:
    from PIL import Image

    streams = []
    for frame in colour:
        stream = io.BytesIO()
        Image.fromarray(frame).save(stream, "JPEG", quality=90, **options)
        streams.append(stream.getvalue())
    file = _fill(header(), colour, "YBR_FULL_422")
    file.PixelData = encapsulate(streams)
    file["PixelData"].is_undefined_length = True
    file.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    return file


def test_baseline_jpeg_stays_jpeg_of_no_more_bytes(header, colour):
    file = _jpeg_file(header, colour)
    size = len(file.PixelData)
    _, result = _masked(file)
    assert result.syntax == JPEGBaseline8Bit
    assert result.sha256_before == result.sha256_after
    assert len(result.data) <= 1.1 * size
    assert _read_back(file, result)[:, :4].max() < 140  # raw YCbCr: luminance 0, chrominance 128


def test_progressive_jpeg_is_compressed_again_and_compared(header, colour):
    file = _jpeg_file(header, colour, progressive=True)
    _, result = _masked(file)
    assert result.syntax == JPEGBaseline8Bit
    assert result.exact_share == 0.0


def test_jpeg_becomes_lossless_by_option(header, colour):
    import simplejpeg

    file = _jpeg_file(header, colour)
    frames, result = _masked(file, PixelRules(lossless=True))
    expected = np.stack([simplejpeg.decode_jpeg(stream) for stream in frames.coded])
    again = _read_back(file, result)
    assert result.syntax == JPEGLSLossless
    assert np.array_equal(again[:, KEPT], expected[:, KEPT])
    assert not again[:, ~KEPT].any()


@pytest.mark.parametrize("syntax", [JPEGLossless, JPEGLosslessSV1])
def test_a_stream_of_rubbish_is_refused(header, colour, syntax):
    file = _fill(header(), colour, "RGB")
    file.PixelData = encapsulate([b"rubbish!" * 4] * 3)
    file.file_meta.TransferSyntaxUID = syntax
    with pytest.raises(DataError, match="damaged"):
        _masked(file)


def test_streams_of_another_size_are_refused_before_they_are_decoded(header, colour):
    file = _jpeg_file(header, np.ascontiguousarray(colour[:, :40]))
    file.Rows = 48
    with pytest.raises(DataError, match="another size"):
        _masked(file)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (dict(Rows=None), "no Rows"),
        (dict(Rows=8), "16 to 8192"),
        (dict(Columns=60000), "16 to 8192"),
        (dict(NumberOfFrames=0), "no frames or too many"),
        (dict(NumberOfFrames=19999, Rows=8000, Columns=8000), "no frames or too many"),
        (dict(SamplesPerPixel=4), "photometric"),
        (dict(PhotometricInterpretation="HSV"), "photometric"),
        (dict(BitsAllocated=32), "8 or 16 bits"),
        (dict(BitsStored=7), "unusual high bit"),
        (dict(PixelRepresentation=1), "signed"),
        (dict(PixelData=b"\0\0"), "shorter"),
    ],
)
def test_impossible_headers_are_refused_with_their_reason(header, change, reason):
    file = _fill(header(), np.zeros((2, 48, 64), np.uint8), "MONOCHROME2")
    for keyword, value in change.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if value is None:
                delattr(file, keyword)
            else:
                setattr(file, keyword, value)
    with pytest.raises(DataError, match=reason):
        _masked(file)


def test_video_is_refused(header):
    with pytest.raises(DataError, match="transfer syntax"):
        layout_of(header(), MPEG2MPML)


def test_a_missing_palette_is_refused(header):
    file = _fill(header(), np.zeros((1, 48, 64), np.uint8), "PALETTE COLOR")
    with pytest.raises(DataError, match="palette"):
        _masked(file)


def test_another_number_of_compressed_frames_is_refused(header, colour):
    file = _jpeg_file(header, colour)
    file.NumberOfFrames = 5
    with pytest.raises(DataError, match=r"damaged|another number"):
        _masked(file)


def test_the_size_of_a_stream_is_read_without_decoding_it(colour):
    from PIL import Image

    for form, options in (("JPEG", {}), ("JPEG2000", dict(no_jp2=True))):
        stream = io.BytesIO()
        Image.fromarray(colour[0]).save(stream, form, **options)
        assert coded_size(stream.getvalue()) == (48, 64)
    assert coded_size(b"rubbish") is None
