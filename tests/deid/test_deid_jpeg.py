"""JPEG block by block: nothing of what stays changes, nothing of what goes survives."""

from __future__ import annotations

import io

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st

from sonometry.deid.huffman import best_codes, codes_of, lookup_of
from sonometry.deid.jpeg import DamagedJpeg, UnsupportedJpeg, parse
from sonometry.deid.jpeg_mask import block_mask, coefficients, masked, whole_blocks


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """A colour picture with text-like contrast whose size is no multiple of any block."""
    rng = np.random.default_rng(8)
    smooth = np.kron(rng.integers(0, 200, (14, 18, 3)), np.ones((9, 9, 1)))[:123, :157]
    smooth[20:40, 30:90] = np.where(rng.random((20, 60, 1)) > 0.5, 255, 0)
    return smooth.astype(np.uint8)


def _jpeg(picture: np.ndarray, subsampling: str, quality: int = 85) -> bytes:
    if subsampling == "Gray":
        return simplejpeg.encode_jpeg(
            np.ascontiguousarray(picture[..., :1]), quality=quality, colorspace="GRAY", colorsubsampling="Gray"
        )
    return simplejpeg.encode_jpeg(picture, quality=quality, colorspace="RGB", colorsubsampling=subsampling)


def _decoded(stream: bytes, subsampling: str) -> np.ndarray:
    return simplejpeg.decode_jpeg(stream, "GRAY" if subsampling == "Gray" else "RGB")


@pytest.mark.parametrize("subsampling", ["444", "422", "420", "440", "Gray"])
def test_a_mask_that_keeps_all_keeps_every_pixel(picture, subsampling):
    stream = _jpeg(picture, subsampling)
    jpeg = parse(stream)
    again = masked(jpeg, block_mask(jpeg, np.ones(picture.shape[:2], bool)))
    assert np.array_equal(_decoded(again, subsampling), _decoded(stream, subsampling))
    assert np.array_equal(coefficients(parse(again)), coefficients(jpeg))


@pytest.mark.parametrize("subsampling", ["444", "422", "420", "Gray"])
def test_what_is_outside_is_black_and_whole_blocks_inside_are_exact(picture, subsampling):
    kept = np.zeros(picture.shape[:2], bool)
    kept[37:101, 41:130] = True
    stream = _jpeg(picture, subsampling)
    jpeg = parse(stream)
    mask = block_mask(jpeg, kept)
    again = masked(jpeg, mask)
    before, after = (simplejpeg.decode_jpeg(s, "GRAY")[..., 0] for s in (stream, again))
    exact = whole_blocks(jpeg, mask)
    assert exact.sum() > 0.4 * kept.sum()
    assert np.array_equal(before[exact], after[exact])
    far = np.ones_like(kept)
    far[37 - 16 : 101 + 16, 41 - 16 : 130 + 16] = False
    assert after[far].max() == 0
    # Blocks on the border ring by the quantisation of this quality.
    assert after[~kept].max() < 60


def test_text_outside_cannot_be_told_from_the_result(picture):
    """The same kept pixels with different text outside give the same bytes: nothing of the text is left."""
    kept = np.zeros(picture.shape[:2], bool)
    kept[60:, :] = True
    other = picture.copy()
    other[20:40, 30:90] = 255 - other[20:40, 30:90]
    results = []
    for each in (picture, other):
        jpeg = parse(_jpeg(each, "420"))
        results.append(masked(jpeg, block_mask(jpeg, kept)))
    assert results[0] == results[1]


def test_the_result_is_not_larger_than_the_original(picture):
    stream = _jpeg(picture, "420")
    jpeg = parse(stream)
    kept = np.ones(picture.shape[:2], bool)
    kept[:30] = False
    assert len(masked(jpeg, block_mask(jpeg, kept))) <= len(stream)


def test_restart_markers_are_understood(picture):
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=80, restart_marker_blocks=3)
    jpeg = parse(stream.getvalue())
    assert jpeg.restart == 3
    again = masked(jpeg, block_mask(jpeg, np.ones(picture.shape[:2], bool)))
    assert np.array_equal(simplejpeg.decode_jpeg(again), simplejpeg.decode_jpeg(stream.getvalue()))


def test_comments_and_application_data_are_left_behind(picture):
    from PIL import Image

    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "Kowalczyk"
    Image.fromarray(picture).save(stream, "JPEG", comment=b"Ottoline", exif=exif)
    assert b"Kowalczyk" in stream.getvalue()
    jpeg = parse(stream.getvalue())
    again = masked(jpeg, block_mask(jpeg, np.ones(picture.shape[:2], bool)))
    assert b"Kowalczyk" not in again
    assert b"Ottoline" not in again


def test_rgb_without_a_colour_transform_becomes_black_too(picture):
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=90, keep_rgb=True)
    jpeg = parse(stream.getvalue())
    assert not jpeg.is_ycc
    again = masked(jpeg, block_mask(jpeg, np.zeros(picture.shape[:2], bool)))
    assert simplejpeg.decode_jpeg(again).max() <= 1


def test_progressive_streams_are_told_apart(picture):
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", progressive=True)
    with pytest.raises(UnsupportedJpeg, match="progressive"):
        parse(stream.getvalue())


@pytest.mark.parametrize("length", [0, 2, 10, 200, 700])
def test_cut_streams_are_damaged(picture, length):
    stream = _jpeg(picture, "420")[:length]

    def decode() -> None:
        coefficients(parse(stream))

    with pytest.raises(DamagedJpeg, match=r"start of image|cut short|cannot be decoded"):
        decode()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_changed_bytes_never_crash_the_decoder(data):
    rng = np.random.default_rng(2)
    stream = bytearray(_jpeg(rng.integers(0, 256, (24, 32, 3), np.uint8), "420"))
    for _ in range(data.draw(st.integers(1, 6))):
        stream[data.draw(st.integers(2, len(stream) - 1))] = data.draw(st.integers(0, 255))
    try:
        jpeg = parse(bytes(stream))
        if jpeg.rows * jpeg.columns <= 1 << 16:
            masked(jpeg, block_mask(jpeg, np.ones((jpeg.rows, jpeg.columns), bool)))
    except (DamagedJpeg, UnsupportedJpeg):
        return


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=256))
def test_optimal_codes_are_prefix_codes_of_at_most_16_bits(frequencies):
    counts = np.zeros(257, np.int64)
    counts[: len(frequencies)] = frequencies
    counts[0] = max(counts[0], 1)
    lengths_of, symbols = best_codes(counts)
    assert sum(lengths_of) == len(symbols) == (counts[:256] > 0).sum()
    codes, lengths = codes_of(lengths_of, symbols)
    lookup = lookup_of(lengths_of, symbols).lookup
    for symbol in symbols:
        first = int(codes[symbol]) << (16 - int(lengths[symbol]))
        assert lookup[first] & 0xFF == symbol
        assert codes[symbol] != (1 << int(lengths[symbol])) - 1  # a code of ones only is reserved


def test_frequent_symbols_get_short_codes():
    counts = np.zeros(257, np.int64)
    counts[[3, 7, 9]] = [1000, 10, 1]
    _, lengths = codes_of(*best_codes(counts))
    assert lengths[3] < lengths[7] <= lengths[9]
