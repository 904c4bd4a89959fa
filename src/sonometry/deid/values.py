"""Values in the place of those that named somebody: shifted dates, dummies, cleaned text."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from sonometry.deid.identity import Identity
from sonometry.deid.profile import retained

#: A value of the right form for every representation that Table E.1-1 wants a dummy for.
_DUMMIES: dict[str, Any] = {
    "AE": "REMOVED",
    "AS": "000Y",
    "DA": "19000101",
    "DS": "0",
    "DT": "19000101000000",
    "FD": 0.0,
    "FL": 0.0,
    "IS": "0",
    "LO": "REMOVED",
    "LT": "REMOVED",
    "PN": "REMOVED",
    "SH": "REMOVED",
    "ST": "REMOVED",
    "TM": "000000",
    "UC": "REMOVED",
    "UI": "2.25.0",
    "UL": 0,
    "UR": "urn:removed",
    "US": 0,
    "UT": "REMOVED",
}
_DATE = re.compile(r"(\d{4})[.\-]?(\d{2})[.\-]?(\d{2})")
_DATETIME = re.compile(r"(\d{8})(\d{0,6}(?:\.\d{1,6})?)([+-]\d{4})?")
_TIME = re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?|\d{2}:\d{2}:\d{2}(\.\d{1,6})?")
_ZONE = re.compile(r"[+-]\d{4}")
#: Words with inner hyphens, or decimal numbers.
_TOKEN = re.compile(r"(?<![\d.])\d{1,3}\.\d{1,2}(?![\d.])|[^\W_]+(?:-[^\W_]+)*")
_DATE_LIKE = re.compile(r"\b\d{1,4}[./-]\d{1,2}[./-]\d{1,4}\b|\b\d{1,2}:\d{2}(:\d{2})?\b|\S+@\S+|\+?\d[\d ()/-]{6,}\d")


def dummy(vr: str) -> Any:
    """A value that says nothing; None where the representation has none (then the attribute is emptied)."""
    return _DUMMIES.get(vr)


def shifted(value: str, vr: str, days: int) -> str | None:
    """A date or date and time moved `days` into the past; times stay. None when the value has no valid form.

    vr : DA, DT or TM; SH for a time zone (0008,0201), which stays.
    """
    text = value.strip()
    if vr == "TM":
        return text if _TIME.fullmatch(text) else None
    if vr == "SH":
        return text if _ZONE.fullmatch(text) else None
    if vr == "DT":
        match = _DATETIME.fullmatch(text)
        day = _moved(match.group(1), days) if match else None
        return f"{day}{match.group(2)}{match.group(3) or ''}" if match and day else None
    return _moved(text, days)


def _moved(text: str, days: int) -> str | None:
    match = _DATE.fullmatch(text)
    if not match:
        return None
    try:
        day = datetime(*(int(part) for part in match.groups())) - timedelta(days=days)  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        return None
    return f"{day.year:04d}{day.month:02d}{day.day:02d}"


def cleaned_text(text: str, identity: Identity) -> str:
    """The clinical words of a text, with short numbers; nothing else comes through.

    Only words of `vocabulary.txt` are kept, and none that is part of a name in this header.
    """
    words = retained().words
    kept = []
    for token in _TOKEN.findall(_DATE_LIKE.sub(" ", text)):
        folded = token.casefold()
        is_known = folded in words or bool(re.fullmatch(r"\d{1,3}(\.\d{1,2})?", folded))
        if not is_known and "-" in folded:
            is_known = all(part in words for part in folded.split("-"))
        if is_known and not identity.is_in(token):
            kept.append(token)
    # Numbers alone are no description.
    return " ".join(kept) if any(not token[0].isdigit() for token in kept) else ""


def capped_age(value: str) -> str | None:
    """An age as DICOM writes it ("064Y"); ages above 89 become 90 (45 CFR 164.514(b)(2)(i)(C)); None if malformed."""
    if not re.fullmatch(r"\d{3}[DWMY]", value.strip()):
        return None
    return "090Y" if value.strip()[3] == "Y" and int(value.strip()[:3]) > 89 else value.strip()
