"""A header without the patient: a new data set into which only what may stay is copied.

Actions come from `profile.py`. Whatever cannot be read is not copied; whatever is kept is compared with the names and
numbers of the original. Private attributes go unless their creator and element are on the user's list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydicom.datadict import dictionary_has_tag, dictionary_keyword, dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import UID, UID_dictionary

from sonometry.core.errors import DataError
from sonometry.core.provenance import library_version
from sonometry.deid.identity import Identity, identity_of, texts_of
from sonometry.deid.keys import SecretKey
from sonometry.deid.profile import NUMBER_VRS, TEXT_VRS, Action, ProfileOptions, action_of, retained
from sonometry.deid.values import capped_age, cleaned_text, dummy, shifted

#: Deeper nesting is not read: no ultrasound image needs it, and it can exhaust the stack.
MAX_DEPTH = 12
_CODE_STRING = re.compile(r"[A-Z0-9_ ]{0,16}")
#: No defined term holds a long number; a patient's number under a damaged tag does.
_LONG_NUMBER = re.compile(r"[0-9]{5}")
#: Code strings that every image must have: kept even if a patient is called like one.
_REQUIRED_CODES = frozenset({"Modality", "PhotometricInterpretation", "ImageType", "SpecificCharacterSet"})
#: CID 7050 De-identification Method, coding scheme DCM.
_METHODS = {
    "basic": ("113100", "Basic Application Confidentiality Profile"),
    "pixels": ("113101", "Clean Pixel Data Option"),
    "graphics": ("113103", "Clean Graphics Option"),
    "descriptors": ("113105", "Clean Descriptors Option"),
    "dates": ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    "patient": ("113108", "Retain Patient Characteristics Option"),
    "device": ("113109", "Retain Device Identity Option"),
    "private": ("113111", "Retain Safe Private Option"),
}


@dataclass(frozen=True)
class HeaderRules:
    """What is done to headers: options of the profile, the key, and private elements that may stay.

    private : creator -> last two hexadecimal digits of its elements, e.g. {"ACME 1.0": {"10", "1F"}}.
    """

    key: SecretKey
    options: ProfileOptions = field(default_factory=ProfileOptions)
    private: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class CleanHeader:
    """The new data set (without pixels) and the pseudonyms that name its file."""

    dataset: Dataset
    patient: str
    study: str
    clip: str
    identity: Identity


def clean_header(original: Dataset, rules: HeaderRules, *, clip_digest: str) -> CleanHeader:
    """Copy what may stay of `original` (read only) into a new data set, marked as de-identified.

    clip_digest : digest of the file, in the place of a missing SOP Instance UID.
    """
    identity = identity_of(original, retain_device=rules.options.retain_device)
    cleaned = _Cleaner(rules, identity).clean(original, depth=0)
    if leaks(cleaned, identity):
        raise DataError("a name or number of its patient would remain in the header")
    patient = rules.key.pseudonym("patient", identity.patient)
    cleaned.PatientName = cleaned.PatientID = patient
    for keyword, fallback in (("StudyInstanceUID", identity.patient), ("SeriesInstanceUID", identity.patient)):
        if not cleaned.get(keyword):
            setattr(cleaned, keyword, rules.key.uid(f"{keyword}:{fallback}"))
    if not cleaned.get("SOPInstanceUID"):
        cleaned.SOPInstanceUID = rules.key.uid(clip_digest)
    _mark(cleaned, rules)
    return CleanHeader(
        cleaned,
        patient=patient,
        study=rules.key.pseudonym("study", str(cleaned.StudyInstanceUID)),
        clip=rules.key.pseudonym("clip", str(cleaned.SOPInstanceUID)),
        identity=identity,
    )


def leaks(cleaned: Dataset, identity: Identity) -> list[str]:
    """Keywords of attributes whose text still holds a name or number of the identity; empty when all is well.

    An independent last look at the finished data set: it shares no code with the cleaning but the comparison.
    """
    found = []
    for element in cleaned.iterall():
        if element.VR in TEXT_VRS or element.VR == "CS":
            if element.keyword in _REQUIRED_CODES | {"PatientName", "PatientID"}:
                continue
            if any(identity.is_in(text) for text in texts_of(element)):
                found.append(element.keyword or "private")
        elif element.keyword != "PixelData" and isinstance(element.value, bytes):
            found += [element.keyword or "private"] * identity.is_in_bytes(element.value)
    return found


class _Cleaner:
    """Applies the rules to one header and all its sequences."""

    def __init__(self, rules: HeaderRules, identity: Identity) -> None:
        self.rules = rules
        self.identity = identity
        self.days = rules.key.shift_days(identity.patient)

    def clean(self, original: Dataset, depth: int) -> Dataset:
        cleaned = Dataset()
        for tag in sorted(original.keys()):
            if tag.group < 0x0008 or tag.group > 0x7FE0 or depth > MAX_DEPTH:
                continue
            if (tag.group == 0x7FE0 and depth > 0) or tag == 0x7FE00010:
                continue  # pixels of the image are added later; those in sequences are copies that nobody looked at
            if tag.is_private:
                element = self._private(original, tag)
            else:
                element = self._public(original, tag, depth)
            if element is not None:
                cleaned.add(element)
        self._drop_empty_private_blocks(cleaned)
        return cleaned

    def _public(self, original: Dataset, tag: BaseTag, depth: int) -> DataElement | None:
        if not dictionary_has_tag(tag):
            return None
        vr, keyword = dictionary_VR(tag), dictionary_keyword(tag)
        action = action_of(tag, vr, keyword, self.rules.options, nested=depth > 0)
        if action is Action.REMOVE or (action is Action.PSEUDONYM and depth > 0):
            return None
        if action is Action.PSEUDONYM:
            return DataElement(tag, vr, "")  # filled in once the whole header is clean
        try:
            element = original[tag]
        except Exception:  # a value that cannot be read is not kept
            return None
        if vr == "SQ" or element.VR == "SQ":
            return self._sequence(element, action, depth) if vr == element.VR else None
        return self._value(element, vr, action)

    def _sequence(self, element: DataElement, action: Action, depth: int) -> DataElement | None:
        if action is Action.EMPTY:
            return DataElement(element.tag, "SQ", Sequence())
        items = [self.clean(item, depth + 1) for item in element.value or () if self._is_published_code(item)]
        items = [item for item in items if len(item)]
        if element.value and not items:
            return None
        return DataElement(element.tag, "SQ", Sequence(items))

    def _is_published_code(self, item: Dataset) -> bool:
        """False for coded entries of local schemes: their meanings are anybody's free text."""
        return "CodeValue" not in item or _text_of(item, 0x00080102) in retained().coding_schemes

    def _value(self, element: DataElement, vr: str, action: Action) -> DataElement | None:
        if action is Action.EMPTY:
            return DataElement(element.tag, element.VR, None if element.VR in NUMBER_VRS else "")
        if action is Action.DUMMY:
            return DataElement(element.tag, element.VR, dummy(element.VR) if dummy(element.VR) is not None else "")
        if action is Action.UID:
            return self._each(element, self._uid)
        if action is Action.DATE:
            return self._each(element, lambda text: shifted(text, vr, self.days))
        if action is Action.TEXT:
            return self._each(element, lambda text: cleaned_text(text, self.identity) or None)
        return self._kept(element, vr)

    def _kept(self, element: DataElement, vr: str) -> DataElement | None:
        keyword = element.keyword
        if keyword == "PatientAge":
            return self._each(element, capped_age)
        if vr == "CS":
            return self._each(element, lambda text: self._code_string(text, keyword))
        if vr in TEXT_VRS:
            if keyword == "TransducerData" and isinstance(element.value, MultiValue):
                element = DataElement(element.tag, element.VR, str(element.value[0]))
            return self._each(element, lambda text: None if self.identity.is_in(text) else text)
        if vr in NUMBER_VRS:
            return _numbers_only(element)
        if isinstance(element.value, bytes) and self.identity.is_in_bytes(element.value):
            return None
        return DataElement(element.tag, element.VR, element.value)

    def _code_string(self, text: str, keyword: str) -> str | None:
        if keyword == "SpecificCharacterSet":
            return text if re.fullmatch(r"[A-Z0-9_ ]{0,16}", text) else None
        if not _CODE_STRING.fullmatch(text) or _LONG_NUMBER.search(text):
            return None
        return text if keyword in _REQUIRED_CODES or not self.identity.is_in(text) else None

    def _uid(self, text: str) -> str | None:
        return text if UID(text) in UID_dictionary else self.rules.key.uid(text)

    def _each(self, element: DataElement, change: Any) -> DataElement | None:
        """The element with every value changed, and without those that have no valid form.

        Without any value left it becomes empty where it must be there (Type 2), and vanishes otherwise.
        """
        values = [changed for text in texts_of(element) if (changed := change(text)) is not None]
        if not values:
            is_type_2 = element.keyword in _TYPE_2
            return DataElement(element.tag, element.VR, "") if is_type_2 else None
        return DataElement(element.tag, element.VR, values if len(values) > 1 else values[0])

    def _private(self, original: Dataset, tag: BaseTag) -> DataElement | None:
        """A private element on the list with its creator's block; numbers, codes and times only."""
        if not self.rules.private:
            return None
        if tag.is_private_creator:
            creator = _text_of(original, tag)
            return DataElement(tag, "LO", creator) if creator in self.rules.private else None
        creator = _text_of(original, (tag.group << 16) | (tag.element >> 8))
        if f"{tag.element & 0xFF:02X}" not in self.rules.private.get(creator, frozenset()):
            return None
        try:
            element = original[tag]
        except Exception:  # a value that cannot be read is not kept
            return None
        if element.VR in NUMBER_VRS | {"CS", "LO", "SH"}:
            return self._kept(element, element.VR)
        return None

    def _drop_empty_private_blocks(self, cleaned: Dataset) -> None:
        tags = [element.tag for element in cleaned if element.tag.is_private]
        for creator in [tag for tag in tags if tag.is_private_creator]:
            block = (creator.element << 8) & 0xFF00
            if not any(tag.group == creator.group and tag.element & 0xFF00 == block for tag in tags):
                del cleaned[creator]


