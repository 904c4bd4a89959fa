"""A picture of a result as DICOM Secondary Capture in the study it belongs to (PS3.3 A.8.1)."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from sonometry.io.atomic import write_atomic
from sonometry.io.dicom_header import lenient_pydicom
from sonometry.io.dicom_identity import SourceIdentity, add_equipment, new_uid, source_identity

SERIES_NUMBER = 902


def write_secondary_capture(image: np.ndarray, source_dicom: Path, path: Path) -> None:
    """Write an RGB (H, W, 3) or grey (H, W) uint8 picture into the study of `source_dicom`.

    The picture shows pixels of the source, so it counts as showing a patient's data in the picture unless the source
    says that it does not. Raises DataError when the source cannot hold a result, OutputError when writing fails.
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ValueError(f"expected uint8 pixels of shape (H, W) or (H, W, 3), got {image.dtype} {image.shape}")
    identity = source_identity(source_dicom)
    with lenient_pydicom():
        dataset = _dataset(identity)
        add_pixels(dataset, image)
        stream = io.BytesIO()
        dataset.save_as(stream, enforce_file_format=True)
    write_atomic(path, stream.getvalue())


def _dataset(identity: SourceIdentity) -> Dataset:
    now = datetime.now(UTC)
    dataset = Dataset()
    dataset.update(identity.patient_and_study)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = new_uid()
    dataset.SeriesInstanceUID = new_uid()
    dataset.SeriesNumber, dataset.InstanceNumber = SERIES_NUMBER, 1
    dataset.Modality = identity.modality
    dataset.ConversionType = "WSD"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.SeriesDescription = "Sonometry overlay"
    dataset.DerivationDescription = "Measurement drawn over the source image"
    dataset.BurnedInAnnotation = "YES" if identity.is_burned_in else "NO"
    dataset.ContentDate, dataset.ContentTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    # Unknown, which Type 2C allows: how and where the probe lay is not in the source.
    dataset.PatientOrientation = dataset.Laterality = None
    add_equipment(dataset)
    source = Dataset()
    source.ReferencedSOPClassUID = identity.sop_class_uid
    source.ReferencedSOPInstanceUID = identity.sop_instance_uid
    dataset.SourceImageSequence = [source]
    return dataset


def add_pixels(dataset: Dataset, image: np.ndarray) -> None:
    """The Image Pixel module of one uncompressed 8-bit picture."""
    dataset.Rows, dataset.Columns = image.shape[:2]
    dataset.SamplesPerPixel = 1 if image.ndim == 2 else 3
    dataset.PhotometricInterpretation = "MONOCHROME2" if image.ndim == 2 else "RGB"
    if image.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    data = np.ascontiguousarray(image).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB"
