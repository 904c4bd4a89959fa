"""One file from bytes to bytes: what is refused, and that what is written is clean for other programs as well."""

from __future__ import annotations

import io
import logging
import zlib

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    ComprehensiveSRStorage,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EncapsulatedPDFStorage,
    EnhancedUSVolumeStorage,
    SecondaryCaptureImageStorage,
)

from sonometry.core.errors import DataError
from sonometry.deid.clip import boxes_of, check_kind, deidentify_clip, read

pytestmark = pytest.mark.usefixtures("models")


@pytest.fixture(scope="module")
def clip(exports, key):
    """One de-identified export with its truth."""
    from sonometry.deid.clip import ClipRules
    from sonometry.deid.header import HeaderRules

    truth = next(t for t in exports if t.scanner[1] == "LinScan 2")
    return truth, deidentify_clip(truth.path.read_bytes(), ClipRules(HeaderRules(key)), {})


def test_preamble_and_meta_group_are_new(clip):
    truth, result = clip
    assert truth.path.read_bytes()[:20].strip(b"\0 ")
    assert not any(result.data[:128])
    meta = dcmread(io.BytesIO(result.data)).file_meta
    assert {element.keyword for element in meta} == {
        "FileMetaInformationGroupLength",
        "FileMetaInformationVersion",
        "MediaStorageSOPClassUID",
        "MediaStorageSOPInstanceUID",
        "TransferSyntaxUID",
        "ImplementationClassUID",
        "ImplementationVersionName",
    }


def test_the_place_of_the_file_is_made_of_pseudonyms(clip):
    truth, result = clip
    dataset = dcmread(io.BytesIO(result.data))
    patient, study, name = result.path.parts
    assert patient == dataset.PatientID
    assert truth.identity.family.casefold() not in result.path.as_posix().casefold()
    assert study[0] == "S"
    assert name.endswith(".dcm")


def test_the_result_is_the_same_every_time(clip, rules):
    truth, result = clip
    again = deidentify_clip(truth.path.read_bytes(), rules, {})
    assert again.data == result.data


def test_cleaning_what_is_clean_keeps_the_pixels(clip, rules):
    _, result = clip
    again = deidentify_clip(result.data, rules, {})
    before, after = (dcmread(io.BytesIO(data)).pixel_array for data in (result.data, again.data))
    kept = result.plan.kept & again.plan.kept
    assert kept.sum() > 0.97 * result.plan.kept.sum()
    assert np.array_equal(before[..., kept], after[..., kept])


def test_no_name_is_anywhere_in_the_bytes(clip):
    truth, result = clip
    content = result.data.casefold() if isinstance(result.data, str) else result.data.lower()
    for secret in truth.identity.secrets():
        if len(secret) > 5:
            assert secret.casefold().encode() not in content


def test_top_rows_are_masked_in_any_case(exports, key):
    from sonometry.deid.clip import ClipRules
    from sonometry.deid.header import HeaderRules
    from sonometry.deid.pixels import PixelRules

    truth = next(t for t in exports if t.scanner[1] == "LinScan 2")
    rules = ClipRules(HeaderRules(key), PixelRules(top_rows=200))
    result = deidentify_clip(truth.path.read_bytes(), rules, {})
    assert not dcmread(io.BytesIO(result.data)).pixel_array[..., :200, :].any()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (dict(SOPClassUID=ComprehensiveSRStorage), "no ultrasound image but Comprehensive SR"),
        (dict(SOPClassUID=EncapsulatedPDFStorage), "no ultrasound image but Encapsulated PDF"),
        (dict(SOPClassUID=EnhancedUSVolumeStorage), "no ultrasound image but Enhanced US Volume"),
        (dict(SOPClassUID=CTImageStorage), "no ultrasound image but CT"),
        (dict(SOPClassUID="1.2.3"), "private or unknown kind"),
        (dict(Modality="CT"), "modality is not ultrasound"),
        (dict(SOPClassUID=SecondaryCaptureImageStorage, Modality="OT"), "modality is not ultrasound"),
        (dict(EncapsulatedDocument=b"%PDF"), "more than an image"),
        (dict(ContentSequence=Sequence([Dataset()])), "more than an image"),
    ],
)
def test_what_is_no_plain_ultrasound_image_is_refused(header, change, reason):
    with pytest.raises(DataError, match=reason):
        check_kind(header(**change))