def _text_of(dataset: Dataset, tag: int) -> str:
    """The text of an attribute; empty when it is absent or cannot be read."""
    try:
        element = dataset.get(BaseTag(tag))
    except Exception:  # pydicom raises nearly anything on damaged values
        return ""
    return "" if element is None or element.value is None else str(element.value).strip()


#: Type 2 attributes of the Image IODs that may become empty (PS3.3 C.7): they must be there even so.
_TYPE_2 = frozenset(
    {
        "AccessionNumber",
        "ContentDate",
        "ContentTime",
        "InstanceNumber",
        "Laterality",
        "Manufacturer",
        "PatientBirthDate",
        "PatientOrientation",
        "PatientSex",
        "ReferringPhysicianName",
        "SeriesNumber",
        "StudyDate",
        "StudyID",
        "StudyTime",
    }
)


def _numbers_only(element: DataElement) -> DataElement | None:
    """Numbers, also where they are written as text (DS, IS): nothing but a number comes through."""
    if element.VR in {"DS", "IS"}:
        texts = texts_of(element)
        try:
            values = [float(text) for text in texts]
        except ValueError:
            return None
        if len(values) != len(texts):
            return None
        return DataElement(element.tag, element.VR, texts if len(texts) != 1 else texts[0])
    if isinstance(element.value, (bytes, str)):
        return None
    return DataElement(element.tag, element.VR, element.value)


