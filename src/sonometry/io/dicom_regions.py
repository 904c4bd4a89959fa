"""Where tissue lies in the picture and how large its pixels are: the Sequence of Ultrasound Regions.

PS3.3 C.8.5.5.1: a region is a box of pixels with a spatial format, a data type and, per axis, a unit and a physical
distance of neighbouring pixels. Vendors add regions without units, with negative distances, for ECG traces and grey
bars, and leave boxes unchanged when they shrink the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from sonometry.io.dicom_header import integer, items, number, numbers, text

#: PS3.3 C.8.5.5.1.1 Region Spatial Format, 1.2 Region Data Type, 1.15 Physical Units.
SPATIAL_FORMATS = {0: "none", 1: "2D", 2: "M-mode", 3: "spectral", 4: "waveform", 5: "graphics"}
DATA_TYPES = {
    0: "none",
    1: "tissue",
    2: "colour flow",
    3: "PW Doppler",
    4: "CW Doppler",
    5: "Doppler mean trace",
    6: "Doppler mode trace",
    7: "Doppler max trace",
    8: "volume trace",
    9: "d(volume)/dt trace",
    10: "ECG trace",
    11: "pulse trace",
    12: "phonocardiogram trace",
    13: "grey bar",
    14: "colour bar",
    15: "integrated backscatter",
    16: "area trace",
    17: "d(area)/dt",
    18: "other",
}
UNITS = {
    0: "none",
    1: "%",
    2: "dB",
    3: "cm",
    4: "s",
    5: "Hz",
    6: "dB/s",
    7: "cm/s",
    8: "cm2",
    9: "cm2/s",
    10: "cm3",
    11: "cm3/s",
    12: "degree",
}
CENTIMETRES = 3
TISSUE, COLOUR_FLOW = 1, 2
TWO_DIMENSIONAL, M_MODE, SPECTRAL = 1, 2, 3
#: Traces and bars drawn into the picture, never tissue.
GRAPHIC_TYPES = frozenset({*range(5, 15), 16, 17, 18})
NOT_TISSUE_FORMATS = frozenset({2, 3, 4, 5})

#: Vendors write the first pixel after the box as its last one; more than this is a box of another picture.
BOX_SLACK_PX = 2
#: No scanner images deeper than about 40 cm or shallower than about 2 mm; beyond, cm and mm are mixed up.
PLAUSIBLE_HEIGHT_M = (0.002, 0.42)


@dataclass(frozen=True)
class UltrasoundRegion:
    """One calibrated box.

    box : (top, bottom, left, right) pixels, bottom and right excluded, as the file states it.
    deltas : physical (row, column) distance of neighbouring pixels in `units`, signed as in the file.
    """

    spatial_format: int
    data_type: int
    box: tuple[int, int, int, int]
    units: tuple[int, int]
    deltas: tuple[float, float]

    @property
    def is_calibrated(self) -> bool:
        return self.units == (CENTIMETRES, CENTIMETRES) and all(d != 0 and math.isfinite(d) for d in self.deltas)

    @property
    def is_image(self) -> bool:
        return self.spatial_format == TWO_DIMENSIONAL and self.data_type in (TISSUE, COLOUR_FLOW)

    @property
    def is_ecg(self) -> bool:
        return self.data_type == 10

    @property
    def what(self) -> str:
        return DATA_TYPES.get(self.data_type, f"type {self.data_type}")

    @property
    def how(self) -> str:
        return SPATIAL_FORMATS.get(self.spatial_format, f"format {self.spatial_format}")

    @property
    def area_px(self) -> int:
        top, bottom, left, right = self.box
        return (bottom - top) * (right - left)

    @property
    def spacing_m(self) -> tuple[float, float]:
        """(row, column) pixel distance, m. Some vendors count an axis backwards, hence the absolute values."""
        return abs(self.deltas[0]) / 100, abs(self.deltas[1]) / 100

    def __str__(self) -> str:
        top, bottom, left, right = self.box
        units = [UNITS.get(u, "?") for u in self.units]
        step = f"{self.deltas[0]:.6g} {units[0]} x {self.deltas[1]:.6g} {units[1]} a pixel"
        return f"{self.what} ({self.how}), rows {top}-{bottom - 1}, columns {left}-{right - 1}, {step}"


@dataclass(frozen=True, eq=False)
class Calibration:
    """What the regions say about the picture: spacing, sector mask (None where unknown) and what was decided."""

    spacing_m: tuple[float, float] | None = None
    sector: np.ndarray | None = None
    notes: tuple[str, ...] = ()


def regions_of(dataset: Dataset) -> tuple[UltrasoundRegion, ...]:
    """All regions with a box of at least one pixel, in the order of the file."""
    found = (_region(item) for item in items(dataset, "SequenceOfUltrasoundRegions"))
    return tuple(region for region in found if region is not None)


def _region(item: Dataset) -> UltrasoundRegion | None:
    corners = [_corner(item, name) for name in ("MinY0", "MaxY1", "MinX0", "MaxX1")]
    if any(corner is None for corner in corners):
        return None
    top, bottom, left, right = (corner or 0 for corner in corners)
    if bottom <= top or right <= left:
        return None
    return UltrasoundRegion(
        spatial_format=integer(item, "RegionSpatialFormat", 0) or 0,
        data_type=integer(item, "RegionDataType", 0) or 0,
        box=(top, bottom + 1, left, right + 1),
        units=(integer(item, "PhysicalUnitsYDirection", 0) or 0, integer(item, "PhysicalUnitsXDirection", 0) or 0),
        deltas=(number(item, "PhysicalDeltaY") or 0.0, number(item, "PhysicalDeltaX") or 0.0),
    )


def _corner(item: Dataset, name: str) -> int | None:
    """A corner of the box; a small negative one wrapped around in its unsigned 32 bits is unwrapped."""
    position = integer(item, f"RegionLocation{name}")
    return position - (1 << 32) if position is not None and position >= 1 << 31 else position


def calibrate(dataset: Dataset, height: int, width: int) -> Calibration:
    """Spacing and sector of the largest tissue region, with a note for everything that had to be decided.

    A region whose box exceeds the picture belongs to a larger one that was shrunk later: by how much nobody tells,
    so neither spacing nor boxes are used.
    """
    regions = regions_of(dataset)
    if not regions:
        return _without_regions(dataset)
    for region in regions:
        if _exceeds(region, height, width):
            return Calibration(notes=(_shrunk_note(region, height, width),))
    images = sorted((r for r in regions if r.is_image), key=_preference, reverse=True)
    if not images:
        kinds = ", ".join(sorted({region.what for region in regions}))
        return Calibration(notes=(f"no ultrasound region shows 2-D tissue (there are: {kinds})",))
    chosen = images[0]
    notes = [*_spacing_notes(chosen, height), *_choice_notes(chosen, images), *_mode_notes(regions)]
    return Calibration(
        spacing_m=chosen.spacing_m if chosen.is_calibrated else None,
        sector=_sector(chosen, regions, height, width),
        notes=tuple(dict.fromkeys(notes)),
    )


def _preference(region: UltrasoundRegion) -> tuple[bool, bool, int]:
    """Calibrated before uncalibrated, tissue before colour flow, then by area."""
    return region.is_calibrated, region.data_type == TISSUE, region.area_px


def _exceeds(region: UltrasoundRegion, height: int, width: int) -> bool:
    top, bottom, left, right = region.box
    return max(bottom - height, right - width, -top, -left) > BOX_SLACK_PX


def _shrunk_note(region: UltrasoundRegion, height: int, width: int) -> str:
    return (
        f"an ultrasound region reaches to row {region.box[1] - 1}, column {region.box[3] - 1} in a picture of "
        f"{height} x {width} pixels: the picture was resized after calibration and its pixel distance is not used; "
        "pass --spacing-mm ROW COL"
    )


def _sector(chosen: UltrasoundRegion, regions: tuple[UltrasoundRegion, ...], height: int, width: int) -> np.ndarray:
    """(H, W) bool: the box of the chosen region without the traces, bars and other modes that lie in it."""
    sector = np.zeros((height, width), bool)
    sector[_inside(chosen)] = True
    for other in regions:
        is_drawn_over = other.data_type in GRAPHIC_TYPES or other.spatial_format in NOT_TISSUE_FORMATS
        # A "graphics" box that covers the whole picture says nothing about where graphics are.
        if is_drawn_over and 2 * other.area_px <= chosen.area_px:
            sector[_inside(other)] = False
    return sector


def _inside(region: UltrasoundRegion) -> tuple[slice, slice]:
    top, bottom, left, right = region.box
    return slice(max(top, 0), bottom), slice(max(left, 0), right)


def _choice_notes(chosen: UltrasoundRegion, images: list[UltrasoundRegion]) -> list[str]:
    notes = []
    if chosen.data_type == COLOUR_FLOW:
        notes.append("the only 2-D region is colour flow; its grey levels mix tissue and flow")
    same = [r for r in images if r.data_type == chosen.data_type]
    if len(same) > 1:
        top, bottom, left, right = chosen.box
        notes.append(
            f"{len(same)} {chosen.what} regions; the largest is used "
            f"(rows {top}-{bottom - 1}, columns {left}-{right - 1})"
        )
    return notes


def _mode_notes(regions: tuple[UltrasoundRegion, ...]) -> list[str]:
    return [
        f"the picture also shows {region.what} ({region.how}), which is not part of the sector"
        for region in regions
        if region.spatial_format in (M_MODE, SPECTRAL)
    ]


def _spacing_notes(chosen: UltrasoundRegion, height: int) -> list[str]:
    if not chosen.is_calibrated:
        return [
            "no tissue region has a pixel distance in cm, so lengths cannot be measured without --spacing-mm ROW COL"
        ]
    notes = []
    if min(chosen.deltas) < 0:
        notes.append("a pixel distance of the ultrasound region is negative; its absolute value is used")
    row_m, column_m = chosen.spacing_m
    if not 0.95 < row_m / column_m < 1.05:
        notes.append(f"pixels are not square: {row_m * 1e3:.4g} x {column_m * 1e3:.4g} mm")
    height_m = row_m * (min(chosen.box[1], height) - chosen.box[0])
    if not PLAUSIBLE_HEIGHT_M[0] <= height_m <= PLAUSIBLE_HEIGHT_M[1]:
        notes.append(
            f"the tissue region is {height_m * 100:.3g} cm high, which is implausible: the file may give mm as cm; "
            "check it against the depth scale or pass --spacing-mm ROW COL"
        )
    return notes


def _without_regions(dataset: Dataset) -> Calibration:
    """Pixel Spacing is no ultrasound attribute; it counts only where it says how it was calibrated (PS3.3 10.7.1.2)."""
    spacing_mm = tuple(abs(v) for v in numbers(dataset, "PixelSpacing"))
    is_given = len(spacing_mm) == 2 and all(0 < v < 100 for v in spacing_mm)
    if is_given and text(dataset, "PixelSpacingCalibrationType").upper() in ("GEOMETRY", "FIDUCIAL"):
        note = "spacing comes from the calibrated PixelSpacing; the file has no ultrasound region"
        return Calibration((spacing_mm[0] / 1e3, spacing_mm[1] / 1e3), notes=(note,))
    note = "the file has no calibrated ultrasound region, so lengths cannot be measured without --spacing-mm ROW COL"
    if is_given and spacing_mm != (1.0, 1.0):
        note += f" (its PixelSpacing, {spacing_mm[0]:g} x {spacing_mm[1]:g} mm, is no calibration in ultrasound)"
    return Calibration(notes=(note,))
