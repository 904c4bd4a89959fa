"""The cleaned header: nobody's name at any depth, the same pseudonyms everywhere, what a measurement needs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UltrasoundImageStorage

from sonometry.core.errors import DataError
from sonometry.deid.header import HeaderRules, clean_header, leaks
from sonometry.deid.identity import identity_of
from sonometry.deid.keys import SecretKey
from sonometry.deid.profile import ProfileOptions


@pytest.fixture
def clean(key):
    """Clean a data set under the default or the given options."""

    def run(dataset: Dataset, private: dict | None = None, **options: bool) -> Dataset:
        rules = HeaderRules(key, ProfileOptions(**options), private or {})
        return clean_header(dataset, rules, clip_digest="d").dataset

    return run


def _all_text(dataset: Dataset) -> str:
    return str(dataset).casefold()


def test_names_in_nested_sequences_go(clean, header):
    person = Dataset()
    person.PersonName, person.PatientName, person.PatientID = "Stern^Ida", "Kowalczyk^Ottoline", "MRN4711007"
    inner = Dataset()
    inner.PurposeOfReferenceCodeSequence = Sequence([person])
    inner.ReferencedSOPClassUID, inner.ReferencedSOPInstanceUID = UltrasoundImageStorage, "1.2.3.4"
    cleaned = clean(header(SourceImageSequence=Sequence([inner])))
    text = _all_text(cleaned)
    assert "stern" not in text
    assert "kowalczyk" not in text
    assert "4711007" not in text
    assert cleaned.SourceImageSequence[0].ReferencedSOPClassUID == UltrasoundImageStorage


def test_the_same_uid_becomes_the_same_everywhere(clean, header, key):
    reference = Dataset()
    reference.ReferencedSOPClassUID = UltrasoundImageStorage
    original = header()
    reference.ReferencedSOPInstanceUID = original.SOPInstanceUID
    original.SourceImageSequence = Sequence([reference])
    cleaned = clean(original)
    assert cleaned.SourceImageSequence[0].ReferencedSOPInstanceUID == cleaned.SOPInstanceUID
    assert cleaned.SOPInstanceUID == key.uid(original.SOPInstanceUID) != original.SOPInstanceUID


def test_registered_uids_stay_and_invented_ones_below_the_same_root_do_not(clean, header):
    region = Dataset()
    region.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.6.1"
    region.ReferencedSOPInstanceUID = "1.2.840.10008.4711007"
    item = clean(header(SourceImageSequence=Sequence([region]))).SourceImageSequence[0]
    assert item.ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.6.1"
    assert item.ReferencedSOPInstanceUID.startswith("2.25.")


def test_patients_are_told_by_id_and_not_by_spelling(clean, header):
    one = clean(header(PatientName="Kowalczyk^Ottoline"))
    two = clean(header(PatientName="KOWALCZYK^O", PatientID="MRN4711007 "))
    other = clean(header(PatientID="MRN4711008"))
    assert one.PatientID == two.PatientID == one.PatientName != other.PatientID


def test_without_an_id_name_and_birth_date_tell_the_patient(clean, header):
    born = dict(PatientID="", PatientBirthDate="19700101")
    assert clean(header(**born)).PatientID == clean(header(**born, StudyInstanceUID="1.2.9")).PatientID
    assert clean(header(**born)).PatientID != clean(header(PatientID="", PatientBirthDate="19700102")).PatientID


def test_dates_of_a_patient_move_together(clean, header):
    cleaned = clean(header(SeriesDate="20240301", AcquisitionDateTime="20240302120000", ContentTime="120000"))
    days = [np.datetime64(f"{text[:4]}-{text[4:6]}-{text[6:8]}") for text in (cleaned.StudyDate, cleaned.SeriesDate)]
    assert (days[1] - days[0]).astype(int) == 1
    assert cleaned.StudyDate < "20240229"
    assert cleaned.AcquisitionDateTime.endswith("120000")
    assert cleaned.LongitudinalTemporalInformationModified == "MODIFIED"


def test_dates_are_emptied_or_removed_without_the_option(clean, header):
    cleaned = clean(header(SeriesDate="20240301", AcquisitionDateTime="20240302120000"), shift_dates=False)
    assert cleaned.StudyDate == ""
    assert "SeriesDate" not in cleaned
    assert "AcquisitionDateTime" not in cleaned
    assert cleaned.LongitudinalTemporalInformationModified == "REMOVED"


def test_private_attributes_go(clean, header):
    original = header()
    block = original.private_block(0x0029, "ACME 1.0", create=True)
    block.add_new(0x10, "LO", "Kowalczyk")
    assert not [element for element in clean(original) if element.tag.is_private]


def test_private_numbers_on_the_list_stay_and_their_neighbours_go(clean, header):
    original = header()
    block = original.private_block(0x0029, "ACME 1.0", create=True)
    block.add_new(0x10, "DS", "0.25")
    block.add_new(0x11, "LO", "Kowalczyk")
    block.add_new(0x12, "LO", "kowalczyk scan")
    other = original.private_block(0x0029, "OTHER", create=True)
    other.add_new(0x10, "DS", "7")
    cleaned = clean(original, private={"ACME 1.0": frozenset({"10", "12"})})
    assert cleaned.private_block(0x0029, "ACME 1.0")[0x10].value == 0.25
    assert len([element for element in cleaned if element.tag.is_private]) == 2


def test_a_name_in_a_technical_field_is_noticed(clean, header):
    cleaned = clean(header(ManufacturerModelName="Scan of Kowalczyk", Manufacturer="ACME"))
    assert "ManufacturerModelName" not in cleaned
    assert cleaned.Manufacturer == "ACME"


def test_a_table_that_swallowed_a_name_goes(clean, header):
    ramp = bytes(range(256)) * 2
    assert clean(header(RedPaletteColorLookupTableData=ramp)).RedPaletteColorLookupTableData == ramp
    for behind in (b"LO\x14\x00Kowalczyk^Ottoline", b"LO\x0a\x00MRN4711007"):
        assert "RedPaletteColorLookupTableData" not in clean(header(RedPaletteColorLookupTableData=ramp + behind))


def test_a_number_in_a_technical_field_is_noticed(clean, header):
    assert "SoftwareVersions" not in clean(header(SoftwareVersions="4.1 MRN-4711007"))


def test_the_serial_number_beside_the_probe_goes(clean, header):
    assert clean(header(TransducerData=["C5-1", "SN 998877"])).TransducerData == "C5-1"


def test_a_number_under_a_tag_that_was_damaged_goes(clean, header):
    """One bit makes Patient ID (0010,0020) Scanning Sequence (0018,0020), whose code strings may be digits."""
    original = header(ScanningSequence="006452623", ScanMode="2D")
    del original.PatientID
    cleaned = clean(original)
    assert "006452623" not in _all_text(cleaned)
    assert "ScanningSequence" not in cleaned or not cleaned.ScanningSequence


def test_local_codes_go_and_published_ones_stay(clean, header):
    local, public = Dataset(), Dataset()
    local.CodeValue, local.CodingSchemeDesignator, local.CodeMeaning = "X", "99ROOM", "Dr Stern"
    public.CodeValue, public.CodingSchemeDesignator, public.CodeMeaning = "80891009", "SCT", "Heart"
    cleaned = clean(header(AnatomicRegionSequence=Sequence([public]), ViewCodeSequence=Sequence([local])))
    assert cleaned.AnatomicRegionSequence[0].CodeMeaning == "Heart"
    assert "ViewCodeSequence" not in cleaned


def test_text_in_number_strings_does_not_come_through(clean, header):
    original = header()
    original.add_new(0x00181088, "IS", "72")
    original["HeartRate"]._value = "Kowalczyk"
    assert "HeartRate" not in clean(original)


def test_overlays_curves_icons_and_command_groups_go(clean, header):
    original = header()
    original.add_new(0x60003000, "OW", bytes(8))
    original.add_new(0x50003000, "OW", bytes(8))
    icon = Dataset()
    icon.PixelData = bytes(4)
    original.IconImageSequence = Sequence([icon])
    original.add_new(0xFFFCFFFC, "OB", b"Kowalczyk ")
    cleaned = clean(original)
    assert all(0x0008 <= element.tag.group < 0x5000 for element in cleaned)
    assert "IconImageSequence" not in cleaned


def test_the_options_are_told_by_their_codes(clean, header):
    cleaned = clean(header(), clean_descriptors=True, retain_device=True, retain_patient_characteristics=True)
    codes = {item.CodeValue for item in cleaned.DeidentificationMethodCodeSequence}
    assert codes == {"113100", "113101", "113103", "113105", "113107", "113108", "113109"}
    assert (cleaned.PatientIdentityRemoved, cleaned.BurnedInAnnotation) == ("YES", "NO")


def test_types_one_and_two_are_there_afterwards(clean, header):
    cleaned = clean(header(ReferringPhysicianName="Stern^Ida", AccessionNumber="A1234", StudyID="S1234"))
    for keyword in ("AccessionNumber", "ReferringPhysicianName", "StudyID"):
        assert cleaned[keyword].value in ("", None)


def test_a_station_stays_with_the_device_option_only(clean, header):
    assert "StationName" not in clean(header(StationName="US-ROOM-7"))
    assert clean(header(StationName="US-ROOM-7"), retain_device=True).StationName == "US-ROOM-7"


def test_the_original_is_not_touched(clean, header):
    original = header()
    before = str(original)
    clean(original)
    assert str(original) == before


def test_the_last_look_finds_what_cleaning_would_have_missed(header):
    original = header()
    identity = identity_of(original)
    leaking = Dataset()
    leaking.StudyDescription = "for mrs kowalczyk"
    assert leaks(leaking, identity) == ["StudyDescription"]


def test_a_leak_refuses_the_file(header, key, monkeypatch):
    monkeypatch.setattr("sonometry.deid.header.leaks", lambda *_: ["StudyDescription"])
    with pytest.raises(DataError, match="would remain in the header"):
        clean_header(header(), HeaderRules(key), clip_digest="d")


def test_another_key_gives_other_pseudonyms_and_dates(header, key):
    rules = HeaderRules(key)
    first = clean_header(header(), rules, clip_digest="d")
    other = clean_header(header(), replace(rules, key=SecretKey(bytes(32))), clip_digest="d")
    assert first.patient != other.patient
    assert first.dataset.SOPInstanceUID != other.dataset.SOPInstanceUID


_TEXT_KEYWORDS = (
    "StudyDescription",
    "SeriesDescription",
    "ImageComments",
    "PatientComments",
    "ProtocolName",
    "InstitutionName",
    "OperatorsName",
    "StationName",
    "PatientAddress",
    "ManufacturerModelName",
    "SoftwareVersions",
    "ProcessingFunction",
    "CodeMeaning",
    "DerivationDescription",
    "AdditionalPatientHistory",
    "RequestedProcedureDescription",
    "ViewName",
    "StageName",
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.sampled_from(_TEXT_KEYWORDS), st.sampled_from(["{}", "x {} y", "Mrs {}'s", "{}-left"])))
def test_the_patients_name_never_survives_in_any_text(clean, header, texts):
    original = header(**{keyword: pattern.format("Kowalczyk") for keyword, pattern in texts.items()})
    for options in ({}, dict(clean_descriptors=True, retain_device=True, retain_patient_characteristics=True)):
        assert "kowalczyk" not in _all_text(clean(original, **options))
