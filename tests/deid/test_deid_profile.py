"""Table E.1-1 as data: what must go, what an option keeps, what becomes of attributes that it does not list."""

from __future__ import annotations

import pytest
from pydicom.datadict import dictionary_keyword, dictionary_VR, tag_for_keyword

from sonometry.deid.profile import Action, ProfileOptions, action_of, basic_profile, retained

PLAIN = ProfileOptions(shift_dates=False)


def _words(text: str) -> list[str]:
    return text.split()


#: Attributes that name or place somebody: removed, emptied or replaced, whatever the options.
MUST_GO = _words(
    """
    AccessionNumber InstitutionName InstitutionAddress ReferringPhysicianName ReferringPhysicianAddress
    ReferringPhysicianTelephoneNumbers PhysiciansOfRecord PerformingPhysicianName NameOfPhysiciansReadingStudy
    OperatorsName PatientName PatientID OtherPatientIDs OtherPatientNames OtherPatientIDsSequence PatientBirthDate
    PatientBirthTime PatientBirthName PatientMotherBirthName PatientAddress PatientTelephoneNumbers
    CountryOfResidence RegionOfResidence MilitaryRank BranchOfService MedicalRecordLocator
    PatientReligiousPreference PatientComments ResponsiblePerson ResponsibleOrganization
    PatientInsurancePlanCodeSequence AdmissionID IssuerOfAdmissionID CurrentPatientLocation PersonName PersonAddress
    PersonTelephoneNumbers VerifyingObserverName HumanPerformerName HumanPerformerOrganization RequestingPhysician
    RequestingService OrderEnteredBy OrderEntererLocation OrderCallbackPhoneNumber
    PlacerOrderNumberImagingServiceRequest FillerOrderNumberImagingServiceRequest ScheduledPerformingPhysicianName
    NamesOfIntendedRecipientsOfResults IconImageSequence GraphicAnnotationSequence OriginalAttributesSequence
    ModifiedAttributesSequence DigitalSignaturesSequence EncryptedAttributesSequence TextString TextComments
    ReferencedPatientSequence ReferencedPatientPhotoSequence ServiceEpisodeID ConsultingPhysicianName BarcodeValue
    ClinicalTrialSiteName GPSLatitude GPSLongitude CameraOwnerName StudyID
    """
)
#: Attributes that describe how the picture was made.
MUST_STAY = _words(
    """
    Rows Columns PixelData NumberOfFrames FrameTime FrameTimeVector CineRate SequenceOfUltrasoundRegions
    RegionLocationMinX0 PhysicalDeltaX PhysicalUnitsXDirection TransducerType Manufacturer ManufacturerModelName
    Modality SOPClassUID PhotometricInterpretation MechanicalIndex HeartRate RWaveTimeVector
    RedPaletteColorLookupTableData ImageType BodyPartExamined
    """
)


def _action(keyword: str, options: ProfileOptions = PLAIN, *, nested: bool = False) -> Action:
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return action_of(tag, dictionary_VR(tag), keyword, options, nested=nested)


@pytest.mark.parametrize("keyword", MUST_GO)
def test_what_names_somebody_is_never_kept(keyword):
    gone = {Action.REMOVE, Action.EMPTY, Action.DUMMY, Action.PSEUDONYM}
    assert _action(keyword) in gone
    assert _action(keyword, ProfileOptions(True, True, True, True)) in gone | {Action.TEXT}


@pytest.mark.parametrize("keyword", MUST_STAY)
def test_what_describes_the_picture_is_kept(keyword):
    assert _action(keyword) in (Action.KEEP, Action.UID)


def test_the_table_is_complete_for_its_edition():
    # PS3.15 2026c lists 652 single attributes beside curves and overlays.
    assert len(basic_profile()) == 652
    assert {row.basic for row in basic_profile().values()} == {
        "D",
        "Z",
        "X",
        "U",
        "Z/D",
        "X/Z",
        "X/D",
        "X/Z/D",
        "X/Z/U*",
    }


