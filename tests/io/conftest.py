"""Generated recordings shared by the tests of the readers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from sonometry.core.rf import RFFrames

MakeRF = Callable[..., RFFrames]
MakeDicom = Callable[..., Path]


def echo_frames(
    n_frames: int = 3, n_samples: int = 600, n_lines: int = 48, *, cycles_per_sample: float = 0.15, seed: int = 7
) -> np.ndarray:
    """(T, axial, line) float32: speckle with a carrier along depth, each frame moved by 0.7 samples."""
    rng = np.random.default_rng(seed)
    scatterers = gaussian_filter1d(rng.standard_normal((n_samples, n_lines)), 1.5, axis=1)
    frequency = np.fft.rfftfreq(n_samples)
    pulse = np.exp(-0.5 * ((frequency - cycles_per_sample) / (0.25 * cycles_per_sample)) ** 2)
    spectrum = np.fft.rfft(scatterers, axis=0) * pulse[:, np.newaxis]
    moved = [
        spectrum * np.exp(-2j * np.pi * frequency * 0.7 * i)[:, np.newaxis]
        for i in range(n_frames)
    ]  # fmt: skip
    frames = np.stack([np.fft.irfft(each, n_samples, axis=0) for each in moved])
    return (1000 * frames / frames.std()).astype(np.float32)


@pytest.fixture
def make_rf() -> MakeRF:
    """Build RFFrames: `make_rf(n_frames=3, n_samples=600, n_lines=48, **facts)`; 40 MHz, 6 MHz, 0.3 mm by default."""

    def build(n_frames: int = 3, n_samples: int = 600, n_lines: int = 48, **facts: object) -> RFFrames:
        stated = {"sampling_rate_hz": 40e6, "centre_frequency_hz": 6e6, "line_pitch_m": 3e-4} | facts
        return RFFrames(echo_frames(n_frames, n_samples, n_lines), **stated)  # type: ignore[arg-type]

    return build


@pytest.fixture
def clip() -> np.ndarray:
    """(4, 40, 48) uint8: speckle in a disc on black, changing from frame to frame, as ultrasound pictures are."""
    rng = np.random.default_rng(11)
    speckle = np.stack([gaussian_filter(rng.random((40, 48)), 1.5) for _ in range(4)])
    speckle = 255 * (speckle - speckle.min()) / np.ptp(speckle)
    rows, columns = np.mgrid[:40, :48]
    disc = (rows - 20) ** 2 + (columns - 24) ** 2 < 18**2
    return np.where(disc, speckle, 0).astype(np.uint8)


@pytest.fixture
def colour_clip(clip: np.ndarray) -> np.ndarray:
    """(4, 40, 48, 3) uint8 RGB: the grey clip with an orange patch, as colour flow draws it."""
    rgb = np.repeat(clip[..., np.newaxis], 3, axis=3)
    rgb[:, 15:22, 20:28] = (230, 120, 20)
    return rgb


def tissue_region(**changes: object) -> Dataset:
    """A 2-D tissue region of 0.3 mm pixels, rows 3-35, columns 2-40; attributes by keyword replace its own."""
    region = Dataset()
    stated = {
        "RegionSpatialFormat": 1, "RegionDataType": 1, "RegionFlags": 0,
        "RegionLocationMinX0": 2, "RegionLocationMinY0": 3, "RegionLocationMaxX1": 40, "RegionLocationMaxY1": 35,
        "PhysicalUnitsXDirection": 3, "PhysicalUnitsYDirection": 3, "PhysicalDeltaX": 0.03, "PhysicalDeltaY": 0.03,
    }  # fmt: skip
    for keyword, value in (stated | changes).items():
        setattr(region, keyword, value)
    return region


@pytest.fixture
def region() -> Callable[..., Dataset]:
    """Build an ultrasound region: `region(PhysicalDeltaX=-0.03)`."""
    return tissue_region


def dicom_dataset(frames: np.ndarray, syntax: str, photometric: str, bits: int) -> Dataset:
    """A multi-frame ultrasound header for (T, H, W) or (T, H, W, 3) frames at 50 frames/s."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID = UltrasoundMultiFrameImageStorage
    dataset.SOPInstanceUID, dataset.SeriesInstanceUID, dataset.StudyInstanceUID = "2.25.3", "2.25.2", "2.25.1"
    dataset.Modality = "US"
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = "Doe^Jane", "MRN4711", "19700101"
    dataset.Manufacturer, dataset.ManufacturerModelName = "Acme", "X1"
    dataset.TransducerData = ["L12-5", "UNUSED", ""]
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = frames.shape[:3]
    dataset.SamplesPerPixel = 3 if frames.ndim == 4 else 1
    if frames.ndim == 4:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated = 8 if bits == 8 else 16
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, 0
    dataset.FrameTime, dataset.FrameIncrementPointer = "20", 0x00181063
    dataset.SequenceOfUltrasoundRegions = [tissue_region()]
    return dataset


@pytest.fixture
def make_dicom(tmp_path: Path, clip: np.ndarray) -> MakeDicom:
    """Write a DICOM file: `make_dicom(frames, name="clip.dcm", data=bytes, **attributes)`, None deletes one."""

    def build(
        frames: np.ndarray | None = None,
        *,
        name: str = "clip.dcm",
        syntax: str = ExplicitVRLittleEndian,
        photometric: str | None = None,
        bits: int = 8,
        data: bytes | None = None,
        **attributes: Any,
    ) -> Path:
        frames = clip if frames is None else frames
        photometric = photometric or ("RGB" if frames.ndim == 4 else "MONOCHROME2")
        path = tmp_path / name
        stored = frames.tobytes() if data is None else data
        with pydicom.config.disable_value_validation():  # broken values are what many tests are about
            dataset = dicom_dataset(frames, syntax, photometric, bits)
            dataset.PixelData = stored + b"\0" * (len(stored) % 2)
            dataset["PixelData"].VR = "OB" if bits == 8 else "OW"
            for keyword, value in attributes.items():
                if value is None:
                    delattr(dataset, keyword)
                else:
                    setattr(dataset, keyword, value)
            dataset.save_as(path, enforce_file_format=True)
        return path

    return build