def _mark(cleaned: Dataset, rules: HeaderRules) -> None:
    """Tell what was done (PS3.3 C.7.1.1, C.7.6.1; PS3.15 E.1.1)."""
    options = rules.options
    used = ["basic", "pixels", "graphics"]
    used += ["descriptors"] * options.clean_descriptors + ["dates"] * options.shift_dates
    used += ["patient"] * options.retain_patient_characteristics + ["device"] * options.retain_device
    used += ["private"] * bool(rules.private)
    codes = []
    for name in used:
        code = Dataset()
        code.CodeValue, code.CodeMeaning = _METHODS[name]
        code.CodingSchemeDesignator = "DCM"
        codes.append(code)
    cleaned.PatientIdentityRemoved = "YES"
    cleaned.DeidentificationMethod = f"Sonometry {library_version('sonometry') or 'development'}"
    cleaned.DeidentificationMethodCodeSequence = Sequence(codes)
    cleaned.LongitudinalTemporalInformationModified = "MODIFIED" if options.shift_dates else "REMOVED"
    cleaned.BurnedInAnnotation = "NO"
    image_type = list(cleaned.get("ImageType") or ["DERIVED", "PRIMARY"])
    cleaned.ImageType = ["DERIVED", *(image_type[1:] or ["PRIMARY"])]
