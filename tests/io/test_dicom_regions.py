"""Spacing and sector from ultrasound regions, with every trap met in real files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from sonometry.io.dicom import read_dicom
from sonometry.io.dicom_regions import calibrate, regions_of

Region = Callable[..., Dataset]


def header(*regions: Dataset, **attributes: object) -> Dataset:
    dataset = Dataset()
    if regions:
        dataset.SequenceOfUltrasoundRegions = list(regions)
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def test_spacing_is_row_then_column_in_metres(region: Region) -> None:
    found = calibrate(header(region(PhysicalDeltaX=0.02, PhysicalDeltaY=0.03)), 40, 48)
    assert found.spacing_m == pytest.approx((0.0003, 0.0002))
    assert "pixels are not square: 0.3 x 0.2 mm" in found.notes


def test_sector_is_the_box_with_its_last_pixel(region: Region) -> None:
    sector = calibrate(header(region()), 40, 48).sector
    assert sector is not None
    assert sector[3:36, 2:41].all()
    assert sector.sum() == 33 * 39


def test_negative_distances_count_by_their_size(region: Region) -> None:
    found = calibrate(header(region(PhysicalDeltaX=-0.03)), 40, 48)
    assert found.spacing_m == pytest.approx((0.0003, 0.0003))
    assert any("negative" in note for note in found.notes)


def test_region_without_units_is_skipped(region: Region) -> None:
    whole = region(
        RegionSpatialFormat=0, RegionDataType=0, RegionLocationMinX0=0, RegionLocationMaxX1=47,
        PhysicalUnitsXDirection=0, PhysicalUnitsYDirection=0, PhysicalDeltaX=1.0, PhysicalDeltaY=1.0,
    )  # fmt: skip
    found = calibrate(header(whole, region()), 40, 48)
    assert found.spacing_m == pytest.approx((0.0003, 0.0003))


def test_tissue_region_in_other_units_gives_a_sector_but_no_spacing(region: Region) -> None:
    found = calibrate(header(region(PhysicalUnitsXDirection=4)), 40, 48)
    assert found.spacing_m is None
    assert found.sector is not None
    assert any("--spacing-mm" in note for note in found.notes)


def test_zero_distance_is_no_calibration(region: Region) -> None:
    assert calibrate(header(region(PhysicalDeltaY=0.0)), 40, 48).spacing_m is None


def test_largest_of_two_tissue_regions_is_chosen(region: Region) -> None:
    small = region(RegionLocationMaxX1=12, PhysicalDeltaX=0.05, PhysicalDeltaY=0.05)
    large = region(RegionLocationMinX0=14)
    found = calibrate(header(small, large), 40, 48)
    assert found.spacing_m == pytest.approx((0.0003, 0.0003))
    assert found.sector is not None
    assert not found.sector[:, :14].any()
    assert any("2 tissue regions" in note for note in found.notes)


def test_ecg_trace_is_kept_out_of_the_sector(region: Region) -> None:
    trace = region(
        RegionSpatialFormat=4, RegionDataType=0x0A, RegionLocationMinY0=30, PhysicalUnitsXDirection=4,
        PhysicalUnitsYDirection=0,
    )  # fmt: skip
    found = calibrate(header(region(), trace), 40, 48)
    assert found.sector is not None
    assert not found.sector[30:].any()
    assert found.sector[29, 2:41].all()


def test_colour_flow_over_tissue_stays_in_the_sector(region: Region) -> None:
    flow = region(RegionDataType=2, RegionLocationMinX0=10, RegionLocationMaxX1=20)
    found = calibrate(header(region(), flow), 40, 48)
    assert found.sector is not None
    assert found.sector[3:36, 10:21].all()


def test_graphics_box_around_everything_does_not_erase_the_sector(region: Region) -> None:
    graphics = region(RegionSpatialFormat=5, RegionDataType=0, RegionLocationMinX0=0, RegionLocationMaxX1=47)
    found = calibrate(header(graphics, region()), 40, 48)
    assert found.sector is not None
    assert found.sector.any()


def test_spectral_and_m_mode_regions_are_noted(region: Region) -> None:
    spectral = region(RegionSpatialFormat=3, RegionDataType=3, RegionLocationMinY0=30)
    found = calibrate(header(region(), spectral), 40, 48)
    assert any("PW Doppler (spectral)" in note for note in found.notes)


def test_picture_without_tissue_region_is_uncalibrated(region: Region) -> None:
    found = calibrate(header(region(RegionSpatialFormat=3, RegionDataType=3)), 40, 48)
    assert found.spacing_m is None
    assert any("no ultrasound region shows 2-D tissue" in note for note in found.notes)


def test_box_one_pixel_beyond_the_picture_is_cut(region: Region) -> None:
    found = calibrate(header(region(RegionLocationMaxX1=48)), 40, 48)
    assert found.spacing_m == pytest.approx((0.0003, 0.0003))


def test_box_of_a_larger_picture_is_refused(region: Region) -> None:
    found = calibrate(header(region(RegionLocationMaxX1=95, RegionLocationMaxY1=79)), 40, 48)
    assert found.spacing_m is None
    assert found.sector is None
    assert any("resized after calibration" in note and "--spacing-mm" in note for note in found.notes)


def test_corner_wrapped_around_in_32_bits_is_unwrapped(region: Region) -> None:
    found = calibrate(header(region(RegionLocationMinX0=(1 << 32) - 1)), 40, 48)
    assert found.sector is not None
    assert found.sector[10, 0]


def test_implausible_height_is_noted(region: Region) -> None:
    found = calibrate(header(region(PhysicalDeltaX=3.0, PhysicalDeltaY=3.0)), 40, 48)
    assert any("cm high, which is implausible" in note for note in found.notes)


def test_empty_box_is_no_region(region: Region) -> None:
    assert regions_of(header(region(RegionLocationMaxX1=2))) == ()


def test_pixel_spacing_alone_is_no_calibration() -> None:
    found = calibrate(header(PixelSpacing=[0.2, 0.3]), 40, 48)
    assert found.spacing_m is None
    assert any("0.2 x 0.3 mm, is no calibration" in note for note in found.notes)


def test_calibrated_pixel_spacing_counts_where_there_is_no_region() -> None:
    found = calibrate(header(PixelSpacing=[0.2, 0.3], PixelSpacingCalibrationType="GEOMETRY"), 40, 48)
    assert found.spacing_m == pytest.approx((0.0002, 0.0003))


def test_doubled_distance_doubles_the_spacing(region: Region) -> None:
    once = calibrate(header(region()), 40, 48).spacing_m
    twice = calibrate(header(region(PhysicalDeltaX=0.06, PhysicalDeltaY=0.06)), 40, 48).spacing_m
    assert once is not None
    assert twice == pytest.approx(tuple(2 * s for s in once))


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "spacing_mm"),
    [
        ("acuson_doppler_raw_frametimevector", 2.29375),
        ("aloka_palette16_three_regions", 0.3826531),
        ("cx50_palette_rle_2frame", 0.2622879),
        ("epiq5g_grey_cine_test_patient", 0.0830780),
    ],
)
def test_spacing_of_real_files(shared_data: Path, name: str, spacing_mm: float) -> None:
    spacing_m = read_dicom(shared_data / "dicom" / f"{name}.dcm").spacing_m
    assert spacing_m == pytest.approx((spacing_mm / 1e3, spacing_mm / 1e3), rel=1e-5)


@pytest.mark.data
def test_ecg_strip_of_a_real_file_is_outside_its_sector(shared_data: Path) -> None:
    sector = read_dicom(shared_data / "dicom" / "cx50_palette_2frame.dcm").sector
    assert sector is not None
    assert not sector[522:577].any()
    assert np.flatnonzero(sector.any(axis=1))[[0, -1]].tolist() == [60, 518]
