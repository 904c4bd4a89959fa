"""The Basic Application Level Confidentiality Profile of DICOM as data, and what it asks for one attribute.

`basic_profile.csv` holds PS3.15 Table E.1-1 (edition 2026c): the action of the profile and of the options that
Sonometry offers. `us_type` is the type (1, 2) of an attribute that every Ultrasound (Multi-frame) Image must have
(PS3.3 A.6, A.7); it decides between the actions of a compound like X/Z/D. `retained.yaml` names what may stay although
its value representation could carry text.

The table lists what is known to be a risk. Attributes that it does not list go by their value representation: numbers,
code strings and times may stay (PS3.15 E.1.1 notes 4 and 9), free text and byte strings go unless `retained.yaml` names
them.
"""

from __future__ import annotations

import csv
import functools
import re
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from typing import Any

import yaml
from pydicom.datadict import dictionary_has_tag
from pydicom.tag import BaseTag, Tag


class Action(StrEnum):
    """What happens to one attribute; the letters of PS3.15 Table E.1-1a, and the two ways of cleaning."""

    KEEP = "K"
    REMOVE = "X"
    EMPTY = "Z"
    DUMMY = "D"
    UID = "U"
    DATE = "C date"
    TEXT = "C text"
    PSEUDONYM = "pseudonym"


@dataclass(frozen=True)
class ProfileOptions:
    """Options of the profile (PS3.15 E.3).

    shift_dates : retain longitudinal information with modified dates; otherwise dates are removed or emptied.
    retain_device, retain_patient_characteristics : keep the attributes of that column.
    clean_descriptors : keep the clinical words of descriptions instead of removing them.
    """

    shift_dates: bool = True
    retain_device: bool = False
    retain_patient_characteristics: bool = False
    clean_descriptors: bool = False


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    basic: str
    device: str
    patient: str
    dates: str
    descriptors: str
    us_type: str


@dataclass(frozen=True)
class Retained:
    """What may stay although it is not a number: keywords, coding schemes, words; and which texts identify."""

    text: frozenset[str]
    binary: frozenset[str]
    coding_schemes: frozenset[str]
    sop_classes: frozenset[str]
    words: frozenset[str]
    identifiers: frozenset[str]
    about_patient: frozenset[str]
    removed: frozenset[str]


NUMBER_VRS = frozenset({"US", "SS", "UL", "SL", "UV", "SV", "FL", "FD", "DS", "IS", "AT"})
DATE_VRS = frozenset({"DA", "TM", "DT"})
TEXT_VRS = frozenset({"LO", "SH", "ST", "LT", "UT", "UC", "UR", "PN", "AE"})
BINARY_VRS = frozenset({"OB", "OW", "OF", "OD", "OL", "OV", "OB or OW", "UN"})

#: Repeating groups, removed as a whole: curves (retired) and overlays with all that describes them.
_REPEATING = ((0x5000, 0xFF00), (0x6000, 0xFF00))
#: Attributes that identify the patient for the archive, replaced by a pseudonym (PS3.15 E.1.1: a dummy value for Z).
_PSEUDONYMS = frozenset({0x00100010, 0x00100020})


@functools.cache
def basic_profile() -> dict[int, Row]:
    """Tag -> row of Table E.1-1; the patterns of repeating groups are not in it (see `action_of`)."""
    text = resources.files(__package__).joinpath("basic_profile.csv").read_text("utf-8")
    rows = {}
    for line in csv.DictReader(text.splitlines()):
        if re.fullmatch(r"[0-9A-F]{4},[0-9A-F]{4}", line["tag"]):
            columns = ("basic", "device", "patient", "dates", "descriptors", "us_type")
            rows[int(line["tag"].replace(",", ""), 16)] = Row(*(line[name] for name in columns))
    return rows


