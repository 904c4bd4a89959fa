"""The Image Pixel module (PS3.3 C.7.6.3) of an ultrasound picture, checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import ExplicitVRBigEndian

from sonometry.core.errors import DataError
from sonometry.io.dicom_header import DicomFile, integer, lenient_pydicom, text
from sonometry.io.luminance import grey_from_rgb

PHOTOMETRIC = (
    "MONOCHROME1",
    "MONOCHROME2",
    "PALETTE COLOR",
    "RGB",
    "YBR_FULL",
    "YBR_FULL_422",
    "YBR_PARTIAL_422",
    "YBR_PARTIAL_420",
    "YBR_ICT",
    "YBR_RCT",
)

#: No scanner writes larger pictures; a larger number is a damaged header that would exhaust memory.
MAX_SIDE_PX = 16_384


@dataclass(frozen=True, eq=False)
class PixelModule:
    """How samples of one frame are stored.

    bits_stored bits of every sample count; the highest of them is high_bit.
    grey_of_index : (2**bits,) uint8 grey of every palette index, None without a palette.
    """

    rows: int
    columns: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    is_planar: bool
    is_big_endian: bool
    has_swapped_bytes: bool
    n_frames: int
    grey_of_index: np.ndarray | None = None

    @property
    def frame_bytes(self) -> int:
        """Bytes of one uncompressed frame; 4:2:2 chroma is shared by two pixels (PS3.3 C.7.6.3.1.2)."""
        samples = 2 if self.photometric.endswith("_422") else self.samples
        return self.rows * self.columns * samples * self.bits_allocated // 8


def pixel_module(file: DicomFile) -> PixelModule:
    """The module of an open file. DataError names the attribute that is missing or unusable."""
    dataset, name = file.dataset, file.name
    rows, columns = (_size(dataset, keyword, name) for keyword in ("Rows", "Columns"))
    samples = integer(dataset, "SamplesPerPixel", 1)
    allocated = integer(dataset, "BitsAllocated", 8) or 8
    if samples not in (1, 3) or allocated not in (8, 16):
        raise DataError(
            f"{name} has {samples} samples of {allocated} bits a pixel; 1 or 3 samples of 8 or 16 bits can be read"
        )
    is_native = file.pixels is not None and not file.pixels.is_encapsulated
    if is_native and columns % 2 and text(dataset, "PhotometricInterpretation").endswith("_422"):
        raise DataError(f"{name} has {columns} columns, but 4:2:2 pixels come in pairs; it is damaged")
    stored = integer(dataset, "BitsStored", allocated) or allocated
    stored = stored if 1 <= stored <= allocated else allocated
    high_bit = integer(dataset, "HighBit", stored - 1)
    photometric = _photometric(dataset, samples, name)
    is_big_endian = file.transfer_syntax == ExplicitVRBigEndian
    return PixelModule(
        rows=rows,
        columns=columns,
        samples=samples,
        photometric=photometric,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high_bit if high_bit is not None and stored - 1 <= high_bit < allocated else stored - 1,
        is_signed=integer(dataset, "PixelRepresentation", 0) == 1,
        is_planar=integer(dataset, "PlanarConfiguration", 0) == 1,
        is_big_endian=is_big_endian,
        has_swapped_bytes=is_big_endian
        and allocated == 8
        and file.pixels is not None
        and file.pixels.value_type == "OW",
        n_frames=_n_frames(dataset, name),
        grey_of_index=_palette(dataset, stored, name) if photometric == "PALETTE COLOR" else None,
    )


def _size(dataset: Dataset, keyword: str, name: str) -> int:
    size = integer(dataset, keyword)
    if size is None or not 1 <= size <= MAX_SIDE_PX:
        raise DataError(f"{name} has no usable {keyword} (got {size}); it is damaged or not an image")
    return size


def _n_frames(dataset: Dataset, name: str) -> int:
    n_frames = integer(dataset, "NumberOfFrames", 1)
    if n_frames is None or not 1 <= n_frames <= 10_000_000:
        raise DataError(f"{name} has a NumberOfFrames of {n_frames}; at least one frame was expected")
    return n_frames


def _photometric(dataset: Dataset, samples: int, name: str) -> str:
    """The Photometric Interpretation; where it is absent, what the number of samples implies."""
    photometric = text(dataset, "PhotometricInterpretation").upper() or ("MONOCHROME2" if samples == 1 else "RGB")
    if photometric not in PHOTOMETRIC:
        raise DataError(
            f"{name} has a PhotometricInterpretation that cannot be read; it must be one of {', '.join(PHOTOMETRIC)}"
        )
    is_single = photometric.startswith("MONOCHROME") or photometric == "PALETTE COLOR"
    if is_single != (samples == 1):
        raise DataError(f"{name} contradicts itself: {photometric} with {samples} samples a pixel; export it again")
    return photometric


def _palette(dataset: Dataset, bits: int, name: str) -> np.ndarray:
    """Grey of every index. 16-bit entries that never exceed 255 are 8-bit ones in wide words, a known vendor habit."""
    index = np.arange(1 << bits, dtype=np.uint16 if bits > 8 else np.uint8)
    try:
        with lenient_pydicom():
            colours = apply_color_lut(index.reshape(1, -1), dataset)[0]
    except Exception as error:  # missing, short or mistyped tables fail in many ways inside pydicom
        raise DataError(f"{name} has no usable colour palette; export it again") from error
    if colours.dtype != np.uint8:
        colours = (colours >> 8 if colours.max() > 255 else colours).astype(np.uint8)
    return grey_from_rgb(colours[np.newaxis, :, :3])[0]
