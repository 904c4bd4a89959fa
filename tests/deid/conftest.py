"""Invented exports and the rules most tests use."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

from sonometry.deid.clip import ClipRules
from sonometry.deid.header import HeaderRules
from sonometry.deid.keys import SecretKey
from sonometry.deid.pixels import PixelRules
from sonometry.deid.scorecard.exports import Truth, write_exports
from sonometry.deid.text import check_models


@pytest.fixture(scope="session")
def key() -> SecretKey:
    """A key that is the same in every test run."""
    return SecretKey(bytes(range(32)))


@pytest.fixture
def rules(key) -> ClipRules:
    """The default rules."""
    return ClipRules(HeaderRules(key), PixelRules())


@pytest.fixture(scope="session")
def models() -> Path:
    """The text network; its absence is a failure of the installation, not of the tests."""
    return check_models()


@pytest.fixture(scope="session")
def exports(tmp_path_factory) -> list[Truth]:
    """Six studies of three invented patients, one on each invented scanner."""
    folder = tmp_path_factory.mktemp("exports")
    return write_exports(folder, n_studies=6, seed=4)


@pytest.fixture
def header() -> Callable[..., FileDataset]:
    """A data set with the given attributes over a minimal identified header, with three frames of random greys."""

    def make(**attributes: object) -> FileDataset:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = UltrasoundMultiFrameImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["deid", "image"])
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        file = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        file.SOPClassUID, file.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        file.StudyInstanceUID = generate_uid(entropy_srcs=["deid", "study"])
        file.SeriesInstanceUID = generate_uid(entropy_srcs=["deid", "series"])
        file.Modality, file.PatientName, file.PatientID = "US", "Kowalczyk^Ottoline", "MRN4711007"
        file.StudyDate, file.StudyTime = "20240229", "101500"
        file.Rows, file.Columns, file.NumberOfFrames, file.SamplesPerPixel = 64, 64, 3, 1
        file.PhotometricInterpretation = "MONOCHROME2"
        file.BitsAllocated = file.BitsStored = 8
        file.HighBit, file.PixelRepresentation = 7, 0
        pixels = np.random.default_rng(5).integers(0, 256, (3, 64, 64), np.uint8)
        file.PixelData = pixels.tobytes()
        for keyword, value in attributes.items():
            setattr(file, keyword, value)
        return file

    return make


@pytest.fixture
def as_bytes() -> Callable[[FileDataset], bytes]:
    """The bytes of a data set as a file."""

    def write(file: FileDataset) -> bytes:
        stream = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tests write values that break their representation on purpose
            file.save_as(stream, enforce_file_format=True)
        return stream.getvalue()

    return write


@pytest.fixture
def read_back() -> Callable[[bytes], Dataset]:
    """The data set in the bytes of a file."""

    def read(content: bytes) -> Dataset:
        return dcmread(io.BytesIO(content))

    return read