@functools.cache
def retained() -> Retained:
    """The allow-lists of `retained.yaml`, with the words of `vocabulary.txt`."""
    folder = resources.files(__package__)
    lists: dict[str, Any] = yaml.safe_load(folder.joinpath("retained.yaml").read_text("utf-8"))
    words = folder.joinpath("vocabulary.txt").read_text("utf-8")
    return Retained(
        text=frozenset(lists["text"]),
        binary=frozenset(lists["binary"]),
        coding_schemes=frozenset(lists["coding_schemes"]),
        sop_classes=frozenset(lists["sop_classes"]),
        identifiers=frozenset(lists["identifiers"]),
        about_patient=frozenset(lists["about_patient"]),
        removed=frozenset(lists["removed"]),
        words=frozenset(word.casefold() for line in words.splitlines() for word in line.split("#")[0].split()),
    )


def action_of(tag: int, vr: str, keyword: str, options: ProfileOptions, *, nested: bool = False) -> Action:
    """What to do with a public attribute.

    `vr` is that of the data dictionary; `keyword` may be empty. `nested` tells that the attribute lies in a sequence,
    where the types of the Image IODs do not hold. Private attributes are not decided here.
    """
    attribute = BaseTag(tag)
    if any(attribute.group & mask == group for group, mask in _REPEATING):
        return Action.REMOVE
    if tag in _PSEUDONYMS:
        return Action.PSEUDONYM
    row = basic_profile().get(tag)
    if row is not None:
        return _option_action(row, vr, options) or _basic_action(row, vr, nested=nested)
    return _unlisted_action(attribute, vr, keyword, options)


def _option_action(row: Row, vr: str, options: ProfileOptions) -> Action | None:
    """The action of an option that is switched on: it overrides the profile (PS3.15 E.1.1)."""
    if options.retain_device and row.device:
        return Action.KEEP
    if options.retain_patient_characteristics and row.patient:
        return Action.KEEP if row.patient == "K" else Action.TEXT
    if options.shift_dates and row.dates:
        return Action.DATE
    if options.clean_descriptors and row.descriptors and vr in TEXT_VRS:
        return Action.TEXT
    return None


def _basic_action(row: Row, vr: str, *, nested: bool) -> Action:
    """The action of the profile; a compound is decided by the type in the Image IODs, and by removal elsewhere."""
    choices = row.basic.split("/")
    if "U*" in choices:
        return Action.KEEP  # references to other images: their UIDs are replaced within
    if len(choices) == 1:
        action = Action(choices[0])
    elif not nested and row.us_type == "1" and "D" in choices:
        action = Action.DUMMY
    elif not nested and row.us_type == "2" and "Z" in choices:
        action = Action.EMPTY
    else:
        action = Action(choices[0])
    # A sequence cannot be given a dummy without inventing its content; outside its own IOD it may be removed (note 13).
    return Action.REMOVE if vr == "SQ" and action is Action.DUMMY else action


def _unlisted_action(tag: BaseTag, vr: str, keyword: str, options: ProfileOptions) -> Action:
    """By value representation; what is not in the data dictionary has no known meaning and goes."""
    if not dictionary_has_tag(tag) or tag.element == 0:
        return Action.REMOVE
    lists = retained()
    if keyword in lists.removed:
        return Action.REMOVE
    if tag.group == 0x0010 and keyword not in lists.about_patient:
        return Action.KEEP if options.retain_patient_characteristics and vr in NUMBER_VRS else Action.REMOVE
    if vr == "UI":
        return Action.UID
    if vr in DATE_VRS:
        return Action.DATE if options.shift_dates else Action.REMOVE
    if vr in TEXT_VRS:
        return Action.KEEP if keyword in lists.text else Action.REMOVE
    if vr in NUMBER_VRS or vr in {"CS", "SQ", "US or SS", "US or OW", "US or SS or OW"}:
        return Action.KEEP
    return Action.KEEP if keyword in lists.binary else Action.REMOVE


def tag_text(tag: int) -> str:
    """A tag as the Standard writes it: "(0010,0020)"."""
    attribute = Tag(tag)
    return f"({attribute.group:04X},{attribute.element:04X})"