@pytest.mark.parametrize("tag", [0x50003000, 0x50100010, 0x60000010, 0x60003000, 0x601E4000, 0x60FF3000])
def test_curves_and_overlays_go_in_all_their_groups(tag):
    assert action_of(tag, "OW", "", PLAIN) is Action.REMOVE


@pytest.mark.parametrize("keyword", ["StudyDate", "AcquisitionDateTime", "ContentTime", "SeriesDate"])
def test_dates_are_shifted_only_by_option(keyword):
    assert _action(keyword, ProfileOptions(shift_dates=True)) is Action.DATE
    assert _action(keyword) in (Action.EMPTY, Action.REMOVE, Action.DUMMY)


def test_the_birth_date_goes_even_where_dates_are_shifted():
    assert _action("PatientBirthDate", ProfileOptions(True, True, True, True)) is Action.EMPTY


@pytest.mark.parametrize(
    ("keyword", "option"),
    [
        ("DeviceSerialNumber", ProfileOptions(retain_device=True)),
        ("StationName", ProfileOptions(retain_device=True)),
        ("PatientAge", ProfileOptions(retain_patient_characteristics=True)),
        ("PatientSex", ProfileOptions(retain_patient_characteristics=True)),
        ("SmokingStatus", ProfileOptions(retain_patient_characteristics=True)),
    ],
)
def test_an_option_keeps_its_own_column(keyword, option):
    assert _action(keyword, option) is Action.KEEP
    assert _action(keyword) is not Action.KEEP


@pytest.mark.parametrize("keyword", ["StudyDescription", "SeriesDescription", "ProtocolName", "ImageComments"])
def test_descriptions_are_removed_unless_they_are_cleaned(keyword):
    assert _action(keyword) is Action.REMOVE
    assert _action(keyword, ProfileOptions(clean_descriptors=True)) is Action.TEXT


@pytest.mark.parametrize(
    ("keyword", "expected"), [("StudyDate", Action.EMPTY), ("AcquisitionDate", Action.REMOVE), ("SOPInstanceUID", "U")]
)
def test_compound_actions_follow_the_type_in_the_image_iods(keyword, expected):
    assert _action(keyword) == expected


@pytest.mark.parametrize("vr", ["LT", "ST", "UT", "LO", "SH", "PN", "UC", "UR", "AE", "OB", "OW", "UN"])
def test_unlisted_text_and_bytes_go_unless_they_are_on_the_list(vr):
    tag = tag_for_keyword("WindowCenterWidthExplanation")
    assert tag not in basic_profile()
    assert action_of(tag, vr, "WindowCenterWidthExplanation", PLAIN) is Action.REMOVE


def test_what_no_dictionary_knows_is_removed():
    assert action_of(0x00180099, "LO", "", PLAIN) is Action.REMOVE
    assert action_of(0x00100099, "US", "", ProfileOptions(retain_patient_characteristics=True)) is Action.REMOVE


def test_body_measures_beside_the_table_count_as_patient_characteristics():
    assert _action("PatientBodyMassIndex") is Action.REMOVE
    assert _action("PatientBodyMassIndex", ProfileOptions(retain_patient_characteristics=True)) is Action.KEEP


def test_every_retained_keyword_is_in_the_dictionary():
    lists = retained()
    for keyword in lists.text | lists.binary | lists.identifiers:
        tag = tag_for_keyword(keyword)
        assert tag is not None, keyword
        assert dictionary_keyword(tag) == keyword


def test_no_allowed_text_is_listed_by_the_standard_as_a_risk():
    for keyword in retained().text:
        assert tag_for_keyword(keyword) not in basic_profile(), keyword


def test_the_vocabulary_holds_no_invented_name():
    from sonometry.deid.scorecard.identities import FAMILY, GIVEN

    assert not {name.casefold() for name in (*FAMILY, *GIVEN)} & retained().words