def test_noise_without_a_sector_is_refused(header, as_bytes, rules):
    file = header(Rows=64, Columns=64, NumberOfFrames=1, PixelData=bytes(64 * 64))
    with pytest.raises(DataError, match="no imaged sector"):
        deidentify_clip(as_bytes(file), rules, {})


def test_a_file_without_pixels_is_refused(header, as_bytes, rules):
    file = header()
    del file.PixelData
    with pytest.raises(DataError, match="holds no image"):
        deidentify_clip(as_bytes(file), rules, {})


@pytest.mark.parametrize("content", [b"", b"Kowalczyk", b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM" + b"\x02\0" * 50])
def test_what_is_no_dicom_is_refused_without_quoting_it(content, rules):
    with pytest.raises(DataError) as error:
        deidentify_clip(content, rules, {})
    assert "Kowalczyk" not in str(error.value)


def test_a_file_without_preamble_is_read(header, as_bytes):
    content = as_bytes(header())
    dataset, syntax = read(content[132:])
    assert dataset.PatientID == "MRN4711007"
    assert syntax == "1.2.840.10008.1.2.1"


def test_a_deflated_bomb_is_refused_before_it_fills_the_memory(header, as_bytes, rules, monkeypatch):
    monkeypatch.setattr("sonometry.deid.clip.MAX_INFLATED_BYTES", 1 << 24)
    file = header()
    file.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    content = as_bytes(file)
    length = 144 + int.from_bytes(content[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    zeros = bytes(1 << 24)
    bomb = packer.compress(zeros) + packer.compress(zeros) + packer.flush()
    with pytest.raises(DataError, match="too large when decompressed"):
        deidentify_clip(content[:length] + bomb, rules, {})


def test_nothing_of_the_file_is_logged_or_warned(header, as_bytes, rules, caplog, recwarn):
    file = header(NumberOfFrames=1, PixelData=bytes(64 * 64))
    file.add_new(0x00080050, "SH", "Kowalczyk with far too long an accession number")
    file.add_new(0x00100030, "DA", "Kowalczyk")
    content = as_bytes(file)
    caplog.clear()
    recwarn.clear()  # of making the file
    caplog.set_level(logging.DEBUG)
    with pytest.raises(DataError):
        deidentify_clip(content, rules, {})
    assert "Kowalczyk" not in caplog.text
    assert not list(recwarn)


def test_only_regions_of_images_say_where_to_look(header):
    regions = []
    for spatial, kind in ((1, 1), (1, 2), (3, 3), (4, 10)):
        region = Dataset()
        region.RegionSpatialFormat, region.RegionDataType = spatial, kind
        region.RegionLocationMinX0, region.RegionLocationMinY0 = 0, kind
        region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 50, 60
        regions.append(region)
    regions.append(Dataset())
    file = header(SequenceOfUltrasoundRegions=Sequence(regions))
    assert boxes_of(file) == [(0, 1, 50, 60), (0, 2, 50, 60)]


def test_a_remembered_mask_serves_where_no_sector_can_be_seen(header, as_bytes, rules):
    mask = np.zeros((64, 64), bool)
    mask[10:50, 10:50] = True
    file = header(NumberOfFrames=1, PixelData=bytes(64 * 64), Manufacturer="ACME", ManufacturerModelName="X")
    result = deidentify_clip(as_bytes(file), rules, {"acme-x-64x64": [mask]})
    assert result.plan.sector.method == "remembered"
    assert np.array_equal(result.plan.kept, mask)
