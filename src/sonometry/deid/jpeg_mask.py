"""Masking of JPEG frames without decoding what stays: kept blocks keep their quantised coefficients, bit for bit.

Blocks outside the mask become black, blocks on its border are masked in pixels and transformed back with their own
quantisation. So the kept picture loses nothing to a second compression, and the file does not grow.
"""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass

import numpy as np

from sonometry.deid.jpeg import DamagedJpeg, Jpeg

#: Position of every zigzag coefficient in an 8 x 8 block (T.81 Figure A.6).
_ZIGZAG = np.array(
    sorted(range(64), key=lambda i: (i // 8 + i % 8, (i // 8 if (i // 8 + i % 8) % 2 else i % 8))), np.intp
)


@dataclass(frozen=True, eq=False)
class BlockMask:
    """What a pixel mask means for the blocks of one layout, in the order of the scan.

    kept : (n,) bool, blocks that stay as they are. border : indices of blocks that the mask cuts, `border_pixels`
    (b, 8, 8) bool which of their samples stay. component : (n,) of every block.
    """

    kept: np.ndarray
    border: np.ndarray
    border_pixels: np.ndarray
    component: np.ndarray


def block_mask(jpeg: Jpeg, mask: np.ndarray) -> BlockMask:
    """Blocks of `jpeg` under `mask` (rows, columns) bool, true where pixels stay."""
    (mcu_h, mcu_w), (down, across) = jpeg.mcu, jpeg.n_mcus
    padded = np.pad(mask, ((0, down * mcu_h - mask.shape[0]), (0, across * mcu_w - mask.shape[1])), mode="edge")
    per_component, component = [], []
    for number, c in enumerate(jpeg.components):
        step_h, step_w = mcu_h // (8 * c.down), mcu_w // (8 * c.across)
        cells = padded.reshape(padded.shape[0] // step_h, step_h, padded.shape[1] // step_w, step_w)
        samples = cells.any(axis=(1, 3))  # a chroma sample stays for any pixel that does
        blocks = samples.reshape(down, c.down, 8, across, c.across, 8).transpose(0, 3, 1, 4, 2, 5)
        per_component.append(blocks.reshape(down * across, c.down * c.across, 8, 8))
        component += [number] * (c.down * c.across)
    pixels = np.concatenate(per_component, axis=1).reshape(-1, 8, 8)
    n_kept = pixels.sum(axis=(1, 2))
    border = np.flatnonzero((n_kept > 0) & (n_kept < 64))
    return BlockMask(n_kept == 64, border, pixels[border], np.tile(np.array(component, np.int64), down * across))


def whole_blocks(jpeg: Jpeg, mask: BlockMask) -> np.ndarray:
    """(rows, columns) bool: pixels of MCUs of which every block stays as it is."""
    (height, width), (down, across) = jpeg.mcu, jpeg.n_mcus
    whole = mask.kept.reshape(down, across, -1).all(axis=2)
    pixels: np.ndarray = np.kron(whole, np.ones((height, width), bool))[: jpeg.rows, : jpeg.columns]
    return pixels


def masked(jpeg: Jpeg, mask: BlockMask, *, is_rgb: bool = False) -> bytes:
    """The stream with everything outside the mask black. Raises DamagedJpeg.

    is_rgb : three components without any marker are red, green and blue, as only the DICOM header says.
    """
    blocks = coefficients(jpeg)
    is_marked = jpeg.has_jfif or jpeg.adobe_transform is not None
    _mask_blocks(jpeg, blocks, mask, is_ycc=jpeg.is_ycc and (is_marked or not is_rgb))
    return _written(jpeg, blocks)


def coefficients(jpeg: Jpeg) -> np.ndarray:
    """(n, 64) int16 quantised coefficients of all blocks in the order of the scan. Raises DamagedJpeg."""
    from sonometry.deid import huffman

    down, across = jpeg.n_mcus
    component_of = _components_of_mcu(jpeg)
    blocks = np.zeros((down * across * len(component_of), 64), np.int16)
    numbers = sorted({c.dc for c in jpeg.components} | {16 + c.ac for c in jpeg.components})
    try:
        lookups = np.stack([_lookup(*jpeg.huffman[number]) for number in numbers])
    except (KeyError, ValueError) as error:
        raise DamagedJpeg("a Huffman table is missing or wrong") from error
    dc_of = np.array([numbers.index(c.dc) for c in jpeg.components], np.int64)
    ac_of = np.array([numbers.index(16 + c.ac) for c in jpeg.components], np.int64)
    data = np.frombuffer(jpeg.scan, np.uint8)
    code = huffman.decode_blocks(data, lookups, dc_of, ac_of, component_of, down * across, jpeg.restart, blocks)
    if code != huffman.OK:
        raise DamagedJpeg("the scan cannot be decoded")
    return blocks


@functools.lru_cache(maxsize=64)
def _lookup(counts: bytes, symbols: bytes) -> np.ndarray:
    from sonometry.deid import huffman

    return huffman.lookup_of(counts, symbols).lookup


def _components_of_mcu(jpeg: Jpeg) -> np.ndarray:
    return np.repeat(np.arange(len(jpeg.components)), [c.across * c.down for c in jpeg.components]).astype(np.int64)


def _mask_blocks(jpeg: Jpeg, blocks: np.ndarray, mask: BlockMask, *, is_ycc: bool) -> None:
    """Black out in place. The samples are 0-255 around 128: black is -128 in luminance and 0 in chrominance."""
    from scipy.fft import dctn, idctn

    is_chroma = np.array([is_ycc and number > 0 for number in range(len(jpeg.components))])
    steps = np.stack([jpeg.quantisation[c.quantisation] for c in jpeg.components]).astype(np.float32)
    black = np.where(is_chroma, 0.0, -128.0).astype(np.float32)
    outside = ~mask.kept
    outside[mask.border] = False
    blocks[outside] = 0
    blocks[outside, 0] = np.round(8 * black / steps[:, 0]).astype(np.int16)[mask.component[outside]]
    if not len(mask.border):
        return
    component = mask.component[mask.border]
    square = np.zeros((len(mask.border), 64), np.float32)
    square[:, _ZIGZAG] = blocks[mask.border] * steps[component]
    samples = idctn(square.reshape(-1, 8, 8), axes=(1, 2), norm="ortho")
    samples = np.where(mask.border_pixels, samples, black[component][:, None, None])
    spectrum = dctn(samples, axes=(1, 2), norm="ortho").reshape(-1, 64)[:, _ZIGZAG]
    quantised = np.round(spectrum / steps[component])
    limits = np.full(64, 1023.0)
    limits[0] = 1024.0
    blocks[mask.border] = np.clip(quantised, -limits, limits - (np.arange(64) == 0)).astype(np.int16)


def _written(jpeg: Jpeg, blocks: np.ndarray) -> bytes:
    """A new stream around the blocks: tables as needed, no comments, no application data but the colour markers."""
    from sonometry.deid import huffman

    component_of = _components_of_mcu(jpeg)
    table_of = np.array([0] + [1] * (len(jpeg.components) - 1), np.int64)
    n_tables = int(table_of.max()) + 1
    counts = np.zeros((2, n_tables, 257), np.int64)
    huffman.count_symbols(blocks, component_of, table_of, counts[0], counts[1])
    tables = [[huffman.best_codes(counts[kind, table]) for table in range(n_tables)] for kind in (0, 1)]
    codes = [[huffman.codes_of(*table) for table in kind] for kind in tables]
    (dc_codes, dc_lengths), (ac_codes, ac_lengths) = (
        (np.stack([c for c, _ in kind]), np.stack([n for _, n in kind])) for kind in codes
    )
    room = len(jpeg.scan) + 64 * len(blocks) // 8 + 4096
    while True:
        out = np.empty(room, np.uint8)
        size = huffman.encode_blocks(blocks, component_of, table_of, dc_codes, dc_lengths, ac_codes, ac_lengths, out)
        if size >= 0:
            break
        room *= 2
    stream = _header(jpeg, tables) + out[:size].tobytes() + b"\xff\xd9"
    return stream + b"\x00" * (len(stream) % 2)


def _header(jpeg: Jpeg, tables: list[list[tuple[bytes, bytes]]]) -> bytes:
    parts = [b"\xff\xd8"]
    if jpeg.has_jfif:
        parts.append(b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")
    if jpeg.adobe_transform is not None:
        parts.append(b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([jpeg.adobe_transform]))
    for number in sorted({c.quantisation for c in jpeg.components}):
        steps = jpeg.quantisation[number]
        if steps.max() > 255:
            parts.append(_segment(0xDB, bytes([16 | number]) + steps.astype(">u2").tobytes()))
        else:
            parts.append(_segment(0xDB, bytes([number]) + steps.astype(np.uint8).tobytes()))
    frame = struct.pack(">BHHB", 8, jpeg.rows, jpeg.columns, len(jpeg.components))
    scan = bytes([len(jpeg.components)])
    for number, c in enumerate(jpeg.components):
        frame += bytes([c.identifier, c.across << 4 | c.down, c.quantisation])
        scan += bytes([c.identifier, 0x11 if number else 0])
    parts.append(_segment(0xC0 if max(s.max() for s in jpeg.quantisation.values()) < 256 else 0xC1, frame))
    for kind, both in enumerate(tables):
        for number, (counts, symbols) in enumerate(both):
            parts.append(_segment(0xC4, bytes([kind << 4 | number]) + counts + symbols))
    parts.append(_segment(0xDA, scan + bytes([0, 63, 0])))
    return b"".join(parts)


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body
