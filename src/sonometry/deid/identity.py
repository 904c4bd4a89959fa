"""Who a file is about: the key of the patient, and every name and number that must not come through.

What the header says of the people around an image is collected before anything is changed; whatever text is kept is
compared with it. That catches names which were typed into the wrong field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from sonometry.deid.profile import retained

#: Parts of names shorter than this are too common to search for.
_MIN_NAME, _MIN_NUMBER = 3, 4
_MIN_BINARY_NUMBER = 6
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Identity:
    """patient : text that is the same in all files of a patient. words, numbers : what must not come through."""

    patient: str
    words: frozenset[str]
    numbers: frozenset[str]

    def is_in(self, text: str) -> bool:
        """Whether a name (as a word) or a number (inside any other) of this identity occurs in `text`."""
        folded = text.casefold()
        if any(word in self.words for word in _WORD.findall(folded)):
            return True
        compact = re.sub(r"[\W_]+", "", folded)
        return any(number in compact for number in self.numbers)

    def is_in_bytes(self, content: bytes) -> bool:
        """Whether a name, or a number that no table of values holds by chance, occurs in binary data.

        A damaged length can make a table swallow the attributes behind it.
        """
        folded = content.decode("latin-1").casefold()
        has_name = any(word in self.words for word in _WORD.findall(folded))
        return has_name or any(number in folded for number in self.numbers if len(number) >= _MIN_BINARY_NUMBER)


#: They name the scanner rather than anybody, and stay where the device is retained.
_DEVICE = frozenset({"StationName", "DeviceSerialNumber"})


def identity_of(dataset: Dataset, *, retain_device: bool = False) -> Identity:
    """Collect the identity from all levels of a header. A file without any patient or study gets an empty key."""
    identifiers = retained().identifiers - (_DEVICE if retain_device else frozenset())
    words: set[str] = set()
    numbers: set[str] = set()
    for element in walk(dataset):
        if element.VR == "PN":
            for text in texts_of(element):
                words.update(w for w in _WORD.findall(text.casefold()) if len(w) >= _MIN_NAME and not w.isdigit())
        elif element.keyword in identifiers:
            for text in texts_of(element):
                compact = re.sub(r"[\W_]+", "", text.casefold())
                if len(compact) >= _MIN_NUMBER and not _is_placeholder(compact):
                    numbers.add(compact)
    return Identity(patient_key(dataset), frozenset(words), frozenset(numbers))


def patient_key(dataset: Dataset) -> str:
    """What makes the patient the same in all files: the ID, else name and birth date, else the study."""
    patient_id = _text(dataset, "PatientID")
    if patient_id:
        return f"id:{patient_id}"
    name, birth = _text(dataset, "PatientName"), _text(dataset, "PatientBirthDate")
    if name:
        return f"name:{name.casefold()}:{birth}"
    return f"study:{_text(dataset, 'StudyInstanceUID')}"


def walk(dataset: Dataset) -> Iterator[DataElement]:
    """All elements that can be read, of all levels; damaged ones are left out (they are never kept)."""
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
        except Exception:  # pydicom raises nearly anything on damaged values
            continue
        yield element
        if element.VR == "SQ":
            for item in element.value or ():
                yield from walk(item)


def texts_of(element: DataElement) -> list[str]:
    """The values of an element as texts, empty ones left out."""
    value = element.value
    values = value if isinstance(value, (MultiValue, list, tuple)) else [value]
    return [text for one in values if one is not None and not isinstance(one, bytes) and (text := str(one).strip())]


def _text(dataset: Dataset, keyword: str) -> str:
    try:
        value = dataset.get(keyword)
    except Exception:  # see walk
        return ""
    return "" if value is None else str(value).strip()


def _is_placeholder(compact: str) -> bool:
    """Values that many files share ("0000", "unknown") say nothing about anybody."""
    return len(set(compact)) == 1 or compact in {"unknown", "anonymous", "anonymized", "none", "null", "test"}
